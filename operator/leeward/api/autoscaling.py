"""`spec.autoscaling` of a ModelDeployment: who grows a region's replicas, and by what, between Leeward's two bounds."""

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from leeward.api.common import ApiModel
from leeward.api.markers import Schema, atomic_list, rule, rules

HPA: Final = "HorizontalPodAutoscaler"
SCALED_OBJECT: Final = "ScaledObject"
_ANYTHING: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_NO_HPA, _NO_KEDA = f"self.provider != '{HPA}'", f"self.provider != '{SCALED_OBJECT}'"

Raw = Annotated[dict[str, Any], Field(json_schema_extra=_ANYTHING)]
"""A part of somebody else's API, passed on as it is: that API's server checks it."""
RawList = Annotated[tuple[Raw, ...], Field(max_length=16, json_schema_extra=atomic_list())]


class Autoscaling(ApiModel):
    """An autoscaler in each region. Leeward writes its floor and its ceiling, and never lowers its number."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"{_NO_HPA} || (has(self.metrics) && self.metrics.size() > 0)",
                f"provider {HPA} needs metrics: list at least one MetricSpec of autoscaling/v2, such as {{type: Pods, "
                "pods: {metric: {name: …}, target: {type: AverageValue, averageValue: …}}}",
                ".metrics",
            ),
            rule(
                f"{_NO_KEDA} || (has(self.triggers) && self.triggers.size() > 0)",
                f"provider {SCALED_OBJECT} needs triggers: list at least one of KEDA's, such as {{type: prometheus, "
                "metadata: {serverAddress: …, query: …, threshold: …}}",
                ".triggers",
            ),
            rule(
                f"{_NO_HPA} || !(has(self.triggers) && self.triggers.size() > 0 || has(self.providerSpec))",
                f"triggers and providerSpec are for KEDA: remove them, or set provider to {SCALED_OBJECT}",
                ".triggers",
            ),
            rule(
                f"{_NO_KEDA} || !(has(self.metrics) && self.metrics.size() > 0 || has(self.behavior))",
                f"metrics and behavior are for provider {HPA}: write triggers, and behavior in "
                "providerSpec.advanced.horizontalPodAutoscalerConfig",
                ".metrics",
            ),
        )
    )

    provider: Literal["HorizontalPodAutoscaler", "ScaledObject"] = Field(
        default=HPA,
        description=f"What scales. {HPA}: Kubernetes' own (autoscaling/v2). {SCALED_OBJECT}: KEDA, which must run in "
        "every region.",
    )
    metrics: RawList = Field(
        default=(),
        description=f"By what a {HPA} scales: its spec.metrics, as it is. Prefer what a replica is busy with "
        "(requests running and waiting) to processors, which tell nothing of accelerators.",
    )
    behavior: Raw | None = Field(default=None, description=f"How fast a {HPA} scales: its spec.behavior, as it is.")
    triggers: RawList = Field(
        default=(), description=f"By what a {SCALED_OBJECT} scales: its spec.triggers, as they are."
    )
    provider_spec: Raw | None = Field(
        default=None,
        description=f"More fields of a {SCALED_OBJECT}'s spec, such as pollingInterval, cooldownPeriod or fallback. "
        "What Leeward writes itself wins.",
    )

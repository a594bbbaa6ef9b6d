"""`Evacuation`: a person's order to take a region out of traffic, with an end. Cluster-scoped."""

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from leeward.api.common import ApiModel, Conditions, Epoch, ObservedGeneration, RegionName, Resource
from leeward.api.markers import rule, rules
from leeward.api.pools import LabelValue
from leeward.api.units import moment_ms


def _a_moment(text: str) -> str:
    moment_ms(text)
    return text


Moment = Annotated[
    str, AfterValidator(_a_moment), Field(max_length=64, json_schema_extra={"format": "date-time"}, strict=True)
]
"""A time with its zone, such as `2026-12-24T18:00:00Z`."""

Reason = Annotated[str, Field(min_length=1, max_length=500)]


class EvacuationSpec(ApiModel):
    """Which region is to be left, why, and until when."""

    region: RegionName = Field(
        json_schema_extra=rules(
            rule("self == oldSelf", "region cannot be changed: delete this Evacuation and make another")
        ),
        description="Name of the Region that is to get no traffic.",
    )
    model_labels: dict[str, LabelValue] = Field(
        default_factory=dict,
        max_length=16,
        description="Only ModelDeployments that have all these labels leave the region; empty: all.",
    )
    reason: Reason = Field(description="Why, for those who look later.")
    requested_by: str = Field(default="", max_length=253, description="Who asked for it, as far as known.")
    expires_at: Moment | None = Field(
        default=None,
        description="When the order ends and the region comes back by its ramp; unset: when this object goes.",
    )
    force: bool = Field(
        default=False,
        description="Leave even if the other regions cannot carry the load; somebody will be refused. The last region "
        "that serves is never left.",
    )


class EvacuationStatus(ApiModel):
    """What became of the order."""

    conditions: Conditions = Field(
        default=(),
        description="Evacuated: every model has left the region; the message says what is left, or why it is refused.",
    )
    observed_generation: ObservedGeneration = Field(
        default=None, description="metadata.generation that this status was computed from."
    )
    epoch: Epoch = Field(default=None, description="Term of the leader that wrote this status.")


class Evacuation(Resource):
    """An Evacuation takes a region out of traffic until it expires or is deleted."""

    KIND: ClassVar[str] = "Evacuation"

    kind: str = "Evacuation"
    spec: EvacuationSpec
    status: EvacuationStatus = EvacuationStatus()

    def in_force(self, now_ms: int) -> bool:
        """Has it neither expired nor been deleted?"""
        until = self.spec.expires_at
        return self.metadata.deletion_timestamp is None and (until is None or now_ms < moment_ms(until))

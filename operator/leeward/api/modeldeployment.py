"""`ModelDeployment`: one model, everywhere it is served. Namespaced."""

from typing import Any, ClassVar

from pydantic import (
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from leeward.api.autoscaling import HPA, SCALED_OBJECT, Autoscaling
from leeward.api.common import ApiModel, RegionName, Resource
from leeward.api.markers import MAX_REGIONS, Schema, atomic_list, keyed_list, rule, rules, set_list
from leeward.api.modelstatus import ModelDeploymentStatus
from leeward.api.serving import DEFAULT_PORT, Accelerator, ModelRef, PodTemplate, Server
from leeward.api.traffic import Failback, Failover, Traffic
from leeward.api.units import Duration, OpenPercent, PositiveDecimal
from leeward.core.spec import Standby

_INT32: Schema = {"format": "int32"}


class ReplicaLimits(ApiModel):
    """How far a region may be scaled."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.min <= self.max",
                "replicas.min is above replicas.max: lower min or raise max",
                ".min",
            )
        )
    )

    min: int = Field(default=1, ge=0, le=1000, json_schema_extra=_INT32, description="Fewest replicas to keep.")
    max: int = Field(ge=1, le=1000, json_schema_extra=_INT32, description="Most replicas to run.")


class RegionEntry(ApiModel):
    """One region that serves the model."""

    name: RegionName = Field(description="Name of a Region object.")
    share: int = Field(
        ge=0,
        le=100,
        json_schema_extra=_INT32,
        description="Percent of the requests that the region should have when all is well, relative to "
        "the sum of all shares; let them add up to 100. 0: spill only, used when the others cannot carry "
        "the load.",
    )
    replicas: ReplicaLimits = Field(description="How far the region may be scaled.")
    served_by: tuple[RegionName, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_REGIONS,
        json_schema_extra=set_list(),
        description="Residency: the only regions that may serve requests which enter at this region's gateway; name "
        "the region itself too, if it may. Unset: all regions. A name that is no region of this model serves nobody.",
    )
    nearest: tuple[RegionName, ...] | None = Field(
        default=None,
        max_length=MAX_REGIONS,
        json_schema_extra=atomic_list(),
        description="Other regions in the order in which they take this region's excess under LocalFirst, the nearest "
        "first. Regions that are not named are equally far.",
    )


class Capacity(ApiModel):
    """What one replica can carry, and how far it is used on purpose."""

    requests_per_second_per_replica: PositiveDecimal = Field(
        default="4",
        description='Requests per second that one replica carries within the objectives, such as "4". '
        "Measure it with a load test.",
    )
    concurrency_per_replica: int = Field(
        default=64,
        ge=1,
        le=100_000,
        json_schema_extra=_INT32,
        description="Requests that one replica serves at the same time. The serve listener of a region "
        "admits this times its ready replicas, and answers 429 beyond it.",
    )
    learn: bool = Field(
        default=True,
        description="Correct the declared capacity from what healthy, busy replicas are seen to carry, "
        "within half and twice the declared value.",
    )
    target_utilization: int = Field(
        default=75,
        ge=1,
        le=100,
        json_schema_extra=_INT32,
        description="Percent of its capacity to which a region is loaded on purpose.",
    )
    scale_down_after: Duration = Field(
        default="15m",
        description="How long replicas that were ordered for a failover stay after the failback.",
    )


class Redundancy(ApiModel):
    """What may be lost with the rest still carrying the whole demand."""

    survive: str = Field(
        default="Region",
        min_length=1,
        max_length=63,
        pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$",
        description="Region: the loss of any one region. None: nothing is kept in reserve. Any other word "
        "is a key of the Regions' spec.failureDomains, such as provider: the loss of all regions that "
        "share a value of it.",
    )
    standby: Standby = Field(
        default=Standby.REPLICAS,
        description="What is kept for that loss beyond what the demand needs. Replicas: as many run as the others need "
        "to carry it at once. Nodes: only their nodes are kept, so they start without waiting for machines. None: "
        "nothing; nodes and replicas are ordered when it happens.",
    )


class LatencyObjective(ApiModel):
    """A bound that a percentile of the requests must keep."""

    percentile: int = Field(
        default=95,
        json_schema_extra={
            "format": "int32",
            "minimum": 1,
            "maximum": 99,
            **rules(
                rule(
                    "self >= 1 && self <= 99",
                    "percentile must lie between 1 and 99: write 95 to promise the bound to 95 of 100 requests",
                )
            ),
        },
        ge=1,
        le=99,
        description="Percent of the requests that keep the bound.",
    )
    seconds: PositiveDecimal = Field(description='The bound in seconds, such as "2.5".')


class Objectives(ApiModel):
    """What users are promised. Health is judged against it."""

    availability: OpenPercent = Field(
        default="99.5",
        description='Percent of the requests that must succeed, such as "99.5". The rest is the error budget.',
    )
    ttft: LatencyObjective = Field(
        default=LatencyObjective(percentile=95, seconds="2.5"), description="Time to first token."
    )
    itl: LatencyObjective | None = Field(
        default=None, description="Time between tokens of a stream. Unset: not judged."
    )


class ModelDeploymentSpec(ApiModel):
    """Which model is served, what runs it, in which regions, and how it is kept serving."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "has(self.regions) && self.regions.size() > 0",
                "name at least one region in regions, such as {name: us-east1, share: 100, replicas: {min: 2, max: 8}}",
                ".regions",
            ),
            rule(
                "has(self.server) || has(self.template)",
                "say what to run: set server (an image and its arguments) or template (a whole pod template)",
            ),
            rule(
                "!(has(self.server) && has(self.template))",
                "server and template exclude each other: remove one of them",
                ".template",
            ),
            rule(
                f"!has(self.autoscaling) || self.autoscaling.provider != '{HPA}' || !has(self.regions) || "
                "self.regions.all(r, r.replicas.min > 0)",
                f"a {HPA} does not start from 0 replicas: set replicas.min of every region to 1 or more, or use "
                f"provider {SCALED_OBJECT}",
                ".regions",
            ),
        )
    )

    model: ModelRef = Field(description="Which model is served.")
    server: Server | None = Field(
        default=None,
        description="A model server in one container, for which Leeward writes the pod. Exactly one of "
        "server and template is set.",
    )
    template: PodTemplate | None = Field(
        default=None,
        description="A whole pod template, for what server cannot say. Leeward adds labels, affinity, "
        "tolerations and the accelerators of the first container.",
    )
    accelerator: Accelerator = Field(description="The accelerators that one replica needs.")
    regions: tuple[RegionEntry, ...] = Field(
        default=(),
        min_length=1,
        max_length=MAX_REGIONS,
        json_schema_extra={
            **keyed_list("name"),
            **rules(
                rule(
                    "self.size() == 0 || self.exists(r, r.share > 0)",
                    "every share is 0, so no region would serve: give at least one region a share above 0",
                )
            ),
        },
        description="Regions that serve the model: one at least, 16 at most, at least one with a share above 0.",
    )
    autoscaling: Autoscaling | None = Field(
        default=None,
        description="An autoscaler in each region, for normal growth; Leeward owns its floor and its ceiling. Unset: "
        "Leeward alone says how many replicas a region runs.",
    )
    capacity: Capacity = Field(default=Capacity(), description="What one replica can carry.")
    redundancy: Redundancy = Field(default=Redundancy(), description="What may be lost without a shortage.")
    objectives: Objectives = Field(default=Objectives(), description="What users are promised.")
    traffic: Traffic = Field(default=Traffic(), description="Where requests go and how fast that changes.")
    failover: Failover = Field(default=Failover(), description="Leaving a region that fails.")
    failback: Failback = Field(default=Failback(), description="Going back to a region that has recovered.")
    freeze: bool = Field(
        default=False,
        description="A person's stop: true keeps weights and replicas as they are, whatever happens, "
        "until it is false again. Leeward still watches, and says what it would have done.",
    )

    @property
    def port(self) -> int:
        """Port of the model server: the server's, or the first that the template's first container names."""
        if self.server is not None:
            return self.server.port
        container = (self.template or {"spec": {"containers": [{}]}})["spec"]["containers"][0]
        return next((int(port["containerPort"]) for port in container.get("ports") or ()), DEFAULT_PORT)


class ModelDeployment(Resource):
    """A ModelDeployment is one model, served from several regions, any of which can be lost."""

    KIND: ClassVar[str] = "ModelDeployment"

    kind: str = "ModelDeployment"
    spec: ModelDeploymentSpec
    status: ModelDeploymentStatus = ModelDeploymentStatus()

    @field_validator("status", mode="wrap")
    @classmethod
    def _forget_unreadable(cls, value: Any, read: ValidatorFunctionWrapHandler) -> Any:
        """A status that cannot be read counts as none: Leeward then observes first, as after a start."""
        try:
            return read(value)
        except ValidationError:
            return ModelDeploymentStatus()

"""What the operator reports of a ModelDeployment. Limits stand in the schema only: see common.py."""

from pydantic import Field

from leeward.api.common import ApiModel, Conditions, Epoch, ObservedGeneration, Sentence
from leeward.api.markers import MAX_MEMORY, MAX_REGIONS, Schema, keyed_list

VERDICTS = ("healthy", "degraded", "failed", "unknown")
PHASES = ("active", "draining", "drained", "recovering")

_PERCENT: Schema = {"format": "int32", "minimum": 0, "maximum": 100}
_COUNT: Schema = {"format": "int32", "minimum": 0}
_NAME: Schema = {"maxLength": 63}


class ReplicaCount(ApiModel):
    """Replicas of a region."""

    ready: int = Field(default=0, json_schema_extra=_COUNT, description="Replicas that are ready to serve.")
    desired: int = Field(default=0, json_schema_extra=_COUNT, description="Replicas that are wanted.")
    standby: int = Field(
        default=0, json_schema_extra=_COUNT, description="Further replicas that nodes are kept warm for."
    )


class RegionLine(ApiModel):
    """One region's part of the model."""

    name: str = Field(json_schema_extra=_NAME, description="Name of the region.")
    verdict: str = Field(
        default="unknown",
        json_schema_extra={"enum": list(VERDICTS)},
        description="What the readings establish: healthy, degraded, failed or unknown (missing readings).",
    )
    phase: str = Field(
        default="active",
        json_schema_extra={"enum": list(PHASES)},
        description="active: takes traffic. draining: losing it. drained: has none. recovering: getting it back.",
    )
    weight: int = Field(
        default=0,
        json_schema_extra=_PERCENT,
        description="Percent of all new requests that the region gets now.",
    )
    target_weight: int = Field(
        default=0, json_schema_extra=_PERCENT, description="Percent to which its weight is moving."
    )
    capacity: str | None = Field(
        default=None,
        json_schema_extra={"maxLength": 32},
        description="Requests per second that the region can carry at the target utilization, rounded.",
    )
    utilization: int | None = Field(
        default=None,
        json_schema_extra=_COUNT,
        description="Load in percent of the region's capacity at the last decision; above 100: overloaded.",
    )
    replicas: ReplicaCount = Field(default=ReplicaCount(), description="Replicas of the region.")
    reason: Sentence = Field(default="", description="Why verdict, phase and weight are what they are.")


class ServingWeight(ApiModel):
    """The part of one entry's requests that a region serves."""

    region: str = Field(json_schema_extra=_NAME, description="Name of the serving region.")
    percent: int = Field(json_schema_extra=_PERCENT, description="Percent of the entry's new requests.")


class WeightRow(ApiModel):
    """Where the requests that enter at one region's gateway go."""

    entry: str = Field(json_schema_extra=_NAME, description="Name of the region whose gateway the requests enter.")
    serving: tuple[ServingWeight, ...] = Field(
        default=(),
        json_schema_extra={"maxItems": MAX_REGIONS, **keyed_list("region")},
        description="Regions that serve them; the percentages sum to 100.",
    )


class ModelDeploymentStatus(ApiModel):
    """What is. Numbers that move all the time are metrics; the status changes with decisions."""

    conditions: Conditions = Field(
        default=(),
        description="Ready: every region runs what it should. TrafficHealthy: users are served within the "
        "objectives. Survivable: the demand still fits when what redundancy names is lost. NodesReady: "
        "Ready nodes have the accelerators for it. Progressing: something is changing.",
    )
    observed_generation: ObservedGeneration = Field(
        default=None, description="metadata.generation that this status was computed from."
    )
    ready_replicas: str | None = Field(
        default=None,
        json_schema_extra={"maxLength": 32},
        description="Ready and wanted replicas, such as 6/6.",
    )
    weights_summary: str | None = Field(
        default=None,
        json_schema_extra={"maxLength": 1024},
        description="Weights of all regions on one line, such as us-east1 50 eu-west4 50.",
    )
    health: str | None = Field(
        default=None,
        json_schema_extra={"maxLength": 1024},
        description="Health on one line: healthy, or the regions that are not, such as us-east1 failed.",
    )
    regions: tuple[RegionLine, ...] = Field(
        default=(),
        json_schema_extra={"maxItems": MAX_REGIONS, **keyed_list("name")},
        description="Each region's part of the model.",
    )
    weights: tuple[WeightRow, ...] = Field(
        default=(),
        json_schema_extra={"maxItems": MAX_REGIONS, **keyed_list("entry")},
        description="Weights by entry: where the requests that enter at each region's gateway go.",
    )
    epoch: Epoch = Field(default=None, description="Term of the leader that wrote this status.")
    memory: str | None = Field(
        default=None,
        json_schema_extra={"maxLength": MAX_MEMORY},
        description="The operator's own record of what survives a restart: verdicts held, penalties, "
        "ramps. Not for reading or editing.",
    )

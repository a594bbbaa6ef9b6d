"""Where requests go, and when and how fast that changes."""

from typing import Annotated

from pydantic import ConfigDict, Field

from leeward.api.common import ApiModel
from leeward.api.markers import HOSTNAME, Schema, atomic_list, rule, rules, set_list
from leeward.api.units import Duration
from leeward.core.spec import FailbackMode, FailoverMode, TrafficPolicy

_INT32: Schema = {"format": "int32"}
Percent = Annotated[int, Field(ge=1, le=100, json_schema_extra=_INT32)]


class Traffic(ApiModel):
    """Where requests go and how fast that changes."""

    hostnames: tuple[Annotated[str, Field(min_length=1, max_length=253, pattern=HOSTNAME)], ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra=set_list(),
        description="Host names at which users reach the model, on every region's users listener. Empty: "
        "every host name, which is right only where a Gateway serves a single model.",
    )
    policy: TrafficPolicy = Field(
        default=TrafficPolicy.LOCAL_FIRST,
        description="LocalFirst: each region serves its own users as far as it can, and only the excess "
        "is moved. Shares: requests are split by share wherever they enter.",
    )
    max_step: Percent = Field(
        default=10,
        description="Most points of weight that one write moves when there is no emergency.",
    )
    min_interval: Duration = Field(
        default="10s", description="Least time between two writes of weights that are no emergency."
    )
    retry_full: bool = Field(
        default=False,
        description="Try another region when one answers 429 because it is full. Fewer requests are "
        "refused, but each full region costs additional attempts.",
    )


class Failover(ApiModel):
    """Leaving a region that fails, and the guards that keep doing so from making an outage worse."""

    mode: FailoverMode = Field(
        default=FailoverMode.AUTOMATIC,
        description="Automatic: move traffic. Recommend: decide and record, but change nothing. Off: do not decide.",
    )
    cooldown: Duration = Field(default="5m", description="Least time between two automatic failovers of this model.")
    max_per_hour: int = Field(
        default=3,
        ge=1,
        le=60,
        json_schema_extra=_INT32,
        description="Automatic failovers in an hour; the next one asks a person.",
    )
    writes_per_hour: int = Field(
        default=30, ge=1, le=3600, json_schema_extra=_INT32, description="Writes of weights in an hour."
    )
    advantage_percent: Annotated[int, Field(ge=0, le=100, json_schema_extra=_INT32)] = Field(
        default=30,
        description="How much better another region's health must be, in points of 100, before a region "
        "that is not definitively down is left for it.",
    )
    starting_grace: Duration = Field(
        default="15m",
        description="How long a region that never had a ready replica counts as starting, not as failed.",
    )


class Failback(ApiModel):
    """Going back to a region that has recovered: in steps, each of which has to prove itself."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.steps) || self.steps.size() == 0 || "
                "(self.steps.isSorted() && self.steps[self.steps.size() - 1] == 100)",
                "steps must rise and end at 100, such as [1, 5, 25, 50, 100]",
                ".steps",
            ),
            rule(
                "!has(self.flapPenaltyStop) || !has(self.flapPenaltyResume) || "
                "self.flapPenaltyResume < self.flapPenaltyStop",
                "flapPenaltyResume must be below flapPenaltyStop: a region that flaps waits between the two",
                ".flapPenaltyResume",
            ),
        )
    )

    mode: FailbackMode = Field(
        default=FailbackMode.AUTOMATIC,
        description="Automatic: go back step by step. Off: a recovered region stays drained until a person says so.",
    )
    clean_after_failed: Duration = Field(
        default="5m",
        description="How long every reading of a region that had failed must be good before it counts as "
        "healthy and the first step is taken.",
    )
    clean_after_degraded: Duration = Field(
        default="2m",
        description="How long every reading of a degraded region must be good before it counts as healthy.",
    )
    bake: Duration = Field(default="2m", description="How long a step must stay healthy before the next.")
    steps: tuple[Percent, ...] = Field(
        default=(1, 5, 25, 50, 100),
        min_length=1,
        max_length=16,
        json_schema_extra=atomic_list(),
        description="Percent of the region's normal load at each step, rising to 100.",
    )
    min_requests: int = Field(
        default=100,
        ge=0,
        le=1_000_000,
        json_schema_extra=_INT32,
        description="Requests, or good probes instead, that a step must have seen before the next.",
    )
    flap_penalty_stop: int = Field(
        default=2000,
        ge=1,
        le=1_000_000,
        json_schema_extra=_INT32,
        description="No failback from this penalty on. Each fall of a region adds 1000; half of it is "
        "forgotten every 15 minutes.",
    )
    flap_penalty_resume: int = Field(
        default=750,
        ge=0,
        le=1_000_000,
        json_schema_extra=_INT32,
        description="Failback again below this penalty.",
    )

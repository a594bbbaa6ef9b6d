"""What a team asked for, in the core's own terms (the API's models are translated at the edge).

Times are whole milliseconds, shares and weights whole percent, rates and capacities `Fraction`s of requests
per second. Nothing here is a float: a float version of the weight arithmetic broke its own properties.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction


class TrafficPolicy(StrEnum):
    """Where an entry sends its users when all is well."""

    LOCAL_FIRST = "LocalFirst"
    SHARES = "Shares"


class FailoverMode(StrEnum):
    """Automatic acts; Recommend decides and records but moves nothing; Off does not even decide."""

    AUTOMATIC = "Automatic"
    RECOMMEND = "Recommend"
    OFF = "Off"


class FailbackMode(StrEnum):
    """Whether a recovered region gets its traffic back without a person."""

    AUTOMATIC = "Automatic"
    OFF = "Off"


class Standby(StrEnum):
    """What is kept for the loss that must be survived: running replicas, warm nodes for them, or nothing."""

    REPLICAS = "Replicas"
    NODES = "Nodes"
    NONE = "None"


@dataclass(frozen=True, slots=True)
class RegionSpec:
    """One region of a model. `share` is in percent of all requests; 0 means spill only.

    `failure_domains` are key and value of what it shares with others: provider, grid, a dependency.
    `served_by` names the regions that may serve what enters here (residency); None: all of them.
    `distances` from here are in any one unit (round trips, or ranks); a region that is not named is far.
    """

    name: str
    share: int
    replicas_min: int
    replicas_max: int
    failure_domains: tuple[tuple[str, str], ...] = ()
    served_by: tuple[str, ...] | None = None
    distances: tuple[tuple[str, int], ...] = ()

    def may_send_to(self, serving: str) -> bool:
        """A[entry][serving]: may requests that enter here be served there?"""
        return self.served_by is None or serving in self.served_by


@dataclass(frozen=True, slots=True)
class Objectives:
    """What users are promised. `availability` is a share of one (0.995), percentiles are whole percent."""

    availability: Fraction = Fraction(995, 1000)
    ttft_percentile: int = 95
    ttft_seconds: Fraction = Fraction(5, 2)

    @property
    def error_budget(self) -> Fraction:
        """Share of requests that may be bad: b = 1 − availability."""
        return 1 - self.availability


@dataclass(frozen=True, slots=True)
class CapacitySpec:
    """What one replica is declared to carry, and how far it is used on purpose."""

    requests_per_second_per_replica: Fraction = Fraction(4)
    concurrency_per_replica: int = 64
    target_utilization: Fraction = Fraction(3, 4)
    scale_down_after_ms: int = 900_000  # replicas ordered for a failover stay this long after failback
    learn: bool = False


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """Limits of the guards; each is a setting, and reports print the values in force."""

    cooldown_ms: int = 300_000
    failovers_per_hour: int = 3
    writes_per_hour: int = 30
    advantage: Fraction = Fraction(3, 10)
    flap_penalty_stop: int = 2_000
    flap_penalty_resume: int = 750
    observe_ticks_after_start: int = 3
    starting_grace_ms: int = 900_000  # a region that never had a ready replica is starting, not failed
    slow_failure_hold_ms: int = 60_000  # errors too few for the fast rule must last so long


@dataclass(frozen=True, slots=True)
class TrafficSpec:
    """How fast weights may move when there is no emergency."""

    policy: TrafficPolicy = TrafficPolicy.LOCAL_FIRST
    max_step: int = 10
    min_interval_ms: int = 10_000


@dataclass(frozen=True, slots=True)
class FailbackSpec:
    """Steps are percent of a region's normal usable capacity; each is baked."""

    mode: FailbackMode = FailbackMode.AUTOMATIC
    bake_ms: int = 120_000
    steps: tuple[int, ...] = (1, 5, 25, 50, 100)
    min_requests: int = 100
    clean_after_degraded_ms: int = 120_000
    clean_after_failed_ms: int = 300_000


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model everywhere. `key` is namespace/name; `regions` are in the order of the resource.

    `survive` is what the fleet must be able to lose: "None", "Region" or a failure-domain key.
    """

    key: str
    regions: tuple[RegionSpec, ...]
    capacity: CapacitySpec = field(default_factory=CapacitySpec)
    objectives: Objectives = field(default_factory=Objectives)
    traffic: TrafficSpec = field(default_factory=TrafficSpec)
    failover: FailoverMode = FailoverMode.AUTOMATIC
    failback: FailbackSpec = field(default_factory=FailbackSpec)
    guards: GuardLimits = field(default_factory=GuardLimits)
    frozen: bool = False
    interval_ms: int = 5_000
    scrape_interval_ms: int = 5_000
    survive: str = "Region"
    standby: Standby = Standby.REPLICAS

    @property
    def region_names(self) -> tuple[str, ...]:
        return tuple(region.name for region in self.regions)

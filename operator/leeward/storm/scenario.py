"""What a storm is made of: a fleet, its users, and what goes wrong when. Plain values, no core.

Times are whole milliseconds from the storm's start, rates requests per second, shares of requests 0 to 1.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class FaultKind(StrEnum):
    """What can go wrong. The comment says what `size` means."""

    PARTITION = "partition"  # the regions' gateways, API servers and metrics are out of everybody's reach
    LINK_CUT = "link cut"  # two regions do not reach each other, and others reach both
    CRASH = "crash"  # every engine of the regions is gone
    ERRORS = "errors"  # share of requests that fail
    SLOW = "slow"  # factor on the time to the first token
    CUT_STREAMS = "cut streams"  # share of streams that break off
    BAD_RELEASE = "bad release"  # share of requests that fail, in several regions, one after another
    CORRELATED = "correlated"  # share of requests that fail, in most regions at once
    SURGE = "surge"  # factor on the requests that enter at the regions
    METRICS_GONE = "metrics gone"
    METRICS_LATE = "metrics late"  # seconds that the newest sample lags behind
    SCRAPES_DROPPED = "scrapes dropped"  # share of scrapes that are lost
    LYING_ENTRY = "lying entry"  # the first region's entry calls every answer of the second bad
    API_DEAD = "API dead"
    API_SLOW = "API slow"  # seconds that a write takes to land
    PROBES_LOST = "probes lost"  # probes of the regions tell nothing
    REACH_BLIPS = "reach blips"  # share of single questions that get no answer
    OPERATOR_CUT = "operator cut off"  # the operator reaches its home region only
    OPERATOR_CRASH = "operator crash"  # back at the end of the fault, with what the status holds
    OPERATOR_FORGETS = "operator forgets"  # the same, and the status is empty
    OPERATOR_STALE = "operator stale"  # the same, and the status is a minute old
    OPERATOR_PAUSE = "operator pause"  # stands still between deciding and writing
    FREEZE = "freeze"  # by a person
    EVACUATION = "evacuation"  # by a person


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind in words, as `leeward simulate --help` tells it; `size` is its least and most, if it has one."""

    kind: FaultKind
    size: tuple[float, float] | None = None
    unit: str = ""
    ill: bool = False  # the region itself does not serve as it should


KINDS: dict[FaultKind, Kind] = {
    row.kind: row
    for row in (
        Kind(FaultKind.PARTITION, ill=True),
        Kind(FaultKind.LINK_CUT, ill=True),
        Kind(FaultKind.CRASH, ill=True),
        Kind(FaultKind.ERRORS, (0, 1), "share of requests", ill=True),
        Kind(FaultKind.SLOW, (1, 100), "factor", ill=True),
        Kind(FaultKind.CUT_STREAMS, (0, 1), "share of streams", ill=True),
        Kind(FaultKind.BAD_RELEASE, (0, 1), "share of requests", ill=True),
        Kind(FaultKind.CORRELATED, (0, 1), "share of requests", ill=True),
        Kind(FaultKind.SURGE, (0, 100), "factor"),
        Kind(FaultKind.METRICS_GONE),
        Kind(FaultKind.METRICS_LATE, (0, 600), "seconds"),
        Kind(FaultKind.SCRAPES_DROPPED, (0, 1), "share of scrapes"),
        Kind(FaultKind.LYING_ENTRY),
        Kind(FaultKind.API_DEAD),
        Kind(FaultKind.API_SLOW, (0, 60), "seconds"),
        Kind(FaultKind.PROBES_LOST),
        Kind(FaultKind.REACH_BLIPS, (0, 1), "share of questions"),
        Kind(FaultKind.OPERATOR_CUT),
        Kind(FaultKind.OPERATOR_CRASH),
        Kind(FaultKind.OPERATOR_FORGETS),
        Kind(FaultKind.OPERATOR_STALE),
        Kind(FaultKind.OPERATOR_PAUSE),
        Kind(FaultKind.FREEZE),
        Kind(FaultKind.EVACUATION),
    )
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong from `start_ms` to `end_ms` (not included)."""

    kind: FaultKind
    start_ms: int
    end_ms: int
    regions: tuple[str, ...] = ()
    size: float = 0.0


@dataclass(frozen=True, slots=True)
class RegionShape:
    """One region. `rate` is what its own users ask for on average, `provider` a failure domain."""

    name: str
    share: int
    replicas_min: int
    replicas_max: int
    rate: float
    provider: str = "p"


@dataclass(frozen=True, slots=True)
class FleetShape:
    """The fleet and its settings, as a ModelDeployment would say them. Names follow the resource's fields."""

    regions: tuple[RegionShape, ...]
    policy: str = "LocalFirst"
    requests_per_second_per_replica: int = 4
    concurrency_per_replica: int = 64
    interval_ms: int = 5_000
    scrape_interval_ms: int = 5_000
    availability: float = 0.995
    max_step: int = 10
    min_interval_ms: int = 10_000
    bake_ms: int = 120_000
    steps: tuple[int, ...] = (1, 5, 25, 50, 100)
    min_requests: int = 100
    clean_after_degraded_ms: int = 120_000
    clean_after_failed_ms: int = 300_000
    cooldown_ms: int = 300_000
    failovers_per_hour: int = 3
    writes_per_hour: int = 30
    flap_penalty_resume: int = 750
    scale_down_after_ms: int = 900_000

    @property
    def shortest_window_ms(self) -> int:
        """The shortest window that anything is counted over."""
        return max(30_000, 6 * self.scrape_interval_ms)


@dataclass(frozen=True, slots=True)
class Weather:
    """What is a little wrong all the time. `wave` is the daily wave's height, `jitter` slow noise of demand."""

    background_errors: float = 0.001
    wave: float = 0.0
    jitter: float = 0.05
    startup_ms: int = 90_000
    write_ms: int = 200  # until an API server has taken a write
    force_ms: int = 300  # from there until the gateways follow it
    retries: bool = False  # gateways try another region when one refuses the connection


@dataclass(frozen=True, slots=True)
class Scenario:
    """One storm: `faults_end_ms` is when calm begins, `limit_ms` when the storm ends at the latest."""

    seed: int
    fleet: FleetShape
    faults: tuple[Fault, ...] = ()
    weather: Weather = field(default_factory=Weather)
    faults_end_ms: int = 60_000
    limit_ms: int = 3_600_000
    until_calm: bool = True  # end as soon as the fleet has converged after the last fault

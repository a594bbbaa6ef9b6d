"""What was seen, in one value: the input of a tick.

Every reading has an age; a reading that is missing is `None` or absent, never zero. Ages and lengths are
milliseconds. The core trusts nothing here: absurd readings (negative ages, bad > total) count as missing.
"""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Tally:
    """Counted responses of one window: `bad` of `total`, over the last `window_ms`."""

    window_ms: int
    bad: int
    total: int


@dataclass(frozen=True, slots=True)
class Counts:
    """One sensor's tallies of one region, shortest window first (30 s, 1 m, 5 m, 15 m)."""

    sensor: str
    tallies: tuple[Tally, ...]
    age_ms: int


@dataclass(frozen=True, slots=True)
class ReachReading:
    """Does a region's gateway answer one observer? `failing_ms` is how long it has not (0: it answers).

    `others` are all regions (a witness included) but the observer's own: one that counted itself as reached
    would trust itself when it is cut off. With two regions and no witness, a lost region looks like an
    isolated observer, and nothing moves.
    """

    observer: str
    failing_ms: int
    age_ms: int
    reached_others: int
    total_others: int


@dataclass(frozen=True, slots=True)
class ReadyReading:
    """Ready and wanted replicas, as the member cluster's API server says."""

    ready: int
    desired: int
    age_ms: int


@dataclass(frozen=True, slots=True)
class LoadReading:
    """Saturation is not illness: it lowers spare capacity and asks for scaling.

    `kv_percent` is how full the fullest cache is, `late_percent` how many requests waited longer than half a second.
    """

    requests_per_second: Fraction
    running: int
    waiting: int
    age_ms: int
    kv_percent: int | None = None
    late_percent: int | None = None


@dataclass(frozen=True, slots=True)
class RegionReadings:
    """All that is known of one serving region. Empty tuples and `None` mean: no reading."""

    name: str
    outcomes: tuple[Counts, ...] = ()  # sensors: entry regions by name, and "engine"
    latency: Counts | None = None  # bad: slower than the objective
    probes: tuple[Counts, ...] = ()  # sensors: "direct", and "via <entry>"
    probe_failing: bool | None = None  # did the newest probe of every path fail?
    reach: tuple[ReachReading, ...] = ()
    ready: ReadyReading | None = None
    load: LoadReading | None = None
    api_answers: bool | None = None  # CONTROL: says unknown only
    metrics_answer: bool | None = None  # CONTROL
    entry_requests_per_second: Fraction | None = None  # demand that enters at this region's gateway
    revision: str | None = None  # what is deployed there, comparable between regions


Row = tuple[tuple[str, int], ...]
"""One entry's weights: (serving region, percent), in the order of the spec; sums to 100."""

Matrix = tuple[tuple[str, Row], ...]
"""Entry × serving: one row per entry gateway, in the order of the spec."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A person's weights, in force until `until_ms`. Entries that it does not name are left to the rules."""

    weights: Matrix
    until_ms: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One observation of a model's fleet. `weights` is what the clusters hold (rows that could be read).

    A region whose `api_answers` is True and that has no row has no route: it is written. Without that
    answer an absent row could not be read: it is no reason to write.
    """

    observer: str
    taken_ms: int
    regions: tuple[RegionReadings, ...]
    weights: Matrix = ()
    observer_queries_fail: bool = False
    evacuated: tuple[str, ...] = ()  # by a person's order
    pin: Pin | None = None
    forced: tuple[str, ...] = ()  # evacuated even if the others cannot carry the load

"""What a tick must know of earlier ticks, and the part of it that outlives the process.

Two kinds of memory. *Decisions* (phase, ramp step, penalty, last weights, when we wrote) are kept in a record
that is written to the resource's status. *Observations* (votes, clean time, smoothed rates) live in the
process only. The record changes only when a decision changes, so that a status written from it is quiet in
steady state. What is lost in a restart errs towards waiting: clean time starts at zero, a ramp step bakes
anew, the first ticks only observe. A record that cannot be read is no record.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace

from leeward.core.phases import Phase
from leeward.core.snapshot import Matrix
from leeward.core.verdict import Verdict

HOUR_MS = 3_600_000
HALF_LIFE_MS = 900_000
FALL_PENALTY = 1_000
KEPT_WRITES = 120
KEPT_FAILOVERS = 20


@dataclass(frozen=True, slots=True)
class RegionMemory:
    """One region. Fields up to `replicas_at_ms` are recorded; the rest is lost in a restart."""

    settled: Verdict = Verdict.HEALTHY  # debounced verdict; unknown never overwrites it
    since_ms: int = 0
    reason: str = ""  # the sentence of the last change of verdict
    phase: Phase = Phase.ACTIVE
    phase_since_ms: int = 0
    phase_reason: str = ""
    ordered: bool = False  # out of traffic by a person's evacuation
    step: int = 0  # index into the ramp's steps, while recovering
    step_since_ms: int = 0
    penalty: int = 0  # at penalty_at_ms; see penalty_now
    penalty_at_ms: int = 0
    flapping: bool = False  # penalty reached its stop and has not come down to resume
    fell_ms: int | None = None  # windows that reach back beyond the last fall, or the first start, are void
    healed_ms: int | None = None  # and those that reach back beyond the clean time that made it healthy again
    first_seen_ms: int = 0
    been_ready: bool = False
    replicas: int = 0  # wanted, as last decided
    standby: int = 0  # further replicas that nodes are kept for
    carries_milli: int = 0  # learned: what one replica carries, in thousandths of requests/s; 0: as declared
    replicas_at_ms: int = 0

    verdict: Verdict = Verdict.UNKNOWN  # as shown: settled, or unknown over it
    votes: tuple[Verdict, ...] = ()  # raw verdicts of the last three ticks
    reason_key: str = ""
    clean_ms: int = 0  # good time so far; unknown neither adds nor resets
    outcome_bad_since_ms: int | None = None
    probe_bad_since_ms: int | None = None
    outage_ms: int | None = None  # when an outage was last certain: windows that reach back to it tell of what is over
    burning_since_ms: int | None = None  # the slow pair of windows, at two sensors
    bad_since_ms: int | None = None  # any kind bad, without a break
    baked_ms: int = 0  # healthy time of the ramp step since its weight arrived
    step_requests_milli: int = 0
    busy_ms: int | None = None  # when it was last full, with the load that it was declared to carry
    full_since_ms: int | None = None  # requests wait, and nearly every slot runs
    filling: bool = False  # full, and too new to tell with how much load
    ready_known: int | None = None  # last positive count; 0: users are let in and it never had a replica
    demand_milli: int | None = None  # smoothed rate that enters here, in thousandths per second
    peaks_milli: tuple[int, ...] = ()  # the highest rate in each 15 s of the last 5 m, newest last
    peak_since_ms: int = 0  # when the newest of them began
    learned_micro: int = 0  # smoothed: rate per replica at 100 %, extrapolated, in millionths of requests/s
    proven_micro: int = 0  # smoothed: rate per replica that was really carried


@dataclass(frozen=True, slots=True)
class Memory:
    """One model. `weights` is the matrix last decided; `told` are standing notes not to repeat."""

    regions: Mapping[str, RegionMemory] = field(default_factory=dict)
    weights: Matrix = ()
    last_write_ms: int | None = None
    writes: tuple[int, ...] = ()
    failovers: tuple[int, ...] = ()
    exemption_ms: int | None = None  # when a definitive outage last passed over the cooldown
    correlated_since_ms: int | None = None

    last_tick_ms: int | None = None
    ticks_since_start: int = 0
    read: tuple[str, ...] = ()  # entries whose row, or lack of one, was read since the start
    moving: bool = True  # a ramp's weight has not reached its target yet
    suspected_ms: int | None = None  # when the observer last suspected itself
    short: bool = False  # the last tick ended in a shortage
    told: tuple[str, ...] = ()

    def region(self, name: str) -> RegionMemory:
        """A region's memory; a new one if it was never seen."""
        return self.regions.get(name, _NEW)


_NEW = RegionMemory()


def penalty_now(region: RegionMemory, now_ms: int) -> int:
    """The penalty, halved every 15 minutes and linear between halvings (exact in integers)."""
    age = max(0, now_ms - region.penalty_at_ms)
    halvings, rest = divmod(age, HALF_LIFE_MS)
    value = region.penalty >> min(halvings, 64)
    return value - (value * rest) // (2 * HALF_LIFE_MS)


def in_last_hour(times: tuple[int, ...], now_ms: int) -> tuple[int, ...]:
    """Those of `times` that are less than an hour old."""
    return tuple(ms for ms in times if now_ms - ms < HOUR_MS)


def to_record(memory: Memory) -> dict[str, object]:
    """The part that survives, as JSON-able values. Fields at their default are left out."""
    record: dict[str, object] = {
        "regions": {name: _region_record(region) for name, region in memory.regions.items()},
        "weights": {entry: dict(row) for entry, row in memory.weights},
    }
    for name in ("last_write_ms", "exemption_ms", "correlated_since_ms"):
        if getattr(memory, name) is not None:
            record[name] = getattr(memory, name)
    for name in ("writes", "failovers"):
        if getattr(memory, name):
            record[name] = list(getattr(memory, name))
    return record


def from_record(record: object) -> Memory:
    """Memory from a record; anything that is not exactly a record gives a fresh Memory."""
    try:
        return _read(record)
    except (TypeError, ValueError, KeyError, AttributeError):
        return Memory()


_FRESH = RegionMemory()
RECORDED = tuple(f.name for f in fields(RegionMemory))
RECORDED = RECORDED[: RECORDED.index("verdict")]


def _region_record(region: RegionMemory) -> dict[str, object]:
    kept = {name: getattr(region, name) for name in RECORDED}
    return {
        name: str(value) if isinstance(value, (Verdict, Phase)) else value
        for name, value in kept.items()
        if value != getattr(_FRESH, name)
    }


def _read(record: object) -> Memory:
    source = _mapping(record)
    return Memory(
        regions={name: _read_region(value) for name, value in _mapping(source.get("regions", {})).items()},
        weights=tuple((entry, _read_row(row)) for entry, row in _mapping(source.get("weights", {})).items()),
        last_write_ms=_optional_int(source.get("last_write_ms")),
        writes=_times(source.get("writes", []), KEPT_WRITES),
        failovers=_times(source.get("failovers", []), KEPT_FAILOVERS),
        exemption_ms=_optional_int(source.get("exemption_ms")),
        correlated_since_ms=_optional_int(source.get("correlated_since_ms")),
    )


def _read_region(value: object) -> RegionMemory:
    source = _mapping(value)
    known = {name: _field(name, source[name]) for name in RECORDED if name in source}
    region = RegionMemory(**known)  # type: ignore[arg-type]  # _field has checked each type
    if region.settled is Verdict.UNKNOWN:
        raise ValueError("unknown never settles")
    return replace(region, verdict=region.settled)


def _field(name: str, value: object) -> object:
    readers: dict[str, Callable[[object], object]] = {
        "settled": lambda v: Verdict(_text(v)),
        "phase": lambda v: Phase(_text(v)),
        "reason": _text,
        "phase_reason": _text,
        "ordered": _flag,
        "flapping": _flag,
        "been_ready": _flag,
        "fell_ms": _optional_int,
        "healed_ms": _optional_int,
    }
    return readers.get(name, _int)(value)


def _read_row(value: object) -> tuple[tuple[str, int], ...]:
    row = tuple((name, _int(weight)) for name, weight in _mapping(value).items())
    if sum(weight for _, weight in row) != 100:
        raise ValueError("a row sums to 100")
    return row


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise TypeError("not a mapping")
    return value


def _int(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError("not a count")
    return value


def _optional_int(value: object) -> int | None:
    return None if value is None else _int(value)


def _times(value: object, most: int) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise TypeError("not a list of times")
    return tuple(_int(item) for item in value)[-most:]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("not a flag")
    return value

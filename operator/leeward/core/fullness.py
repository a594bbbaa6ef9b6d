"""Is a region slow because it is full? Overload judged as failure is how outages spread.

A region is *busy* when requests wait, nearly every slot runs, and it answers, or is sent, three quarters at least of
what it was declared to carry: its slowness is no fault of its own, for users and probes alike. What it is sent is
what enters at each gateway, by the weights in force; it tells of a surge before the answers do. One that is full
with less is *clogged*: it is what is slow that fills it, and only its users' slowness is excused, since that is what a
queue always looks like.

A rate that comes late misses the end of its window, and reads low: it counts for what it could see. And a rate is
counted over a window, so it tells of a surge late. A region that has just become full is *filling*, and
excused like a busy one, as long as it would be busy if all that was counted had come since it is full.

The excuse lasts as long as windows tell of that time, and longer while nobody can tell how full the region is.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from fractions import Fraction

from leeward.core.kinds import FALL_MARGIN_MS, Kind, Level, Opinion, Rules, fresh, sound_ready
from leeward.core.memory import Memory, RegionMemory
from leeward.core.snapshot import LoadReading, Matrix, RegionReadings
from leeward.core.spec import ModelSpec, RegionSpec

BUSY_SHARE = Fraction(3, 4)  # of what was declared
SCRAPES = 6  # in the shortest window, at least
BUSY_UNSEEN_MS = 300_000  # a region that was busy is taken for busy so long, if its load is unknown since


class Fullness(Enum):
    """Busy with the load that was declared, clogged with less, or filling: too new to tell."""

    UNKNOWN = "unknown"
    NO = "no"
    BUSY = "busy"
    CLOGGED = "clogged"
    FILLING = "filling"


EXCUSED: Mapping[Fullness, frozenset[Kind]] = {
    Fullness.UNKNOWN: frozenset(),
    Fullness.NO: frozenset(),
    Fullness.BUSY: frozenset({Kind.LATENCY, Kind.PROBE}),
    Fullness.CLOGGED: frozenset({Kind.LATENCY}),
    Fullness.FILLING: frozenset({Kind.LATENCY, Kind.PROBE}),
}


def fullness(
    spec: ModelSpec, readings: Mapping[str, RegionReadings], memory: Memory, rules: Rules, now_ms: int
) -> dict[str, Fullness]:
    """How full each region is."""
    return {r.name: _fullness(spec, r, readings, memory, rules, now_ms) for r in spec.regions}


def _fullness(
    spec: ModelSpec,
    region: RegionSpec,
    readings: Mapping[str, RegionReadings],
    memory: Memory,
    rules: Rules,
    now_ms: int,
) -> Fullness:
    name, past = region.name, memory.region(region.name)
    read, replicas = readings[name], _replicas(region, readings[name], past, rules)
    full_ms = 0 if past.full_since_ms is None else now_ms - past.full_since_ms
    if read.load is None or not fresh(read.load.age_ms, rules.stale_scrape_ms):
        return Fullness.UNKNOWN
    if not saturated(read.load, replicas * spec.capacity.concurrency_per_replica):
        return Fullness.NO
    busy = BUSY_SHARE * replicas * spec.capacity.requests_per_second_per_replica
    load = max(read.load.requests_per_second, _sent(name, readings, memory.weights))
    window_ms = rules.shortest_window_ms
    if busy > 0 and busy * (window_ms - _missed_ms(read.load.age_ms, window_ms)) <= load * window_ms:
        return Fullness.BUSY
    filling = full_ms < window_ms and busy * full_ms <= load * window_ms
    return Fullness.FILLING if filling else Fullness.CLOGGED


def _missed_ms(age_ms: int, window_ms: int) -> int:
    """How much of the window a rate of this age does not cover. Up to a scrape (a sixth, or less) is made up for."""
    return max(0, min(age_ms, window_ms) - window_ms // SCRAPES)


def _replicas(region: RegionSpec, read: RegionReadings, past: RegionMemory, rules: Rules) -> int:
    """Ready ones. Without an answer of the API server: as last known, or as many as there must be at least."""
    if read.ready is not None and sound_ready(read.ready, rules):
        return read.ready.ready
    return region.replicas_min if past.ready_known is None else past.ready_known


def saturated(load: LoadReading, concurrency: int) -> bool:
    """Requests wait and nearly every slot runs."""
    return load.waiting > 0 and concurrency > 0 and 10 * load.running >= 9 * concurrency


def _sent(name: str, readings: Mapping[str, RegionReadings], weights: Matrix) -> Fraction:
    """Requests per second that the gateways send there, as far as they tell."""
    sent = Fraction(0)
    for entry, row in weights:
        entered = readings[entry].entry_requests_per_second if entry in readings else None
        sent += (entered or Fraction(0)) * dict(row).get(name, 0) / 100
    return sent


def remember_fullness(past: RegionMemory, seen: Fullness, now_ms: int) -> RegionMemory:
    """Since when it is full. What was never shown to be clogged counts as busy when it ends."""
    filling = seen is Fullness.FILLING
    told_no_more = past.filling and seen in (Fullness.NO, Fullness.UNKNOWN)
    began = now_ms if past.full_since_ms is None else past.full_since_ms
    kept = {Fullness.NO: None, Fullness.UNKNOWN: past.full_since_ms}
    busy_ms = now_ms if seen is Fullness.BUSY or told_no_more else past.busy_ms
    return replace(past, busy_ms=busy_ms, filling=filling, full_since_ms=kept.get(seen, began))


def idle_ms(past: RegionMemory, now_ms: int) -> int | None:
    """How long ago the region was last busy, if ever."""
    return None if past.busy_ms is None else max(0, now_ms - past.busy_ms)


def excuse(
    opinions: tuple[Opinion, ...], full: Fullness, past: RegionMemory, now_ms: int, rules: Rules
) -> tuple[Opinion, ...]:
    """The opinions, where bad slowness that fullness explains is merely fair.

    Nothing is excused while a kind is bad that is no slowness.
    """
    told_ms = BUSY_UNSEEN_MS if full is Fullness.UNKNOWN else rules.shortest_window_ms + FALL_MARGIN_MS
    idle = idle_ms(past, now_ms)
    excused = EXCUSED[Fullness.BUSY if idle is not None and idle <= told_ms else full]
    if not excused or any(o.level is Level.BAD and o.kind not in excused for o in opinions):
        return opinions
    return tuple(
        replace(opinion, level=Level.FAIR, score=Fraction(1, 2), sentence=f"{opinion.sentence} (saturated)")
        if opinion.kind in excused and opinion.level is Level.BAD
        else opinion
        for opinion in opinions
    )

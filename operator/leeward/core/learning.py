"""What a replica really carries, learned from regions that are well and busy.

    utilization = max(running / slots, KV cache / 0.9)      one that queues for long is full, and teaches nothing
    seen        = rate / ready / utilization                while healthy and 30 to 95 % busy
    carries     = min(smoothed seen, max(declared, smoothed rate / ready)), within half and twice the declared

`seen` extrapolates, and an engine slows down as it fills, so it is trusted downwards only: above the declared
rate counts what was really carried. Both are smoothed over 30 minutes, in millionths of a request per second
(integers). What is decided with moves in steps of a twentieth of the declared rate: noise moves no weight, and
a record stays quiet.
"""

from dataclasses import replace
from fractions import Fraction

from leeward.core.kinds import Rules, fresh, sound_ready
from leeward.core.memory import RegionMemory
from leeward.core.snapshot import LoadReading, RegionReadings
from leeward.core.spec import CapacitySpec, ModelSpec
from leeward.core.verdict import Verdict

SMOOTHED_MS = 1_800_000
LEAST_BUSY, MOST_BUSY = 300, 950  # per mille
KV_FULL_PERCENT = 90
LATE_PERCENT = 5  # of the requests waited longer than half a second: it is full
STEPS = 20  # of the declared rate
MICRO = 1_000_000
ABSURD_RATE = 1_000_000  # requests/s of one region


def rate_per_replica(spec: ModelSpec, region: RegionMemory) -> Fraction:
    """Requests per second that one replica carries there: declared, or learned."""
    declared = max(Fraction(0), spec.capacity.requests_per_second_per_replica)
    if not spec.capacity.learn or not region.carries_milli:
        return declared
    return min(2 * declared, max(declared / 2, Fraction(region.carries_milli, 1000)))


def learn(
    spec: ModelSpec, region: RegionMemory, readings: RegionReadings, rules: Rules, elapsed_ms: int
) -> RegionMemory:
    """The region's memory with this tick's load taken in, where it teaches anything."""
    declared = _declared_micro(spec.capacity)
    ready = readings.ready
    if not spec.capacity.learn or declared <= 0 or region.verdict is not Verdict.HEALTHY:
        return region
    if ready is None or ready.ready <= 0 or not sound_ready(ready, rules):
        return region
    load = readings.load
    if load is None or not _sound(load, rules):
        return region
    busy = _busy(load, ready.ready * spec.capacity.concurrency_per_replica)
    if not LEAST_BUSY <= busy <= MOST_BUSY:
        return region
    carried = int(load.requests_per_second * MICRO) // ready.ready
    seen = min(2 * declared, max(declared // 2, carried * 1000 // busy))
    before = region.carries_milli * 1000 or declared
    learned = _smoothed(region.learned_micro or before, seen, elapsed_ms)
    proven = _smoothed(region.proven_micro or before, min(2 * declared, carried), elapsed_ms)
    carries = min(learned, max(declared, proven))
    moved = abs(carries - before) * STEPS >= declared
    return replace(
        region,
        learned_micro=learned,
        proven_micro=proven,
        carries_milli=carries // 1000 if moved else region.carries_milli,
    )


def _declared_micro(capacity: CapacitySpec) -> int:
    return int(capacity.requests_per_second_per_replica * MICRO)


def _sound(load: LoadReading, rules: Rules) -> bool:
    return (
        fresh(load.age_ms, rules.stale_scrape_ms) and 0 <= load.requests_per_second <= ABSURD_RATE and load.running >= 0
    )


def _busy(load: LoadReading, slots: int) -> int:
    """Utilization per mille; above 1000: it is more than full."""
    if slots <= 0 or (load.late_percent or 0) > LATE_PERCENT:
        return 2 * MOST_BUSY
    return max(1000 * load.running // slots, 1000 * (load.kv_percent or 0) // KV_FULL_PERCENT)


def _smoothed(before: int, new: int, elapsed_ms: int) -> int:
    return before + (new - before) * min(elapsed_ms, SMOOTHED_MS) // SMOOTHED_MS

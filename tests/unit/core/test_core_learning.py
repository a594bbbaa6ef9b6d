"""Learned capacity: what teaches, how fast, and how far. Declared: 4 requests/s and 64 slots a replica."""

from dataclasses import replace
from fractions import Fraction

import pytest
from world import three_regions

from leeward.core.kinds import Rules
from leeward.core.learning import learn, rate_per_replica
from leeward.core.memory import Memory, RegionMemory, from_record, to_record
from leeward.core.snapshot import LoadReading, ReadyReading, RegionReadings
from leeward.core.verdict import Verdict

SPEC = three_regions()
SPEC = replace(SPEC, capacity=replace(SPEC.capacity, learn=True))
RULES = Rules.of(SPEC)
WELL = RegionMemory(verdict=Verdict.HEALTHY)


def seen(rate: float, running: int, ready: int = 4, age_ms: int = 1_000, **more: int) -> RegionReadings:
    load = LoadReading(Fraction(rate), running, 0, age_ms, **more)
    return RegionReadings("a", ready=ReadyReading(ready, ready, 1_000), load=load)


def after(reading: RegionReadings, minutes: int, region: RegionMemory = WELL) -> Fraction:
    for _ in range(12 * minutes):
        region = learn(SPEC, region, reading, RULES, 5_000)
    return rate_per_replica(SPEC, region)


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        (seen(8, 128), 4),  # 2 a replica at half load: as declared
        (seen(8, 171), 3),  # 2 a replica, two thirds full: 3
        (seen(8, 230), Fraction(222, 100)),
        (seen(4, 230), 2),  # never below half
        (seen(12, 100), 4),  # extrapolates to 7.7, but nobody has carried that
        (seen(24, 230), 6),  # really carried
        (seen(60, 230), 8),  # never above twice
        (seen(8, 128, kv_percent=60), 3),  # the cache is fuller than the slots
        (seen(8, 128, late_percent=6), 4),  # requests wait: full, so it teaches nothing
        (seen(2, 50), 4),  # too idle
        (seen(8, 250), 4),  # too full
        (seen(8, 171, ready=0), 4),
        (seen(8, 171, age_ms=600_000), 4),
        (seen(-8, 171), 4),
        (RegionReadings("a"), 4),
    ],
)
def test_what_a_replica_carries_after_hours(reading: RegionReadings, expected: Fraction) -> None:
    assert float(after(reading, 240)) == pytest.approx(float(expected), abs=0.2)


def test_it_takes_half_an_hour_and_moves_in_steps() -> None:
    assert after(seen(8, 171), 1) == 4
    assert 3.3 < after(seen(8, 171), 30) < 3.5  # 1 - 1/e of the way


@pytest.mark.parametrize("verdict", [Verdict.DEGRADED, Verdict.FAILED, Verdict.UNKNOWN])
def test_only_a_healthy_region_teaches(verdict: Verdict) -> None:
    assert after(seen(8, 230), 60, replace(WELL, verdict=verdict)) == 4


def test_what_was_learned_survives_a_restart_and_another_declaration() -> None:
    region = replace(WELL, carries_milli=3_000, learned_micro=3_010_000)
    back = from_record(to_record(Memory({"a": region}))).region("a")
    assert rate_per_replica(SPEC, back) == 3
    larger = replace(SPEC, capacity=replace(SPEC.capacity, requests_per_second_per_replica=Fraction(10)))
    assert rate_per_replica(larger, back) == 5
    assert rate_per_replica(replace(SPEC, capacity=replace(SPEC.capacity, learn=False)), back) == 4

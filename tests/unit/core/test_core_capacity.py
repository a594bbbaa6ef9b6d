"""Capacity and demand in numbers that can be checked by hand."""

from dataclasses import replace
from fractions import Fraction

import pytest
from world import three_regions

from leeward.core.capacity import look_ahead, ramp_steps
from leeward.core.demand import entry_demand, remember_rate
from leeward.core.memory import RegionMemory
from leeward.core.phases import Phase
from leeward.core.spec import FailbackSpec
from leeward.core.verdict import Verdict

SPEC = three_regions()
WELL = RegionMemory(verdict=Verdict.HEALTHY, ready_known=4)
DEMAND = {n: Fraction(11) for n in "abc"}


def fleet(**changes: RegionMemory) -> dict[str, RegionMemory]:
    return dict.fromkeys("abc", WELL) | changes


@pytest.mark.parametrize(
    ("a", "score", "demand", "usable", "shortage"),
    [
        (WELL, 1, 11, 12, 0),  # 0.75 x 4 x 4
        (WELL, 1, 14, Fraction(144, 10), 0),  # strained: 0.9 x 4 x 4
        (WELL, 1, 15, Fraction(144, 10), Fraction(18, 10)),
        (replace(WELL, phase=Phase.DRAINED), 0, 5, 0, 0),
        (replace(WELL, phase=Phase.RECOVERING, step=1), 1, 5, Fraction(6, 10), 0),  # 5 % of 12
        (replace(WELL, phase=Phase.RECOVERING, step=99), 1, 5, 12, 0),
        (replace(WELL, verdict=Verdict.DEGRADED), Fraction(1, 2), 5, 12, 0),  # mildly: whole
        (replace(WELL, verdict=Verdict.DEGRADED), Fraction(3, 10), 5, Fraction(72, 10), 0),
        (replace(WELL, verdict=Verdict.DEGRADED), 0, 5, 6, 0),  # one half at least
        (replace(WELL, verdict=Verdict.DEGRADED), 0, 14, Fraction(144, 10), 0),  # short: counted as whole
        (replace(WELL, verdict=Verdict.UNKNOWN, ready_known=None), 0, 5, 12, 0),  # minimum replicas
    ],
)
def test_usable_capacity(a: RegionMemory, score: Fraction, demand: int, usable: Fraction, shortage: Fraction) -> None:
    scores = {"a": Fraction(score), "b": Fraction(1), "c": Fraction(1)}
    outlook = look_ahead(SPEC, fleet(a=a), scores, {n: Fraction(demand) for n in "abc"})
    assert (outlook.usable["a"], outlook.shortage) == (usable, shortage)


def test_the_ramp_always_ends_at_the_whole() -> None:
    assert ramp_steps(replace(SPEC, failback=FailbackSpec(steps=(0, 500, 7)))) == (1, 100, 7, 100)
    assert ramp_steps(replace(SPEC, failback=FailbackSpec(steps=()))) == (100,)


def test_the_smoothed_rate_goes_an_eighth_of_the_way() -> None:
    region = remember_rate(RegionMemory(), Fraction(8), 0)
    assert remember_rate(region, Fraction(16), 0).demand_milli == 9_000
    assert remember_rate(region, Fraction(0), 0).demand_milli == 7_000
    for absurd in (None, Fraction(-1), Fraction(10**40)):
        assert remember_rate(region, absurd, 0) == region
    drained = replace(region, phase=Phase.DRAINED)
    assert remember_rate(drained, None, 0) == replace(drained, demand_milli=4_000, peaks_milli=())


def rates_over_time(*rates: int) -> RegionMemory:
    """One rate every 5 s."""
    region = RegionMemory()
    for tick, rate in enumerate(rates):
        region = remember_rate(region, Fraction(rate), 5_000 * tick)
    return region


@pytest.mark.parametrize(
    ("rates", "demand"),
    [
        ([10] * 60, 11),
        ([10] * 57 + [30] * 3, 18.26),  # one burst of 15 s: only the smoothed rate follows
        ([10] * 54 + [30] * 6, 33),  # 30 s of it are demand
        ([30] * 30 + [10] * 30, 33),  # what was needed three minutes ago still is
        ([30] * 6 + [10] * 60, 11),
    ],
)
def test_demand_is_the_p95_of_five_minutes(rates: list[int], demand: Fraction) -> None:
    expected = entry_demand(SPEC, {"a": rates_over_time(*rates)})["a"]
    assert float(expected) == pytest.approx(float(demand), abs=0.1)
    assert len(rates_over_time(*rates).peaks_milli) <= 20


def test_after_a_pause_old_peaks_do_not_count() -> None:
    region = remember_rate(rates_over_time(*[30] * 60), Fraction(10), 3_600_000)
    assert region.peaks_milli == (10_000,)


@pytest.mark.parametrize(
    ("known", "demand"),
    [
        ({"a": 10_000, "b": 5_000, "c": 0}, (11, Fraction(55, 10), Fraction(11, 10_000))),  # never zero
        ({"b": 3_300, "c": 3_300}, (Fraction(363, 100),) * 3),
        ({}, (Fraction(11, 10_000),) * 3),
    ],
)
def test_unknown_demand(known: dict[str, int], demand: tuple) -> None:
    regions = {n: RegionMemory(demand_milli=known.get(n)) for n in "abc"}
    assert tuple(entry_demand(SPEC, regions).values()) == demand

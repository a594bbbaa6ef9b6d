"""Capacity, survival, replicas and demand in numbers that can be checked by hand."""

from dataclasses import replace
from fractions import Fraction

import pytest
from world import three_regions

from leeward.core.capacity import look_ahead, ramp_steps, survivable, wanted_replicas
from leeward.core.demand import entry_demand, remember_rate
from leeward.core.memory import RegionMemory
from leeward.core.phases import Phase
from leeward.core.spec import CapacitySpec, FailbackSpec
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


@pytest.mark.parametrize(
    ("demand", "survives", "words"),
    [(9, True, "losing a leaves 32 requests/s for 27"), (10, False, "leaves only 32"), (13, False, "too few for 39")],
)
def test_survivable(demand: int, survives: bool, words: str) -> None:
    found, sentence = survivable(SPEC, fleet(), {n: Fraction(demand) for n in "abc"})
    assert found is survives
    assert words in sentence


def test_a_failure_domain_is_lost_as_one() -> None:
    domains = {"a": "aws", "b": "aws", "c": "gcp"}
    regions = tuple(replace(r, failure_domains=(("provider", domains[r.name]),)) for r in SPEC.regions)
    spec = replace(SPEC, regions=regions, survive="provider")
    assert survivable(spec, fleet(), {n: Fraction(5) for n in "abc"}) == (
        False,
        "losing provider aws leaves only 16 requests/s for 15",
    )
    assert survivable(replace(SPEC, survive="None"), fleet(), DEMAND)[0]


def test_replicas_are_the_minimum_when_all_is_well() -> None:
    assert wanted_replicas(SPEC, fleet(), DEMAND, 0) == {"a": 4, "b": 4, "c": 4}


def test_survivors_are_raised_to_carry_the_demand_and_stay_up_a_while() -> None:
    down = replace(WELL, phase=Phase.DRAINED, verdict=Verdict.FAILED)
    raised = wanted_replicas(SPEC, fleet(a=down), DEMAND, 0)
    assert raised == {"a": 4, "b": 6, "c": 6}
    up = {n: replace(WELL, replicas=raised[n], phase_since_ms=1_000) for n in "abc"}
    assert wanted_replicas(SPEC, up, DEMAND, 900_999)["b"] == 6
    assert wanted_replicas(SPEC, up, DEMAND, 901_000)["b"] == 4


def test_replicas_never_exceed_the_maximum() -> None:
    huge = {n: Fraction(10**6) for n in "abc"}
    assert set(wanted_replicas(SPEC, fleet(), huge, 0).values()) == {12}
    free = replace(SPEC, capacity=CapacitySpec(requests_per_second_per_replica=Fraction(0)))
    assert set(wanted_replicas(free, fleet(), huge, 0).values()) == {4}


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

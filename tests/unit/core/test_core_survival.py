"""Survival and sizes in numbers that can be checked by hand. Three regions, 4 requests/s a replica, 4 to 12 each."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import three_regions

from leeward.core.memory import RegionMemory
from leeward.core.phases import Phase
from leeward.core.spec import CapacitySpec, Standby
from leeward.core.survival import Sizes, Survival, raise_level, survival, wanted_sizes
from leeward.core.verdict import Verdict

SPEC = three_regions()
WELL = RegionMemory(verdict=Verdict.HEALTHY, ready_known=4)
DOWN = replace(WELL, phase=Phase.DRAINED, verdict=Verdict.FAILED)
DEMAND = {n: Fraction(11) for n in "abc"}


def fleet(**changes: RegionMemory) -> dict[str, RegionMemory]:
    return dict.fromkeys("abc", WELL) | changes


def replicas(spec, regions, demand, now_ms: int = 0) -> dict[str, int]:
    return {name: size.replicas for name, size in wanted_sizes(spec, regions, demand, now_ms).items()}


def evenly(total: float) -> dict[str, Fraction]:
    return dict.fromkeys("abc", Fraction(total) / 3)


@pytest.mark.parametrize(
    ("demand", "survives", "margin", "words"),
    [
        (27, True, Fraction(18, 10), "losing a leaves 32 requests/s for 27"),
        (30, False, Fraction(-12, 10), "leaves only 32"),
        (39, False, Fraction(-3), "too few for 39"),
    ],
)
def test_survivable(demand: int, survives: bool, margin: Fraction, words: str) -> None:
    found = survival(SPEC, fleet(), evenly(demand))
    assert (found.survives, found.margin) == (survives, margin)
    assert words in found.reason


def test_a_failure_domain_is_lost_as_one() -> None:
    domains = {"a": "aws", "b": "aws", "c": "gcp"}
    regions = tuple(replace(r, failure_domains=(("provider", domains[r.name]),)) for r in SPEC.regions)
    spec = replace(SPEC, regions=regions, survive="provider")
    whole, two, one = Fraction(288, 10) - 15, Fraction(288, 10) - 15, Fraction(144, 10) - 15
    assert survival(spec, fleet(), evenly(15)) == Survival(
        False,
        "losing provider aws leaves only 16 requests/s for 15: 0.6 short at 90 %",
        one,
        (("a", whole), ("b", whole), ("c", whole), ("provider aws", one), ("provider gcp", two)),
    )
    assert survival(replace(SPEC, survive="None"), fleet(), DEMAND).survives


def test_residency_can_make_a_loss_deadly() -> None:
    a, b, c = SPEC.regions
    spec = replace(SPEC, regions=(replace(a, served_by=("a",)), b, c))
    margins = dict(survival(spec, fleet(), evenly(9)).margins)
    assert margins["a"] == -3  # what enters at a may be served by nobody else
    assert margins["b"] > 0


def test_a_region_that_is_out_carries_nothing() -> None:
    assert survival(SPEC, fleet(a=DOWN), evenly(21)).margin == Fraction(144, 10) - 21


def test_replicas_are_the_minimum_when_that_survives_any_loss() -> None:
    assert replicas(SPEC, fleet(), evenly(28)) == {"a": 4, "b": 4, "c": 4}


@pytest.mark.parametrize(
    ("standby", "sizes"),
    [
        (Standby.REPLICAS, Sizes(7)),  # 45 / (0.9 x 2 x 4) = 6.25
        (Standby.NODES, Sizes(5, 2)),  # 33 % of 45 / (0.75 x 4) = 4.95
        (Standby.NONE, Sizes(5)),
    ],
)
def test_what_is_kept_for_a_loss(standby: Standby, sizes: Sizes) -> None:
    assert wanted_sizes(replace(SPEC, standby=standby), fleet(), evenly(45), 0)["b"] == sizes


def test_nothing_is_kept_where_nothing_must_be_survived() -> None:
    assert replicas(replace(SPEC, survive="None"), fleet(), evenly(45))["b"] == 5


def test_who_is_at_the_maximum_leaves_more_to_the_others() -> None:
    a, b, c = SPEC.regions
    spec = replace(SPEC, regions=(replace(a, replicas_max=4), b, c))
    # Losing b or c must leave 12.5 replicas: 4 of a and 8.5; losing a needs 6.25 of each.
    assert replicas(spec, fleet(), evenly(45)) == {"a": 4, "b": 9, "c": 9}


def test_spill_only_regions_are_the_cheapest_reserve() -> None:
    a, b, c = SPEC.regions
    shares = {"a": 50, "b": 50, "c": 0}
    spec = replace(SPEC, regions=tuple(replace(r, share=shares[r.name], replicas_min=1) for r in (a, b, c)))
    assert replicas(spec, fleet(), evenly(30)) == {"a": 5, "b": 5, "c": 4}  # 30/0.75 by a and b; b + c carry 30/0.9


def test_a_domain_that_is_lost_as_one_takes_more() -> None:
    domains = {"a": "aws", "b": "aws", "c": "gcp"}
    regions = tuple(replace(r, failure_domains=(("provider", domains[r.name]),)) for r in SPEC.regions)
    assert replicas(replace(SPEC, regions=regions, survive="provider"), fleet(), evenly(30)) == {"a": 5, "b": 5, "c": 9}


def test_survivors_are_raised_to_carry_the_demand_and_stay_up_a_while() -> None:
    raised = wanted_sizes(SPEC, fleet(a=DOWN), evenly(25), 0)
    assert {n: s.replicas for n, s in raised.items()} == {"a": 4, "b": 5, "c": 5}  # 25/0.75 by two
    up = {n: replace(WELL, replicas=raised[n].replicas, phase_since_ms=1_000) for n in "abc"}
    assert replicas(SPEC, up, evenly(25), 900_999)["b"] == 5
    assert replicas(SPEC, up, evenly(25), 901_000)["b"] == 4


def test_noise_orders_nothing_back_and_forth() -> None:
    calm = {n: replace(WELL, replicas=5) for n in "abc"}
    assert replicas(SPEC, calm, evenly(28), 900_000)["b"] == 5  # four suffice, and a tenth more needs five
    assert replicas(SPEC, calm, evenly(26), 900_000)["b"] == 4


def test_warm_nodes_become_replicas_and_stay_until_it_is_calm() -> None:
    spec = replace(SPEC, standby=Standby.NODES)
    before = {n: replace(WELL, replicas=5, standby=2) for n in "abc"}
    after = wanted_sizes(spec, {**before, "a": replace(before["a"], phase=Phase.DRAINED)}, evenly(45), 0)
    assert after["b"] == Sizes(8)  # 45/0.75 by two needs 7.5: more than the nodes that were warm
    assert wanted_sizes(spec, before, evenly(12), 899_999)["b"] == Sizes(5, 2)
    assert wanted_sizes(spec, before, evenly(12), 900_000)["b"] == Sizes(4)


def test_replicas_never_exceed_the_maximum() -> None:
    huge = {n: Fraction(10**6) for n in "abc"}
    assert set(replicas(SPEC, fleet(), huge).values()) == {12}
    free = replace(SPEC, capacity=CapacitySpec(requests_per_second_per_replica=Fraction(0)))
    assert set(replicas(free, fleet(), huge).values()) == {4}


RATES = st.fractions(min_value=0, max_value=1000)


@given(st.lists(st.tuples(RATES, RATES), min_size=1, max_size=6), RATES)
def test_the_common_level_is_the_lowest_that_suffices(pairs: list[tuple[Fraction, Fraction]], wanted: Fraction) -> None:
    least = {str(i): min(pair) for i, pair in enumerate(pairs)}
    most = {str(i): max(pair) for i, pair in enumerate(pairs)}
    raised = raise_level(least, most, wanted)
    total = sum(raised.values())
    assert all(least[n] <= raised[n] <= most[n] for n in least)
    assert total == min(max(wanted, sum(least.values())), sum(most.values()))
    higher = [n for n in least if raised[n] > least[n]]
    assert all(raised[n] in (most[n], max(raised[m] for m in higher)) for n in higher)


def test_a_region_that_never_had_a_replica_is_not_counted_on() -> None:
    absent = fleet(c=replace(WELL, verdict=Verdict.UNKNOWN, ready_known=0, been_ready=False))
    two = replace(SPEC, regions=SPEC.regions[:2])
    assert replicas(SPEC, absent, DEMAND) == replicas(two, fleet(), DEMAND) | {"c": 4}
    assert not survival(SPEC, absent, evenly(27)).survives

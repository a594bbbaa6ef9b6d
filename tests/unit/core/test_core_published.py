"""Rules that we share with others, against their published values; and where we differ on purpose.

Largest remainder: the Hamilton (Hare) apportionment. Wilson: R. G. Newcombe, Statistics in Medicine 17 (1998),
table I, method 3. Burn rates: The Site Reliability Workbook, chapter 5. Envoy: "Priority levels", "Panic
threshold" and "Slow start mode" of its load balancing documentation.
"""

from dataclasses import replace
from fractions import Fraction

import pytest
from readings import crashed, gray, lost, phase_of, play, settled_fleet, well
from world import shares_policy, short_failback, three_regions

from leeward.core.capacity import look_ahead, ramp_steps
from leeward.core.kinds import SLOW_BURN, Rules
from leeward.core.matrix import Aim, target_rows
from leeward.core.memory import RegionMemory
from leeward.core.phases import Phase
from leeward.core.spec import CapacitySpec, FailbackSpec, Objectives, TrafficPolicy
from leeward.core.verdict import Verdict
from leeward.core.weights import round_row
from leeward.core.wilson import lower_bound, upper_bound

VOTES = {"yellow": 47_000, "white": 16_000, "red": 15_800, "green": 12_000, "blue": 6_100, "pink": 3_100}


def quotas(seats: int) -> dict[str, Fraction]:
    return {name: Fraction(seats * votes, 100_000) for name, votes in VOTES.items()}


def test_largest_remainder_as_the_textbook_has_it() -> None:
    """One seat is left over for a hundred, and the remainder 0.8 is the largest."""
    assert tuple(round_row(quotas(100)).values()) == (47, 16, 16, 12, 6, 3)


def test_largest_remainder_differs_on_purpose_nobody_is_rounded_to_nothing() -> None:
    """The textbook's ten seats are 5, 2, 1, 1, 1, 0; we give the last one a seat of the largest."""
    assert tuple(round_row(quotas(10), None, 10).values()) == (4, 2, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("bad", "total", "lower", "upper"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_bounds_as_newcombe_has_them(bad: int, total: int, lower: float, upper: float) -> None:
    assert float(lower_bound(bad, total)) == pytest.approx(lower, abs=5e-5)
    assert float(upper_bound(bad, total)) == pytest.approx(upper, abs=5e-5)


def burn_rate(budget_percent: int, window_hours: int) -> Fraction:
    """How fast the budget of 30 days burns if so much of it is gone after so many hours."""
    return Fraction(budget_percent, 100) * 30 * 24 / window_hours


def test_burn_rates_as_the_workbook_has_them() -> None:
    assert burn_rate(2, 1) == Fraction("14.4")
    assert burn_rate(5, 6) == SLOW_BURN
    rules = Rules.of(three_regions())
    assert rules.errors.bad == burn_rate(2, 1) * Fraction("0.005")
    assert rules.slow_share == burn_rate(5, 6) * Fraction("0.005")


def test_burn_rates_differ_on_purpose_bad_is_never_below_5_percent_nor_above_50() -> None:
    strict = replace(three_regions(), objectives=Objectives(availability=Fraction("0.999")))
    lax = replace(three_regions(), objectives=Objectives(availability=Fraction("0.9")))
    assert (Rules.of(strict).errors.bad, Rules.of(lax).errors.bad) == (Fraction("0.05"), Fraction("0.5"))
    assert (Rules.of(strict).slow_share, Rules.of(lax).slow_share) == (Fraction("0.02"), Fraction("0.5"))


@pytest.mark.parametrize(
    ("healthy", "traffic"),
    [
        ((100, 100, 100), (100, 0, 0)),
        ((72, 72, 100), (100, 0, 0)),
        ((71, 71, 100), (99, 1, 0)),
        ((50, 50, 100), (70, 30, 0)),
        ((25, 100, 100), (35, 65, 0)),
        ((25, 25, 100), (35, 35, 30)),
        ((25, 25, 20), (36, 36, 28)),
        ((0, 100, 100), (0, 100, 0)),
    ],
)
def test_nearest_first_spills_as_envoys_priority_levels(healthy: tuple, traffic: tuple) -> None:
    """Home, the nearest and the far region as levels 0 to 2, each with 1.4 times the demand when it is whole."""
    levels = ("home", "near", "far")
    aim = Aim(
        TrafficPolicy.LOCAL_FIRST,
        {name: Fraction(140 * percent, 100) for name, percent in zip(levels, healthy, strict=True)},
        {"home": Fraction(100)},
        dict.fromkeys(levels, 33),
        frozenset(),
        {"home": {"home": 100, "near": 0, "far": 0}},
        distances={"home": {"near": 1, "far": 2}},
    )
    assert tuple(target_rows(aim)["home"].values()) == traffic


@pytest.mark.parametrize("policy", TrafficPolicy)
def test_panic_differs_on_purpose_the_dead_get_nothing_however_few_are_left(policy: TrafficPolicy) -> None:
    """Envoy's default spreads over all hosts when fewer than half are healthy. Here one of three is."""
    spec = replace(three_regions(), traffic=shares_policy(policy=policy))
    memory, weights, now = settled_fleet(spec)
    plan = play(spec, memory, weights, now, *[(crashed("a"), crashed("b"), well("c"))] * 3)[-1]
    assert plan.shortage > 0
    assert all(dict(row) == {"a": 0, "b": 0, "c": 100} for _, row in plan.weights)


def test_a_drained_region_is_never_used_because_others_fail() -> None:
    """b is well again but has not earned its way back. That a is sick is no shortcut for it."""
    spec = replace(three_regions(), traffic=shares_policy(), capacity=CapacitySpec(Fraction(40)))
    memory, weights, now = settled_fleet(spec)
    ticks = [(well("a"), crashed("b"), well("c"))] * 2 + [(gray("a"), well("b"), well("c"))] * 4
    for plan in play(spec, memory, weights, now, *ticks):
        assert all(dict(row)["b"] == 0 for _, row in plan.weights)
        assert phase_of(plan, "b") == "drained"


def test_load_never_exceeds_what_is_declared_by_our_own_division() -> None:
    """When D is above capacity, overload is a number and not a weight for those who are out."""
    regions = dict.fromkeys("abc", RegionMemory(verdict=Verdict.HEALTHY, ready_known=4))
    regions["a"] = replace(regions["a"], phase=Phase.DRAINED)
    outlook = look_ahead(three_regions(), regions, dict.fromkeys("abc", Fraction(1)), {n: Fraction(40) for n in "abc"})
    assert outlook.usable == {"a": 0, "b": Fraction("14.4"), "c": Fraction("14.4")}
    assert outlook.shortage == 120 - Fraction("28.8")


def slow_start_percent(seconds: int, window_seconds: int) -> Fraction:
    """Envoy's weight with aggression 1: linear in time, never below 10 %."""
    return 100 * max(Fraction(1, 10), Fraction(max(seconds, 1), window_seconds))


def test_the_ramp_ends_where_slow_start_ends_and_never_runs_ahead_of_it() -> None:
    """Over the same time as five bakes: our steps stay below the line up to the last one, which is the whole."""
    steps = ramp_steps(replace(three_regions(), failback=FailbackSpec()))
    line = [slow_start_percent(120 * (i + 1), 600) for i in range(len(steps))]
    assert list(steps) == sorted(steps)
    assert all(step <= percent for step, percent in zip(steps, line, strict=True))
    assert steps[-1] == line[-1] == 100


def test_slow_start_differs_on_purpose_time_alone_brings_no_weight() -> None:
    """Envoy's factor rises with the clock; a step of ours has to be healthy, seen and baked."""
    spec = replace(three_regions(), failback=short_failback(), traffic=shares_policy())
    memory, weights, now = settled_fleet(spec)
    out = play(spec, memory, weights, now, (lost("a"), well("b"), well("c")))[-1]
    back = play(spec, out.memory, out.weights, now + 5_000, *[(well("a"), well("b"), well("c"))] * 30)
    first = next(plan for plan in back if phase_of(plan, "a") == "recovering")
    unsure = (well("a", probes=(), outcomes=(), latency=None, ready=None), well("b"), well("c"))
    held = play(spec, first.memory, first.weights, now + 10**6, *[unsure] * 200)[-1]
    assert phase_of(held, "a") == "recovering"
    assert held.memory.region("a").step == 0

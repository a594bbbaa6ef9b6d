"""The whole decision: first weights, drift, rows that cannot be read, pacing, notes, ramps."""

from dataclasses import replace
from fractions import Fraction

import pytest
from readings import NOW, crashed, gray, lost, phase_of, play, seen, settled_fleet, verdict_of, well
from world import shares_policy, short_failback, three_regions

from leeward.core.decide import decide
from leeward.core.memory import Memory
from leeward.core.snapshot import Matrix, ReadyReading, RegionReadings
from leeward.core.spec import CapacitySpec, ModelSpec, RegionSpec
from leeward.core.writing import arrived

SPEC = three_regions()
HOME: Matrix = tuple((e, tuple((n, 100 * (n == e)) for n in "abc")) for e in "abc")


def starting(name: str) -> RegionReadings:
    return RegionReadings(name, ready=ReadyReading(0, 4, 0), probe_failing=True, api_answers=True)


def test_first_weights_are_written_at_once_before_anything_is_ready() -> None:
    plan = decide(SPEC, seen(*map(starting, "abc")), Memory(), NOW)
    assert (plan.write_weights, plan.emergency, plan.weights) == (True, False, HOME)
    assert plan.reason == "write: first weights"


def test_a_fleet_that_starts_keeps_its_first_weights() -> None:
    first = decide(SPEC, seen(*map(starting, "abc")), Memory(), NOW)
    plans = play(SPEC, first.memory, HOME, NOW + 5_000, *[tuple(map(starting, "abc"))] * 9)
    assert not any(plan.write_weights for plan in plans)
    assert verdict_of(plans[-1], "a") == "unknown"


def test_what_never_had_a_replica_loses_its_weight_once_users_are_let_in() -> None:
    spec = replace(SPEC, traffic=shares_policy(max_step=50))
    first = decide(spec, seen(*map(starting, "abc")), Memory(), NOW)
    one_is_late = (well("a"), well("b"), starting("c"))
    closed = first
    for second in range(5, 50, 5):
        closed = decide(spec, seen(*one_is_late), closed.memory, NOW + 1000 * second)
    assert closed.weights == first.weights, "nobody is sent anywhere yet"
    assert len(closed.memory.writes) == 1, "what is not written takes nothing from the hour's budget"
    opened = play(spec, closed.memory, first.weights, NOW + 60_000, *[one_is_late] * 9)
    assert all(row == (("a", 50), ("b", 50), ("c", 0)) for _, row in opened[-1].weights)
    assert (verdict_of(opened[-1], "c"), opened[-1].memory.region("c").ready_known) == ("unknown", 0)
    come = play(spec, opened[-1].memory, opened[-1].weights, NOW + 120_000, tuple(map(well, "abc")))[-1]
    assert all(dict(row)["c"] == 33 for _, row in come.weights)


@pytest.mark.parametrize("unsure", [{"ready": None}, {"ready": ReadyReading(0, 4, 600_000)}])
def test_a_count_that_is_not_known_is_not_zero(unsure: dict[str, ReadyReading | None]) -> None:
    spec = replace(SPEC, traffic=shares_policy(max_step=50))
    first = decide(spec, seen(*map(starting, "abc")), Memory(), NOW)
    silent = (well("a"), well("b"), replace(starting("c"), **unsure))
    plans = play(spec, first.memory, first.weights, NOW + 5_000, *[silent] * 9)
    assert {plan.weights for plan in plans} == {first.weights}


def test_first_weights_by_shares_and_capacity() -> None:
    spec = replace(SPEC, traffic=shares_policy())
    plan = decide(spec, seen(*map(starting, "abc")), Memory(), NOW)
    assert plan.weights == tuple((e, (("a", 34), ("b", 33), ("c", 33))) for e in "abc")


def test_frozen_from_the_start_writes_nothing() -> None:
    plan = decide(replace(SPEC, frozen=True), seen(*map(starting, "abc")), Memory(), NOW)
    assert (plan.write_weights, plan.weights, plan.reason) == (False, (), "hold: frozen by a person")


def test_without_an_answer_nothing_is_first() -> None:
    plan = decide(SPEC, seen(RegionReadings("a")), Memory(), NOW)
    assert (plan.write_weights, plan.reason) == (False, "hold: no weights are known")


def test_a_row_that_could_not_be_read_is_no_reason_to_write() -> None:
    memory, weights, now = settled_fleet(SPEC)
    quiet = (well("a"), well("b"), well("c", api_answers=False))
    plan = decide(SPEC, seen(*quiet, weights=weights[:2]), memory, now)
    assert not plan.write_weights
    assert plan.weights == weights


def test_a_route_that_is_gone_is_written_again() -> None:
    memory, weights, now = settled_fleet(SPEC)
    plan = decide(SPEC, seen(*map(well, "abc"), weights=weights[:2]), memory, now)
    assert plan.write_weights
    assert [note.kind for note in plan.notes] == ["WeightsChanged", "RouteMissing"]


def test_drift_is_put_back_without_a_further_step() -> None:
    memory, weights, now = settled_fleet(SPEC)
    edited = (("a", (("a", 30), ("b", 70), ("c", 0))), *weights[1:])
    plan = decide(SPEC, seen(*map(well, "abc"), weights=edited), memory, now)
    assert (plan.write_weights, plan.weights) == (True, weights)
    again = decide(SPEC, seen(*map(well, "abc"), weights=edited), plan.memory, now + 5_000)
    assert not again.write_weights  # paced, and not told again
    assert not again.notes


def test_drift_is_put_back_without_a_further_step_even_when_one_is_due() -> None:
    spec = replace(SPEC, traffic=shares_policy(), capacity=CapacitySpec(Fraction(40)))
    memory, weights, now = settled_fleet(spec)
    changed = replace(spec, regions=tuple(RegionSpec(n, s, 4, 12) for n, s in (("a", 50), ("b", 50), ("c", 0))))
    edited = (("a", (("a", 0), ("b", 0), ("c", 100))), *weights[1:])
    plan = decide(changed, seen(*map(well, "abc"), weights=edited), memory, now + 10_000)
    assert plan.weights[0] == weights[0]
    assert plan.weights[1] != weights[1]


def test_a_lost_region_is_out_in_the_tick_that_sees_it() -> None:
    memory, weights, now = settled_fleet(SPEC)
    plan = play(SPEC, memory, weights, now, (lost("a"), well("b"), well("c")))[0]
    assert (plan.write_weights, plan.emergency) == (True, True)
    assert plan.weights[0] == ("a", (("a", 0), ("b", 50), ("c", 50)))
    assert [r.listed for r in plan.regions] == [False, True, True]
    assert plan.reason == "write: a is out: gateway does not answer op-1, op-2"


def test_weight_found_in_a_drained_region_is_an_emergency() -> None:
    memory, weights, now = settled_fleet(SPEC)
    out = play(SPEC, memory, weights, now, (lost("a"), well("b"), well("c")))[0]
    plan = decide(SPEC, seen(*map(well, "abc"), weights=weights), out.memory, now + 1_000)
    assert (plan.write_weights, plan.emergency, plan.weights) == (True, True, out.weights)


def test_evacuation_drains_at_once_and_is_drained_when_seen_empty() -> None:
    roomy = replace(SPEC, capacity=CapacitySpec(Fraction(40)))
    memory, weights, now = settled_fleet(roomy)
    first = decide(roomy, seen(*map(well, "abc"), weights=weights, evacuated=("b",)), memory, now)
    assert (phase_of(first, "b"), first.emergency) == ("draining", True)
    second = decide(roomy, seen(*map(well, "abc"), weights=first.weights, evacuated=("b",)), first.memory, now + 5_000)
    assert (phase_of(second, "b"), second.write_weights) == ("drained", False)


def test_unknown_regions_keep_what_they_carry_and_cannot_gain() -> None:
    memory, weights, now = settled_fleet(SPEC)
    plan = play(SPEC, memory, weights, now, (crashed("a"), RegionReadings("b"), well("c")))[0]
    assert plan.weights == (
        ("a", (("a", 0), ("b", 0), ("c", 100))),
        ("b", (("a", 0), ("b", 100), ("c", 0))),
        weights[2],
    )


def test_shares_that_change_move_step_by_step() -> None:
    spec = replace(SPEC, traffic=shares_policy(), capacity=CapacitySpec(Fraction(40)))
    memory, weights, now = settled_fleet(spec)
    changed = replace(spec, regions=tuple(RegionSpec(n, s, 4, 12) for n, s in (("a", 50), ("b", 50), ("c", 0))))
    plan = play(changed, memory, weights, now + 10_000, tuple(map(well, "abc")))[0]
    assert plan.write_weights and not plan.emergency
    assert sum(abs(w - v) for (_, w), (_, v) in zip(plan.weights[0][1], weights[0][1], strict=True)) == 20


def test_a_difference_of_one_point_is_not_written() -> None:
    spec = replace(SPEC, traffic=shares_policy())
    memory, weights, now = settled_fleet(spec)
    shares = (RegionSpec("a", 34, 4, 12), RegionSpec("b", 34, 4, 12), RegionSpec("c", 33, 4, 12))
    plan = play(replace(spec, regions=shares), memory, weights, now + 10_000, tuple(map(well, "abc")))[0]
    assert not plan.write_weights


@pytest.mark.parametrize(
    ("row", "there"), [((34, 33, 33), True), ((33, 34, 33), True), ((32, 35, 33), False), ((35, 0, 65), False)]
)
def test_arrived_means_that_nothing_is_left_to_write(row: tuple[int, ...], there: bool) -> None:
    target = {"a": {"a": 34, "b": 33, "c": 33}}
    assert arrived({"a": dict(zip("abc", row, strict=True))}, target) is there
    assert arrived({"a": target["a"]}, {"a": {"a": 34, "b": 66, "c": 0}}) is False


def test_a_region_that_left_the_spec_leaves_the_rows() -> None:
    memory, weights, now = settled_fleet(SPEC)
    fewer = replace(SPEC, regions=SPEC.regions[:2])
    plan = play(fewer, memory, weights, now + 10_000, (well("a"), well("b")))[0]
    assert plan.weights == (("a", (("a", 100), ("b", 0))), ("b", (("a", 0), ("b", 100))))
    assert set(plan.memory.regions) == {"a", "b"}


def test_a_new_region_is_not_trusted_before_it_is_ready() -> None:
    spec = replace(SPEC, traffic=shares_policy())
    memory, weights, now = settled_fleet(spec)
    more = replace(spec, regions=(*spec.regions, RegionSpec("d", 50, 4, 12)))
    plans = play(more, memory, weights, now + 10_000, (*map(well, "abc"), starting("d")), tuple(map(well, "abcd")))
    assert [dict(plan.weights[0][1])["d"] for plan in plans] == [0, 0]
    later = play(more, plans[1].memory, plans[1].weights, now + 30_000, tuple(map(well, "abcd")))[0]
    assert dict(later.weights[0][1])["d"] == 10


def test_notes_tell_changes_once() -> None:
    memory, weights, now = settled_fleet(SPEC)
    ticks = [(gray("a"), gray("b"), well("c"))] * 4
    kinds = [[note.kind for note in plan.notes] for plan in play(SPEC, memory, weights, now, *ticks)]
    assert "CorrelatedFault" in kinds[0]
    assert kinds[1].count("VerdictChanged") == 2
    assert kinds[1].count("FailoverHeld") == 2
    assert kinds[2] == kinds[3] == []


def test_region_plans_sum_to_all_requests() -> None:
    memory, weights, now = settled_fleet(SPEC)
    plan = play(SPEC, memory, weights, now, (gray("a"), well("b"), well("c")))[0]
    assert sum(region.weight for region in plan.regions) == 100
    assert {region.utilization_percent for region in plan.regions} == {62}
    assert {region.capacity for region in plan.regions} == {Fraction(12)}
    assert plan.survivable is False
    assert "losing" in plan.survivable_reason


@pytest.mark.parametrize("max_step", [1, 10, 100])
def test_failback_completes_whatever_the_step_and_when(max_step: int) -> None:
    """Five bakes, plus a write every min_interval for the points that have to move."""
    spec = replace(
        SPEC,
        failback=short_failback(),
        traffic=replace(SPEC.traffic, max_step=max_step),
        guards=replace(SPEC.guards, writes_per_hour=1_000),
    )
    memory, weights, now = settled_fleet(spec)
    out = play(spec, memory, weights, now, (crashed("a"), well("b"), well("c")))[0]
    back = play(spec, out.memory, out.weights, now + 5_000, *[tuple(map(well, "abc"))] * 400)
    phases = [phase_of(plan, "a") for plan in back]
    began, ended = phases.index("recovering"), phases.index("active")
    writes = -(-100 // max_step) + 5
    longest_s = 5 * (10 + 5 + 5) + writes * 10
    assert 5 * (ended - began) <= longest_s
    assert back[-1].weights == HOME
    assert began * 5 <= 30 + 30 + 10  # clean time, after the windows of the outage have passed


def test_a_spec_without_regions_holds() -> None:
    plan = decide(ModelSpec("models/none", ()), seen(), Memory(), NOW)
    assert (plan.write_weights, plan.weights, plan.regions) == (False, (), ())

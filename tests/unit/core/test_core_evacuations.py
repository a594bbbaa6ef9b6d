"""Orders to leave a region: what is refused changes nothing, what is forced goes on, what has begun stays begun."""

from dataclasses import replace
from fractions import Fraction

import pytest
from readings import crashed, gray, lost, phase_of, seen, settled_fleet, well
from world import shares_policy, three_regions

from leeward.core.decide import decide
from leeward.core.evacuations import ANOTHER_FIRST
from leeward.core.plan import Plan
from leeward.core.snapshot import RegionReadings
from leeward.core.spec import CapacitySpec, ModelSpec

FULL = three_regions()
ROOMY = replace(FULL, capacity=CapacitySpec(Fraction(40)), traffic=shares_policy())


def ordered(spec: ModelSpec, *names: str, forced: tuple[str, ...] = (), sick: tuple[RegionReadings, ...] = ()) -> Plan:
    """The first plan with the orders, on a settled fleet in which some regions may be sick."""
    memory, weights, now = settled_fleet(spec)
    ill = {each.name: each for each in sick}
    regions = [ill.get(name) or well(name) for name in "abc"]
    return decide(spec, seen(*regions, weights=weights, evacuated=names, forced=forced), memory, now)


def test_what_the_others_cannot_carry_stays_and_the_shortfall_is_told() -> None:
    plan = ordered(FULL, "b")
    assert plan.refused == (("b", "the others lack 4.2 requests/s to carry it"),)
    assert (phase_of(plan, "b"), plan.write_weights) == ("active", False)
    assert "EvacuationRefused" in [note.kind for note in plan.notes]


def test_a_person_may_insist() -> None:
    plan = ordered(FULL, "b", forced=("b",))
    assert (plan.refused, phase_of(plan, "b"), plan.write_weights) == ((), "draining", True)


def test_what_has_begun_goes_on_when_room_is_lost() -> None:
    memory, weights, now = settled_fleet(ROOMY)
    first = decide(ROOMY, seen(*map(well, "abc"), weights=weights, evacuated=("b",)), memory, now)
    sick = well("a"), well("b"), crashed("c")
    second = decide(ROOMY, seen(*sick, weights=first.weights, evacuated=("b",)), first.memory, now + 5_000)
    assert (phase_of(second, "b"), second.refused) == ("drained", ())


def test_regions_leave_one_at_a_time_and_somebody_stays() -> None:
    first = ordered(ROOMY, "a", "b", "c")
    assert dict(first.refused) == {"b": ANOTHER_FIRST, "c": ANOTHER_FIRST}
    memory, weights, now = first.memory, first.weights, 10**9
    for _ in range(5):
        plan = decide(ROOMY, seen(*map(well, "abc"), weights=weights, evacuated=tuple("abc")), memory, now)
        memory, weights, now = plan.memory, plan.weights, now + 5_000
    assert dict(plan.refused) == {"c": "no other region is known to serve"}
    assert plan.weights == tuple((entry, (("a", 0), ("b", 0), ("c", 100))) for entry in "abc")


@pytest.mark.parametrize("sick", [gray("c"), crashed("c"), lost("c"), RegionReadings("c")], ids=lambda r: r.name)
def test_an_order_that_is_refused_does_not_keep_the_region_from_helping(sick: RegionReadings) -> None:
    """With `c` in trouble `b` is needed: everything but what is told is as if there were no order."""
    memory, weights, now = settled_fleet(FULL)
    regions = well("a"), well("b"), sick
    for _ in range(4):
        plain = decide(FULL, seen(*regions, weights=weights), memory, now)
        plan = decide(FULL, seen(*regions, weights=weights, evacuated=("b",)), memory, now)
        assert dict(plan.refused).keys() == {"b"}
        told = replace(plan.memory, told=plain.memory.told)
        assert replace(plan, refused=(), notes=plain.notes, memory=told) == plain
        memory, weights, now = plan.memory, plan.weights, now + 5_000

"""Weights pinned by a person: what they hold, and what they cannot give."""

from dataclasses import replace
from fractions import Fraction

import pytest
from readings import gray, phase_of, seen, settled_fleet, well
from world import shares_policy, three_regions

from leeward.core.decide import decide
from leeward.core.snapshot import Pin
from leeward.core.spec import CapacitySpec

ROOMY = replace(three_regions(traffic=shares_policy()), capacity=CapacitySpec(Fraction(40)))
PINNED = (("a", (("a", 10), ("b", 90), ("c", 0))),)


def test_a_pin_is_written_at_once_and_holds_falls_until_its_time() -> None:
    memory, weights, now = settled_fleet(ROOMY)
    pin = Pin(PINNED, now + 20_000)
    first = decide(ROOMY, seen(*map(well, "abc"), weights=weights, pin=pin), memory, now)
    assert first.write_weights and first.weights == first.target == (*PINNED, *weights[1:])
    sick = seen(gray("b"), well("a"), well("c"), weights=first.weights, pin=pin)
    second = decide(ROOMY, sick, first.memory, now + 5_000)
    third = decide(ROOMY, sick, second.memory, now + 10_000)
    assert third.reason == "hold: b: weights are pinned by a person"
    after = decide(ROOMY, sick, third.memory, now + 20_000)
    assert (phase_of(after, "b"), after.write_weights) == ("drained", True)


@pytest.mark.parametrize(
    "weights", [(), (("x", (("a", 100),)),), (("a", (("a", 0), ("b", 0))),), (("a", (("a", -1), ("b", 101))),)]
)
def test_a_pin_without_sense_changes_no_weight(weights: tuple) -> None:
    memory, rows, now = settled_fleet(ROOMY)
    plan = decide(ROOMY, seen(*map(well, "abc"), weights=rows, pin=Pin(weights, now + 1)), memory, now)
    assert (plan.write_weights, plan.weights) == (False, rows)


def test_a_pin_gives_nothing_to_a_region_that_is_out() -> None:
    memory, weights, now = settled_fleet(ROOMY)
    pin = Pin(PINNED, now + 60_000)
    snapshot = seen(*map(well, "abc"), weights=weights, pin=pin, evacuated=("b",))
    plan = decide(ROOMY, snapshot, memory, now)
    assert plan.weights[0] == ("a", (("a", 100), ("b", 0), ("c", 0)))

"""What survives a restart, and what does not."""

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from readings import gray, play, seen, settled_fleet, well
from world import three_regions

from leeward.core.decide import decide
from leeward.core.memory import Memory, RegionMemory, from_record, penalty_now, to_record
from leeward.core.phases import Phase
from leeward.core.verdict import Verdict

FULL = Memory(
    regions={
        "a": RegionMemory(
            settled=Verdict.FAILED,
            since_ms=5,
            reason="why",
            phase=Phase.RECOVERING,
            phase_since_ms=6,
            phase_reason="how",
            ordered=True,
            step=2,
            step_since_ms=7,
            penalty=1_500,
            penalty_at_ms=8,
            flapping=True,
            fell_ms=9,
            first_seen_ms=1,
            been_ready=True,
            replicas=4,
            replicas_at_ms=3,
            verdict=Verdict.FAILED,
        ),
        "b": RegionMemory(verdict=Verdict.HEALTHY),
    },
    weights=(("a", (("a", 40), ("b", 60))), ("b", (("a", 0), ("b", 100)))),
    last_write_ms=10,
    writes=(1, 10),
    failovers=(10,),
    exemption_ms=4,
    correlated_since_ms=2,
)


def test_the_record_survives_json_and_comes_back_exactly() -> None:
    assert from_record(json.loads(json.dumps(to_record(FULL)))) == FULL


def test_an_empty_memory_comes_back() -> None:
    assert from_record(json.loads(json.dumps(to_record(Memory())))) == Memory()


GOOD = to_record(FULL)


@pytest.mark.parametrize(
    "garbage",
    [
        None,
        7,
        "x",
        [],
        {"regions": 3},
        {"regions": {"a": None}},
        {"regions": {"a": {"phase": "gone"}}},
        {"regions": {"a": {"settled": "unknown"}}},
        {"regions": {"a": {"step": -1}}},
        {"regions": {"a": {"step": True}}},
        {"regions": {"a": {"been_ready": 1}}},
        {"weights": {"a": {"a": 99}}},
        {"weights": {"a": [1]}},
        {"writes": "soon"},
        {"writes": [1.5]},
        {"last_write_ms": "now"},
        {"regions": {"a": {"reason": 4}}},
        {**GOOD, "failovers": {}},
    ],
)
def test_garbage_is_no_record(garbage: object) -> None:
    assert from_record(garbage) == Memory()


def test_lists_are_bounded() -> None:
    assert len(from_record({"writes": list(range(9_999)), "failovers": list(range(9_999))}).writes) == 120


@pytest.mark.parametrize(
    ("minutes", "value"), [(0, 2_000), (15, 1_000), (30, 500), (7.5, 1_500), (22.5, 750), (10**6, 0), (-5, 2_000)]
)
def test_the_penalty_halves_every_quarter_of_an_hour(minutes: float, value: int) -> None:
    region = RegionMemory(penalty=2_000, penalty_at_ms=0)
    assert penalty_now(region, int(minutes * 60_000)) == value


def test_the_record_is_quiet_in_steady_state() -> None:
    spec = three_regions()
    memory, weights, now = settled_fleet(spec)
    before = to_record(memory)
    for tick in range(50):
        readings = [well(n, entry_requests_per_second=Fraction(8 + tick % 3)) for n in "abc"]
        memory = decide(spec, seen(*readings, weights=weights), memory, now + 5_000 * tick).memory
    assert to_record(memory) == before


def test_after_a_restart_everything_observed_is_waited_for_again() -> None:
    spec = three_regions()
    memory, weights, now = settled_fleet(spec)
    failed = play(spec, memory, weights, now, *[(gray("a"), well("b"), well("c"))] * 2)[-1].memory
    back = from_record(to_record(failed))
    assert back.ticks_since_start == 0
    assert (back.region("a").clean_ms, back.region("a").votes) == (0, ())
    assert back.region("a").phase is Phase.DRAINED


def test_a_lost_memory_does_not_trust_a_region_found_without_weight() -> None:
    spec = three_regions()
    empty_a = tuple((entry, (("a", 0), ("b", 50), ("c", 50))) for entry in "abc")
    plan = decide(spec, seen(well("a"), well("b"), well("c"), weights=empty_a), Memory(), 1_000)
    a = plan.memory.region("a")
    assert (a.phase, a.settled) == (Phase.DRAINED, Verdict.FAILED)
    assert not plan.write_weights


def test_times_in_the_future_are_brought_back() -> None:
    spec = three_regions()
    ahead = replace(FULL, regions={"a": replace(FULL.regions["a"], phase_since_ms=10**15, fell_ms=10**15)})
    a = decide(spec, seen(), ahead, 1_000).memory.region("a")
    assert (a.phase_since_ms, a.fell_ms) == (1_000, 1_000)

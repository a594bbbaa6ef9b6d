"""What a replica that follows remembers, and what a new leader believes."""

import json
from dataclasses import replace

from readings import NOW, lost, phase_of, play, seen, settled_fleet, well
from world import shares_policy, three_regions

from leeward.core.decide import decide
from leeward.core.handover import adopt, take_over
from leeward.core.memory import RECORDED, Memory, from_record, to_record
from leeward.core.phases import Phase
from leeward.core.verdict import Verdict

SPEC = three_regions(traffic=shares_policy())
ALL = tuple(map(well, "abc"))


def through_the_status(memory: Memory) -> Memory:
    return from_record(json.loads(json.dumps(to_record(memory))))


def test_a_follower_keeps_its_observations_and_takes_over_decisions() -> None:
    leader, weights, now = settled_fleet(SPEC)
    fallen = play(SPEC, leader, weights, now, (well("a"), lost("b"), well("c")))[0].memory
    follower, _, _ = settled_fleet(SPEC, ticks=9)
    found = adopt(follower, through_the_status(fallen))
    assert (found.region("b").phase, found.weights) == (Phase.DRAINED, fallen.weights)
    assert (found.region("a").clean_ms, found.ticks_since_start) == (follower.region("a").clean_ms, 9)
    assert to_record(found) == to_record(fallen)


def test_without_a_record_a_follower_goes_by_its_own() -> None:
    mine, _, _ = settled_fleet(SPEC)
    assert adopt(mine, Memory()) == mine


def test_a_follower_that_takes_over_in_an_outage_acts_in_its_first_tick() -> None:
    leader, weights, now = settled_fleet(SPEC)
    follower = leader
    for _ in range(3):  # what it decides is done by nobody, as the leader died with region b
        plan = decide(SPEC, seen(well("a"), lost("b"), well("c"), weights=weights), follower, now)
        follower, now = adopt(plan.memory, through_the_status(leader)), now + 5_000
    begun = take_over(follower)
    first = decide(SPEC, seen(well("a"), lost("b"), well("c"), weights=weights), begun, now)
    assert (first.emergency, phase_of(first, "b")) == (True, "drained")


def test_what_the_last_leader_did_and_did_not_record_is_neither_undone_nor_forgotten() -> None:
    leader, weights, now = settled_fleet(SPEC)
    shifted = tuple((entry, (("a", 50), ("b", 0), ("c", 50))) for entry, _ in weights)
    plans = play(SPEC, take_over(leader), shifted, now, *[ALL] * 3)
    assert all(plan.weights == shifted for plan in plans), "it has to earn its weight back"
    assert (plans[0].memory.region("b").phase, plans[0].regions[1].phase_reason) == (
        Phase.DRAINED,
        "found without weight, which no record explains",
    )


def test_half_a_write_is_no_loss_of_a_region() -> None:
    leader, weights, now = settled_fleet(SPEC)
    half = ((weights[0][0], (("a", 50), ("b", 0), ("c", 50))), *weights[1:])
    begun = decide(SPEC, seen(*ALL, weights=half), take_over(leader), now)
    assert (phase_of(begun, "b"), begun.reason) == ("active", "write: entry a moves towards its target")
    unread = decide(SPEC, seen(*ALL), take_over(leader), now)
    assert (phase_of(unread, "b"), unread.memory.weights) == ("active", leader.weights)


def test_under_local_first_only_its_own_entry_tells_that_a_region_was_left() -> None:
    local = three_regions()
    leader, weights, now = settled_fleet(local)
    spilt = (("a", (("a", 95), ("b", 5), ("c", 0))), *weights[1:])
    recorded = replace(leader, weights=spilt)
    back = decide(local, seen(*ALL, weights=weights[:1]), take_over(recorded), now)
    assert phase_of(back, "b") == "active"


def test_every_field_that_survives_is_handed_over() -> None:
    leader, _, _ = settled_fleet(SPEC)
    odd = replace(leader.region("a"), settled=Verdict.DEGRADED, penalty=700, penalty_at_ms=NOW, carries_milli=4_200)
    recorded = through_the_status(replace(leader, regions={**leader.regions, "a": odd}))
    found = adopt(leader, recorded).region("a")
    assert {each: getattr(found, each) for each in RECORDED} == {each: getattr(odd, each) for each in RECORDED}

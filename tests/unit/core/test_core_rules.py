"""Rules that came out of attacking the first ones: each with the case that broke them."""

from dataclasses import replace
from fractions import Fraction

import pytest
from readings import NOW, answers, counts, crashed, gray, phase_of, play, seen, settled_fleet, well
from world import shares_policy, short_failback, three_regions

from leeward.core.correlation import correlated
from leeward.core.decide import decide
from leeward.core.health import assess
from leeward.core.kinds import Level, Rules
from leeward.core.memory import Memory, RegionMemory
from leeward.core.phases import Phase
from leeward.core.plan import Plan
from leeward.core.responses import outcome, probe
from leeward.core.situation import survey
from leeward.core.snapshot import Counts, RegionReadings, Tally
from leeward.core.spec import CapacitySpec, GuardLimits, ModelSpec, TrafficPolicy
from leeward.core.verdict import Verdict

SPEC = three_regions(traffic=shares_policy())
ROOMY = replace(SPEC, capacity=CapacitySpec(Fraction(40)))
RULES = Rules.of(SPEC)
KNOWN = Memory(regions={n: RegionMemory(been_ready=True) for n in "abc"}, ticks_since_start=9)


def burning(name: str, bad_percent: int = 5) -> RegionReadings:
    """So many percent errors for five minutes, at its entry and its engine: never bad in half a minute."""
    bad = 300 * bad_percent // 100
    return well(name, outcomes=(counts(name, bad, 300), counts("engine", bad, 300)))


def plans(spec: ModelSpec, *ticks: tuple[RegionReadings, ...]) -> list[Plan]:
    memory, weights, now = settled_fleet(spec)
    return play(spec, memory, weights, now, *ticks)


# --- Windows, sensors and observers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age_ms", "reach_back_ms", "heard"), [(0, 75_000, True), (0, 74_999, False), (1, 75_000, False)]
)
def test_a_window_counts_again_once_it_begins_after_the_fall(age_ms: int, reach_back_ms: int, heard: bool) -> None:
    """Its age, and 15 s for what was under way: without them the outage itself reset the clean time."""
    late = Counts("a", (Tally(30_000, 0, 0), Tally(60_000, 30, 30)), age_ms)
    assert (outcome((late,), RULES, reach_back_ms) is not None) is heard


def test_what_is_fair_at_one_of_many_entries_is_chance() -> None:
    one = Counts("a", (Tally(30_000, 2, 40),), 0)
    others = tuple(Counts(n, (Tally(30_000, 0, 400),), 0) for n in "bc")
    alone, among = outcome((one,), RULES, None), outcome((one, *others), RULES, None)
    assert alone is not None and among is not None
    assert (alone.level, among.level) == (Level.FAIR, Level.GOOD)


def test_entries_with_few_requests_each_are_heard_together() -> None:
    few = tuple(Counts(n, (Tally(30_000, 8, 10),), 0) for n in "abc")
    opinion = outcome(few, RULES, None)
    assert opinion is not None
    assert (opinion.level, opinion.bad_sensors) == (Level.BAD, 1)
    assert opinion.sentence == "24 of 30 responses bad in 30 s at all entries"


def test_one_path_of_probes_that_fails_is_not_bad() -> None:
    lone = probe((counts("direct", 0, 30), counts("via b", 30, 30)), False, RULES, None, None)
    both = probe((counts("direct", 9, 30), counts("via b", 30, 30)), False, RULES, None, None)
    assert lone is not None and both is not None
    assert (lone.level, both.level) == (Level.FAIR, Level.BAD)


def test_one_observer_does_not_corroborate_itself() -> None:
    """The link from b to a is broken: entry b and the probes through b say so, by two kinds. a is well."""
    broken = well(
        "a",
        outcomes=(counts("a", 0, 300), counts("b", 300, 300), counts("engine", 0, 300)),
        probes=(counts("via b", 30, 30),),
    )
    assert assess(SPEC, seen(broken, well("b"), well("c")), KNOWN, NOW)["a"].verdict is Verdict.DEGRADED
    reach = replace(broken, reach=(answers("via b", 9_000, 1),))
    assert assess(SPEC, seen(reach, well("b"), well("c")), KNOWN, NOW)["a"].verdict is Verdict.DEGRADED
    another = replace(broken, latency=counts("engine", 300, 300))
    assert assess(SPEC, seen(another, well("b"), well("c")), KNOWN, NOW)["a"].verdict is Verdict.FAILED


def test_five_bad_responses_prove_nothing_at_two_sensors() -> None:
    def verdict(bad: int) -> Verdict:
        few = (Tally(30_000, bad, 30),)
        sick = well("a", outcomes=(Counts("a", few, 0), Counts("engine", few, 0)))
        return assess(SPEC, seen(sick, well("b"), well("c")), KNOWN, NOW)["a"].verdict

    assert (verdict(7), verdict(8)) == (Verdict.DEGRADED, Verdict.FAILED)


def test_few_samples_in_half_a_minute_may_be_enough_in_five() -> None:
    """200 samples for one bad sensor: in 30 s they need 7 requests/s, and the longer windows have them too."""
    past = RegionMemory(been_ready=True, outcome_bad_since_ms=NOW - 60_000)
    memory = replace(KNOWN, regions={**KNOWN.regions, "a": past})
    sick = well("a", outcomes=(counts("a", 6, 30), counts("engine", 0, 30)))
    assert assess(SPEC, seen(sick, well("b"), well("c")), memory, NOW)["a"].verdict is Verdict.FAILED


# --- Slow failure ----------------------------------------------------------------------------------------------------


def test_the_slow_pair_fails_a_region_after_its_hold() -> None:
    ticks = [(burning("a"), well("b"), well("c"))] * 14
    phases = [phase_of(plan, "a") for plan in plans(ROOMY, *ticks)]
    assert phases.index("drained") == 13  # 60 s are 12 ticks later, and a second vote


@pytest.mark.parametrize(
    ("readings", "why"),
    [
        ((burning("a", 2), well("b"), well("c")), "below six budgets"),
        ((burning("a"), burning("b"), burning("c")), "nobody is better"),
        ((well("a", outcomes=(counts("a", 15, 300), counts("engine", 0, 300))), well("b"), well("c")), "one sensor"),
    ],
)
def test_the_slow_pair_alone_only_degrades(readings: tuple[RegionReadings, ...], why: str) -> None:
    last = plans(ROOMY, *[readings] * 20)[-1]
    assert phase_of(last, "a") == "active", why
    assert last.regions[0].verdict in (Verdict.HEALTHY, Verdict.DEGRADED)


def test_a_slow_failure_is_left_only_for_regions_that_can_carry_it() -> None:
    full = replace(SPEC, capacity=CapacitySpec(Fraction(35, 10)))
    last = plans(full, *[(burning("a"), well("b"), well("c"))] * 16)[-1]
    assert phase_of(last, "a") == "active"
    assert "to carry it" in last.reason


# --- Falls -----------------------------------------------------------------------------------------------------------


def test_a_fall_that_was_held_does_not_come_after_the_region_is_well_again() -> None:
    """Two of three failed by a release and were held; after the rollback both were drained, a minute later."""
    sick, fine = [(gray("a"), gray("b"), well("c"))] * 6, [tuple(map(well, "abc"))] * 90
    phases = {phase_of(plan, name) for plan in plans(ROOMY, *sick, *fine) for name in "ab"}
    assert phases == {"active"}


def test_what_a_guard_lets_go_in_the_tick_that_is_better_stays() -> None:
    """Two of the last three votes are failed still, and the newest is not."""
    sick, better = (gray("a"), well("b"), well("c")), tuple(map(well, "abc"))
    known, weights, now = settled_fleet(ROOMY)
    held = play(replace(ROOMY, frozen=True), known, weights, now, sick, sick)[-1]
    assert held.memory.region("a").votes[-2:] == (Verdict.FAILED, Verdict.FAILED)
    free = play(ROOMY, held.memory, weights, now + 2 * ROOMY.interval_ms, better)[-1]
    assert phase_of(free, "a") == "active"
    again = play(ROOMY, held.memory, weights, now + 2 * ROOMY.interval_ms, sick)[-1]
    assert phase_of(again, "a") == "drained"


def test_of_gray_failures_one_falls_a_tick() -> None:
    spec = replace(ROOMY, regions=(*ROOMY.regions, *(replace(r, name=f"{r.name}2") for r in ROOMY.regions)))
    names = spec.region_names
    sick = tuple(gray(n) if n in "ab" else well(n) for n in names)
    last = plans(spec, sick, sick)[-1]
    assert sorted(phase_of(last, n) for n in "ab") == ["active", "drained"]
    assert "b: a leaves first" in last.reason or "a leaves first" in " ".join(n.sentence for n in last.notes)


@pytest.mark.parametrize(("percent", "phase"), [(20, "active"), (80, "drained")])
def test_moving_must_not_lose_more_than_staying(percent: int, phase: str) -> None:
    """Two regions of 16 requests/s for a demand of 20: b would refuse 4 of a's 10."""
    pair = replace(SPEC, regions=SPEC.regions[:2])
    last = plans(pair, *[(gray("a", percent), well("b"))] * 2)[-1]
    assert phase_of(last, "a") == phase
    assert (phase == "drained") or "have to refuse 4 requests/s, and 2 go wrong here" in last.reason


def test_users_who_may_be_served_nowhere_else_stay_with_what_answers() -> None:
    regions = tuple(replace(r, served_by=("a",)) if r.name == "a" else r for r in ROOMY.regions)
    bound = replace(ROOMY, regions=regions)
    last = plans(bound, *[(gray("a"), well("b"), well("c"))] * 2)[-1]
    assert last.reason == "hold: a: users who enter at a may be served nowhere else"


def test_a_correlated_fault_names_what_only_the_bad_have() -> None:
    domains = {"a": "aws", "b": "aws", "c": "gcp"}
    regions = tuple(replace(r, failure_domains=(("provider", domains[r.name]),)) for r in SPEC.regions)
    spec = replace(SPEC, regions=regions)
    memory, weights, now = settled_fleet(spec)
    sick = [replace(gray(n), revision="r2") for n in "ab"]
    situation = survey(spec, seen(*sick, well("c", revision="r1"), weights=weights), memory, now)
    assert correlated(situation) == (
        "correlated fault: a, b turned bad together; only they have provider aws and revision r2"
    )


# --- Pins and budgets ------------------------------------------------------------------------------------------------


def test_half_of_the_write_budget_is_left_to_ramps() -> None:
    spec = replace(ROOMY, failback=short_failback(), guards=GuardLimits(writes_per_hour=40))
    memory, weights, now = settled_fleet(spec)
    changed = replace(spec, regions=tuple(replace(r, share=s) for r, s in zip(spec.regions, (80, 10, 10), strict=True)))
    worn = replace(memory, writes=tuple(now - 60_000 for _ in range(20)))
    snapshot = seen(*map(well, "abc"), weights=weights)
    assert "write budget" in decide(changed, snapshot, worn, now + 10_000).reason
    assert "write budget" in decide(changed, snapshot, worn, now + 119_999).reason
    assert decide(changed, snapshot, worn, now + 120_000).write_weights  # 180 s: so long that an hour has 20 of them
    spent = replace(worn, writes=worn.writes * 2)
    assert "write budget" in decide(changed, snapshot, spent, now + 120_000).reason
    back = replace(worn.region("a"), phase=Phase.RECOVERING, step=3)
    ramping = replace(worn, regions={**worn.regions, "a": back})
    assert decide(changed, snapshot, ramping, now + 10_000).write_weights


@pytest.mark.parametrize("spec", [ROOMY, replace(ROOMY, traffic=three_regions().traffic)])
def test_demand_that_wobbles_writes_nothing_while_a_ramp_is_under_way(spec: ModelSpec) -> None:
    """Every tick wrote before, until the hour's budget was gone and the ramp stood still."""
    spec = replace(spec, failback=short_failback())
    memory, weights, now = settled_fleet(spec)
    back = replace(memory.region("a"), phase=Phase.RECOVERING, step=4)
    memory = replace(memory, regions={**memory.regions, "a": back})
    ticks = [
        tuple(well(n, entry_requests_per_second=Fraction(9 + (tick * (3 + i)) % 3)) for i, n in enumerate("abc"))
        for tick in range(30)
    ]
    assert sum(plan.write_weights for plan in play(spec, memory, weights, now, *ticks)) <= 2


def test_a_single_entry_that_cannot_get_through_tells_of_the_way_not_of_the_region() -> None:
    """Users of a and its engine are well; only what comes from b fails, for longer than a minute."""
    way = well("a", outcomes=(counts("a", 0, 300), counts("b", 300, 300), counts("engine", 0, 300)))
    last = plans(ROOMY, *[(way, well("b"), well("c"))] * 20)[-1]
    assert (last.regions[0].verdict, last.regions[0].phase) == (Verdict.DEGRADED, "active")
    two = replace(way, outcomes=(*way.outcomes, counts("c", 300, 300)))
    assert plans(ROOMY, *[(two, well("b"), well("c"))] * 2)[-1].regions[0].phase == "drained"


def test_what_only_one_other_entry_counts_as_bad_is_the_way_in_the_sum_of_all_entries_too() -> None:
    """Too few requests for b to speak by itself, and enough of them to make the sum look bad."""
    few = (counts("a", 0, 16), counts("b", 16, 16), counts("c", 0, 16), counts("engine", 0, 32))
    heard = outcome(few, RULES, 30_000, "a")
    assert heard is not None and heard.level is Level.FAIR
    home_too = outcome((counts("a", 4, 16), *few[1:]), RULES, 30_000, "a")
    assert home_too is not None and home_too.level is Level.BAD


def test_a_row_that_is_read_late_is_from_before_the_start_all_the_same() -> None:
    """A successor that begins cut off reads nothing; what it reads first, whenever that is, was there before it."""
    blind = [RegionReadings(name, reach=(answers("op-1", reached=0),)) for name in "abc"]
    first = decide(ROOMY, seen(*blind), Memory(), NOW)
    assert (first.regions[2].verdict, first.memory.read) == (Verdict.UNKNOWN, ())
    row = (("a", 34), ("b", 33), ("c", 33))
    weights = tuple((entry, row) for entry in "abc")
    ticks = [(well("a"), well("b"), crashed("c"))] * 4
    last = play(ROOMY, first.memory, weights, NOW + 5_000, *ticks)[-1]
    assert (last.regions[2].phase, last.regions[2].weight) == ("drained", 0)


def test_a_row_that_nobody_knows_is_taken_for_home_where_users_are_served_at_home() -> None:
    """Taken for the same as the only row that was read, the others would be written so by the next write to all."""
    home = (("a", 100), ("b", 0), ("c", 0))
    local = replace(ROOMY, traffic=replace(ROOMY.traffic, policy=TrafficPolicy.LOCAL_FIRST))
    plan = decide(local, seen(*map(well, "abc"), weights=(("a", home),)), Memory(), NOW)
    assert plan.weights == (
        ("a", home),
        ("b", (("a", 0), ("b", 100), ("c", 0))),
        ("c", (("a", 0), ("b", 0), ("c", 100))),
    )
    shares = decide(ROOMY, seen(*map(well, "abc"), weights=(("a", home),)), Memory(), NOW)
    assert shares.weights == tuple((entry, home) for entry in "abc")

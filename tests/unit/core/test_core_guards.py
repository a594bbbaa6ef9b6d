"""Each guard: when it speaks, and who passes over it."""

from dataclasses import replace
from fractions import Fraction

import pytest
from readings import crashed, gray, lost, phase_of, play, seen, settled_fleet, well
from world import shares_policy, three_regions

from leeward.core import guards
from leeward.core.decide import decide
from leeward.core.guards import Move
from leeward.core.memory import Memory
from leeward.core.plan import Plan
from leeward.core.situation import survey
from leeward.core.snapshot import Counts, RegionReadings, Tally
from leeward.core.spec import CapacitySpec, FailoverMode, GuardLimits, ModelSpec
from leeward.core.verdict import Verdict

SPEC = three_regions(traffic=shares_policy())
ROOMY = replace(SPEC, capacity=CapacitySpec(Fraction(40)))
GRAY_A = (gray("a"), well("b"), well("c"))
DEAD_A = (crashed("a"), well("b"), well("c"))


def last_plan(*ticks: tuple[RegionReadings, ...], spec: ModelSpec = SPEC, **memory: object) -> Plan:
    """The plan of the last tick, after a fleet that was well."""
    known, weights, now = settled_fleet(spec)
    return play(spec, replace(known, **memory), weights, now, *ticks)[-1]  # type: ignore[arg-type]


def test_without_a_guard_both_fall() -> None:
    assert phase_of(last_plan(GRAY_A, GRAY_A), "a") == "drained"
    assert phase_of(last_plan(DEAD_A), "a") == "drained"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"frozen": True}, "frozen by a person"),
        ({"failover": FailoverMode.RECOMMEND}, "failover mode is Recommend"),
        ({"failover": FailoverMode.OFF}, "hold: "),
    ],
)
def test_a_persons_stop_holds_even_a_definitive_outage(changes: dict, words: str) -> None:
    spec = replace(SPEC, **changes)
    known, weights, now = settled_fleet(SPEC)
    plan = play(spec, known, weights, now, DEAD_A)[0]
    assert (plan.write_weights, phase_of(plan, "a")) == (False, "active")
    assert words in plan.reason
    assert plan.memory.region("a").settled == "failed"


def test_off_does_not_even_say_what_it_would_do() -> None:
    plan = last_plan(DEAD_A, spec=SPEC)
    off = replace(SPEC, failover=FailoverMode.OFF)
    known, weights, now = settled_fleet(SPEC)
    assert not any(note.kind == "FailoverHeld" for note in play(off, known, weights, now, DEAD_A)[0].notes)
    assert plan.write_weights


def test_recommend_shows_the_target() -> None:
    known, weights, now = settled_fleet(SPEC)
    plan = play(replace(SPEC, failover=FailoverMode.RECOMMEND), known, weights, now, DEAD_A)[0]
    assert plan.weights == weights
    assert plan.target[0] == ("a", (("a", 0), ("b", 50), ("c", 50)))


def test_first_ticks_only_observe_but_a_definitive_outage_seen_twice_acts() -> None:
    known, weights, now = settled_fleet(SPEC)
    restarted = replace(
        known,
        ticks_since_start=0,
        regions={n: replace(r, votes=(), verdict=r.settled) for n, r in known.regions.items()},
    )
    phases = [phase_of(p, "a") for p in play(SPEC, restarted, weights, now, *[GRAY_A] * 4)]
    assert phases == ["active", "active", "active", "drained"]
    assert [phase_of(p, "a") for p in play(SPEC, restarted, weights, now, *[DEAD_A] * 2)] == ["active", "drained"]


def test_the_last_region_that_serves_stays() -> None:
    everyone = tuple(map(crashed, "abc"))
    plan = last_plan(everyone, everyone)
    assert {r.phase for r in plan.regions} == {"active"}
    assert "no other region is known to serve" in plan.reason
    unknown = (crashed("a"), RegionReadings("b"), RegionReadings("c"))
    assert phase_of(last_plan(unknown, unknown), "a") == "active"


@pytest.mark.parametrize(
    ("others", "held"),
    [((gray("b"), well("c")), True), ((well("b"), well("c")), False), ((crashed("b"), well("c")), False)],
)
def test_correlated_fault(others: tuple[RegionReadings, ...], held: bool) -> None:
    spec = replace(ROOMY, guards=GuardLimits(cooldown_ms=0))
    plan = last_plan(*[(gray("a"), *others)] * 2, spec=spec)
    assert (phase_of(plan, "a") == "active") is held
    assert any("correlated" in note.sentence for note in plan.notes if note.kind == "FailoverHeld") is held
    assert (plan.memory.correlated_since_ms is not None) is held


def test_regions_that_turn_bad_far_apart_are_not_correlated() -> None:
    spec = replace(ROOMY, guards=GuardLimits(cooldown_ms=0))
    ticks = [GRAY_A] * 26 + [(gray("a"), gray("b"), well("c"))] * 2
    plan = last_plan(*ticks, spec=spec)
    assert (phase_of(plan, "a"), phase_of(plan, "b")) == ("drained", "drained")


def test_a_definitive_outage_passes_over_a_correlated_fault() -> None:
    plan = last_plan((gray("a"), gray("b"), lost("c")))
    assert phase_of(plan, "c") == "drained"
    assert any(note.kind == "CorrelatedFault" for note in plan.notes)


def test_advantage() -> None:
    """The others are fair: errors for half a minute, not yet for five."""
    fair = (Tally(30_000, 27, 300), Tally(300_000, 27, 3_000))
    b, c = (well(n, outcomes=(Counts(n, fair, 0), Counts("engine", fair, 0))) for n in "bc")
    plan = last_plan(*[(gray("a"), b, c)] * 2)
    assert "no other region is clearly better" in plan.reason


@pytest.mark.parametrize(
    ("ago_s", "words"),
    [((299,), "cooldown"), ((301,), None), ((900, 800, 700), "3 failovers"), ((3_700, 3_650, 3_601), None)],
)
def test_cooldown_and_failovers_per_hour(ago_s: tuple[int, ...], words: str | None) -> None:
    _, _, now = settled_fleet(SPEC)
    failovers = tuple(now + 5_000 - 1_000 * s for s in ago_s)
    plan = last_plan(GRAY_A, GRAY_A, failovers=failovers)
    assert phase_of(plan, "a") == ("drained" if words is None else "active")
    assert words is None or words in plan.reason


def test_a_definitive_outage_passes_over_the_cooldown_once() -> None:
    _, _, now = settled_fleet(SPEC)
    first = last_plan(DEAD_A, failovers=(now - 1_000,))
    assert phase_of(first, "a") == "drained"
    assert first.memory.exemption_ms == now
    again = last_plan(DEAD_A, failovers=(now - 1_000,), exemption_ms=now - 2_000)
    assert phase_of(again, "a") == "active"


def objection(move: Move, spec: ModelSpec = SPEC, **memory: object) -> str | None:
    known, weights, now = settled_fleet(spec)
    snapshot = seen(*map(well, "abc"), weights=weights)
    return guards.write_objection(survey(spec, snapshot, replace(known, **memory), now), move)  # type: ignore[arg-type]


@pytest.mark.parametrize("move", [Move(), Move(emergency=True), Move(first=True)])
def test_pacing_is_for_ordinary_moves(move: Move) -> None:
    _, _, now = settled_fleet(SPEC)
    ordinary = move == Move()
    assert (objection(move, last_write_ms=now - 9_999) == "the last write is too recent") is ordinary
    assert objection(move, last_write_ms=now - 10_000) is None
    spent = objection(move, writes=tuple(range(now - 40, now - 10)))
    assert (spent == "the write budget of this hour is spent") is ordinary
    assert objection(move, writes=tuple(range(now - 3_600_030, now - 3_600_000))) is None


def test_ordinary_weights_hold_still_during_a_correlated_fault() -> None:
    known, weights, now = settled_fleet(SPEC)
    sick = seen(gray("a"), gray("b"), well("c"), weights=weights)
    situation = survey(SPEC, sick, known, now + 10_000)
    assert "correlated fault" in (guards.write_objection(situation, Move()) or "")
    assert guards.write_objection(situation, Move(emergency=True)) is None
    assert guards.first_objection(guards.RETURN_GUARDS, situation, "c") is not None


def test_a_flapping_region_stays_away() -> None:
    known, weights, now = settled_fleet(SPEC)
    a = replace(known.region("a"), penalty=1_500, penalty_at_ms=now)
    flapped = replace(known, regions={**known.regions, "a": a})
    fallen = play(SPEC, flapped, weights, now, DEAD_A)[0].memory
    assert fallen.region("a").flapping
    healed = replace(fallen.region("a"), clean_ms=10**9, votes=(Verdict.HEALTHY,) * 3)
    memory = replace(fallen, regions={**fallen.regions, "a": healed})
    row = fallen.weights
    early = decide(SPEC, seen(*map(well, "abc"), weights=row), memory, now + 60_000)
    assert "fell too often" in next(n.sentence for n in early.notes if n.kind == "FailbackHeld")
    late = decide(SPEC, seen(*map(well, "abc"), weights=row), memory, now + 3_600_000)
    assert phase_of(late, "a") == "recovering"


def test_limits_come_from_the_spec() -> None:
    spec = replace(SPEC, guards=GuardLimits(advantage=Fraction(2)))
    assert "no other region is clearly better" in last_plan(GRAY_A, GRAY_A, spec=spec).reason


def test_memory_of_nothing_is_no_obstacle() -> None:
    assert Memory().region("never seen").settled == "healthy"

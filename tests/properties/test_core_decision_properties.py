"""Decisions, for every input: what the core never does."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st
from readings import NOW, counts, gray, play, seen, settled_fleet, well
from world import shares_policy, short_failback, three_regions

from leeward.core.decide import decide
from leeward.core.memory import Memory, from_record, to_record
from leeward.core.phases import Phase
from leeward.core.plan import Plan
from leeward.core.snapshot import (
    Counts,
    LoadReading,
    Pin,
    ReachReading,
    ReadyReading,
    RegionReadings,
    Snapshot,
    Tally,
)
from leeward.core.spec import FailoverMode, GuardLimits, ModelSpec, RegionSpec, TrafficPolicy
from leeward.core.verdict import Verdict

BADNESS = {Verdict.HEALTHY: 0, Verdict.DEGRADED: 1, Verdict.FAILED: 2}
SPEC = three_regions(failback=short_failback())
MEMORY, WEIGHTS, NEXT = settled_fleet(SPEC)

wild = st.one_of(st.integers(-5, 5), st.integers(0, 400), st.integers(-(10**30), 10**30))
ages = st.one_of(st.integers(0, 5_000), wild)
maybe = st.one_of(st.none(), st.booleans())
wild_rates = st.one_of(st.none(), st.fractions(-5, 100, max_denominator=7), st.just(Fraction(10**40)))
tallies = st.builds(Tally, st.sampled_from((30_000, 60_000, 300_000, 900_000, 0, -7)), wild, wild)
sensors = st.lists(
    st.builds(Counts, st.sampled_from(("a", "b", "engine", "direct")), st.lists(tallies, max_size=4).map(tuple), ages),
    max_size=3,
).map(tuple)
observers = st.builds(ReachReading, st.sampled_from(("op-1", "op-2", "op-3")), wild, ages, wild, wild)


def regions_named(name: str) -> st.SearchStrategy[RegionReadings]:
    return st.one_of(
        st.just(well(name)),
        st.builds(
            RegionReadings,
            st.just(name),
            sensors,
            st.one_of(st.none(), sensors.map(lambda s: s[0] if s else None)),
            sensors,
            maybe,
            st.lists(observers, max_size=3).map(tuple),
            st.one_of(st.none(), st.builds(ReadyReading, wild, wild, ages)),
            st.one_of(st.none(), st.builds(LoadReading, wild_rates.filter(lambda r: r is not None), wild, wild, ages)),
            maybe,
            maybe,
            wild_rates,
            st.sampled_from((None, "r1", "r2")),
        ),
    )


cells = st.one_of(st.sampled_from((0, 33, 50, 100)), wild)
matrices = st.lists(
    st.tuples(st.sampled_from("abcx"), st.lists(st.tuples(st.sampled_from("abcx"), cells), max_size=4).map(tuple)),
    max_size=4,
).map(tuple)
snapshots = st.builds(
    Snapshot,
    st.sampled_from(("op-1", "op-9")),
    st.just(NOW),
    st.tuples(*map(regions_named, "abc")),
    st.one_of(st.just(WEIGHTS), matrices),
    st.booleans(),
    st.sampled_from(((), (), ("a",), ("a", "b", "c"))),
    st.one_of(st.none(), st.none(), st.builds(Pin, matrices, st.integers(NOW - 10**6, NOW + 10**6))),
)


def bounded(served_by: dict[str, tuple[str, ...]]) -> tuple[RegionSpec, ...]:
    return tuple(replace(region, served_by=served_by.get(region.name)) for region in three_regions().regions)


residency = st.dictionaries(st.sampled_from("abc"), st.sampled_from(((), ("a",), ("a", "b"), ("x",))), max_size=2)
specs = st.builds(
    three_regions,
    failover=st.sampled_from(FailoverMode),
    frozen=st.booleans(),
    failback=st.just(short_failback()),
    traffic=st.sampled_from(TrafficPolicy).map(lambda p: shares_policy(policy=p)),
)
bound_specs = st.builds(lambda spec, served_by: replace(spec, regions=bounded(served_by)), specs, residency)
histories = st.lists(st.tuples(snapshots, st.integers(-10_000, 400_000)), min_size=1, max_size=6)


def decide_all(spec: ModelSpec, history: list[tuple[Snapshot, int]], memory: Memory) -> list[Plan]:
    plans, now = [], NEXT
    for snapshot, later in history:
        now += later
        plans.append(decide(spec, snapshot, memory, now))
        memory = plans[-1].memory
    return plans


@settings(max_examples=80, deadline=None)
@given(st.one_of(specs, bound_specs), histories, st.sampled_from((MEMORY, Memory())))
def test_whatever_is_read_every_plan_is_sound(spec: ModelSpec, history: list, memory: Memory) -> None:
    before = memory
    for plan in decide_all(spec, history, memory):
        for matrix in (plan.weights, plan.target):
            assert all(sum(weight for _, weight in row) == 100 for _, row in matrix)
            assert all(weight >= 0 for _, row in matrix for _, weight in row)
        assert plan.reason.startswith("write: " if plan.write_weights else "hold: ")
        assert [region.name for region in plan.regions] == ["a", "b", "c"]
        assert not (spec.frozen and plan.write_weights)
        newly_read = plan.memory.read != before.read  # a row of before the start is taken over
        assert plan.write_weights or newly_read or plan.memory.weights == before.weights
        assert plan.shortage >= 0
        before = plan.memory


@settings(max_examples=40, deadline=None)
@given(specs, histories, st.sampled_from((MEMORY, Memory())))
def test_the_same_input_gives_the_same_plan(spec: ModelSpec, history: list, memory: Memory) -> None:
    assert repr(decide_all(spec, history, memory)) == repr(decide_all(spec, history, memory))


@settings(max_examples=60, deadline=None)
@given(specs, histories)
def test_the_record_comes_back_exactly_after_any_history(spec: ModelSpec, history: list) -> None:
    memory = decide_all(spec, history, MEMORY)[-1].memory
    record = to_record(memory)
    assert to_record(from_record(json.loads(json.dumps(record)))) == record


@settings(max_examples=60, deadline=None)
@given(specs, histories)
def test_a_region_that_is_out_carries_nothing_once_written(spec: ModelSpec, history: list) -> None:
    for plan in decide_all(spec, history, MEMORY):
        out = [r.name for r in plan.regions if r.phase in (Phase.DRAINED, Phase.DRAINING)]
        assert all(not region.listed for region in plan.regions if region.name in out)
        if plan.write_weights and len(out) < 3:
            assert all(weight == 0 for _, row in plan.weights for name, weight in row if name in out)


LOSABLE = [f.name for f in fields(RegionReadings) if f.name != "name"]
NOTHING = RegionReadings("-")


def without(region: RegionReadings, missing: set[str]) -> RegionReadings:
    return replace(region, **{name: getattr(NOTHING, name) for name in missing})


missing_sets = st.sets(st.sampled_from(LOSABLE))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(missing_sets, missing_sets, missing_sets), min_size=1, max_size=8))
def test_missing_data_never_fails_a_region_and_moves_nothing(ticks: list) -> None:
    seen_ticks = [tuple(without(well(n), m) for n, m in zip("abc", lost, strict=True)) for lost in ticks]
    for plan in play(SPEC, MEMORY, WEIGHTS, NEXT, *seen_ticks):
        assert all(region.verdict in (Verdict.HEALTHY, Verdict.UNKNOWN) for region in plan.regions)
        assert not plan.write_weights or plan.weights == WEIGHTS


LIES: list[Callable[[RegionReadings], RegionReadings]] = [
    lambda r: replace(r, outcomes=(counts(r.name, 300, 300), r.outcomes[1])),
    lambda r: replace(r, outcomes=(r.outcomes[0], counts("engine", 300, 300))),
    lambda r: replace(r, latency=counts("engine", 300, 300)),
    lambda r: replace(r, probes=(counts("direct", 30, 30), r.probes[1])),
    lambda r: replace(r, ready=ReadyReading(0, 4, 0)),
    lambda r: replace(r, reach=(ReachReading("op-1", 60_000, 0, 1, 2), r.reach[1])),
    lambda r: replace(r, api_answers=False, metrics_answer=False),
]


@given(st.sampled_from(LIES), st.sets(st.sampled_from("abc"), min_size=1), st.integers(1, 11))
def test_one_lying_sensor_never_fails_a_region_before_its_minute(
    lie: Callable[[RegionReadings], RegionReadings], victims: set[str], ticks: int
) -> None:
    tick = tuple(lie(well(n)) if n in victims else well(n) for n in "abc")
    for plan in play(SPEC, MEMORY, WEIGHTS, NEXT, *[tick] * ticks):
        assert all(region.verdict is not Verdict.FAILED for region in plan.regions)


FAULTS: list[Callable[[str], RegionReadings]] = [
    gray,
    lambda n: gray(n, 100),
    lambda n: gray(n, 5),
    lambda n: well(n, latency=counts("engine", 300, 300), probes=(counts("direct", 30, 30), counts("via", 30, 30))),
    lambda n: well(n, ready=ReadyReading(0, 4, 0), probe_failing=True),
    lambda n: well(n, reach=(ReachReading("op-1", 9_000, 0, 1, 2), ReachReading("op-2", 9_000, 0, 1, 2))),
    RegionReadings,
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(FAULTS), min_size=1, max_size=20), st.sampled_from(TrafficPolicy))
def test_the_same_fault_everywhere_moves_nothing(faults: list, policy: TrafficPolicy) -> None:
    spec = three_regions(traffic=shares_policy(policy=policy))
    memory, weights, now = settled_fleet(spec)
    for plan in play(spec, memory, weights, now, *[tuple(map(fault, "abc")) for fault in faults]):
        assert plan.weights == weights


@settings(deadline=None)
@given(st.lists(st.integers(0, 300), min_size=3, max_size=8), st.data())
def test_better_readings_never_give_a_worse_verdict(bad: list[int], data: st.DataObject) -> None:
    better = [data.draw(st.integers(0, b)) for b in bad]
    free = replace(SPEC, guards=GuardLimits(observe_ticks_after_start=99))  # verdicts only: nobody falls

    def verdicts(series: list[int]) -> list[int]:
        ticks = [
            (well("a", outcomes=(counts("a", b, 300), counts("engine", b, 300))), well("b"), well("c")) for b in series
        ]
        fresh = replace(MEMORY, ticks_since_start=0)
        return [BADNESS[plan.regions[0].verdict] for plan in play(free, fresh, WEIGHTS, NEXT, *ticks)]

    assert all(x <= y for x, y in zip(verdicts(better), verdicts(bad), strict=True))


cut_off = st.integers(1, 50).flatmap(lambda total: st.tuples(st.integers(0, (total - 1) // 2), st.just(total)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), cut_off), min_size=3, max_size=3))
def test_an_observer_that_is_cut_off_is_not_heard_about_others(claims: list) -> None:
    fleet = tuple(
        well(name, reach=(*well(name).reach, ReachReading("op-3", failing, 500, *reached)))
        for name, (failing, reached) in zip("abc", claims, strict=True)
    )
    for plan in play(SPEC, MEMORY, WEIGHTS, NEXT, fleet, fleet, fleet):
        assert {line.verdict for line in plan.regions} == {Verdict.HEALTHY}


@settings(max_examples=60, deadline=None)
@given(snapshots, st.permutations([0, 1, 2]))
def test_the_order_of_readings_changes_nothing(snapshot: Snapshot, order: list[int]) -> None:
    turned = replace(snapshot, regions=tuple(snapshot.regions[i] for i in order))
    assert decide(SPEC, turned, MEMORY, NEXT) == decide(SPEC, snapshot, MEMORY, NEXT)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from(FAULTS[:6]), min_size=3, max_size=3), min_size=1, max_size=40))
def test_however_regions_fail_someone_is_left_who_was_not_taken_out(faults: list) -> None:
    ticks = [tuple(fault(n) for fault, n in zip(tick, "abc", strict=True)) for tick in faults]
    for plan in play(SPEC, MEMORY, WEIGHTS, NEXT, *ticks):
        assert any(region.listed for region in plan.regions)


@settings(max_examples=12, deadline=None)
@given(histories)
def test_once_all_is_well_every_fleet_comes_home(history: list) -> None:
    """Liveness: whatever happened, an hour and a half of good readings brings weights back to their shares."""
    calm = [(replace(snapshot, evacuated=(), pin=None), later) for snapshot, later in history]
    plan = decide_all(SPEC, calm, MEMORY)[-1]
    weights, now, memory = plan.weights or WEIGHTS, NEXT + 10_000_000, plan.memory
    for _ in range(370):
        plan = decide(SPEC, seen(*map(well, "abc"), weights=weights), memory, now)
        memory, now = plan.memory, now + 15_000
        weights = plan.weights if plan.write_weights else weights
        if weights == WEIGHTS and all(r.phase is Phase.ACTIVE for r in plan.regions):
            return
    raise AssertionError(plan)


@settings(max_examples=10)
@given(st.integers(1, 50), st.sampled_from(TrafficPolicy), st.data())
def test_from_one_region_to_fifty_every_plan_is_sound(size: int, policy: TrafficPolicy, data: st.DataObject) -> None:
    names = tuple(f"r{i:02d}" for i in range(size))
    spec = replace(SPEC, regions=tuple(RegionSpec(n, 2, 4, 12) for n in names), traffic=shares_policy(policy=policy))
    memory, weights, now = settled_fleet(spec)
    sick = data.draw(st.dictionaries(st.sampled_from(names), st.sampled_from(FAULTS), max_size=4))
    tick = tuple(sick.get(n, well)(n) for n in names)
    for plan in play(spec, memory, weights, now, tick, tick):
        assert all(sum(weight for _, weight in row) == 100 for _, row in plan.weights)
        assert any(region.listed for region in plan.regions)

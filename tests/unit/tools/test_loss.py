"""What if: figures that can be checked by hand, and the fleets in which Leeward would rightly not move."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import cut, decision_of, settled, shares
from world import three_regions

from leeward.core.snapshot import RegionReadings
from leeward.core.spec import CapacitySpec, FailoverMode, GuardLimits, ModelSpec, RegionSpec
from leeward.replay.decision import Decision
from leeward.replay.loss import lose
from leeward.replay.world import RegionAfter, Stage, World


def of(stage: Stage, name: str) -> RegionAfter:
    return next(region for region in stage.regions if region.name == name)


def large(replicas: int = 8) -> ModelSpec:
    """Each region declared to carry 32 requests/s."""
    return shares(regions=tuple(RegionSpec(n, s, replicas, 12) for n, s in {"a": 34, "b": 33, "c": 33}.items()))


@cache
def with_ready(spec: ModelSpec, rate: float = 30) -> Decision:
    """A settled fleet with the spec's least replicas ready."""
    world = settled(spec, rate)
    for region in world.regions.values():
        region.ready = region.desired = spec.regions[0].replicas_min
    world.run(60)
    return decision_of(world)


def test_capacity_to_spare_carries_a_loss_at_once() -> None:
    """30 requests/s over two regions of 32 each, by their shares of 34 and 33: 51 % and 49 %, less than half busy."""
    answer = lose(with_ready(large()), ["b"])
    assert answer.by_itself and answer.carried and answer.lost == ("b",)
    assert answer.demand == 30
    assert [(r.name, r.weight, r.load, r.utilization_percent) for r in answer.at_once.regions] == [
        ("a", 51, Fraction("15.3"), 47),
        ("b", 0, Fraction(0), None),
        ("c", 49, Fraction("14.7"), 45),
    ]
    assert [entry for entry, _ in answer.at_once.weights] == ["a", "c"]
    assert answer.at_once.misdirected == 0
    assert of(answer.before, "b").load == Fraction(99, 10)


def test_too_little_capacity_is_short_by_a_number_and_orders_replicas() -> None:
    """Two regions of 16 at 90 % carry 28.8 of 1.1 times 30."""
    answer = lose(with_ready(shares()), ["b"])
    assert answer.by_itself and not answer.carried
    assert abs(answer.at_once.shortage - Fraction("4.2")) < Fraction(1, 100)
    assert [of(answer.at_once, name).replicas for name in "ac"] == [8, 8]
    assert [of(answer.with_replicas, name).ready for name in "ac"] == [8, 8]
    assert answer.with_replicas.shortage == 0
    assert of(answer.with_replicas, "a").utilization_percent == 46


def test_twice_the_demand_without_a_loss() -> None:
    decision = with_ready(large())
    twice, sixty = lose(decision, [], factor=Fraction(2)), lose(decision, [], total=Fraction(60))
    assert twice.at_once == sixty.at_once
    assert twice.demand == 60
    assert of(twice.before, "a").load == Fraction("10.2")
    assert of(twice.at_once, "a").load == Fraction("20.4")


def test_losing_most_regions_looks_like_isolation_and_needs_a_person() -> None:
    answer = lose(with_ready(large()), ["b", "c"])
    assert not answer.by_itself
    assert answer.held == "observer op-a suspects itself: it reaches fewer than half of the others"
    assert of(answer.at_once, "a").weight == 100
    assert of(answer.at_once, "a").load == 30


def test_two_regions_without_a_witness_do_not_move() -> None:
    spec = shares(regions=tuple(RegionSpec(name, 50, 8, 12) for name in "ab"))
    answer = lose(with_ready(spec, 20), ["b"])
    assert not answer.by_itself and "suspects itself" in answer.held


@pytest.mark.parametrize("home", ["b", None])
def test_the_region_that_the_operator_runs_in(home: str | None) -> None:
    decision = with_ready(large())
    if home is None:
        decision = decision.model_copy(update={"snapshot": replace(decision.snapshot, observer="b"), "plan": None})
    answer = lose(decision, ["b"], home=home)
    assert answer.held == "Leeward runs in b: nothing moves until it runs elsewhere"
    assert of(answer.at_once, "b").weight == 0


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (replace(large(), frozen=True), "frozen by a person"),
        (replace(large(), failover=FailoverMode.RECOMMEND), "failover mode is Recommend"),
    ],
)
def test_what_a_person_holds_goes_on_being_sent_there(spec: ModelSpec, why: str) -> None:
    free = with_ready(large())
    decision = free.model_copy(update={"spec": spec, "plan": None})
    answer = lose(decision, ["b"])
    assert not answer.by_itself and why in answer.held
    assert answer.at_once.misdirected == Fraction("9.9")


def test_weight_that_a_person_holds_in_a_drained_region_is_still_sent() -> None:
    """Drained and then frozen before the write: out of traffic by its phase, but not by the weights."""
    fallen = cut(settled(large()), "b")
    memory = replace(fallen.made.memory, weights=fallen.memory.weights)
    snapshot = replace(fallen.snapshot, weights=fallen.memory.weights)
    spec = replace(fallen.spec, frozen=True)
    answer = lose(Decision(now_ms=fallen.now_ms, spec=spec, snapshot=snapshot, memory=memory), ["b"])
    assert not answer.by_itself and answer.at_once.misdirected > 0


def test_under_local_first_too_isolation_is_told() -> None:
    answer = lose(decision_of(settled(three_regions())), ["b", "c"])
    assert not answer.by_itself and "suspects itself" in answer.held


def test_a_region_that_never_was_ready_can_be_lost() -> None:
    free = with_ready(large())
    young = replace(free.memory.region("b"), been_ready=False, first_seen_ms=free.now_ms)
    memory = replace(free.memory, regions={**free.memory.regions, "b": young})
    silent = tuple(RegionReadings("b") if each.name == "b" else each for each in free.snapshot.regions)
    spec = replace(free.spec, guards=GuardLimits(starting_grace_ms=7_200_000))
    changed = {"spec": spec, "memory": memory, "snapshot": replace(free.snapshot, regions=silent), "plan": None}
    answer = lose(free.model_copy(update=changed), ["b", "c"])
    assert {name: of(answer.at_once, name).phase for name in "bc"} == {"b": "drained", "c": "drained"}


def test_nothing_that_stands_in_a_lost_region_is_heard() -> None:
    free = with_ready(large())
    regions = tuple(
        replace(
            each,
            reach=tuple(replace(r, observer=r.observer.replace("op-", "via ")) for r in each.reach),
            probes=tuple(replace(p, sensor=f"via {name}") for p in each.probes for name in "bc"),
        )
        for each in free.snapshot.regions
    )
    world = World(
        free.model_copy(update={"snapshot": replace(free.snapshot, regions=regions)}),
        frozenset("b"),
        dict.fromkeys("abc", Fraction(1)),
    )
    for each in world.as_decision().snapshot.regions:
        assert {reading.observer for reading in each.reach} == {"via a", "via c"}
        assert not {"b", "via b"} & {counts.sensor for counts in (*each.outcomes, *each.probes)}


def test_a_cooldown_is_waited_for() -> None:
    """A failover two minutes ago: the exemption of a definitive outage is used up, so the guard holds until it ends."""
    decision = with_ready(large())
    recently = decision.now_ms - 120_000
    memory = replace(decision.memory, failovers=(recently,), exemption_ms=recently)
    answer = lose(decision.model_copy(update={"memory": memory, "plan": None}), ["b"])
    assert answer.by_itself and of(answer.at_once, "b").weight == 0


def test_users_of_a_region_that_is_out_already_are_counted_once() -> None:
    world = settled(large())
    fallen = cut(world, "b")
    answer = lose(fallen, ["c"])
    assert answer.demand == 30
    assert of(answer.at_once, "a").load == 30


def test_local_first_keeps_users_at_home() -> None:
    answer = lose(decision_of(settled(three_regions())), ["b"])
    rows = {entry: dict(row) for entry, row in answer.at_once.weights}
    assert rows["a"]["a"] > 90 and rows["c"]["c"] > 90


@pytest.mark.parametrize(
    ("lost", "why"), [(["z"], "has no region z"), (["a", "b", "c"], "no region of models/llama would be left")]
)
def test_what_cannot_be_asked(lost: list[str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        lose(with_ready(large()), lost)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 90),
    st.integers(1, 12),
    st.sampled_from([[], ["a"], ["b"], ["a", "c"]]),
    st.integers(0, 5),
)
def test_whatever_is_asked_loads_add_up_and_nothing_is_sent_to_the_lost(
    rate: int, per_replica: int, lost: list[str], factor: int
) -> None:
    free = with_ready(large())
    spec = replace(free.spec, capacity=CapacitySpec(Fraction(per_replica)))
    decision = free.model_copy(update={"spec": spec, "plan": None})
    answer = lose(decision, lost, Fraction(factor), Fraction(rate) if rate else None)
    for stage in (answer.at_once, answer.with_replicas):
        assert sum(region.load for region in stage.regions) == answer.demand
        assert all(sum(weight for _, weight in row) == 100 for _, row in stage.weights)
        assert sum(region.weight for region in stage.regions) == 100
        assert stage.misdirected == 0
    assert answer.with_replicas.shortage <= answer.at_once.shortage
    assert answer == lose(decision, lost, Fraction(factor), Fraction(rate) if rate else None)

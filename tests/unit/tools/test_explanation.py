"""Explanations: the evidence, the guards that hold whether told before or not, and what changed."""

from dataclasses import replace

from recorded import cut, decision_of, settled, shares

from leeward.core.spec import FailoverMode
from leeward.replay.explanation import explain


def test_a_fall_is_explained_by_what_was_read() -> None:
    decision = cut(settled(shares()), "b")
    told = explain(decision, decision.made)
    lost = next(region for region in told.regions if region.name == "b")
    assert (lost.verdict, lost.phase, lost.weight, lost.target_weight) == ("failed", "drained", 0, 0)
    assert lost.verdict_since_ms == lost.phase_since_ms == decision.now_ms
    reach = next(reading for reading in lost.readings if reading.kind == "REACH")
    assert (reach.level, reach.sentence) == ("bad", "gateway does not answer op-a, op-c")
    assert dict(dict(told.before)["a"]) == {"a": 34, "b": 33, "c": 33}
    assert dict(dict(told.weights)["a"]) == {"a": 50, "b": 0, "c": 50}
    assert [change.kind for change in told.changes[:3]] == ["VerdictChanged", "PhaseChanged", "WeightsChanged"]
    assert told.emergency


def test_a_guard_that_was_told_long_ago_is_still_named() -> None:
    world = settled(replace(shares(), failover=FailoverMode.RECOMMEND))
    world.regions["b"].cut_since = world.now
    world.run(60)
    decision = decision_of(world)
    assert not decision.made.notes
    told = explain(decision, decision.made)
    assert [(note.kind, note.region) for note in told.guards][:1] == [("FailoverHeld", "b")]
    assert told.guards[0].sentence == "b stays: failover mode is Recommend"
    assert not told.changes


def test_one_region_alone() -> None:
    world = settled(shares())
    first = decision_of(world)
    decision = cut(world, "b")
    told = explain(decision, decision.made, [first], only="b")
    assert [region.name for region in told.regions] == ["b"]
    assert {change.region for change in told.changes} <= {None, "b"}
    assert [change.at_ms for change in told.changes] == sorted(change.at_ms for change in told.changes)


def test_unknown_stands_over_a_settled_verdict() -> None:
    world = settled(shares())
    world.regions["b"].api = world.regions["b"].metrics = False
    world.run(30)
    decision = decision_of(world)
    told = next(region for region in explain(decision, decision.made).regions if region.name == "b")
    assert (told.verdict, told.verdict_since_ms, told.verdict_now) == ("unknown", None, "unknown")

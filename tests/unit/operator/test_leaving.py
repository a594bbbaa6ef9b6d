"""A region that the spec names no more: what it is asked to keep, when it is drained, and when its objects go."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from readings import seen, settled_fleet, well
from world import shares_policy, three_regions

from leeward.adapters.members import Member, Members
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.cleanup import Debts
from leeward.core.decide import decide
from leeward.core.memory import Memory, RegionMemory
from leeward.core.phases import Phase
from leeward.core.plan import Plan
from leeward.core.snapshot import ReadyReading, Snapshot
from leeward.core.spec import ModelSpec, TrafficSpec
from leeward.leaving import STREAMS_MS, Leaving, evacuated, lacking
from leeward.observe import Observer
from leeward.region_sight import RegionSight
from leeward.settings import Settings
from leeward.sightings import ProbeBook, ReachBook
from leeward.store import Store, with_entries

NOBODY: Any = None  # no cluster is asked here
EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
KEY = ("models", "m")
GATEWAY = yaml.safe_load((EXAMPLES / "regions.yaml").read_text().split("\n---")[0])


def model(*names: str) -> ModelDeployment:
    body = yaml.safe_load((EXAMPLES / "modeldeployment.yaml").read_text())
    body["metadata"] |= {"namespace": KEY[0], "name": KEY[1]}
    body["spec"]["regions"] = [{"name": name, "share": 50, "replicas": {"min": 4, "max": 8}} for name in names]
    return ModelDeployment.read(body)


def leaving(*known: str) -> Leaving:
    members = Members(NOBODY, Settings())
    for name in known:
        members.found[name] = Member(Region.read(GATEWAY | {"metadata": {"name": name}}))
    observer = Observer(Settings(), NOBODY, ReachBook(), ProbeBook((30_000,)))
    observer.regions = {name: RegionSight() for name in known}
    return Leaving(Store(), observer, members, Debts(NOBODY, "leeward-system", loaded=True))


def deployment(uid: str, replicas: int) -> dict[str, Any]:
    return {"metadata": {"uid": uid}, "spec": {"replicas": replicas}}


def spec_without_c() -> ModelSpec:
    spec = three_regions()
    last = replace(spec.regions[2], share=0, replicas_min=0)
    return replace(spec, regions=(*spec.regions[:2], last))


def names(found: Leaving, memory: Memory, *spec: str) -> list[str]:
    return [entry.name for entry in found.entries(model(*spec), KEY, memory)]


def test_what_is_remembered_or_seen_there_leaves_and_nothing_else() -> None:
    found = leaving("a", "b", "c", "d", "e")
    found.observer.regions["d"].deployments[KEY] = deployment("of d", 3)
    memory = Memory(regions={"a": RegionMemory(), "c": RegionMemory(replicas=6), "gone": RegionMemory()})
    entries = found.entries(model("a", "b"), KEY, memory)
    kept = [(entry.name, entry.share, entry.replicas.min, entry.replicas.max) for entry in entries]
    assert kept == [("c", 0, 0, 6), ("d", 0, 3, 3)]
    served = with_entries(model("a", "b"), entries)
    assert [entry.name for entry in served.spec.regions] == ["a", "b", "c", "d"]
    assert names(found, memory, "a", "b", "c", "d") == []


def test_another_region_with_the_same_cluster_is_not_emptied() -> None:
    """As after a Region was given another name: what it would leave is what the model is served from."""
    found = leaving("a", "old-b", "b")
    for name in ("old-b", "b"):
        found.observer.regions[name].deployments[KEY] = deployment("of their cluster", 3)
    memory = Memory(regions={"a": RegionMemory(), "old-b": RegionMemory(replicas=3)})
    assert names(found, memory, "a", "b") == []
    assert names(found, memory, "a") == ["b", "old-b"]


def test_what_is_owed_has_left_and_what_was_just_paid_is_no_surprise() -> None:
    found = leaving("a", "b")
    found.observer.regions["b"].deployments[KEY] = deployment("of b", 3)
    found.debts.owed["b"] = {KEY}
    assert names(found, Memory(), "a") == []
    found.debts.owed.clear()
    assert names(found, Memory(), "a") == []
    assert names(found, Memory(), "a", "b") == []
    assert names(found, Memory(), "a") == ["b"], "named again in between"


def test_it_is_drained_once_the_others_can_carry_everything() -> None:
    spec = spec_without_c()
    memory, _, _ = settled_fleet(spec)
    assert lacking(spec, memory, "c") > 0
    assert evacuated(spec, memory, ("c",)) == ()
    grown = {name: replace(memory.region(name), ready_known=8) for name in "ab"}
    memory = replace(memory, regions={**memory.regions, **grown})
    assert lacking(spec, memory, "c") == 0
    assert evacuated(spec, memory, ("c",)) == ("c",)


@pytest.mark.parametrize("traffic", [TrafficSpec(), shares_policy()], ids=["LocalFirst", "Shares"])
def test_the_others_are_sized_for_it_before_it_is_drained(traffic: TrafficSpec) -> None:
    before = replace(three_regions(), traffic=traffic)
    memory, weights, now = settled_fleet(before)
    spec = replace(before, regions=spec_without_c().regions)
    ready, told, kept = dict.fromkeys("abc", 4), list[tuple[str, int, str]](), memory.region("c").replicas
    for tick in range(8):
        rows = [well(name, ready=ReadyReading(ready[name], ready[name], 1_000)) for name in "abc"]
        out = evacuated(spec, memory, ("c",))
        plan = decide(spec, seen(*rows, weights=weights, evacuated=out), memory, now)
        memory, weights, now = plan.memory, plan.weights, now + spec.interval_ms
        a, c = plan.regions[0], plan.regions[2]
        told.append((c.phase.value, a.replicas, "ready" if ready["a"] == a.replicas else "wanted"))
        assert c.weight > 0 or c.phase is not Phase.ACTIVE
        assert c.replicas == kept, "its own are not touched"
        if tick == 3:
            ready |= {"a": 6, "b": 6}  # their nodes have come
    assert told[:4] == [("active", 6, "wanted")] * 4
    assert told[-1] == ("drained", 6, "ready")


def test_two_leave_one_after_the_other() -> None:
    spec = three_regions()
    memory, _, _ = settled_fleet(spec)
    memory = replace(memory, regions={n: replace(m, ready_known=40) for n, m in memory.regions.items()})
    assert evacuated(spec, memory, ("b", "c")) == ("b",)
    drained = replace(memory.region("b"), phase=Phase.DRAINED)
    assert evacuated(spec, replace(memory, regions={**memory.regions, "b": drained}), ("b", "c")) == ("b", "c")


def drained_plan(since_ms: int, **readings: object) -> tuple[ModelSpec, Plan, Snapshot]:
    spec = spec_without_c()
    memory, _, now = settled_fleet(spec)
    out = replace(memory.region("c"), phase=Phase.DRAINED, phase_since_ms=now - since_ms)
    rows = tuple((entry, (("a", 50), ("b", 50), ("c", 0))) for entry in "abc")
    memory = replace(memory, regions={**memory.regions, "c": out}, weights=rows)
    snapshot = replace(seen(*map(well, "ab"), well("c", **readings), weights=rows, evacuated=("c",)), taken_ms=now)
    return spec, decide(spec, snapshot, memory, now), snapshot


@pytest.mark.parametrize(
    ("since_ms", "entering", "answers", "reason"),
    [
        (0, 0, True, "LeavingDrained"),
        (STREAMS_MS, 3, True, "LeavingUsersEnter"),
        (STREAMS_MS, 0, False, "LeavingUnseen"),
    ],
)
def test_objects_stay_until_nobody_is_sent_there(since_ms: int, entering: int, answers: bool, reason: str) -> None:
    found = leaving(*("abc" if answers else "ac"))
    spec, plan, snapshot = drained_plan(since_ms, entry_requests_per_second=Fraction(entering))
    notes = found.attend(KEY, ("c",), spec, plan, snapshot)
    told = found.told(KEY)
    assert told is not None
    assert told[0] == reason
    assert [note.sentence for note in notes] == [told[1]]
    assert told[1].startswith("leaving c: ")
    assert found.attend(KEY, ("c",), spec, plan, snapshot) == [], "told once"


async def test_what_is_drained_is_owed_and_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    found = leaving(*"abc")
    paid: list[tuple[str, ...]] = []

    async def save(_: Debts) -> None: ...

    async def pay(debts: Debts, clusters: Any, wanted: Any) -> None:
        paid.append(tuple(clusters))
        debts.owed.clear()

    monkeypatch.setattr(Debts, "_save", save)
    monkeypatch.setattr(Debts, "pay", pay)
    monkeypatch.setattr("leeward.leaving._PAUSE_SECONDS", 0)
    spec, plan, snapshot = drained_plan(STREAMS_MS, entry_requests_per_second=Fraction(0))
    found.attend(KEY, ("c",), spec, plan, snapshot)
    task = found._paying[KEY, "c"]
    await task
    assert paid == [("c",)]
    assert found._paying == {}
    assert names(found, Memory(regions={"c": RegionMemory()}), "a", "b") == [], "also within one tick"
    left = found.attend(KEY, (), spec, plan, snapshot)
    assert [note.sentence for note in left] == ["c is left: nothing of the model is there any more"]


async def test_a_region_that_does_not_answer_stays_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def save(_: Debts) -> None: ...

    monkeypatch.setattr(Debts, "_save", save)
    found = leaving("a", "b")
    spec, plan, snapshot = drained_plan(STREAMS_MS, entry_requests_per_second=Fraction(0))
    found.attend(KEY, ("c",), spec, plan, snapshot)
    await found._paying[KEY, "c"]
    assert found.debts.owed == {"c": {KEY}}
    assert names(found, Memory(regions={"c": RegionMemory()}), "a", "b") == []
    assert [note.sentence for note in found.attend(KEY, (), spec, plan, snapshot)] == []
    assert found.told(KEY) == (
        "LeavingRemoves",
        "leaving c: no user is sent there; its objects are removed once it answers",
    )
    found.debts.owed.clear()
    assert names(found, Memory(), "a", "b") == []
    left = found.attend(KEY, (), spec, plan, snapshot)
    assert [note.sentence for note in left] == ["c is left: nothing of the model is there any more"]
    assert found.told(KEY) is None


def test_a_debt_is_void_once_the_spec_names_the_region_again() -> None:
    found = leaving("a", "b")
    found.store.models["models/m"] = model("a")
    assert found.wants("a", KEY)
    assert not found.wants("b", KEY)
    assert not found.wants("a", ("models", "another"))

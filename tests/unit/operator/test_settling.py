"""Three clusters of a few lines, and the leader's replica in one of them: what becomes of an object in all."""

import asyncio
import copy
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from leeward.adapters.objects import CONFIG_MAP, EVACUATIONS, EVENT, MODELS, ORIGIN, REGIONS
from leeward.holdings import Holdings
from leeward.notes import DELETIONS
from leeward.ports import Conflict, Kind, KubeObject, Ref, Unreachable
from leeward.settling import Settling
from leeward.store import Store

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
NAMES = ("a", "b", "c")
MODEL = Ref(MODELS, "models", "llama-70b")
_COUNT = itertools.count(1)


def merged(there: KubeObject, patch: KubeObject) -> KubeObject:
    """RFC 7386."""
    made = dict(there)
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merged(made.get(key) or {}, value) if isinstance(value, dict) else value
    return made


@dataclass
class MemoryCluster:
    """Objects by reference; finalizers and versions as an API server has them."""

    objects: dict[Ref, KubeObject] = field(default_factory=dict)
    cut: bool = False

    def _reached(self) -> None:
        if self.cut:
            raise Unreachable("cut off")

    def _kept(self, ref: Ref, body: KubeObject) -> KubeObject:
        body = copy.deepcopy(body)
        metadata = body["metadata"]
        metadata["resourceVersion"] = str(next(_COUNT))
        metadata.setdefault("uid", f"u{next(_COUNT)}")
        metadata.setdefault("creationTimestamp", "2026-11-01T10:00:00Z")
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            self.objects.pop(ref, None)
        else:
            self.objects[ref] = body
        return copy.deepcopy(body)

    async def read(self, ref: Ref) -> KubeObject | None:
        self._reached()
        return copy.deepcopy(self.objects.get(ref))

    async def find(self, kind: Kind, *_: object, **__: object) -> list[KubeObject]:
        self._reached()
        return [copy.deepcopy(body) for ref, body in self.objects.items() if ref.kind == kind]

    async def apply(self, body: KubeObject, *, dry_run: bool = False, writer: str = "") -> KubeObject:
        self._reached()
        metadata = body["metadata"]
        kind = next((each for each in (MODELS, REGIONS, EVACUATIONS) if each.kind == body["kind"]), CONFIG_MAP)
        ref = Ref(kind, metadata.get("namespace", ""), metadata["name"])
        return self._kept(ref, merged(self.objects.get(ref, {}), body))

    async def apply_status(self, body: KubeObject, *, writer: str = "") -> KubeObject:
        return await self.apply(body)

    async def create(self, body: KubeObject) -> KubeObject:
        self._reached()
        kind = EVENT if body["kind"] == "Event" else CONFIG_MAP
        return self._kept(Ref(kind, body["metadata"].get("namespace", ""), body["metadata"]["name"]), body)

    async def patch(self, ref: Ref, patch: KubeObject, *, subresource: str = "") -> KubeObject | None:
        self._reached()
        there = self.objects.get(ref)
        if there is None:
            return None
        if patch.get("metadata", {}).get("resourceVersion", "") not in ("", there["metadata"]["resourceVersion"]):
            raise Conflict("changed meanwhile")
        return self._kept(ref, merged(there, patch))

    async def delete(self, ref: Ref, *, uid: str = "", version: str = "") -> bool:
        self._reached()
        there = self.objects.get(ref)
        if there is None:
            return False
        self._kept(ref, merged(there, {"metadata": {"deletionTimestamp": "2026-11-02T10:00:00Z"}}))
        return True

    async def close(self) -> None: ...

    def events(self) -> list[str]:
        return [body["message"] for ref, body in self.objects.items() if ref.kind == EVENT]


@dataclass
class World:
    """The clusters, and the leader in a."""

    clusters: Mapping[str, MemoryCluster]
    holdings: Holdings
    settling: Settling
    store: Store

    async def turn(self, times: int = 6) -> None:
        """So many rounds of looking and writing."""
        for _ in range(times):
            home = self.clusters["a"]
            for kind in (REGIONS, EVACUATIONS, MODELS):
                found = await home.find(kind)
                for each in found:
                    self.holdings.put(each)
                metadata = [each["metadata"] for each in found]
                keys = {f"{m['namespace']}/{m['name']}" if kind is MODELS else m["name"] for m in metadata}
                self.holdings.keep_only(kind.kind, keys)
            await asyncio.gather(*self.holdings.ask())
            await self.settling.settle_all()
            for model in self.store.models.values():
                if model.metadata.deletion_timestamp:
                    self.settling.release(model)

    def lose(self, name: str) -> None:
        self.clusters[name].cut = True
        self.holdings._answered.pop(name)

    def specs(self) -> dict[str, object]:
        """One field of the model's spec in each cluster."""
        held = {name: each.objects.get(MODEL) for name, each in self.clusters.items()}
        return {name: body and body["spec"]["failback"]["bake"] for name, body in held.items()}

    def told(self, name: str) -> tuple[str, str]:
        rows = self.clusters[name].objects[MODEL]["status"]["conditions"]
        row = next(row for row in rows if row["type"] == "InSync")
        return row["reason"], row["message"]


def model(bake: str = "2m") -> KubeObject:
    body: KubeObject = yaml.safe_load((EXAMPLES / "modeldeployment.yaml").read_text())
    body["spec"]["failback"]["bake"] = bake
    return body


@pytest.fixture
async def world() -> World:
    clusters = {name: MemoryCluster() for name in NAMES}
    for name, body in itertools.product(NAMES, list(yaml.safe_load_all((EXAMPLES / "regions.yaml").read_text()))):
        region = {
            **body,
            "metadata": {"name": NAMES[["us-east1", "eu-west4", "ap-south1"].index(body["metadata"]["name"])]},
        }
        await clusters[name].apply(region)
    store = Store()
    holdings = Holdings(store, "a", "leeward-system", lambda: clusters, lambda: 3, 0.0)

    async def retell(*_: object) -> None: ...

    made = World(clusters, holdings, Settling(holdings, "leeward-system", lambda: clusters, retell), store)
    await made.turn()
    assert set(store.regions) == set(NAMES)
    return made


async def edit(world: World, name: str, bake: str) -> None:
    await world.clusters[name].patch(MODEL, {"spec": {"failback": {"bake": bake}}})


async def test_what_is_applied_in_one_cluster_is_copied_to_all(world: World) -> None:
    await world.clusters["b"].apply(model())
    await world.turn()
    assert world.specs() == dict.fromkeys(NAMES, "2m")
    assert {each.objects[MODEL]["metadata"]["annotations"][ORIGIN] for each in world.clusters.values()} == {"b"}
    assert (world.told("b")[0], world.told("a")[0]) == ("Origin", "Copy")
    assert world.store.models["models/llama-70b"].spec.failback.bake == "2m"
    await edit(world, "b", "3m")
    await world.turn()
    assert world.specs() == dict.fromkeys(NAMES, "3m")


async def test_an_edited_copy_is_put_back_and_told(world: World) -> None:
    await world.clusters["b"].apply(model())
    await world.turn()
    await edit(world, "a", "9m")
    await world.turn()
    assert world.specs() == dict.fromkeys(NAMES, "2m")
    assert world.clusters["a"].events() == [
        "an edit of this copy was put back (spec.failback.bake is 9m, not 2m): change it in b, its origin"
    ]


async def test_a_region_that_was_away_does_not_bring_back_what_was_deleted(world: World) -> None:
    await world.clusters["b"].apply(model())
    await world.turn()
    world.lose("c")
    await world.clusters["b"].delete(MODEL)
    await world.turn()
    assert [name for name in NAMES if MODEL in world.clusters[name].objects] == ["c"]
    assert not world.store.models
    world.clusters["c"].cut = False
    await world.turn()
    assert MODEL not in world.clusters["c"].objects
    assert all(Ref(CONFIG_MAP, "leeward-system", DELETIONS) in each.objects for each in world.clusters.values())

    anew = {**model("5m"), "metadata": {**model()["metadata"], "creationTimestamp": "2026-11-03T10:00:00Z"}}
    await world.clusters["c"].apply(anew)
    await world.turn()
    assert world.specs() == dict.fromkeys(NAMES, "5m")


async def test_what_is_absent_comes_back(world: World) -> None:
    await world.clusters["b"].apply(model())
    await world.turn()
    for name in ("a", "b"):
        del world.clusters[name].objects[MODEL]
        await world.turn()
        assert world.specs() == dict.fromkeys(NAMES, "2m"), name


async def test_from_git_the_majority_counts_and_differences_are_told(world: World) -> None:
    for name, bake in (("a", "9m"), ("b", "2m"), ("c", "2m")):
        await world.clusters[name].apply(model(bake))
    await world.turn()
    assert world.specs() == {"a": "9m", "b": "2m", "c": "2m"}, "nobody is overwritten"
    assert world.store.models["models/llama-70b"].spec.failback.bake == "2m"
    for name in NAMES:
        assert world.told(name) == (
            "Differs",
            "in force is what 2 of 3 clusters hold; a: spec.failback.bake is 9m, not 2m",
        )
    await edit(world, "b", "5m")
    await world.turn()
    assert world.store.models["models/llama-70b"].spec.failback.bake == "2m", "no majority: the last agreed one stays"
    assert world.told("a")[0] == "NoMajority"


async def test_what_git_applies_while_the_leader_writes_is_not_overwritten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was decided to make a copy in c, where nothing was; by then something is, and it is Git's."""
    for name in ("a", "b"):
        body = model("2m")
        body["metadata"]["annotations"] = {ORIGIN: "*"}
        await world.clusters[name].apply(body)
    patch = world.clusters["a"].patch

    async def meanwhile(ref: Ref, change: KubeObject) -> KubeObject | None:
        if MODEL not in world.clusters["c"].objects:
            await world.clusters["c"].apply(model("9m"))
            world.holdings.wrote("c", (MODELS.kind, "models/llama-70b"), world.clusters["c"].objects[MODEL])
        return await patch(ref, change)

    monkeypatch.setattr(world.clusters["a"], "patch", meanwhile)
    await world.turn()
    assert world.specs() == {"a": "2m", "b": "2m", "c": "9m"}
    assert world.told("c")[0] == "Differs"


async def test_a_copy_is_adopted_when_the_origin_is_lost(world: World) -> None:
    await world.clusters["b"].apply(model())
    await world.turn()
    world.lose("b")
    await edit(world, "c", "4m")
    await world.turn()
    assert world.specs()["c"] == "2m"
    await world.clusters["c"].patch(MODEL, {"metadata": {"annotations": {ORIGIN: None, "leeward.dev/adoptions": "1"}}})
    await edit(world, "c", "4m")
    await world.turn()
    assert world.specs() == {"a": "4m", "b": "2m", "c": "4m"}
    world.clusters["b"].cut = False
    await world.turn()
    assert world.specs() == dict.fromkeys(NAMES, "4m")
    assert world.told("b")[0] == "Copy"


async def test_a_cluster_that_answers_no_more_is_told_as_such_and_not_as_refusing(world: World) -> None:
    await world.clusters["c"].apply(model())
    await world.turn()
    world.clusters["b"].cut = True  # which nobody knows yet
    await edit(world, "c", "4m")
    await world.turn(1)
    await world.turn(1)
    assert world.told("c")[0] == "CopiesMissing"
    world.lose("b")
    await world.turn()
    assert world.told("c") == ("Origin", "this is the origin; every cluster that answers has a copy; b does not answer")

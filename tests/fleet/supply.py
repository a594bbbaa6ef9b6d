"""Machines that are given and taken away on the fleet, users who are served meanwhile, and what was seen over time."""

import asyncio
import copy
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from seen import KEY, SPEC

from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.objects import DEPLOYMENT, NODE, POD, ROUTE
from leeward.adapters.routes import Names, read_row
from leeward.ports import Kind, KubeObject, PortError, Ref
from localfleet import faults, limits
from localfleet.bootstrap import documents, wait_for
from localfleet.demo.stage import MODEL_FILE, MODELS, Operator, Stage
from localfleet.layout import USERS_PORT, Fleet
from localfleet.load.entries import Entry
from localfleet.load.generator import Load, LoadSettings

NODE_CLAIM = Kind("karpenter.sh/v1", "NodeClaim", namespaced=False)
REGION = Kind("leeward.dev/v1alpha1", "Region", namespaced=False)
CAPACITY_TYPE = "karpenter.sh/capacity-type"
REQUESTS_PER_REPLICA = 2
H100 = "gpu-8x-h100"
US, EU, AP = "us-east1", "eu-west4", "ap-south1"


def capacity_model(*regions: str, name: str = KEY[1], **changes: Any) -> KubeObject:
    """The model of examples/local with a small capacity, so that few users are many, without reserve, soon back."""
    body = copy.deepcopy(documents(MODEL_FILE)[0])
    spec = body["spec"] | {"redundancy": {"standby": "None"}} | changes
    body["metadata"]["name"] = name
    spec["regions"] = [{"name": each, "share": 33, "replicas": {"min": 6, "max": 8}} for each in regions]
    spec["capacity"] = {"requestsPerSecondPerReplica": str(REQUESTS_PER_REPLICA), "concurrencyPerReplica": 16}
    spec["failback"] = spec["failback"] | {"steps": [50, 100]}
    return {**body, "spec": spec}


def written(body: KubeObject, folder: Path) -> Path:
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump(body))
    return path


async def change_region(stage: Stage, name: str, **node_pools: Any) -> None:
    await stage.home.patch(Ref(REGION, "", name), {"spec": {"nodePools": node_pools}})


async def condition(stage: Stage, kind: str, name: str = KEY[1]) -> tuple[str, str, str]:
    """Status, reason and message of one of a model's conditions."""
    rows = ((await stage.model(name=name)) or {}).get("status", {}).get("conditions") or ()
    row = next((each for each in rows if each["type"] == kind), {"status": "", "reason": "", "message": ""})
    return row["status"], row["reason"], row["message"]


async def says(stage: Stage, kind: str, status: str, *fragments: str, name: str = KEY[1]) -> str | None:
    """The condition's message once it has this status and holds each of these words; the reason counts as a word."""
    found, reason, message = await condition(stage, kind, name)
    text = f"{reason}: {message}"
    return text if found == status and all(part in text for part in fragments) else None


async def nodes_of(cluster: KubernetesCluster, **labels: str) -> list[str]:
    """Names of GPU nodes that Karpenter made, with these further labels (capacity_type, instance)."""
    keys = {"capacity_type": CAPACITY_TYPE, "instance": "node.kubernetes.io/instance-type"}
    wanted = {"karpenter.sh/registered": "true", **{keys[key]: value for key, value in labels.items()}}
    return sorted(body["metadata"]["name"] for body in await cluster.find(NODE, labels=wanted))


async def reclaim(cluster: KubernetesCluster, nodes: Iterable[str]) -> None:
    """As a cloud takes machines back: nobody drains them, their Nodes and NodeClaims are gone, their pods end."""
    gone = set(nodes)
    claims = [body for body in await cluster.find(NODE_CLAIM) if (body.get("status") or {}).get("nodeName") in gone]
    pods = [body for body in await cluster.find(POD, KEY[0]) if body["spec"].get("nodeName") in gone]
    for ref in [*(Ref(NODE, "", name) for name in gone), *(Ref(NODE_CLAIM, "", c["metadata"]["name"]) for c in claims)]:
        await cluster.patch(ref, {"metadata": {"finalizers": []}})
        await cluster.delete(ref)
    for pod in pods:
        await cluster.delete(Ref(POD, KEY[0], pod["metadata"]["name"]))


@dataclass
class Users:
    """Requests at a steady rate through these entries for as long as the block lasts."""

    fleet: Fleet
    rate: float
    entries: tuple[str, ...] = ()
    load: Load = field(init=False)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Load:
        chosen = [r for r in self.fleet.regions if r.name in (self.entries or self.fleet.region_names)]
        entries = [Entry(region.name, region.address, USERS_PORT) for region in chosen]
        settings = LoadSettings(entries, SPEC["traffic"]["hostnames"][0], SPEC["model"]["name"], self.rate)
        self.load = Load(settings, drain_seconds=20)
        self._task = asyncio.create_task(self.load.run(self._stop))
        return self.load

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await self._task


@dataclass(frozen=True)
class Sample:
    """One moment: weights by entry, and ready and wanted replicas by region, as the API servers have them."""

    t: float
    weights: dict[str, dict[str, int]]
    ready: dict[str, int]
    wanted: dict[str, int]
    progress: str

    def weight(self, region: str) -> float:
        """Percent over all entries that were read, each counted alike."""
        return sum(row.get(region, 0) for row in self.weights.values()) / max(1, len(self.weights))


@dataclass
class Timeline:
    """Samples twice a second while the block lasts."""

    stage: Stage
    key: tuple[str, str] = KEY
    samples: list[Sample] = field(default_factory=list)

    async def __aenter__(self) -> "Timeline":
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                self.samples.append(await self._sample())
            except PortError as error:
                print(f"a sample is missing: {error}")
            await asyncio.sleep(0.5)

    async def _sample(self) -> Sample:
        names = self.stage.fleet.region_names
        routes = [
            await self.stage.clusters[name].read(Ref(ROUTE, self.key[0], Names(self.key[1]).users)) for name in names
        ]
        rows = {name: read_row(route, self.key[1], names) for name, route in zip(names, routes, strict=True)}
        found = {name: await self.stage.clusters[name].read(Ref(DEPLOYMENT, *self.key)) for name in names}
        return Sample(
            time.time(),
            {name: dict(row) for name, row in rows.items() if row is not None},
            {name: ((body or {}).get("status") or {}).get("readyReplicas", 0) for name, body in found.items()},
            {name: body["spec"]["replicas"] if body else 0 for name, body in found.items()},
            ": ".join(await condition(self.stage, "Progressing", self.key[1])),
        )

    def first(self, holds: Any) -> Sample:
        """The first sample for which it holds; fails when there is none."""
        return next(sample for sample in self.samples if holds(sample))

    def show(self) -> str:
        """What changed, a line each, for a test that fails."""
        lines, before = [], None
        for sample in self.samples:
            now = (sample.weights, sample.ready, sample.wanted, sample.progress)
            if now != before:
                lines.append(f"{sample.t - self.samples[0].t:6.1f} {now}")
            before = now
        return "\n".join(lines)


def beyond_declared(line: Timeline, rate: float, since: float, names: tuple[str, ...]) -> list[str]:
    """Moments in which a region's weight meant more than its ready replicas are declared to carry, give or take 1 %."""
    return [
        f"{sample.t - since:.1f} s: {name} has {sample.weight(name):.0f} % and {sample.ready[name]} replicas"
        for sample in line.samples
        for name in names
        if sample.t > since
        and sample.weight(name) / 100 * rate > sample.ready[name] * REQUESTS_PER_REPLICA + rate / 100
    ]


async def ready(stage: Stage, region: str, replicas: int) -> bool | None:
    found = await stage.clusters[region].read(Ref(DEPLOYMENT, *KEY))
    return True if found and (found.get("status") or {}).get("readyReplicas", 0) >= replicas else None


async def weighs(line: Timeline, region: str, least: float, most: float) -> bool | None:
    return True if line.samples and least <= line.samples[-1].weight(region) <= most else None


async def gone(stage: Stage, name: str) -> bool | None:
    return True if await stage.model(name=name) is None else None


async def slow_machines(stage: Stage, delay: str) -> None:
    """How long every new machine takes until it is a node."""
    node_class = Ref(Kind("karpenter.kwok.sh/v1alpha1", "KWOKNodeClass", namespaced=False), "", "gpu")
    for cluster in stage.clusters.values():
        await cluster.patch(node_class, {"spec": {"nodeRegistrationDelay": delay}})


def lift_limits(stage: Stage) -> None:
    """Every region has as many machines as are asked for."""
    for region in stage.fleet.regions:
        limits.write(region, {})


@contextmanager
def operating(stage: Stage, loop: asyncio.AbstractEventLoop, folder: Path) -> Iterator[Operator]:
    """The operator at work; afterwards every region is healed, and the operator stopped."""
    operator = Operator(stage.fleet, folder / "operator.jsonl")
    operator.start()
    try:
        yield operator
    finally:
        for region in stage.fleet.regions:
            loop.run_until_complete(faults.heal(region))
        operator.stop()


def at_work(stage: Stage, loop: asyncio.AbstractEventLoop, folder: Path) -> Iterator[Operator]:
    """The operator, and the model served from three regions, of which ap-south1 prefers spot machines; all undone
    afterwards."""
    operator, run = Operator(stage.fleet, folder / "operator.jsonl"), loop.run_until_complete
    run(change_region(stage, AP, capacityTypes=["spot", "on-demand"]))
    operator.start()
    try:
        run(stage.apply_model(written(capacity_model(US, EU, AP), folder)))
        run(stage.settled())
        yield operator
    finally:
        run(stage.home.delete(Ref(MODELS, *KEY)))
        lift_limits(stage)
        for region in stage.fleet.regions:
            run(faults.heal(region))
        run(change_region(stage, AP, capacityTypes=["on-demand"]))
        run(wait_for("deleting the model", lambda: gone(stage, KEY[1]), 90))
        operator.stop()

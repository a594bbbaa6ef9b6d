"""A real API server with the real CRDs of node pools, and the statuses that nobody plays there."""

import os
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from cases import CASES, REPLICAS, model, region
from seen import Run

from leeward import cleanup
from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.objects import NODE, POD
from leeward.adapters.pools import Pool, PoolKinds, Range, Registry
from leeward.adapters.pools.port import merged
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.ports import Kind, KubeObject, Ref
from leeward.provision import order
from localfleet import tools
from localfleet.bootstrap import CRD, apply_all, documents, wait_for

NAMESPACE = "default"
EXTRA = "LEEWARD_EXTRA_CRDS"
"""Names a folder with CRDs that no Go module carries: Config Connector's, ACK's, Azure Service Operator's."""

Body = dict[str, Any]
Change = dict[str, Any]


@cache
def crds() -> dict[tuple[str, str], Body]:
    """CRDs at hand, by group and kind: those of pinned modules, then those of the extra folder."""
    found: dict[tuple[str, str], Body] = {}
    for path in (*tools.manifests("karpenter"), *_cluster_api(), *_extra()):
        for body in documents(path):
            if body.get("kind") == CRD.kind:
                found.setdefault((body["spec"]["group"], body["spec"]["names"]["kind"]), body)
    return found


def _cluster_api() -> list[Path]:
    """No binary is built from these modules, so they may not be on this machine, and a fleet has no way out."""
    try:
        return list(tools.manifests("cluster-api"))
    except tools.ToolError:
        return []


def _extra() -> Iterator[Path]:
    folder = os.environ.get(EXTRA)
    if folder:
        groups = ("cnrm", "eks.services", "containerservice")
        yield from (path for path in sorted(Path(folder).rglob("*.yaml")) if any(part in path.name for part in groups))


def missing(kind: Kind) -> str:
    """Why a kind cannot be tried here; empty when it can."""
    group, _, version = kind.api_version.partition("/")
    body = crds().get((group, kind.kind))
    if body is None:
        if group.endswith("cluster.x-k8s.io"):
            return f"the CRD of {kind.kind} is not on this machine: run `hack/fleet tools` once"
        return f"no Go module carries the CRD of {kind.kind} ({group}): name a folder that has it in {EXTRA}"
    served = [row["name"] for row in body["spec"]["versions"] if row["served"]]
    return "" if version in served else f"the CRD of {kind.kind} at hand serves {', '.join(served)} and not {version}"


async def install(cluster: KubernetesCluster, bodies: list[Body]) -> None:
    """Install the CRDs that are not there, without conversion webhooks."""
    for body in bodies:
        if await cluster.read(Ref(CRD, "", body["metadata"]["name"])) is None:
            await cluster.create({**body, "spec": {k: v for k, v in body["spec"].items() if k != "conversion"}})
    for body in bodies:
        await wait_for(f"serving {body['metadata']['name']}", partial(_served, cluster, body))


async def _served(cluster: KubernetesCluster, body: Body) -> bool:
    """Raises PortError until the kind can be listed: being established comes a little earlier."""
    spec = body["spec"]
    version = next(row["name"] for row in spec["versions"] if row["served"])
    await cluster.find(Kind(f"{spec['group']}/{version}", spec["names"]["kind"], spec["scope"] == "Namespaced"))
    return True


async def play(cluster: KubernetesCluster, ref: Ref, status: KubeObject) -> KubeObject:
    """Write a status as the object's own controller would."""
    found = await cluster.patch(ref, {"status": status}, subresource="status")
    assert found is not None, ref
    return found


async def node(cluster: KubernetesCluster, name: str, labels: dict[str, str], gpus: int, ready: bool = True) -> None:
    """A node with GPUs, as a kubelet would report it."""
    ref = Ref(Kind("v1", "Node", namespaced=False), "", name)
    if await cluster.read(ref) is None:
        await cluster.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
    amounts = {"nvidia.com/gpu": str(gpus), "cpu": "96", "pods": "110"}
    row = {"type": "Ready", "status": str(ready), "reason": "Played", "message": "played by a test"}
    await play(cluster, ref, {"allocatable": amounts, "capacity": amounts, "conditions": [row]})


async def pod(cluster: KubernetesCluster, name: str, on: str, labels: dict[str, str]) -> None:
    """A pod that is bound to a node."""
    await cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
            "spec": {
                "nodeName": on,
                "terminationGracePeriodSeconds": 0,
                "automountServiceAccountToken": False,
                "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": "server", "image": "example.com/server:1"}],
            },
        }
    )


def here(read: ModelDeployment | Region) -> Any:
    """A model or Region that keeps its objects in the tests' namespace."""
    document = read.wire()
    if isinstance(read, ModelDeployment):
        document["metadata"]["namespace"] = NAMESPACE
        return ModelDeployment.read(document)
    document["spec"]["nodePools"] |= {"namespace": NAMESPACE}
    document["spec"]["nodePools"].pop("managedIn", None)
    return Region.read(document)


MODEL: ModelDeployment = here(model())


def wanted(case: str, change: Change | None = None, replicas: Range = REPLICAS) -> tuple[Pool, ...]:
    """A case's pools; skips the test, with the reason, where their CRD is not at hand."""
    example, base = CASES[case]
    place: Region = here(region(example, merged(base, change or {})))
    for kind in Registry().object_kinds([place]).used:
        if why := missing(kind):
            pytest.skip(why)
    return Registry().pools(MODEL, place, replicas)


def ordered(server: KubernetesCluster, run: Run, pools: tuple[Pool, ...]) -> tuple[list[Body], list[str]]:
    """All objects ordered; what they are then, and what was written."""
    written: list[str] = []
    return [run(order(server, made, written)) for pool in pools for made in pool.objects], written


def at(body: Body, path: str) -> Any:
    found: Any = body
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


async def default_account(cluster: KubernetesCluster) -> None:
    """Pods need it, and only a controller makes it elsewhere."""
    metadata = {"name": "default", "namespace": NAMESPACE}
    await apply_all(cluster, [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}])


async def tidy(cluster: KubernetesCluster) -> None:
    """Remove the model's objects, and the nodes and pods of the tests."""
    kinds = PoolKinds(Registry().object_kinds([]).known)
    await cleanup.remove(cluster, (NAMESPACE, MODEL.metadata.name), kinds)
    for name in ("pools-new", "pools-old"):
        await cluster.delete(Ref(NODE, "", name))
        await cluster.delete(Ref(POD, NAMESPACE, name))

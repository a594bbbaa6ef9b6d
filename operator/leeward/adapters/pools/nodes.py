"""What a region's nodes really offer: the only truth about capacity, whatever a pool says of itself. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from leeward.api.region import RegionCapacity
from leeward.ports import KubeObject

MOST_RESOURCES = 32


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """One node: Ready and staying, its labels, and its whole-numbered allocatable resources."""

    name: str
    ready: bool
    labels: Mapping[str, str]
    allocatable: Mapping[str, int]


def node_seen(body: KubeObject) -> NodeSeen:
    """What matters of a Node. One that is being deleted does not count as ready."""
    metadata, status = body["metadata"], body.get("status") or {}
    conditions = {row["type"]: row["status"] for row in status.get("conditions") or []}
    return NodeSeen(
        metadata["name"],
        conditions.get("Ready") == "True" and not metadata.get("deletionTimestamp"),
        metadata.get("labels") or {},
        {name: count for name, text in (status.get("allocatable") or {}).items() if (count := _whole(text))},
    )


def _whole(text: object) -> int:
    """Extended resources are whole numbers; anything with a unit is none of them."""
    try:
        return int(Decimal(str(text)))
    except (InvalidOperation, ValueError):
        return 0


def carries(node: NodeSeen, labels: Mapping[str, Sequence[str]]) -> bool:
    """Does the node carry each of the labels with one of its values?"""
    return all(node.labels.get(key) in values for key, values in labels.items())


@dataclass(frozen=True, slots=True)
class NodeCount:
    """Ready nodes that have the accelerator, their accelerators, and the replicas that fit on them."""

    nodes: int
    accelerators: int
    replicas: int


def count(nodes: Iterable[NodeSeen], labels: Mapping[str, Sequence[str]], resource: str, per_replica: int) -> NodeCount:
    """Count the nodes that carry the labels; a replica's accelerators are all on one node."""
    each = [
        node.allocatable[resource]
        for node in nodes
        if node.ready and node.allocatable.get(resource) and carries(node, labels)
    ]
    return NodeCount(len(each), sum(each), sum(accelerators // per_replica for accelerators in each))


def region_capacity(nodes: Iterable[NodeSeen], resources: Iterable[str]) -> RegionCapacity:
    """Ready nodes with any of the resources, and how much of each."""
    names = sorted(set(resources))[:MOST_RESOURCES]
    having = [node for node in nodes if node.ready and any(node.allocatable.get(name) for name in names)]
    totals = {name: sum(node.allocatable.get(name, 0) for node in having) for name in names}
    return RegionCapacity(nodes=len(having), accelerators={name: total for name, total in totals.items() if total})

"""What a region's nodes really offer: the only truth about capacity, whatever a pool says of itself. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from leeward.adapters.objects import MODEL_LABEL, NAMESPACE_LABEL
from leeward.api.region import RegionCapacity
from leeward.ports import KubeObject, ModelKey

MOST_RESOURCES = 32
FINISHED = ("Succeeded", "Failed")
Requests = Mapping[ModelKey, Mapping[str, int]]
"""Whole-numbered amounts by model and resource."""


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """One node: Ready and staying, its labels, whole-numbered allocatable resources, and what models have of them."""

    name: str
    ready: bool
    labels: Mapping[str, str]
    allocatable: Mapping[str, int]
    requested: Requests = field(default_factory=dict)

    def free_for(self, model: ModelKey | None, resource: str) -> int:
        """Allocatable, without what pods of other models have been given; None: whatever models have."""
        others = sum(asked.get(resource, 0) for key, asked in self.requested.items() if key != model)
        return max(0, self.allocatable.get(resource, 0) - (others if model else 0))


def requests_by_node(pods: Iterable[KubeObject]) -> dict[str, dict[ModelKey, dict[str, int]]]:
    """What pods of models have been given, by node and model: whole-numbered requests of pods that are not finished."""
    found: dict[str, dict[ModelKey, dict[str, int]]] = {}
    for pod in pods:
        labels, node = pod["metadata"].get("labels") or {}, pod["spec"].get("nodeName")
        if not node or (pod.get("status") or {}).get("phase") in FINISHED:
            continue
        key = labels.get(NAMESPACE_LABEL, ""), labels.get(MODEL_LABEL, "")
        asked = found.setdefault(node, {}).setdefault(key, {})
        for container in pod["spec"]["containers"]:
            resources = container.get("resources") or {}
            for name, text in {**resources.get("limits", {}), **resources.get("requests", {})}.items():
                asked[name] = asked.get(name, 0) + _whole(text)
    return found


def node_seen(body: KubeObject, requested: Requests | None = None) -> NodeSeen:
    """What matters of a Node. One that is being deleted does not count as ready."""
    metadata, status = body["metadata"], body.get("status") or {}
    conditions = {row["type"]: row["status"] for row in status.get("conditions") or []}
    return NodeSeen(
        metadata["name"],
        conditions.get("Ready") == "True" and not metadata.get("deletionTimestamp"),
        metadata.get("labels") or {},
        {name: count for name, text in (status.get("allocatable") or {}).items() if (count := _whole(text))},
        requested or {},
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
    """Ready nodes that have the accelerator, their accelerators, the replicas that fit, and what other models have."""

    nodes: int
    accelerators: int
    replicas: int
    others: int = 0


def count(
    nodes: Iterable[NodeSeen],
    labels: Mapping[str, Sequence[str]],
    resource: str,
    per_replica: int,
    model: ModelKey | None = None,
) -> NodeCount:
    """Count the nodes that carry the labels; a replica's accelerators are all on one node, and what pods of other
    models than `model` have been given is not to be had."""
    each = [node for node in nodes if node.ready and node.allocatable.get(resource) and carries(node, labels)]
    free = [node.free_for(model, resource) for node in each]
    whole = sum(node.allocatable[resource] for node in each)
    return NodeCount(len(each), whole, sum(count // per_replica for count in free), whole - sum(free))


def region_capacity(nodes: Iterable[NodeSeen], resources: Iterable[str]) -> RegionCapacity:
    """Ready nodes with any of the resources, and how much of each."""
    names = sorted(set(resources))[:MOST_RESOURCES]
    having = [node for node in nodes if node.ready and any(node.allocatable.get(name) for name in names)]
    totals = {name: sum(node.allocatable.get(name, 0) for node in having) for name in names}
    return RegionCapacity(nodes=len(having), accelerators={name: total for name, total in totals.items() if total})

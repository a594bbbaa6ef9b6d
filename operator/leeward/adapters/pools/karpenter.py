"""Karpenter NodePools (karpenter.sh/v1), one per model and region; cluster-scoped.

Owner of the size: Karpenter. We write the limit; there is no minimum, so placeholders keep nodes warm. With sizeOwner
Leeward it is a static pool (`replicas`, feature gate StaticCapacity): its limits may hold nodes only, and a pool cannot
change from one to the other, so the owner is part of its name. A pool that is Ready is not capacity: it says that its
node class is well. Of a machine that is not to be had Karpenter tells in Events alone: it deletes the
NodeClaim and tries anew.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from leeward.adapters.objects import NODE_POOL
from leeward.adapters.pools import static
from leeward.adapters.pools.machines import KARPENTER_LABELS
from leeward.adapters.pools.port import POOL_LABEL, Ask, Claim, Pool, PoolObject, SettingsMissing, by_condition
from leeward.api.pools import NodePools
from leeward.ports import Kind, KubeObject

MIXES_CAPACITY = True
REFUSED = {"reason": "InsufficientCapacityError", "involvedObject.kind": "NodeClaim"}
"""Fields of the Events that tell of machines that were not to be had."""
REFUSED_NAMESPACE = "default"  # of Events about what has no namespace, such as NodeClaims
_FRESH = timedelta(minutes=5)  # clouds that are known to have nothing are asked again after three


def kinds(pools: NodePools) -> tuple[Kind, ...]:
    return (NODE_POOL,)


def _requirements(ask: Ask, group: str) -> list[KubeObject]:
    labels = static.chosen_labels(ask)
    if not labels:
        known = KARPENTER_LABELS.get(group, {}).get(ask.model.spec.accelerator.type, {})
        labels = {key: (value,) for key, value in known.items()}
    return [{"key": key, "operator": "In", "values": sorted(values)} for key, values in sorted(labels.items())]


def _per_node(ask: Ask) -> int:
    """Accelerators of a node, where the Region says it; else a node for each replica."""
    accelerator = ask.model.spec.accelerator
    listed = (row.accelerators_per_node for row in ask.pools.accelerators if row.type == accelerator.type)
    return next((count for count in listed if count), accelerator.count)


def pool(ask: Ask) -> Pool:
    """A NodePool that may hold the replicas; each replica's accelerators are on one node."""
    accelerator, node_class = ask.model.spec.accelerator, ask.pools.node_class_ref
    if node_class is None:
        raise SettingsMissing("provider karpenter needs nodeClassRef")
    requirements = _requirements(ask, node_class.group)
    name = ask.name(requirements, "static") if ask.fixed else ask.name(requirements)
    capacity = {"key": "karpenter.sh/capacity-type", "operator": "In", "values": list(ask.capacity_types)}
    template = {
        "metadata": {"labels": ask.node_labels(name)},
        "spec": {
            "nodeClassRef": node_class.wire(),
            "expireAfter": "Never",
            "taints": [taint.wire() for taint in ask.taints],
            "requirements": [capacity, *requirements],
        },
    }
    nodes = ask.nodes(_per_node(ask))
    bounds: KubeObject = (
        {"limits": {"nodes": str(nodes.most)}}
        if ask.fixed
        else {
            "limits": {accelerator.resource_name: str(ask.replicas.most * accelerator.count)},
            "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "10m"},
        }
    )
    body = ask.body(NODE_POOL, name, {"template": template, **bounds})
    made = PoolObject(body, {"spec": {"replicas": nodes.now}} if ask.fixed else {}, keep_size=ask.fixed)
    return Pool(name, (made,), {POOL_LABEL: (name,)}, ask.taints, keeps_nodes=ask.fixed)


def claim(live: KubeObject) -> Claim:
    nodes = (live.get("status") or {}).get("nodes")
    return by_condition(live, "Ready", "" if nodes is None else f", {nodes} nodes")


def refusal(events: Iterable[KubeObject], names: Iterable[str], now: datetime) -> str:
    """Why the newest order of a machine for one of these pools was refused; empty: none was lately.

    A NodeClaim's name is its pool's with a word behind; the message repeats it and then has the provider's words.
    """
    pools = set(names)
    found = [
        (when, row)
        for row in events
        if row["involvedObject"].get("name", "").rpartition("-")[0] in pools
        and (when := _last(row)) is not None
        and now - when < _FRESH
    ]
    if not found:
        return ""
    newest = max(found, key=lambda pair: pair[0])[1]
    words = str(newest.get("message") or newest["reason"]).partition(" event: ")[2] or str(newest.get("message"))
    return f"NodeClaim {newest['involvedObject']['name']} was refused ({words})"


def _last(event: KubeObject) -> datetime | None:
    text = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    return datetime.fromisoformat(text) if text else None

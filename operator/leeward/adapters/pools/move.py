"""Moving a model from one pool to another: what may be removed now, and why not yet. Pure.

A pool's identity is in its name, so a changed identity is another pool. The new one is ordered first; the
Deployment's node affinity then names it, and the pods move over as in any rollout, one more before one less. The old
pool goes when all of the model's pods run on nodes of the new one. Anything unknown means: not yet.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from leeward.adapters.pools.nodes import FINISHED, NodeSeen, carries
from leeward.adapters.pools.port import Pool
from leeward.ports import KubeObject


@dataclass(frozen=True, slots=True)
class Move:
    """Objects to remove now, and how the move stands; an empty sentence: there is none."""

    remove: tuple[KubeObject, ...] = ()
    sentence: str = ""


def left_over(pools: Sequence[Pool], live: Iterable[KubeObject]) -> list[KubeObject]:
    """Live pool objects that are no part of the wanted pools."""
    wanted = {(made.body["kind"], made.body["metadata"]["name"]) for pool in pools for made in pool.objects}
    return [body for body in live if (body["kind"], body["metadata"]["name"]) not in wanted]


def plan_move(
    pools: Sequence[Pool],
    live: Sequence[KubeObject],
    deployment: KubeObject | None,
    pods: Sequence[KubeObject],
    nodes: Mapping[str, NodeSeen],
) -> Move:
    """What to remove of `live`, the model's pool objects in this region.

    `deployment` and `pods` are the model's own in the region, `nodes` all of the region's by name.
    """
    old = left_over(pools, live)
    if not old:
        return Move()
    names = ", ".join(sorted({f"{body['kind']} {body['metadata']['name']}" for body in old}))
    if why := _not_yet(pools, live, deployment) or _elsewhere(pools, pods, nodes, old):
        return Move((), f"{names} stays until the pods have moved: {why}")
    going = tuple(body for body in old if not body["metadata"].get("deletionTimestamp"))
    return Move(going, f"{names} is removed: all pods run on the new pool")


def _not_yet(pools: Sequence[Pool], live: Sequence[KubeObject], deployment: KubeObject | None) -> str:
    there = {(body["kind"], body["metadata"]["name"]) for body in live}
    missing = [
        made.body["metadata"]["name"]
        for pool in pools
        for made in pool.objects
        if (made.body["kind"], made.body["metadata"]["name"]) not in there
    ]
    if missing:
        return f"{', '.join(missing)} is not there yet"
    return "there is no Deployment yet" if deployment is None else rollout_rest(deployment)


def rollout_rest(deployment: KubeObject) -> str:
    """What is missing until a Deployment's rollout is complete; empty when it is."""
    status, wanted = deployment.get("status") or {}, deployment["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return "the rollout has not begun"
    updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    if updated < wanted or status.get("replicas", 0) > updated:
        return f"{updated} of {wanted} replicas are new"
    return "" if ready >= wanted else f"{ready} of {wanted} replicas are ready"


def _elsewhere(
    pools: Sequence[Pool], pods: Sequence[KubeObject], nodes: Mapping[str, NodeSeen], old: Sequence[KubeObject]
) -> str:
    """Why some pods do not, or may not, run on the new pool."""
    gone = {body["metadata"]["name"] for body in old}
    away = []
    for pod in pods:
        node = nodes.get(pod["spec"].get("nodeName") or "")
        if (pod.get("status") or {}).get("phase") in FINISHED:
            continue
        if (
            node is None
            or gone & set(node.labels.values())
            or not any(carries(node, pool.node_labels) for pool in pools)
        ):
            away.append(pod["metadata"]["name"])
    return f"{len(away)} of {len(pods)} pods are not on it, such as {min(away)}" if away else ""

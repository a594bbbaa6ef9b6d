"""Three ways of running the fleet, and how each is set up and restored to a saved state between runs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from leeward.adapters.objects import POLICY, ROUTE, labels_of
from leeward.adapters.routes import Names
from leeward.ports import KubeObject, Ref
from localfleet.demo.stage import KEY, MODELS, Operator, Stage


@dataclass
class Saved:
    """What was in force when all was well, per region: policies and the users route."""

    policies: dict[str, list[KubeObject]] = field(default_factory=dict)
    routes: dict[str, KubeObject] = field(default_factory=dict)

    async def take(self, stage: Stage) -> None:
        for name, cluster in stage.clusters.items():
            self.policies[name] = [
                _bare(body, POLICY.kind) for body in await cluster.find(POLICY, labels=labels_of(*KEY))
            ]
            route = await cluster.read(Ref(ROUTE, KEY[0], Names(KEY[1]).users))
            if route is None:
                raise LookupError(f"{name} has no users route yet")
            self.routes[name] = _bare(route, ROUTE.kind)


def _bare(body: KubeObject, kind: str) -> KubeObject:
    """An object without what the API server adds."""
    metadata = body["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace", "labels")}
    return {
        "apiVersion": body.get("apiVersion") or {POLICY.kind: POLICY, ROUTE.kind: ROUTE}[kind].api_version,
        "kind": kind,
        "metadata": kept,
        "spec": body["spec"],
    }


async def _routes_back(stage: Stage, saved: Saved) -> None:
    for name, cluster in stage.clusters.items():
        await cluster.apply(saved.routes[name])


async def plain(stage: Stage, operator: Operator, saved: Saved) -> None:
    """Weights and nothing else: no retries, no health checks, no limits."""
    operator.stop()
    await _routes_back(stage, saved)
    for name, cluster in stage.clusters.items():
        for body in saved.policies[name]:
            await cluster.delete(Ref(POLICY, KEY[0], body["metadata"]["name"]))


async def layout(stage: Stage, operator: Operator, saved: Saved) -> None:
    """Fixed weights with the whole layout: retries across regions, ejection, active checks, limits."""
    operator.stop()
    await _routes_back(stage, saved)
    for name, cluster in stage.clusters.items():
        for body in saved.policies[name]:
            await cluster.apply(body)


async def leeward(stage: Stage, operator: Operator, saved: Saved) -> None:
    """The layout and the operator, started without memory of earlier runs."""
    await layout(stage, operator, saved)
    await stage.home.patch(Ref(MODELS, *KEY), {"status": {"memory": None}}, subresource="status")
    operator.start()
    await stage.settled()


WAYS: dict[str, Callable[[Stage, Operator, Saved], Awaitable[None]]] = {
    "plain": plain,
    "layout": layout,
    "leeward": leeward,
}

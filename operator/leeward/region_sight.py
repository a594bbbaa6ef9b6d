"""What is known of one region, as last seen."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from leeward.adapters.objects import MODEL_LABEL, NAMESPACE_LABEL, REVISION_LABEL
from leeward.adapters.pools.nodes import NodeSeen
from leeward.adapters.routes import Names
from leeward.core.snapshot import Counts, ReadyReading
from leeward.ports import KubeObject, MetricsSeen, ModelKey, PortError


@dataclass
class RegionSight:
    """What is known of one region, and since when. `error` fields hold the last failure, None after a success."""

    routes: dict[ModelKey, KubeObject] = field(default_factory=dict)
    routes_written: dict[ModelKey, float] = field(default_factory=dict)  # monotonic seconds
    deployments: dict[ModelKey, KubeObject] = field(default_factory=dict)
    nodes: tuple[NodeSeen, ...] | None = None  # None: not seen yet
    nodes_asked: float = -math.inf  # monotonic seconds
    ready_then: list[int | None] = field(default_factory=list)  # ready replicas when nodes were asked for
    api_seen_ms: int = 0
    api_error: PortError | None = None
    metrics: MetricsSeen | None = None
    metrics_seen_ms: int = 0
    metrics_error: PortError | None = None

    def take_routes(self, found: dict[ModelKey, KubeObject], asked: float) -> None:
        """Routes as they were when somebody `asked`; those that we have written since stay as written."""
        newer = {key for key, written in self.routes_written.items() if written >= asked}
        kept = {key: route for key, route in self.routes.items() if key in newer}
        self.routes, self.routes_written = found | kept, {key: self.routes_written[key] for key in newer}

    def wrote_route(self, key: ModelKey, route: KubeObject, now: float) -> None:
        """Our own write was taken."""
        self.routes[key], self.routes_written[key] = route, now

    def replicas(self, key: ModelKey) -> int | None:
        """Ready replicas of a model; None where its Deployment has not been seen."""
        found = self.deployments.get(key)
        return None if found is None else (found.get("status") or {}).get("readyReplicas") or 0

    def ready(self, key: ModelKey, now_ms: int) -> ReadyReading | None:
        """The core's reading of the same."""
        found, ready = self.deployments.get(key), self.replicas(key)
        if found is None or ready is None:
            return None
        return ReadyReading(ready, found["spec"].get("replicas", 1), now_ms - self.api_seen_ms)

    def revision(self, key: ModelKey) -> str | None:
        """What the model's pods are made from: the revision that the model names, else the server's image."""
        found = self.deployments.get(key)
        if found is None:
            return None
        template = found["spec"]["template"]
        labels = (template.get("metadata") or {}).get("labels") or {}
        named: str | None = labels.get(REVISION_LABEL) or template["spec"]["containers"][0].get("image")
        return named


def by_model(bodies: Iterable[KubeObject], users_only: bool = False) -> dict[ModelKey, KubeObject]:
    """Objects of ours by the model that they belong to; of routes, those of users, if wanted."""
    return {
        key: body
        for body in bodies
        if (key := _owner(body)) is not None and (not users_only or body["metadata"]["name"] == Names(key[1]).users)
    }


def aged(counts: Counts | None, since_ms: int) -> Counts | None:
    """Counts as old as they have become since they were read."""
    return replace(counts, age_ms=counts.age_ms + since_ms) if counts else None


def _owner(body: KubeObject) -> ModelKey | None:
    labels = body["metadata"].get("labels") or {}
    key = labels.get(NAMESPACE_LABEL), labels.get(MODEL_LABEL)
    return (key[0], key[1]) if key[0] and key[1] else None

"""How many replicas a region runs, and who says so: Leeward alone, or an autoscaler between Leeward's two bounds.

Three writers share a Deployment. `leeward` applies everything but `spec.replicas`. `leeward-size` applies that field
alone, so that a change of the rest neither takes the number back nor deletes it by leaving it out (Kubernetes would
run one replica then). An autoscaler writes it through the subresource `scale`.

With an autoscaler `leeward-size` only ever raises the number, to the floor: what a failover orders does not wait for
the autoscaler's next look. Without one it writes what the plan wants, but what others had raised it lowers only after
`capacity.scaleDownAfter`, so that nothing jumps when autoscaling is switched off. Since when we own the number stands
beside it (the API server's own record has no time for a number that is taken over as it is), so a restart changes
nothing. While a region is out of traffic, or comes back, nothing shrinks at all.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from leeward.adapters.autoscalers import (
    KINDS,
    MADE,
    Bounds,
    autoscaler,
    is_ours,
    kind_of,
    ref,
    rival,
    strays,
    trouble,
)
from leeward.adapters.objects import AUTOSCALER, differs, ref_of
from leeward.adapters.pools.port import merged
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.units import duration_ms
from leeward.core.phases import Phase
from leeward.core.plan import Plan, RegionPlan
from leeward.ports import Cluster, Conflict, Kind, KindMissing, KubeObject, PortError, Unreachable
from leeward.provision import SIZE_WRITER, WRITER, owned, owns_beyond

SINCE = "leeward.dev/replicas-since"
"""Annotation of a Deployment, beside the number and of the same owner."""

_TRIES = 8  # a Deployment whose pods come or go changes its status several times a second
_DOWN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Order:
    """What a region shall run of a model: `wanted` replicas, at least; `most` at most. `held`: nothing may shrink."""

    model: ModelDeployment
    wanted: int
    most: int
    held: bool = False

    @property
    def autoscaled(self) -> bool:
        return self.model.spec.autoscaling is not None

    def bounds(self, running: int) -> Bounds:
        """The floor and the ceiling, given how many replicas are ordered now; a frozen model has one number."""
        frozen, most = self.model.spec.freeze, max(self.wanted, self.most)
        floor = max(self.wanted, min(running, most)) if self.held or frozen else self.wanted
        return Bounds(floor, floor if frozen else most)

    def number(self, live: KubeObject, now: datetime) -> int:
        """`spec.replicas` as `leeward-size` would have it."""
        there = _replicas(live)
        bounds = self.bounds(there)
        if self.autoscaled or there <= bounds.floor:
            return max(there, bounds.floor)
        since = _sized_since(live)
        patience = duration_ms(self.model.spec.capacity.scale_down_after) / 1000
        calm = since is not None and (now - since).total_seconds() >= patience
        return bounds.floor if calm else min(there, bounds.ceiling)


def order_for(model: ModelDeployment, plan: Plan, line: RegionPlan) -> Order:
    """A plan's order for one of its regions."""
    entry = next(row for row in model.spec.regions if row.name == line.name)
    return Order(model, line.replicas, entry.replicas.max, held(plan))


def held(plan: Plan) -> bool:
    """Scale-down waits for the failback: some region is out of traffic, or on its way back."""
    return any(line.phase is not Phase.ACTIVE for line in plan.regions)


def _replicas(live: KubeObject) -> int:
    return int(live["spec"].get("replicas", 1))


def _sized_since(live: KubeObject) -> datetime | None:
    """When `leeward-size` changed the number or took it over; None: it does not own it."""
    if not any(entry["manager"] == SIZE_WRITER and entry["operation"] == "Apply" for entry in _writers(live)):
        return None
    try:
        return datetime.fromisoformat(live["metadata"]["annotations"][SINCE])
    except (KeyError, ValueError):
        return None  # somebody removed or spoilt it: taken over anew


def _writers(live: KubeObject) -> list[KubeObject]:
    """Who owns `spec.replicas`, as the API server keeps it; several who wrote the same number own it together."""
    entries = live["metadata"].get("managedFields") or []
    return [entry for entry in entries if "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})]


async def bring(cluster: Cluster, body: KubeObject, order: Order) -> tuple[PortError | None, list[str]]:
    """Bring a region's Deployment and its autoscaler in line; `body` is the Deployment without its number.

    In this order: an autoscaler that is not wanted any more goes, the rest of the Deployment, the autoscaler's bounds,
    the number. Returns what is wrong with the autoscaler, while replicas follow the plan all the same, and what was
    written.

    Raises:
        PortError: the cluster does not answer, or refuses the Deployment.
    """
    model, kind, written = order.model, kind_of(order.model), list[str]()
    live = await cluster.read(ref_of(body))
    made = ((live or {}).get("metadata", {}).get("annotations") or {}).get(MADE, "")
    problem = None
    if made in KINDS and KINDS[made] != kind:
        problem = await _refused(_remove(cluster, order, KINDS[made], written))
    kept = made if problem else kind.kind if kind else ""
    shape = merged(body, {"metadata": {"annotations": {MADE: kept}}}) if kept else body
    live = await _shape(cluster, shape, live, order, written)
    if kind and not problem:
        problem = await _refused(_align(cluster, order, live, written))
    live = await _sized(cluster, live, lambda seen: _new_number(order, seen), written)
    return problem if kind or problem else await _rival(cluster, model, live), written


async def _refused(work: Awaitable[PortError | None]) -> PortError | None:
    """What an API server that answers has against an autoscaler, or the autoscaler itself has to say."""
    try:
        return await work
    except Unreachable:
        raise
    except PortError as error:
        return error


async def _remove(cluster: Cluster, order: Order, kind: Kind, written: list[str]) -> None:
    """Remove the autoscaler of a kind that the model has no more, if it is ours."""
    try:
        found = await cluster.read(ref(kind, order.model))
    except KindMissing:
        return  # the CRD is gone, and all its objects with it
    if found is not None and is_ours(order.model, found):
        await cluster.delete(ref(kind, order.model), uid=found["metadata"]["uid"])
        written.append(f"{kind.kind} {order.model.metadata.name} (removed)")


async def _shape(
    cluster: Cluster, body: KubeObject, live: KubeObject | None, order: Order, written: list[str]
) -> KubeObject:
    """The Deployment without its number. Made whole by `leeward-size`, which gives up the rest when it sizes."""
    told = f"{body['kind']} {body['metadata']['name']}"
    if live is None:
        live = await cluster.apply(merged(body, _size(order.wanted)), writer=SIZE_WRITER)
        written.append(f"{told} (made)")
    live = await _sized(cluster, live, _handed_over, written)
    if not owned(live, WRITER) or differs(body, live) or owns_beyond(live, WRITER, body):
        live = await cluster.apply(body, writer=WRITER)
        written.append(told)
    return live


def _handed_over(live: KubeObject) -> int | None:
    """Earlier versions wrote the number as `leeward`, which loses it now: `leeward-size` must own it before that."""
    owners = {entry["manager"] for entry in _writers(live) if entry["operation"] == "Apply"}
    return _replicas(live) if WRITER in owners and SIZE_WRITER not in owners else None


def _new_number(order: Order, live: KubeObject) -> int | None:
    """What `leeward-size` has to apply; None: nothing."""
    number = order.number(live, _now())
    orphan = not order.autoscaled and _sized_since(live) is None
    beyond = owns_beyond(live, SIZE_WRITER, _alone(live, number))
    return number if number != _replicas(live) or orphan or beyond else None


def _size(number: int) -> KubeObject:
    """All that `leeward-size` writes."""
    return {"metadata": {"annotations": {SINCE: _now().isoformat()}}, "spec": {"replicas": number}}


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _alone(live: KubeObject, number: int) -> KubeObject:
    """The object with its number alone, of the version that was read: an autoscaler may write at the same time."""
    metadata = {key: live["metadata"][key] for key in ("name", "namespace", "resourceVersion")}
    return merged({"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata}, _size(number))


async def _sized(
    cluster: Cluster, live: KubeObject, wanted: Callable[[KubeObject], int | None], written: list[str]
) -> KubeObject:
    """Apply the number that is wanted of the newest version, if any.

    Raises:
        Conflict: the object changed under our hands every time.
    """
    for _ in range(_TRIES):
        number = wanted(live)
        if number is None:
            return live
        try:
            sized = await cluster.apply(_alone(live, number), writer=SIZE_WRITER)
        except Conflict:
            live = await cluster.read(ref_of(live)) or live
            continue
        written.append(f"{live['kind']} {live['metadata']['name']} (size {number}, was {_replicas(live)})")
        return sized
    raise Conflict(f"{live['kind']} {live['metadata']['name']} changed while it was sized, {_TRIES} times")


async def _align(cluster: Cluster, order: Order, deployment: KubeObject, written: list[str]) -> PortError | None:
    """The autoscaler with its bounds; returns what it says that it cannot do."""
    body = autoscaler(order.model, order.bounds(_replicas(deployment)))
    assert body is not None
    found = await cluster.read(ref_of(body))
    if found is None or strays(body, found) or owns_beyond(found, WRITER, body):
        found = await cluster.apply(body, writer=WRITER)
        written.append(f"{body['kind']} {body['metadata']['name']}")
    return trouble(found)


async def _rival(cluster: Cluster, model: ModelDeployment, live: KubeObject) -> PortError | None:
    """Somebody else's autoscaler; only looked for where somebody else has written the number."""
    if {entry["manager"] for entry in _writers(live)} <= {WRITER, SIZE_WRITER}:
        return None
    try:
        return rival(model, await cluster.find(AUTOSCALER, model.metadata.namespace or ""))
    except PortError:
        return None  # it is a warning, and no reason to hold anything up


Condit = tuple[str, bool | None, str, str]
"""Type, status, reason, message."""


def condition(
    model: ModelDeployment, lines: Sequence[RegionPlan], seen: Mapping[str, PortError | None]
) -> Condit | None:
    """The condition Autoscaling: do the regions' autoscalers work, or does somebody scale who should not?

    None: the model has no autoscaling, and nobody interferes.
    """
    for line in lines:
        problem = seen.get(line.name)
        if problem is not None:
            return "Autoscaling", False, problem.reason, f"{line.name}: {problem}; {problem.remedy}"
    kind = kind_of(model)
    if kind is None:
        return None
    for line in lines:
        if line.name not in seen:
            return "Autoscaling", None, "NotSeen", f"the {kind.kind} of {line.name} has not been seen yet"
    return "Autoscaling", True, "InForce", f"every region's {kind.kind} scales between Leeward's floor and ceiling"


@dataclass
class Sizing:
    """How many replicas each region's serve listener admits load for.

    It starts at what is wanted, follows ready replicas up at once, and down only after a minute below: the change takes
    Envoy about 15 s, and pods that come up or restart are no loss of capacity.
    """

    _sized: dict[str, int] = field(default_factory=dict)
    _below_since: dict[str, float] = field(default_factory=dict)

    def size(self, region: str, ready: int, wanted: int, now_seconds: float) -> int:
        """Replicas to size the listener for, at least 1. `now_seconds` is monotonic."""
        sized = self._sized.setdefault(region, max(ready, wanted, 1))
        if ready >= sized:
            self._below_since.pop(region, None)
        elif now_seconds - self._below_since.setdefault(region, now_seconds) < _DOWN_SECONDS:
            return sized
        self._sized[region] = ready or sized
        return self._sized[region]

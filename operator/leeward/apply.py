"""Applying a plan: the only place that writes to the regions.

Every write is a server-side apply of a whole object of ours, done only where the live object differs, so applying
twice is applying once and a crash costs one repeated tick. Weights are written first and alone; what is begun then, in
the same tick, runs beside the loop: pools and pods, then serving routes, and users are let in once every region that
answers has taken its serving route and has a ready pod: Envoy asks a host that failed its first health check again
only after a minute while a cluster has no traffic.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from leeward import elasticity, provision
from leeward.adapters import routes, workload
from leeward.adapters.members import Member
from leeward.adapters.objects import ADOPT, BACKEND, DEPLOYMENT, ROUTE, differs, labels_of, ref_of
from leeward.adapters.pools import Registry
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.core.plan import Plan, RegionPlan
from leeward.ports import Cluster, Conflict, KubeObject, PortError, Ref

log = structlog.get_logger("apply")


@dataclass
class Outcomes:
    """What became of the writes: how many were done, and which regions could not be written and why.

    `routes` are users routes as they were taken, by entry.
    """

    written: list[str] = field(default_factory=list)
    failed: dict[str, PortError] = field(default_factory=dict)
    placed: dict[str, provision.Placement] = field(default_factory=dict)
    scaled: dict[str, PortError | None] = field(default_factory=dict)  # what is wrong with autoscalers
    routes: dict[str, KubeObject] = field(default_factory=dict)

    @property
    def unsettled(self) -> bool:
        """Something has to be done again, or goes on: a write that failed, a pool that is refused, a move."""
        return bool(self.failed) or any(each.error or each.move for each in self.placed.values())

    @property
    def problems(self) -> dict[str, PortError]:
        """What is wrong, by region."""
        return {name: each.error for name, each in self.placed.items() if each.error} | self.failed


@dataclass(frozen=True, slots=True)
class Task:
    """One model's plan and what it concerns: replicas that each region's serve listener is sized for, the regions whose
    API server answers, and how many replicas are ordered there now. While `again` changes, all is looked at anew."""

    model: ModelDeployment
    members: Mapping[str, Member]
    plan: Plan
    sized: Mapping[str, int]
    reachable: frozenset[str] = frozenset()
    registry: Registry = field(default_factory=Registry)
    ordered: Mapping[str, int] = field(default_factory=dict)
    again: int = 0

    @property
    def mark(self) -> object:
        """All that `ensure` goes by: while it is the same, there is nothing to bring in line."""
        lines = [(line.name, line.replicas, line.standby, self.sized[line.name]) for line in self.plan.regions]
        autoscaled = self.model.spec.autoscaling is not None
        scaled = elasticity.held(self.plan), tuple(sorted(self.ordered.items()))
        rest = tuple(sorted(self.reachable)), self.again, scaled if autoscaled else ()
        return self.model.metadata.generation, lines, *rest

    @property
    def regions(self) -> list[Region]:
        return [self.members[line.name].region for line in self.plan.regions if line.name in self.members]

    def answers(self, region: Region) -> bool:
        """Can the region be written to, and is it one that serves?"""
        name = region.metadata.name
        return name in self.reachable and self.members[name].cluster is not None and region.spec.gateway is not None

    @property
    def unlisted(self) -> frozenset[str]:
        return frozenset(line.name for line in self.plan.regions if not line.listed)

    def users_route(self, entry: str, live: KubeObject | None, shift: bool) -> KubeObject | None:
        """An entry's users route: with the plan's weights if they may `shift`, else with those that it holds.

        None when there are no weights for it, or no gateway.
        """
        names = tuple(line.name for line in self.plan.regions)
        held = routes.read_row(live, self.model.metadata.name, names)
        planned, region = dict(self.plan.weights).get(entry), self.members[entry].region
        row = planned if shift or held is None else held
        if row is None or region.spec.gateway is None:
            return None
        unlisted = self.unlisted - {name for name, weight in row if weight}
        return routes.users_route(self.model, region, row, unlisted)


async def write_weights(task: Task, live: Mapping[str, KubeObject], patience_seconds: float = 1.0) -> Outcomes:
    """Bring the users route of every entry that was read in line with the plan; a plan that holds moves no weight.

    Entries that do not answer within `patience_seconds` hold nobody up: they are read, and written, by a later tick.
    """
    outcomes = Outcomes()

    async def one(entry: str, found: KubeObject) -> None:
        member = task.members.get(entry)
        if member is None or member.cluster is None:
            return
        wanted = task.users_route(entry, found, task.plan.write_weights)
        if wanted is not None and differs(wanted["spec"], found.get("spec")):
            await _write(member.cluster, wanted, entry, outcomes)

    writes = [asyncio.create_task(one(entry, found)) for entry, found in live.items()]
    if writes:
        await asyncio.wait(writes, timeout=patience_seconds)
    return outcomes


async def ensure(task: Task, open_to_users: bool, insist: bool) -> tuple[Outcomes, bool]:
    """Bring everything else in line, in every region that answers.

    Returns the outcomes, and whether users may be let in: pods are ready (`open_to_users`), and serving routes are
    taken by every reachable region, or by any where we do not `insist`: a gateway may serve and never say so.
    """
    outcomes = Outcomes()
    names = [region.metadata.name for region in task.regions if task.answers(region)]
    served = await asyncio.gather(*(_ensure_serving(task, name, outcomes) for name in names))
    complete = any(served) and not (insist and False in served)
    if complete and open_to_users:
        await asyncio.gather(*(_ensure_users(task, name, outcomes) for name in names))
    return outcomes, complete and open_to_users


async def _ensure_serving(task: Task, name: str, outcomes: Outcomes) -> bool | None:
    """True: the region's serving route is taken; False: not yet; None: the region cannot be asked."""
    member = task.members[name]
    entry = next(row for row in task.model.spec.regions if row.name == name)
    sized = task.sized.get(name) or entry.replicas.min
    try:
        wanted = [
            *await _ordered(task, name, outcomes),
            *routes.serve_objects(task.model, member.region, sized),
        ]
        live = await _bring(_cluster(member), wanted, name, outcomes)
    except PortError as error:
        outcomes.failed[name] = error
        return None
    serve = routes.Names(task.model.metadata.name).serve
    return routes.accepted(live.get((ROUTE.kind, serve)))


def _cluster(member: Member) -> Cluster:
    assert member.cluster is not None, "only regions that answer are asked"
    return member.cluster


async def _ordered(task: Task, name: str, outcomes: Outcomes) -> list[KubeObject]:
    """Order a region's nodes and replicas; returns the other objects of its pods."""
    line = next(row for row in task.plan.regions if row.name == name)
    deployment, *others = await _placed_pods(task, line, outcomes)
    order = elasticity.order_for(task.model, task.plan, line)
    outcomes.scaled[name], written = await elasticity.bring(_cluster(task.members[name]), deployment, order)
    outcomes.written += [f"{name} {each}" for each in written]
    return others


async def _placed_pods(task: Task, line: RegionPlan, outcomes: Outcomes) -> list[KubeObject]:
    """Order the region's nodes; returns the pods' objects. Without nodes, pods that exist keep their place.

    Raises:
        PortError: the cluster does not answer, or there are neither pools nor pods yet.
    """
    name = line.name
    placement, written = await provision.Provider(task.registry, task.members).provide(task.model, line)
    outcomes.placed[name] = placement
    outcomes.written += [f"{name} {each}" for each in written]
    if placement.error and not placement.deployment:
        raise placement.error
    objects = workload.workload_objects(task.model, task.members[name].region, placement.node_labels, placement.taints)
    if line.standby and not placement.keeps_nodes:
        objects.append(workload.standby_object(task.model, line.standby, placement.node_labels, placement.taints))
    else:
        await _drop_placeholders(task, name, outcomes)
    return workload.placed_as(objects, placement.deployment) if placement.error and placement.deployment else objects


async def _drop_placeholders(task: Task, name: str, outcomes: Outcomes) -> None:
    cluster = _cluster(task.members[name])
    ref = Ref(DEPLOYMENT, task.model.metadata.namespace or "", workload.standby_name(task.model))
    found = await cluster.read(ref)
    if found is not None and not found["metadata"].get("deletionTimestamp"):
        await cluster.delete(ref, uid=found["metadata"]["uid"])
        outcomes.written.append(f"{name} {ref} (removed)")


async def _ensure_users(task: Task, name: str, outcomes: Outcomes) -> None:
    """Weights that are in force stay: this runs beside the loop, and its plan may be over by now."""
    cluster, model = task.members[name].cluster, task.model
    if cluster is None or name in outcomes.failed:
        return
    try:
        live = await cluster.read(Ref(ROUTE, model.metadata.namespace or "", routes.Names(model.metadata.name).users))
        route = task.users_route(name, live, shift=False)
        if route is None:
            return
        if live is not None:
            route["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
        trusted = routes.authorities(model, (member.region for member in task.members.values()))
        entry = routes.entry_objects(model, task.members[name].region, task.regions)
        await _bring(cluster, [*trusted, *entry], name, outcomes)
        users = await _align(cluster, route, live, name, outcomes)
        await _take_over(task, cluster, name, users, outcomes)
        await _forget_left(task, cluster, name, outcomes)
    except Conflict:
        return  # its weights were written in this moment; what else differs is seen by a later tick
    except PortError as error:
        outcomes.failed[name] = error


async def _take_over(task: Task, cluster: Cluster, name: str, users: KubeObject, outcomes: Outcomes) -> None:
    """Remove the routes that a person has given up to this model, once a gateway has taken the model's own."""
    namespace, model = task.model.metadata.namespace or "", task.model.metadata.name
    if not routes.accepted(users):
        return
    for body in await cluster.find(ROUTE, namespace, {ADOPT: model}):
        ref = Ref(ROUTE, namespace, body["metadata"]["name"])
        if not routes.covers(task.model, body):
            log.warning("a route with other host names than the model is not taken over", region=name, route=str(ref))
        elif not body["metadata"].get("deletionTimestamp"):
            await cluster.delete(ref, uid=body["metadata"]["uid"])
            outcomes.written.append(f"{name} {ref} (taken over)")


async def _forget_left(task: Task, cluster: Cluster, name: str, outcomes: Outcomes) -> None:
    """Remove an entry's backends for regions that the model has left: no route names them any more."""
    wanted = {body["metadata"]["name"] for region in task.regions for body in routes.backends(task.model, region)}
    namespace, owned = task.model.metadata.namespace or "", task.model.metadata.name
    for body in await cluster.find(BACKEND, namespace, labels_of(namespace, owned)):
        if body["metadata"]["name"] not in wanted:
            await cluster.delete(Ref(BACKEND, namespace, body["metadata"]["name"]), uid=body["metadata"]["uid"])
            outcomes.written.append(f"{name} Backend {body['metadata']['name']} (removed)")


async def _bring(
    cluster: Cluster, wanted: list[KubeObject], region: str, outcomes: Outcomes
) -> dict[tuple[str, str], KubeObject]:
    """Apply those of `wanted` that differ from what is there; returns what is there, by kind and name."""
    live: dict[tuple[str, str], KubeObject] = {}
    for body in wanted:
        found = await cluster.read(ref_of(body))
        live[body["kind"], body["metadata"]["name"]] = await _align(cluster, body, found, region, outcomes)
    return live


async def _align(
    cluster: Cluster, body: KubeObject, found: KubeObject | None, region: str, outcomes: Outcomes
) -> KubeObject:
    """Apply one object if it differs from what was found; returns it as it is then."""
    metadata = body["metadata"]
    content: KubeObject = {part: body[part] for part in ("spec", "data") if part in body}
    if found is not None and not differs({**content, "metadata": {"labels": metadata["labels"]}}, found):
        return found
    applied = await cluster.apply(body)
    outcomes.written.append(f"{region} {body['kind']} {metadata['name']}")
    return applied


async def _write(cluster: Cluster, body: KubeObject, region: str, outcomes: Outcomes) -> None:
    try:
        outcomes.routes[region] = await cluster.apply(body)
    except PortError as error:
        outcomes.failed[region] = error
        log.warning("weights could not be written", region=region, error=str(error), remedy=error.remedy)
        return
    outcomes.written.append(f"{region} {body['kind']} {body['metadata']['name']}")

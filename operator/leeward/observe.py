"""Observing: ask every region at once, and never wait long for one that does not answer.

Each region has one task under way at most; a tick waits for all of them for a short while and goes on with what has
come in. What came in keeps its time, so that a reading that is not renewed grows old and stops counting. Asking is
done here; what it means is the core's.
"""

import asyncio
import time
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import structlog

from leeward.adapters.members import Member
from leeward.adapters.objects import COMPONENT_LABEL, DEPLOYMENT, MANAGED_BY, MODEL_SERVER, NODE, POD, ROUTE
from leeward.adapters.pools.nodes import NodeSeen, node_seen, requests_by_node
from leeward.adapters.routes import read_row
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.units import parse_decimal
from leeward.core.snapshot import Counts, Matrix, RegionReadings, Snapshot
from leeward.ports import KubeObject, ModelKey, PortError, Probes, ProbeTarget
from leeward.region_sight import RegionSight, aged, by_model
from leeward.settings import Settings
from leeward.sightings import ProbeBook, ReachBook
from leeward.targets import model_key, reach_targets, targets

log = structlog.get_logger("observe")
_OURS = {MANAGED_BY: "leeward"}
_ROUTES_SETTLE_SECONDS = 5.0
_NODES_SECONDS = 15.0


def now_ms() -> int:
    """Wall clock in whole milliseconds: what is recorded must mean something after a restart."""
    return time.time_ns() // 1_000_000


@dataclass
class Observer:
    """This replica's eyes: tasks under way, and what has been seen."""

    settings: Settings
    probes: Probes
    reach: ReachBook
    probed: ProbeBook
    regions: dict[str, RegionSight] = field(default_factory=dict)
    open_since: dict[ModelKey, float] = field(default_factory=dict)  # monotonic seconds: users were let in
    served: dict[ModelKey, set[str]] = field(default_factory=dict)  # regions that had a ready replica once
    eager: dict[ModelKey, set[str]] = field(default_factory=dict)  # regions suspected, or out of traffic
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def look(
        self, members: Mapping[str, Member], models: Mapping[str, ModelDeployment], patience_seconds: float
    ) -> None:
        """Ask everything anew; return when all has come in, or when patience ends."""
        for name in set(self.regions) - set(members):
            del self.regions[name]
        objectives = {model_key(model): parse_decimal(model.spec.objectives.ttft.seconds) for model in models.values()}
        for name, member in members.items():
            sight = self.regions.setdefault(name, RegionSight())
            if member.cluster is not None:
                self._start(f"api {name}", self._see_cluster(member, sight))
            if member.metrics is not None and objectives:
                self._start(f"metrics {name}", self._see_metrics(member, sight, objectives))
        self._probe_all([target for model in models.values() for target in targets(model, members)])
        waiting = [task for task in self._tasks.values() if not task.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=patience_seconds)

    def probe_eagerly(self, members: Mapping[str, Member], models: Mapping[str, ModelDeployment]) -> None:
        """Probe more often where it matters: regions below healthy, and those that are out of traffic."""
        asked = [target for model in models.values() for target in targets(model, members)]
        self._probe_all([target for target in asked if target.region in self.eager.get(target.model, ())])

    def _probe_all(self, asked: list[ProbeTarget]) -> None:
        for target in asked:
            if not self._starting(target):
                self._start(f"probe {target.model} {target.region} {target.through}", self._probe(target))

    def _starting(self, target: ProbeTarget) -> bool:
        """Routes are still being taken, or nothing was ever ready there: a probe would tell of nothing else."""
        since = self.open_since.get(target.model)
        if since is None or time.monotonic() - since < _ROUTES_SETTLE_SECONDS:
            return True
        ready = self._sight(target.region).replicas(target.model)
        return not ready and target.region not in self.served.get(target.model, ())

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        running = self._tasks.get(name)
        if running is not None and not running.done():
            work.close()
            return
        if running is not None and not running.cancelled():
            running.result()
        self._tasks[name] = asyncio.create_task(work, name=name)

    def crashed(self) -> int:
        """In how many regions that are eagerly probed no replica is ready and every path's newest probe failed."""
        now, fresh = now_ms(), self._probed_ms
        return sum(
            self._sight(name).replicas(key) == 0 and self.probed.failing(key, name, now, fresh) is True
            for key, names in self.eager.items()
            for name in names
        )

    def forget(self, models: set[ModelKey], regions: set[str]) -> None:
        """Drop all but these."""
        self.probed.forget(models)
        self.reach.forget(regions)
        for kept in (self.open_since, self.served, self.eager):
            for key in set(kept) - models:
                del kept[key]

    @property
    def _fresh_ms(self) -> int:
        """How old an answer may be before it tells no more."""
        return round(3 * self.settings.interval * 1000)

    @property
    def _probed_ms(self) -> int:
        """The same for a path's newest probe: one is due every tick, and a path that is cut off has none."""
        return round(2 * self.settings.interval * 1000)

    async def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _see_cluster(self, member: Member, sight: RegionSight) -> None:
        assert member.cluster is not None
        asked = time.monotonic()
        try:
            routes = await member.cluster.find(ROUTE, labels=_OURS) if member.region.spec.gateway else []
            deployments = await member.cluster.find(DEPLOYMENT, labels=_OURS | {COMPONENT_LABEL: MODEL_SERVER})
        except PortError as error:
            sight.api_error = error
            return
        sight.take_routes(by_model(routes, users_only=True), asked)
        sight.deployments = by_model(deployments)
        sight.api_seen_ms, sight.api_error = now_ms(), None
        ready = [sight.replicas(key) for key in sight.deployments]
        if ready != sight.ready_then or time.monotonic() - sight.nodes_asked >= _NODES_SECONDS:
            sight.ready_then, sight.nodes_asked = ready, time.monotonic()
            await self._see_nodes(member, sight)

    async def _see_nodes(self, member: Member, sight: RegionSight) -> None:
        """Nodes are many and for messages, so they are asked for rarely, and when ready replicas changed."""
        assert member.cluster is not None
        try:
            requested = requests_by_node(await member.cluster.find(POD, labels=_OURS))
            nodes = await member.cluster.find(NODE)
            sight.nodes = tuple(node_seen(body, requested.get(body["metadata"]["name"])) for body in nodes)
        except PortError as error:
            log.info("a region's nodes cannot be seen", region=member.region.metadata.name, error=str(error))

    async def _see_metrics(self, member: Member, sight: RegionSight, objectives: dict[ModelKey, Fraction]) -> None:
        assert member.metrics is not None
        try:
            sight.metrics = await member.metrics.see(objectives)
        except PortError as error:
            sight.metrics_error = error
            return
        sight.metrics_seen_ms, sight.metrics_error = now_ms(), None

    async def _probe(self, target: ProbeTarget) -> None:
        outcome, why = await self.probes.complete(target)
        path = f"via {target.through}" if target.through else "direct"
        self.probed.note(target.model, target.region, path, outcome, why, now_ms())

    async def ask_reach(self, members: Mapping[str, Member], models: Mapping[str, ModelDeployment]) -> bool:
        """The once-a-second question to every region, straight and by way of other entries. True on a change."""
        model = next(iter(models.values()), None)
        here = (name for name, member in members.items() if member.region.spec.cluster.local is not None)
        self.reach.home = self.settings.region or next(here, "")
        asked = reach_targets(model, members)
        answers = await asyncio.gather(*(self._reach(target) for target in asked))
        return any(answers)

    async def _reach(self, target: ProbeTarget) -> bool:
        started = now_ms()
        answered, pods = await self.probes.reach(target)
        observer = f"via {target.through}" if target.through else self.settings.observer
        changed = self.reach.note(observer, target.region, answered, started, now_ms())
        lost = self.reach.note("pods", target.region, pods, started, now_ms()) and not target.through
        return changed or lost

    def snapshot(self, model: ModelDeployment, region_names: tuple[str, ...], now: int) -> Snapshot:
        """All readings of one model, as of `now`."""
        key = model_key(model)
        reading = {name: self._readings(key, name, region_names, now) for name in region_names}
        fail = [
            sight.api_error is not None and sight.metrics_error is not None
            for name, sight in self.regions.items()
            if name in region_names
        ]
        return Snapshot(
            self.settings.observer,
            now,
            tuple(reading.values()),
            self._weights(key, region_names),
            observer_queries_fail=bool(fail) and all(fail),
        )

    def answering(self, names: Iterable[str]) -> frozenset[str]:
        """Regions whose API server answered when last asked."""
        return frozenset(
            name for name in names if (sight := self.regions.get(name)) is not None and sight.api_error is None
        )

    def routes(self, key: ModelKey, names: Iterable[str]) -> dict[str, KubeObject]:
        """A model's users routes that could be read just now, by entry."""
        return {
            name: self.regions[name].routes[key] for name in self.answering(names) if key in self.regions[name].routes
        }

    def wrote(self, key: ModelKey, taken: Mapping[str, KubeObject]) -> None:
        """Users routes of a model as they were just written, by entry: answers to older questions are out of date."""
        for name, route in taken.items():
            self._sight(name).wrote_route(key, route, time.monotonic())

    def open_everywhere(self, key: ModelKey, names: Iterable[str]) -> bool:
        """Has every region that answers a users route of the model?"""
        return set(self.routes(key, names)) == self.answering(names)

    def nodes(self) -> dict[str, tuple[NodeSeen, ...]]:
        """Nodes by region, where they have been seen."""
        return {name: sight.nodes for name, sight in self.regions.items() if sight.nodes is not None}

    def ready(self, key: ModelKey, names: Iterable[str]) -> dict[str, int]:
        """Ready replicas of a model by region, where its Deployment has been seen."""
        seen = {name: self._sight(name).replicas(key) for name in names}
        return {name: ready for name, ready in seen.items() if ready is not None}

    def ordered(self, key: ModelKey, names: Iterable[str]) -> dict[str, int]:
        """Replicas of a model that each Deployment asks for, whoever wrote the number."""
        found = {name: self._sight(name).deployments.get(key) for name in names}
        return {name: body["spec"].get("replicas", 1) for name, body in found.items() if body is not None}

    def _sight(self, name: str) -> RegionSight:
        return self.regions.get(name) or RegionSight()

    def _weights(self, key: ModelKey, names: tuple[str, ...]) -> Matrix:
        held, rows = self.routes(key, names), []
        for name in names:
            row = read_row(held.get(name), key[1], names)
            if row is not None:
                rows.append((name, row))
        return tuple(rows)

    def _readings(self, key: ModelKey, name: str, names: tuple[str, ...], now: int) -> RegionReadings:
        sight = self._sight(name)
        fresh = self._fresh_ms
        reach_fresh = round(4 * (self.settings.reach_interval + self.settings.reach_deadline) * 1000)
        reach = tuple(
            reading for reading in self.reach.readings(name, names, now, reach_fresh) if reading.observer != "pods"
        )
        mine = sight.metrics
        since = now - sight.metrics_seen_ms
        load = mine.loads.get(key) if mine else None
        entry = mine.entries.get(key) if mine and since <= fresh else None
        return RegionReadings(
            name,
            outcomes=self._outcomes(key, name, names, now),
            latency=aged(mine.latencies.get(key) if mine else None, since),
            probes=self.probed.counts(key, name, now),
            probe_failing=self.probed.failing(key, name, now, self._probed_ms),
            reach=reach,
            ready=sight.ready(key, now),
            revision=sight.revision(key),
            load=replace(load, age_ms=load.age_ms + since) if load else None,
            api_answers=None if not sight.api_seen_ms and sight.api_error is None else sight.api_error is None,
            metrics_answer=None
            if not sight.metrics_seen_ms and sight.metrics_error is None
            else sight.metrics_error is None,
            entry_requests_per_second=entry.requests_per_second if entry else None,
        )

    def _outcomes(self, key: ModelKey, name: str, names: tuple[str, ...], now: int) -> tuple[Counts, ...]:
        found = []
        for entry in names:
            seen = self.regions.get(entry)
            if seen is None or seen.metrics is None:
                continue
            since = now - seen.metrics_seen_ms
            by_entry = seen.metrics.entries.get(key)
            counted = aged(by_entry.serving.get(name) if by_entry else None, since)
            if counted:
                found.append(replace(counted, sensor=entry))
            if entry == name and (engine := aged(seen.metrics.engines.get(key), since)):
                found.append(engine)
        return tuple(found)

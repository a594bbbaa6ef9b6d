"""The tick: observe → assess → decide → apply → record, one loop for the whole fleet.

Two speeds. A slow tick asks everything anew and runs every `interval`, or at once when one of our own objects
changed. Every second the regions are asked whether they answer at all; a change there, or a failure that lasts long
enough to be definitive, starts a tick at once, which waits for nobody: it decides on what is known.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from leeward import apply, cleanup
from leeward.adapters.members import Member, Members, check_gateway
from leeward.adapters.telemetry import Liveness, Telemetry
from leeward.api.modeldeployment import ModelDeployment
from leeward.core.decide import decide
from leeward.core.memory import Memory, from_record
from leeward.core.plan import Plan
from leeward.core.spec import ModelSpec
from leeward.observe import Observer, model_key, now_ms
from leeward.ports import KubeObject, PortError
from leeward.record import Condit, Recorder, write_region_status
from leeward.settings import Settings
from leeward.store import Store
from leeward.translate import model_spec

DEFINITIVE_MS = 3_000
_PATIENCE_SECONDS = 1.2
_HURRY_SECONDS = 0.25

log = structlog.get_logger("tick")


@dataclass
class Known:
    """What is remembered of one model between ticks."""

    memory: Memory
    applied: object = None          # what `ensure` last brought in line, None: do it again
    serving: bool = False           # users have been let in


@dataclass
class Loop:
    """The fleet's loop and all that it works with."""

    settings: Settings
    store: Store
    members: Members
    observer: Observer
    recorder: Recorder
    debts: cleanup.Debts
    telemetry: Telemetry
    liveness: Liveness
    known: dict[str, Known] = field(default_factory=dict)
    alarm: asyncio.Event = field(default_factory=asyncio.Event)
    _swept: float = 0.0
    _region_marks: dict[str, object] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until `stop` is set. A tick that fails is told and the next one starts afresh."""
        reach = asyncio.create_task(self._watch_reach(stop))
        try:
            while not stop.is_set():
                hurried = self.alarm.is_set()
                self.alarm.clear()
                self.store.changed.clear()
                await self._timed(hurried)
                await self._until_next(stop)
        finally:
            reach.cancel()
            await self.observer.close()

    async def _timed(self, hurried: bool) -> None:
        started, cpu = time.monotonic(), time.process_time()
        self.liveness.tick_started, self.liveness.listed = started, len(self.store.listed) == 2
        try:
            await self.tick(hurried)
            self.liveness.tick_ended = time.monotonic()
        except Exception:
            log.exception("a tick failed; the next one starts afresh")
        self.telemetry.tick_seconds.observe(time.monotonic() - started)
        self.telemetry.tick_cpu_seconds.observe(time.process_time() - cpu)

    async def _until_next(self, stop: asyncio.Event) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (stop, self.alarm, self.store.changed)]
        await asyncio.wait(waits, timeout=self.settings.interval, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _watch_reach(self, stop: asyncio.Event) -> None:
        """Ask once a second, each second's questions on their own; raise the alarm on what is new or definitive."""
        pending: set[asyncio.Task[None]] = set()
        while not stop.is_set():
            task = asyncio.create_task(self._ask_reach())
            pending.add(task)
            task.add_done_callback(pending.discard)
            await asyncio.sleep(self.settings.reach_interval)

    async def _ask_reach(self) -> None:
        changed = await self.observer.ask_reach(self.members.found, self.store.models)
        lasting = self.observer.reach.failing_longest_ms(now_ms(), 4_000)
        crossed = DEFINITIVE_MS <= lasting < DEFINITIVE_MS + 2_000
        if changed or crossed:
            self.alarm.set()

    async def tick(self, hurried: bool) -> None:
        """One tick over all models."""
        if not hurried:
            await self._sweep_when_due()
        await self.observer.look(self.members.found, self._alive(), _HURRY_SECONDS if hurried else _PATIENCE_SECONDS)
        for model in list(self.store.models.values()):
            if model.metadata.deletion_timestamp:
                await self._remove(model)
            else:
                await self._tend(model)
        await self._regions()

    def _alive(self) -> dict[str, ModelDeployment]:
        return {key: model for key, model in self.store.models.items() if not model.metadata.deletion_timestamp}

    async def _tend(self, model: ModelDeployment) -> None:
        """observe → assess → decide → apply → record, for one model."""
        regions = {name: member.region for name, member in self.members.found.items()}
        spec = model_spec(model, regions, self.settings)
        if not spec.regions:
            return
        known = self._recall(model)
        now = now_ms()
        snapshot = self.observer.snapshot(model, spec.region_names, now)
        plan = decide(spec, snapshot, known.memory, now)
        known.memory = plan.memory
        problems = dict(self._missing(model))
        if not self.settings.dry_run:
            problems |= await self._apply(model, spec, plan, known)
        try:
            await self.recorder.record(model, plan, self._ready(model, spec), problems)
        except PortError as error:
            log.warning("the status could not be written", model=model.key, error=str(error), remedy=error.remedy)

    def _recall(self, model: ModelDeployment) -> Known:
        if model.key not in self.known:
            self.known[model.key] = Known(from_record(_parsed(model.status.memory)))
        return self.known[model.key]

    async def _apply(self, model: ModelDeployment, spec: ModelSpec, plan: Plan, known: Known) -> dict[str, PortError]:
        task = apply.Task(model, self.members.found, plan, self._ready(model, spec))
        failed: dict[str, PortError] = {}
        if known.serving and not spec.frozen:
            outcomes = await apply.write_weights(task, self._routes(model, spec))
            failed |= outcomes.failed
        mark = (model.metadata.generation, tuple((line.name, line.replicas, task.ready.get(line.name))
                                                 for line in plan.regions), tuple(self._reachable(spec)))
        if not plan.emergency and known.applied != mark:
            await cleanup.hold(self.recorder.home, model)
            outcomes, known.serving = await apply.ensure(task)
            failed |= outcomes.failed
            known.applied = mark if known.serving and not outcomes.failed else None
            if outcomes.written:
                log.info("brought in line", model=model.key, written=outcomes.written)
        for region, error in failed.items():
            self.telemetry.errors.labels(region, error.reason).inc()
        return failed

    def _routes(self, model: ModelDeployment, spec: ModelSpec) -> dict[str, KubeObject]:
        """The users routes that could be read just now."""
        key = model_key(model)
        found = {}
        for name in spec.region_names:
            sight = self.observer.regions.get(name)
            if sight is not None and sight.api_error is None and key in sight.routes:
                found[name] = sight.routes[key]
        return found

    def _reachable(self, spec: ModelSpec) -> list[str]:
        return [name for name in spec.region_names
                if (sight := self.observer.regions.get(name)) and sight.api_error is None]

    def _ready(self, model: ModelDeployment, spec: ModelSpec) -> dict[str, int]:
        key = model_key(model)
        found = {}
        for name in spec.region_names:
            sight = self.observer.regions.get(name)
            deployment = sight.deployments.get(key) if sight else None
            if deployment is not None:
                found[name] = (deployment.get("status") or {}).get("readyReplicas") or 0
        return found

    def _missing(self, model: ModelDeployment) -> Mapping[str, PortError]:
        """Regions that the model names and that cannot be used, and why."""
        found: dict[str, PortError] = {}
        for entry in model.spec.regions:
            member = self.members.found.get(entry.name)
            if member is None:
                found[entry.name] = RegionMissing(f"there is no Region {entry.name}")
            elif member.problem is not None:
                found[entry.name] = member.problem
        return found

    async def _remove(self, model: ModelDeployment) -> None:
        if self.settings.dry_run:
            return
        try:
            if await cleanup.remove_everywhere(model, self.members.found, self.debts):
                self.known.pop(model.key, None)
                self.recorder.forget(model.key)
        except PortError as error:
            log.warning("a deletion goes on later", model=model.key, error=str(error), remedy=error.remedy)

    async def _sweep_when_due(self) -> None:
        """Follow Region objects and Secrets, look at Gateways, forget what is gone, pay what is owed."""
        due = time.monotonic() - self._swept > self.settings.sweep_interval
        if not due and {name: member.region for name, member in self.members.found.items()} == self.store.regions:
            return
        self._swept = time.monotonic()
        await self.members.refresh(self.store.regions)
        await asyncio.gather(*(self._check(member) for member in self.members.found.values()))
        for known in self.known.values():
            known.applied = None
        gone = set(self.known) - set(self.store.models)
        for key in gone:
            del self.known[key]
            self.recorder.forget(key)
        alive = {model_key(model) for model in self._alive().values()}
        self.observer.probed.forget(alive)
        self.observer.reach.forget(set(self.members.found))
        if not self.settings.dry_run:
            await self._pay(alive)

    async def _pay(self, alive: set[tuple[str, str]]) -> None:
        try:
            if not self.debts.loaded:
                await self.debts.load()
            await self.debts.pay(self.members.found, alive)
        except PortError as error:
            log.warning("the record of what is owed cannot be kept", error=str(error), remedy=error.remedy)

    async def _check(self, member: Member) -> None:
        try:
            await check_gateway(member)
        except PortError as error:
            log.info("a region's Gateway cannot be looked at", region=member.region.metadata.name, error=str(error))

    async def _regions(self) -> None:
        """Staleness metrics, and each Region's conditions when they changed."""
        now = now_ms()
        for name, member in self.members.found.items():
            sight = self.observer.regions.get(name)
            if sight is None:
                continue
            for source, seen in (("api", sight.api_seen_ms), ("metrics", sight.metrics_seen_ms)):
                if seen:
                    self.telemetry.staleness.labels(name, source).set((now - seen) / 1000)
            rows = region_conditions(member, sight.api_error, sight.metrics_error)
            mark = tuple(row[:3] for row in rows)
            if self._region_marks.get(name) == mark or self.settings.dry_run:
                continue
            try:
                await write_region_status(self.recorder.home, name, member.region.metadata.generation, rows,
                                          member.region.status.conditions)
                self._region_marks[name] = mark
            except PortError as error:
                log.warning("a Region's status could not be written", region=name, error=str(error))


class RegionMissing(PortError):
    """A model names a Region that does not exist."""

    reason = "RegionMissing"
    remedy = "make the Region, or take it out of spec.regions"


def region_conditions(member: Member, api_error: PortError | None, metrics_error: PortError | None) -> list[Condit]:
    """Reachable, MetricsFresh and Ready of one region; the first problem is Ready's reason."""
    problem = member.problem or api_error
    no_metrics = member.region.spec.prometheus is None
    return [
        ("Reachable", member.cluster is not None and api_error is None,
         (api_error or problem).reason if (api_error or (problem and member.cluster is None)) else "Answers",
         str(api_error or (problem if member.cluster is None else "") or "the API server answers")),
        ("MetricsFresh", None if no_metrics else metrics_error is None,
         "NoPrometheus" if no_metrics else metrics_error.reason if metrics_error else "Answers",
         "no Prometheus is named; probes and readiness judge alone" if no_metrics
         else str(metrics_error or "Prometheus answers")),
        ("Ready", problem is None, problem.reason if problem else "Ready",
         f"{problem}; {problem.remedy}" if problem else "models can be served here"),
    ]


def _parsed(text: str | None) -> object:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None

"""The tick: observe → assess → decide → apply → record, one loop for the whole fleet.

Two speeds. A slow tick asks everything anew and runs every `interval`, or at once when one of our own objects
changed. Twice a second the regions are asked whether they answer at all; a change there, or a failure that lasts long
enough to be definitive, starts a tick at once, which waits for nobody: it decides on what is known.
"""

import asyncio
import time
from dataclasses import dataclass, field, replace

import structlog

from leeward import apply, cleanup, elasticity, opening, orders
from leeward.adapters.members import Members, unusable
from leeward.adapters.pools import Registry
from leeward.adapters.telemetry import Liveness, Telemetry
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.core.decide import decide
from leeward.core.handover import adopt, take_over
from leeward.core.plan import Plan, Verdict
from leeward.core.spec import ModelSpec
from leeward.known import Known, recalled, recorded
from leeward.leadership import Leadership
from leeward.leaving import Leaving, evacuated
from leeward.lookout import Lookout
from leeward.observe import Observer, now_ms
from leeward.ports import ModelKey, PortError, RegionMissing
from leeward.provision import nodes_condition
from leeward.record import Recorder
from leeward.record_decisions import DecisionLog
from leeward.record_evacuations import EvacuationRecorder
from leeward.record_regions import RegionRecorder, credentials_last
from leeward.settings import Settings
from leeward.store import Store, with_entries
from leeward.sweep import Sweep
from leeward.targets import model_key
from leeward.translate import model_spec
from leeward.waiting import first_of

_PATIENCE_SECONDS = 1.2
_HURRY_SECONDS = 0.1
_TAKEN_BY_ALL_SECONDS = 30.0
_AGAIN_SECONDS = 15.0  # what pools say is asked so often while replicas are missing

log = structlog.get_logger("tick")


@dataclass
class Loop:
    """The fleet's loop and all that it works with."""

    settings: Settings
    store: Store
    members: Members
    observer: Observer
    recorder: Recorder
    region_recorder: RegionRecorder
    evacuation_recorder: EvacuationRecorder
    debts: cleanup.Debts
    decisions: DecisionLog
    telemetry: Telemetry
    liveness: Liveness
    registry: Registry
    leadership: Leadership | None = None  # None: this replica is alone, and always leads
    known: dict[str, Known] = field(default_factory=dict)
    alarm: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.leaving = Leaving(self.store, self.observer, self.members, self.debts)
        self.sweep = Sweep(self.settings, self.store, self.members, self.observer, self.registry, self.debts)

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until `stop` is set. A tick that fails is told and the next one starts afresh."""
        lookout = Lookout(self.settings, self.store, self.members, self.observer, self.alarm)
        beside = asyncio.create_task(lookout.run(stop))
        if self.leadership is not None:
            self.leadership.changed = self.alarm
        try:
            while not stop.is_set():
                hurried = self.alarm.is_set()
                self.alarm.clear()
                self.store.changed.clear()
                await self._timed(hurried)
                await self._until_next(stop)
        finally:
            beside.cancel()
            await self.observer.close()

    async def _timed(self, hurried: bool) -> None:
        started, cpu = time.monotonic(), time.process_time()
        self.liveness.tick_started, self.liveness.listed = started, self.store.complete
        try:
            await self.tick(hurried)
            self.liveness.tick_ended = time.monotonic()
        except Exception:
            log.exception("a tick failed; the next one starts afresh")
        self.telemetry.tick_seconds.observe(time.monotonic() - started)
        self.telemetry.tick_cpu_seconds.observe(time.process_time() - cpu)

    async def _until_next(self, stop: asyncio.Event) -> None:
        rest = self.liveness.tick_started + self.settings.interval - time.monotonic()
        await first_of(stop, self.alarm, self.store.changed, seconds=max(0.0, rest))

    async def tick(self, hurried: bool) -> None:
        """One tick over all models."""
        if not hurried:
            await self._sweep_when_due()
        await self.observer.look(
            self.members.found, self.store.served(), _HURRY_SECONDS if hurried else _PATIENCE_SECONDS
        )
        await self._turns(list(self.store.models.values()))
        if not self.leads:
            self.debts.loaded = False  # the leader writes the record
            return
        for (kind, key), problem in self.store.unreadable.items():
            if not self.store.reads(kind, key):
                await self.recorder.refuse(kind, key, problem)
        await self._regions()
        await self.evacuation_recorder.record_all(self.store, self.known, now_ms())

    async def _turns(self, models: list[ModelDeployment]) -> None:
        """Each model's part of a tick: no model waits for the writes of another, or fails with it."""
        turns = (self._remove(model) if model.metadata.deletion_timestamp else self._tend(model) for model in models)
        ends = await asyncio.gather(*turns, return_exceptions=True)
        failed = {model.key: end for model, end in zip(models, ends, strict=True) if isinstance(end, Exception)}
        for key, error in failed.items():
            log.error("a model's part of a tick failed; the next one starts afresh", model=key, exc_info=error)
        if models and len(failed) == len(models):
            raise RuntimeError("no model's part of the tick came to its end")

    async def _tend(self, model: ModelDeployment) -> None:
        """observe → assess → decide → apply → record, for one model."""
        key, known = model_key(model), self._recall(model)
        problems = self._missing(model)
        going = self.leaving.entries(model, key, known.memory)
        self.store.leaving[model.key], leaving = going, tuple(entry.name for entry in going)
        ordered = orders.standing(model, self.store.evacuations.values(), now_ms())
        model = orders.obeying(with_entries(model, going), ordered)
        regions = {name: member.region for name, member in self.members.found.items()}
        spec = model_spec(model, regions, self.settings)
        if not spec.regions:
            missing = RegionMissing(f"none of its Regions exists: {', '.join(row.name for row in model.spec.regions)}")
            if self.leads:
                await self.recorder.refuse(model.kind, model.key, missing, model.status)
            return
        if known.ensuring is None and opening.found_open(self.observer, key, spec.region_names):
            known.serving = True
        now, gone = now_ms(), evacuated(spec, known.memory, leaving)
        snapshot = orders.told(self.observer.snapshot(model, spec.region_names, now), spec, ordered, gone)
        leads = self._take_turn(model, known)
        plan = decide(spec, snapshot, known.memory, now)
        if leads:
            self.decisions.note(spec, snapshot, known.memory, now, plan)
        known.memory = plan.memory if leads else adopt(plan.memory, recorded(model))
        known.refused = dict(plan.refused)
        self._attend(key, plan, known)
        if not leads:
            return
        if not self.settings.dry_run:
            problems |= await self._apply(model, spec, plan, known, leaving)
            plan = replace(plan, notes=(*plan.notes, *self.leaving.attend(key, leaving, spec, plan, snapshot)))
        try:
            ready = self.observer.ready(key, spec.region_names)
            lines = [line for line in plan.regions if line.name not in leaving]
            more = [
                nodes_condition(model, lines, known.placed, self.observer.nodes()),
                elasticity.condition(model, lines, known.scaled),
                orders.condition(ordered, plan),
            ]
            shut = not (known.serving or self.observer.open_everywhere(key, spec.region_names))
            leaves = self.leaving.told(key)
            await self.recorder.record(model, plan, ready, problems, more, shut=shut, leaving=leaves)
        except PortError as error:
            log.warning("the status could not be written", model=model.key, error=str(error), remedy=error.remedy)

    async def _sweep_when_due(self) -> None:
        if not await self.sweep.when_due():
            return
        for known in self.known.values():
            known.applied = None
        for key in set(self.known) - set(self.store.models):
            del self.known[key]
            self.recorder.forget(key)
            self.decisions.forget(key)
        if self.leads and not self.settings.dry_run:
            await self.sweep.pay(self.leaving.wants)

    @property
    def leads(self) -> bool:
        """Is it this replica that acts?"""
        return self.leadership is None or self.leadership.leads()

    def _take_turn(self, model: ModelDeployment, known: Known) -> bool:
        """Whether this replica acts on the model in this tick; what changes hands when that has just begun or ended."""
        leads = self.leads
        if leads and not known.led and self.leadership is not None:
            known.memory = take_over(adopt(known.memory, recorded(model)))
            known.applied = None
        elif known.led and not leads:
            self.recorder.forget(model.key)
        known.led = leads
        return leads

    def _attend(self, key: ModelKey, plan: Plan, known: Known) -> None:
        """Tell the observer what to look at: models that users may reach, and regions that are out of traffic."""
        if known.serving:
            self.observer.open_since.setdefault(key, time.monotonic())
        known_of = {line.name: plan.memory.region(line.name) for line in plan.regions}
        doubted = {name for name, past in known_of.items() if past.votes[-1:] not in ((), (Verdict.HEALTHY,))}
        self.observer.served[key] = {name for name, past in known_of.items() if past.been_ready}
        self.observer.eager[key] = doubted | {line.name for line in plan.regions if not line.listed}

    def _recall(self, model: ModelDeployment) -> Known:
        return self.known.setdefault(model.key, recalled(model))

    async def _apply(
        self, model: ModelDeployment, spec: ModelSpec, plan: Plan, known: Known, leaving: tuple[str, ...]
    ) -> dict[str, PortError]:
        """Weights first; everything else beside the loop, so that a slow region never holds up a decision."""
        reachable = self.observer.answering(spec.region_names) - frozenset(leaving)
        ready = self.observer.ready(model_key(model), spec.region_names)
        sized = {
            line.name: known.sizing.size(line.name, ready.get(line.name, 0), line.replicas, time.monotonic())
            for line in plan.regions
        }
        ordered = self.observer.ordered(model_key(model), spec.region_names)
        waits = any(ready.get(line.name, 0) < line.replicas for line in plan.regions)
        again = int(time.monotonic() // _AGAIN_SECONDS) if waits else 0
        task = apply.Task(model, self.members.found, plan, sized, reachable, self.registry, ordered, again)
        failed: dict[str, PortError] = {}
        if known.serving and not spec.frozen:
            written = await apply.write_weights(task, self.observer.routes(model_key(model), spec.region_names))
            self.observer.wrote(model_key(model), written.routes)
            failed = written.failed
        if reachable and known.idle and known.applied != task.mark:
            known.ensuring = asyncio.create_task(self._ensure(task, known))
        for region, error in failed.items():
            self.telemetry.errors.labels(region, error.reason).inc()
        return failed | known.failed

    async def _ensure(self, task: apply.Task, known: Known) -> None:
        """Bring a model's objects in line; the next tick sees what became of it."""
        model = task.model
        try:
            await cleanup.hold(self.recorder.home, model)
            waited = time.monotonic() - known.since
            may = known.serving or opening.may_open(self.observer, model_key(model), task.reachable, waited)
            outcomes, opened = await apply.ensure(task, may, insist=waited < _TAKEN_BY_ALL_SECONDS)
        except PortError as error:
            log.warning("a model could not be brought in line", model=model.key, error=str(error), remedy=error.remedy)
            return
        except Exception:
            log.exception("a model could not be brought in line", model=model.key)
            return
        known.failed, known.placed = outcomes.problems, known.placed | outcomes.placed
        known.scaled |= outcomes.scaled
        known.serving = known.serving or opened
        known.applied = task.mark if opened and not outcomes.unsettled else None
        if outcomes.written:
            log.info("brought in line", model=model.key, written=outcomes.written)
            if outcomes.written != known.written:  # the same again: somebody changes it back, so there is no hurry
                self.alarm.set()
        known.written = outcomes.written

    def _missing(self, model: ModelDeployment) -> dict[str, PortError]:
        """What of the model cannot be used, by region or part of it, and why."""
        found: dict[str, PortError] = {}
        if unreadable := self.store.unreadable.get((ModelDeployment.KIND, model.key)):
            found["spec"] = unreadable
        return found | unusable((entry.name for entry in model.spec.regions), self.members.found)

    async def _remove(self, model: ModelDeployment) -> None:
        if self.settings.dry_run or not self.leads:
            return
        try:
            if await cleanup.remove_everywhere(model, self.sweep.within_reach(), self.debts, self.decisions):
                self.known.pop(model.key, None)
                self.recorder.forget(model.key)
        except PortError as error:
            log.warning("a deletion goes on later", model=model.key, error=str(error), remedy=error.remedy)

    async def _regions(self) -> None:
        """Staleness metrics, and each Region's conditions when they changed."""
        for name, member in self.members.found.items():
            sight = self.observer.regions.get(name)
            if sight is not None:
                self.telemetry.show_staleness(name, now_ms(), sight.api_seen_ms, sight.metrics_seen_ms)
                if (last := credentials_last(member, now_ms())) is not None:
                    self.telemetry.show_credentials(name, last)
                unreadable = self.store.unreadable.get((Region.KIND, name))
                await self.region_recorder.record(member, sight, unreadable, self.store.resources())

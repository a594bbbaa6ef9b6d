"""Regions that a model leaves: its spec names them no more, and they still serve it or hold its objects.

Drain, then delete, never the other way. A leaving region goes on as a line of the spec with share 0, so that it is
probed and judged like the others, and keeps only what they cannot carry; once they can carry all of it, it is
evacuated. In the region itself nothing is touched meanwhile but weights. When no entry has sent anything there for a
minute, and no user enters there any more, its objects are owed (cleanup.py): a durable debt that is paid at once, or
when its API server answers again, also by an operator that starts later. A region that the spec names again before that
simply stops leaving.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

import structlog

from leeward.adapters.members import Members
from leeward.api.markers import MAX_REGIONS
from leeward.api.modeldeployment import ModelDeployment, RegionEntry, ReplicaLimits
from leeward.cleanup import Debts
from leeward.core import capacity
from leeward.core.memory import Memory
from leeward.core.phases import OUT_OF_TRAFFIC, Phase
from leeward.core.plan import Note, Plan
from leeward.core.snapshot import Snapshot
from leeward.core.spec import ModelSpec
from leeward.observe import Observer
from leeward.ports import ModelKey, PortError
from leeward.region_sight import RegionSight
from leeward.store import Store
from leeward.translate import serves

STREAMS_MS = 60_000
"""Streams that began before the last weight went end within it."""
_STALE_SECONDS = 30.0
_PAY_SECONDS, _PAUSE_SECONDS = 180.0, 2.0

log = structlog.get_logger("leaving")


@dataclass(frozen=True, slots=True)
class Stage:
    """How far one region is on its way out: CamelCase for the condition's reason, and a sentence."""

    reason: str
    sentence: str


@dataclass
class Leaving:
    """What is leaving, of every model, and the debts that are being paid for it."""

    store: Store
    observer: Observer
    members: Members
    debts: Debts
    _told: dict[ModelKey, dict[str, Stage]] = field(default_factory=dict)
    _owed: dict[ModelKey, set[str]] = field(default_factory=dict)
    _paid: dict[tuple[ModelKey, str], float] = field(default_factory=dict)  # monotonic seconds
    _paying: dict[tuple[ModelKey, str], asyncio.Task[None]] = field(default_factory=dict)

    def entries(self, model: ModelDeployment, key: ModelKey, memory: Memory) -> tuple[RegionEntry, ...]:
        """Lines of the spec for the regions that leave; what is owed or was paid has left."""
        owed = {region for region, keys in self.debts.owed.items() if key in keys}
        owed |= {region for owner, region in self._paying if owner == key}
        for region in self._owed.get(key, set()) - owed:
            self._paid[key, region] = time.monotonic()
        self._owed[key] = owed
        named = {entry.name for entry in model.spec.regions}
        served = {uid for name in named for uid in self._uids(key, name)}
        for name in named:
            self._paid.pop((key, name), None)
        names = [
            name
            for name, member in sorted(self.members.found.items())
            if serves(member.region)
            and name not in named | owed
            and not self._just_paid(key, name)
            and (name in memory.regions or self._holds(key, name))
            and not self._uids(key, name) & served
        ]
        return tuple(self._entry(key, name, memory) for name in names[: MAX_REGIONS - len(named)])

    def _holds(self, key: ModelKey, name: str) -> bool:
        sight = self.observer.regions.get(name)
        return sight is not None and (key in sight.deployments or key in sight.routes)

    def _uids(self, key: ModelKey, name: str) -> set[str]:
        """Identities of what the model has there. Where two Regions are one cluster, nothing is left of the other."""
        sight = self.observer.regions.get(name) or RegionSight()
        objects = [kept[key] for kept in (sight.deployments, sight.routes) if key in kept]
        return {body["metadata"]["uid"] for body in objects}

    def _just_paid(self, key: ModelKey, name: str) -> bool:
        """What was seen before it was removed may still be in sight."""
        return time.monotonic() - self._paid.get((key, name), -_STALE_SECONDS) < _STALE_SECONDS

    def _entry(self, key: ModelKey, name: str, memory: Memory) -> RegionEntry:
        """With no minimum, so that the others are sized for what it carries; its own replicas are not touched."""
        sight = self.observer.regions.get(name)
        deployment = sight.deployments.get(key) if sight else None
        running = deployment["spec"].get("replicas", 1) if deployment else memory.region(name).replicas
        least = 0 if memory.region(name).replicas else running
        return RegionEntry(name=name, share=0, replicas=ReplicaLimits(min=least, max=max(1, running)))

    def attend(self, key: ModelKey, names: tuple[str, ...], spec: ModelSpec, plan: Plan, seen: Snapshot) -> list[Note]:
        """Go on with each leaving region, after a plan was made; what has to be told of it."""
        entering = {row.name: row.entry_requests_per_second or Fraction(0) for row in seen.regions}
        stages: dict[str, Stage] = {}
        for name in names:
            stages[name] = self._stage(name, spec, plan, seen, entering[name])
            if stages[name].reason == "LeavingRemoves" and (key, name) not in self._paying:
                self._paying[key, name] = asyncio.create_task(self._remove(key, name))
        for name in self._owed.get(key, ()):
            stages[name] = Stage("LeavingRemoves", "no user is sent there; its objects are removed once it answers")
        before, self._told[key] = self._told.get(key, {}), stages
        notes = [
            Note("Leaving", name, f"leaving {name}: {stage.sentence}")
            for name, stage in stages.items()
            if name not in before or before[name].reason != stage.reason
        ]
        gone = [name for name in before if name not in stages and (key, name) in self._paid]
        return notes + [Note("Left", name, f"{name} is left: nothing of the model is there any more") for name in gone]

    def told(self, key: ModelKey) -> tuple[str, str] | None:
        """Reason and message for the condition Progressing; None: nothing leaves."""
        stages = self._told.get(key, {})
        if not stages:
            return None
        first = next(iter(stages.values()))
        return first.reason, "; ".join(f"leaving {name}: {stage.sentence}" for name, stage in stages.items())

    def wants(self, region: str, key: ModelKey) -> bool:
        """Does a model's spec name the region, so that nothing is owed there any more?"""
        model = self.store.alive().get("/".join(key))
        return model is not None and any(entry.name == region for entry in model.spec.regions)

    def _stage(self, name: str, spec: ModelSpec, plan: Plan, seen: Snapshot, entering: Fraction) -> Stage:
        region = plan.memory.region(name)
        lack = Fraction(0) if region.phase in OUT_OF_TRAFFIC else lacking(spec, plan.memory, name)
        if lack > 0:
            return Stage("LeavingWaits", f"the others lack {capacity.shown(lack)} requests/s to carry it")
        if region.phase is not Phase.DRAINED or any(dict(row).get(name) for _, row in seen.weights):
            return Stage("LeavingDrains", f"its weight goes to the others ({plan.reason})")
        if spec.frozen:
            return Stage("LeavingFrozen", "drained; frozen by a person, so its objects stay")
        silent = sorted(set(spec.region_names) - {name} - self.observer.answering(spec.region_names))
        if silent:
            return Stage("LeavingUnseen", f"drained; {silent[0]} does not answer and may still send users there")
        if entering > 0:
            there = f"{capacity.shown(entering)} requests/s still enter there"
            return Stage("LeavingUsersEnter", f"drained; {there}: lead those users to another entry")
        if seen.taken_ms - region.phase_since_ms < STREAMS_MS:
            return Stage("LeavingDrained", "drained; its streams have a minute to end")
        return Stage("LeavingRemoves", "drained; its objects are removed")

    async def _remove(self, key: ModelKey, name: str) -> None:
        """Owe the region's objects, durably, and pay while it answers; what is left then is paid by later sweeps."""
        try:
            await self.debts.add(name, key)
            deadline = time.monotonic() + _PAY_SECONDS
            while time.monotonic() < deadline:
                member = self.members.found.get(name)
                if member is None or name not in self.observer.answering([name]):
                    return
                await self.debts.pay({name: member.cluster}, self.wants)
                if key not in self.debts.owed.get(name, ()):
                    self._paid[key, name] = time.monotonic()  # it may not have lasted for a tick
                    return
                await asyncio.sleep(_PAUSE_SECONDS)
        except PortError as error:
            log.warning("a region is left later", region=name, error=str(error), remedy=error.remedy)
        finally:
            del self._paying[key, name]


def evacuated(spec: ModelSpec, memory: Memory, names: Iterable[str]) -> tuple[str, ...]:
    """Leaving regions that may lose all their weight now: they are out of traffic, or the others carry the demand."""
    out = [name for name in names if memory.region(name).phase in OUT_OF_TRAFFIC]
    free = [name for name in names if name not in out and lacking(spec, memory, name) == 0]
    return (*out, *free[:1])  # one at a time: the next is asked without this one


def lacking(spec: ModelSpec, memory: Memory, name: str) -> Fraction:
    """Requests per second that the others cannot carry at 90 %; those that are unknown or failed do not count."""
    regions = {each: memory.region(each) for each in spec.region_names}
    nothing = dict.fromkeys(spec.region_names, Fraction(0))
    return capacity.without(spec, regions, nothing, name)[1]

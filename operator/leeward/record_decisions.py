"""Recording decisions: each one that changes a verdict, a phase or a weight, with its whole input.

They are kept in the home cluster, in the operator's own namespace, one ConfigMap a model. Not in the model's namespace:
that would take the right to write ConfigMaps everywhere, while here no right is new but to delete; and who may edit a
model's namespace cannot rewrite what was decided. A record holds what the core sees: names, counts, rates and its own
sentences. No secret, address or token ever comes that far.

Bounded three ways: the newest `keep` of a model, a size for one record, and a size for all of them, well below the
1 MiB that a ConfigMap may hold. Writing runs beside the loop and never holds up a tick: a record that is too large is
dropped and told, one that cannot be written waits for the next attempt.
"""

import asyncio
import base64
import gzip
import re
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from leeward.adapters.objects import COMPONENT_LABEL, CONFIG_MAP, labels_of
from leeward.adapters.telemetry import Telemetry
from leeward.core.memory import Memory
from leeward.core.plan import Plan
from leeward.core.snapshot import Snapshot
from leeward.core.spec import ModelSpec
from leeward.ports import Cluster, KubeObject, ModelKey, NotLeading, PortError, Ref
from leeward.replay.decision import Decision, written
from leeward.waiting import first_of

MAX_RECORD_BYTES = 128 << 10
MAX_TOTAL_BYTES = 768 << 10
RETRY_SECONDS = 30.0
LAST_SECONDS = 5.0
_NAME = re.compile(r"[0-9]{8}\.json\.gz")

log = structlog.get_logger("decisions")

Kept = tuple[tuple[str, bytes], ...]
"""Records by name, oldest first, each compressed with gzip."""


def place(namespace: str, key: ModelKey) -> Ref:
    """Where a model's decisions are kept. A namespace has no dots, so two models never share a place."""
    return Ref(CONFIG_MAP, namespace, f"leeward-decisions-{key[0]}.{key[1]}")


def kept(config_map: KubeObject | None) -> Kept:
    """The records that a ConfigMap holds; whatever else stands in it is not ours."""
    held = (config_map or {}).get("binaryData") or {}
    return tuple((name, base64.b64decode(held[name])) for name in sorted(held) if _NAME.fullmatch(name))


def joined(before: Kept, new: Sequence[bytes], keep: int, most_bytes: int = MAX_TOTAL_BYTES) -> Kept:
    """The newest records, at most `keep` of them and `most_bytes` together; the oldest go first."""
    number = int(before[-1][0][:8]) if before else 0
    rows = [*before, *((f"{number + at:08d}.json.gz", raw) for at, raw in enumerate(new, 1))][-keep:]
    while sum(len(raw) for _, raw in rows) > most_bytes:
        rows.pop(0)
    return tuple(rows)


def changes_something(before: Memory, plan: Plan) -> bool:
    """Does a plan change a weight, a verdict, a phase or a step of a ramp?"""

    def standing(memory: Memory, name: str) -> tuple[object, ...]:
        region = memory.region(name)
        return name in memory.regions, region.verdict, region.phase, region.step

    names = [line.name for line in plan.regions]
    return plan.write_weights or any(standing(before, name) != standing(plan.memory, name) for name in names)


@dataclass
class DecisionLog:
    """Decisions that wait to be written, and the task that writes them. `keep` 0 records nothing."""

    home: Cluster
    namespace: str
    telemetry: Telemetry
    keep: int = 10
    _waiting: dict[ModelKey, deque[Decision]] = field(default_factory=dict)
    _gone: set[ModelKey] = field(default_factory=set)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def note(self, spec: ModelSpec, snapshot: Snapshot, memory: Memory, now_ms: int, plan: Plan) -> None:
        """Take in one decision, if it changed something."""
        if self.keep < 1 or not changes_something(memory, plan):
            return
        decision = Decision(now_ms=now_ms, spec=spec, snapshot=snapshot, memory=memory, plan=plan)
        self._queue(_key(spec.key)).append(decision)
        self._wake.set()

    def _queue(self, key: ModelKey) -> deque[Decision]:
        return self._waiting.setdefault(key, deque(maxlen=self.keep))

    def forget(self, key: str) -> None:
        """A model is gone: its record goes too, soon."""
        if self.keep:
            self._waiting.pop(_key(key), None)
            self._gone.add(_key(key))
            self._wake.set()

    async def drop(self, key: ModelKey) -> None:
        """Delete a model's record now, or, where the home cluster does not let us, as soon as it does."""
        self._waiting.pop(key, None)
        self._gone.add(key)
        if not await self._try(self._delete(key), key):
            self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Write what waits until `stop` is set, and what is left then once more."""
        while not stop.is_set():
            await first_of(stop, self._wake)
            self._wake.clear()
            if not await self.write() and not stop.is_set():
                await first_of(stop, seconds=RETRY_SECONDS)
                self._wake.set()
        try:
            async with asyncio.timeout(LAST_SECONDS):
                await self.write()
        except TimeoutError:
            log.warning("the last decisions could not be recorded in time")

    async def write(self) -> bool:
        """Write all that waits now. False when something could not be written and waits on."""
        complete = True
        for key in list(self._gone):
            complete &= await self._try(self._delete(key), key)
        for key in [key for key in self._waiting if key not in self._gone]:
            complete &= await self._try(self._write(key), key)
        return complete

    async def _try(self, work: Coroutine[Any, Any, None], key: ModelKey) -> bool:
        model = "/".join(key)
        try:
            await work
        except NotLeading:
            return False  # whoever leads now records what it decides
        except PortError as error:
            self.telemetry.decision_records.labels("failed").inc()
            log.warning("the record of decisions waits", model=model, error=str(error), remedy=error.remedy)
            return False
        except Exception:
            self.telemetry.decision_records.labels("failed").inc()
            log.exception("decisions could not be recorded; they are left out", model=model)
        return True

    async def _delete(self, key: ModelKey) -> None:
        async with self._writing:
            await self.home.delete(place(self.namespace, key))
            self._gone.discard(key)

    async def _write(self, key: ModelKey) -> None:
        async with self._writing:
            taken: deque[Decision] = self._waiting.pop(key, deque())
            packed = [raw for decision in taken if (raw := self._packed(decision, key)) is not None]
            if not packed:
                return
            try:
                before = kept(await self.home.read(place(self.namespace, key)))
                await self.home.apply(self._config_map(key, joined(before, packed, self.keep)))
            except PortError:
                later: deque[Decision] = self._waiting.pop(key, deque())
                self._queue(key).extend([*taken, *later])
                raise
            self.telemetry.decision_records.labels("written").inc(len(packed))

    def _packed(self, decision: Decision, key: ModelKey) -> bytes | None:
        """One record, or None when it is too large or cannot be written exactly."""
        try:
            raw = gzip.compress(written(decision).encode(), mtime=0)
        except Exception:
            log.exception("a decision cannot be recorded exactly; it is left out", model="/".join(key))
            self.telemetry.decision_records.labels("unwritable").inc()
            return None
        if len(raw) > MAX_RECORD_BYTES:
            log.warning("a decision is too large to record; it is left out", model="/".join(key), bytes=len(raw))
            self.telemetry.decision_records.labels("too large").inc()
            return None
        return raw

    def _config_map(self, key: ModelKey, records: Kept) -> KubeObject:
        where = place(self.namespace, key)
        labels = labels_of(*key) | {COMPONENT_LABEL: "decisions"}
        return {
            "apiVersion": CONFIG_MAP.api_version,
            "kind": CONFIG_MAP.kind,
            "metadata": {"name": where.name, "namespace": where.namespace, "labels": labels},
            "binaryData": {name: base64.b64encode(raw).decode() for name, raw in records},
        }


def _key(text: str) -> ModelKey:
    namespace, _, name = text.partition("/")
    return namespace, name

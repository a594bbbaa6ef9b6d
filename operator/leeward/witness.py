"""What the other replicas see: each publishes who answers it, in a Lease of its own in every cluster that it reaches.

A Lease is rewritten when an answer changes, and as a sign of life every few seconds. Readers compare no clocks: what is
published is how long a region has failed, and it is as old as the time since its Lease was last seen to change.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from leeward.adapters.leases import LEASE
from leeward.adapters.objects import COMPONENT_LABEL
from leeward.observe import now_ms
from leeward.ports import Cluster, KubeObject, PortError, Ref
from leeward.sightings import ReachBook
from leeward.waiting import first_of

OBSERVER = {COMPONENT_LABEL: "observer"}
SEES = "leeward.dev/sees"
_EVERY_SECONDS = 1.0
_ALIVE_SECONDS = 3.0
_ANSWER_SECONDS = 1.0

log = structlog.get_logger("witness")


@dataclass
class Witness:
    """One replica's word, and what it hears of the others'. `members` are the fleet's clusters that are connected."""

    me: str
    region: str
    namespace: str
    members: Callable[[], Mapping[str, Cluster]]
    book: ReachBook
    alarm: asyncio.Event
    _told: dict[str, tuple[str, int]] = field(default_factory=dict)  # by cluster: which answers were told, and when
    _heard: dict[tuple[str, str], str] = field(default_factory=dict)  # by cluster and Lease: its version
    _busy: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. A cluster that does not answer holds up nobody."""
        while not stop.is_set():
            for name, cluster in self.members().items():
                busy = self._busy.get(name)
                if busy is None or busy.done():
                    self._busy[name] = asyncio.create_task(self._exchange(name, cluster))
            await first_of(stop, seconds=_EVERY_SECONDS)
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    async def _exchange(self, name: str, cluster: Cluster) -> None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._tell(name, cluster)
                for body in await cluster.find(LEASE, self.namespace, OBSERVER):
                    self._hear(name, body)
        except (PortError, TimeoutError) as error:
            log.debug("nothing was told or heard", cluster=name, error=str(error))

    async def _tell(self, name: str, cluster: Cluster) -> None:
        now, views = now_ms(), self.book.views(self.me)
        answers = json.dumps({region: since is None for region, since in views.items()})
        before, told_ms = self._told.get(name, ("", 0))
        if answers == before and now - told_ms < 1000 * _ALIVE_SECONDS:
            return
        failing = {region: 0 if since is None else max(1, now - since) for region, since in views.items()}
        word = json.dumps({"region": self.region, "failing": failing}, sort_keys=True)
        found = await cluster.patch(Ref(LEASE, self.namespace, self._lease), _body(word, self.me))
        if found is None:
            await cluster.create(_body(word, self.me, self._lease, self.namespace))
        self._told[name] = answers, now

    @property
    def _lease(self) -> str:
        return f"leeward-sees-{self.region}"  # by region: names of pods come and go

    def _hear(self, cluster: str, body: KubeObject) -> None:
        """Take in a word that has changed since it was last read there; what was there before the start is old."""
        metadata, now = body["metadata"], now_ms()
        observer = (body.get("spec") or {}).get("holderIdentity") or ""
        before = self._heard.get((cluster, metadata["name"]))
        self._heard[cluster, metadata["name"]] = metadata["resourceVersion"]
        if observer in ("", self.me) or before in (None, metadata["resourceVersion"]):
            return
        try:
            word = json.loads((metadata.get("annotations") or {})[SEES])
            failing = {str(region): int(length) for region, length in word["failing"].items()}
            self.book.homes[observer] = str(word["region"])
        except (LookupError, TypeError, ValueError, AttributeError):
            log.warning("an observer's word cannot be read", observer=observer)
            return
        changed = [self.book.note(observer, name, not length, now - length, now) for name, length in failing.items()]
        if any(changed):
            self.alarm.set()


def _body(word: str, me: str, name: str = "", namespace: str = "") -> KubeObject:
    metadata: KubeObject = {"annotations": {SEES: word}, "labels": OBSERVER}
    return {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.kind,
        "metadata": metadata | ({"name": name, "namespace": namespace} if name else {}),
        "spec": {
            "holderIdentity": me,
            "leaseDurationSeconds": round(_ALIVE_SECONDS),
            "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    }

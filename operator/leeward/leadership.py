"""Standing for election beside the loop: each cluster's Lease is asked one question at a time, a majority decides.

Nothing here waits for a tick and no tick waits for this: a slow tick cannot lose the leases, and a leader whose leases
run out stops writing in that moment, since every write asks `leads` first.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from leeward.adapters import fenced, leases
from leeward.core.election import (
    Book,
    Lease,
    Terms,
    leader_seen,
    leads_until,
    outranked,
    resign,
    saw,
    step,
    wish,
    wrote,
)
from leeward.ports import Cluster, PortError
from leeward.waiting import first_of

_EVERY_SECONDS = 0.4
_FENCE_SECONDS = 3.0
_ANSWER_SECONDS = 1.0
_NOT_AGAIN_MS = 60_000

log = structlog.get_logger("leadership")


@dataclass
class Leadership:
    """This replica's part in the election. `members` names the fleet's clusters; None is one without a connection."""

    me: str
    namespace: str
    members: Callable[[], Mapping[str, Cluster | None]]
    rank: Callable[[], int] = lambda: 0
    book: Book = field(default_factory=Book)
    fences: dict[str, int] = field(default_factory=dict)  # epoch in force at each cluster's API server
    _busy: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _fencing: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)  # set when what this replica may write changes
    _unfenced: dict[str, int] = field(default_factory=dict)  # the last epoch of which it was told that it cannot be
    _led: int = 0  # the epoch last told to the log

    def leads(self) -> bool:
        """May this replica write at this moment?"""
        return leads_until(self._terms(), self.book) > _now_ms()

    @property
    def epoch(self) -> int:
        """The epoch of this replica's term, 0 when it leads none."""
        return self.book.epoch if self.leads() else 0

    def writes(self, cluster: str) -> int:
        """The epoch to write with there: 0 unless this replica leads and that fence stands at its term."""
        epoch = self.epoch
        return epoch if self.fences.get(cluster) == epoch else 0

    def leader(self) -> str:
        """Who leads as far as this replica can see, or an empty string."""
        return self.me if self.leads() else leader_seen(self._terms(), self.book, _now_ms())

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; then the leases are given back, so that the next leader need not wait."""
        while not stop.is_set():
            self.book = step(self._terms(), self.book, _now_ms())
            self._ask_all()
            self._fence_all()
            self._tell()
            await first_of(stop, seconds=_EVERY_SECONDS)
        self.book = resign(self.book, _now_ms() + _NOT_AGAIN_MS)
        for task in self._fencing.values():
            task.cancel()
        given_back = (self._give_back(name, cluster) for name, cluster in self.members().items() if cluster)
        await asyncio.gather(*given_back, *self._fencing.values(), return_exceptions=True)

    def _terms(self) -> Terms:
        return Terms(self.me, tuple(sorted(self.members())), self.rank())

    def _ask_all(self) -> None:
        for name, cluster in self.members().items():
            busy = self._busy.get(name)
            if cluster is not None and (busy is None or busy.done()):
                self._busy[name] = asyncio.create_task(self._ask(name, cluster))

    async def _ask(self, name: str, cluster: Cluster) -> None:
        """Write what is wished, or read. A refused write is followed by a read, to see who was faster."""
        asked = _now_ms()
        terms = self._terms()
        wanted = wish(terms, self.book, name, asked)
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                taken = await leases.put(cluster, self.namespace, wanted, terms.length_ms) if wanted else None
                found: Lease = taken or await leases.read(cluster, self.namespace)
        except (PortError, TimeoutError) as error:
            log.debug("a lease could not be asked for", cluster=name, error=str(error))
            return
        if found.epoch < self.epoch:
            self.fences.pop(name, None)  # new to this term, or restored from an older state: its fence may be lower
        if taken:
            self.book = wrote(terms, self.book, name, taken, asked, _now_ms())
        else:
            self.book = saw(terms, self.book, name, found, _now_ms())

    def _fence_all(self) -> None:
        """Raise the fences that are below our term, beside the leases: those have to be renewed meanwhile."""
        epoch = self.epoch
        for name, cluster in self.members().items():
            busy = self._fencing.get(name)
            if epoch and cluster is not None and self.fences.get(name) != epoch and (busy is None or busy.done()):
                self._fencing[name] = asyncio.create_task(self._raise_fence(name, cluster, epoch))

    async def _raise_fence(self, name: str, cluster: Cluster, epoch: int) -> None:
        """Raise a cluster's fence to our term; nothing of ours is written there before it is in force."""
        deadline = time.monotonic() + _FENCE_SECONDS
        try:
            stands = await fenced.raise_fence(cluster, self.namespace, epoch)
            if stands > epoch:
                log.warning("a later term was here before", cluster=name, epoch=epoch, stands=stands)
                self.book = outranked(self.book, stands)
                return
            while not await fenced.is_in_force(cluster, self.namespace, epoch):
                if time.monotonic() > deadline:
                    log.warning("the API server lets an earlier epoch pass: install config/fence.yaml", cluster=name)
                    break
                await asyncio.sleep(0.05)
        except PortError as error:
            if self._unfenced.get(name) != epoch:  # once a term: it is tried again all the time
                log.warning("a fence cannot be raised", cluster=name, error=str(error), remedy=error.remedy)
            self._unfenced[name] = epoch
            return
        self.fences[name] = epoch
        self.changed.set()

    async def _give_back(self, name: str, cluster: Cluster) -> None:
        """After the answer to what was asked last, which tells the version to write over."""
        if busy := self._busy.get(name):
            await asyncio.wait([busy])
        await self._ask(name, cluster)

    def _tell(self) -> None:
        epoch = self.epoch
        if epoch != self._led:
            held = ", ".join(name for name, _ in self.book.mine)
            log.info(f"leads with epoch {epoch}, by {held}" if epoch else "leads no more", epoch=epoch)
            self._led = epoch
            self.changed.set()


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000

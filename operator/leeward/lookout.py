"""The lookout: asks all the time whether regions answer, and raises the alarm when a tick should start at once.

A tick starts at once on any change of an answer, and in the moment in which a failure becomes definitive: it has
lasted long enough, or no replica is ready and every path's probe has failed. Regions below healthy are probed more
often here, to know sooner; so are those that are out of traffic, since nothing else tells of their recovery.
"""

import asyncio
from dataclasses import dataclass

from leeward.adapters.members import Members
from leeward.observe import Observer, now_ms
from leeward.settings import Settings
from leeward.store import Store

DEFINITIVE_MS = 3_000
_EAGER_SECONDS = 1.0
_ALARM_SECONDS = 0.1


@dataclass
class Lookout:
    """Runs beside the loop and sets its alarm."""

    settings: Settings
    store: Store
    members: Members
    observer: Observer
    alarm: asyncio.Event

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set, or the task is cancelled."""
        await asyncio.gather(self._ask(stop), self._probe(stop), self._time(stop))

    async def _ask(self, stop: asyncio.Event) -> None:
        """Each round's questions are on their own: one that hangs does not hold up the next round."""
        pending: set[asyncio.Task[None]] = set()
        while not stop.is_set():
            task = asyncio.create_task(self._ask_once())
            pending.add(task)
            task.add_done_callback(pending.discard)
            await asyncio.sleep(self.settings.reach_interval)

    async def _ask_once(self) -> None:
        if await self.observer.ask_reach(self.members.found, self.store.served()):
            self.alarm.set()

    async def _probe(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self.observer.probe_eagerly(self.members.found, self.store.served())
            await asyncio.sleep(_EAGER_SECONDS)

    async def _time(self, stop: asyncio.Event) -> None:
        before = 0
        while not stop.is_set():
            definitive = self.observer.reach.lasting(DEFINITIVE_MS, now_ms()) + self.observer.crashed()
            if definitive > before:
                self.alarm.set()
            before = definitive
            await asyncio.sleep(_ALARM_SECONDS)

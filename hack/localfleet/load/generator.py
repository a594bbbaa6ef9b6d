"""The load itself: a seeded schedule of arrivals, and what is in the air."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TextIO

from localfleet.modelserver.answers import WORDS

from .client import Ask, Client, ClientSettings
from .entries import Entry, EntryChoice
from .records import Record

PROMPT_WORDS = 24
RECENT = 400  # first-token times that the live view's percentiles are made of


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """One load; times in seconds, `rate` in requests per second."""

    entries: list[Entry]
    hostname: str
    model: str
    rate: float
    duration: float | None = None  # None: until stopped
    shares: dict[str, float] = field(default_factory=dict)
    stream_share: float = 0.7
    ttft_objective: float = 2.5
    connect_timeout: float = 1.0
    total_timeout: float = 60.0
    max_tokens: int = 128
    seed: int = 0


@dataclass(slots=True)
class Counts:
    """Live totals; `started` includes what is still in flight."""

    started: int = 0
    finished: int = 0
    good: int = 0
    refused: int = 0
    failed: int = 0
    recent_ttft: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    @property
    def in_flight(self) -> int:
        return self.started - self.finished


def schedule(settings: LoadSettings, choice: EntryChoice) -> Iterator[Ask]:
    """All requests of a load, from the seed alone: what is sent never depends on what is answered."""
    rng = Random(settings.seed)
    due, number = 0.0, 0
    while True:
        due += rng.expovariate(settings.rate)
        if settings.duration is not None and due > settings.duration:
            return
        number += 1
        # The number makes each prompt one of a kind, so an answer to another request is a wrong answer.
        prompt = f"Question {settings.seed}.{number}: " + " ".join(rng.choices(WORDS, k=PROMPT_WORDS))
        yield Ask(due, choice.pick(rng), prompt, rng.random() < settings.stream_share)


class Load:
    """Runs one load. `records` and `counts` may be read at any time while it runs.

    After the last arrival, or once `stop` is set, running requests get `drain_seconds` (the total timeout
    if not given) to finish. What is then still running is cancelled: it is in `abandoned`, not in
    `records`, for nobody knows what would have become of it.
    """

    def __init__(self, settings: LoadSettings, out: Path | None = None, drain_seconds: float | None = None) -> None:
        """Raises ValueError for settings that make no sense."""
        if settings.rate <= 0:
            raise ValueError("The rate must be more than 0.")
        self.settings = settings
        self.records: list[Record] = []
        self.counts = Counts()
        self.drain_seconds = settings.total_timeout if drain_seconds is None else drain_seconds
        self.in_flight_at_end = 0
        self.abandoned = 0
        self.started_at: float | None = None  # wall time
        self._choice = EntryChoice(settings.entries, settings.shares)
        self._out_path = out
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until the duration is over or `stop` is set, and then until all is finished or given up."""
        with contextlib.ExitStack() as files:
            out = None
            if self._out_path is not None:
                out = files.enter_context(self._out_path.open("w", encoding="utf-8", buffering=1))
            async with Client(self._client_settings(), self._choice) as client:
                arrivals = asyncio.create_task(self._arrive(client, out))
                stopped = asyncio.create_task(stop.wait())
                try:
                    await asyncio.wait({arrivals, stopped}, return_when=asyncio.FIRST_COMPLETED)
                    arrivals.cancel()
                    self.in_flight_at_end = self.counts.in_flight
                    await self._drain()
                finally:
                    stopped.cancel()
                    arrivals.cancel()
                    await self._give_up()

    async def _arrive(self, client: Client, out: TextIO | None) -> None:
        self.started_at = time.time()
        began = time.monotonic()
        for ask in schedule(self.settings, self._choice):
            wait = began + ask.due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            late = max(0.0, time.monotonic() - began - ask.due)
            self.counts.started += 1
            task = asyncio.create_task(self._one(client, ask, late, out))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        if self.settings.duration is not None:
            await asyncio.sleep(max(0.0, began + self.settings.duration - time.monotonic()))

    async def _one(self, client: Client, ask: Ask, late: float, out: TextIO | None) -> None:
        record = await client.send(ask, late)
        self.records.append(record)
        self._count(record)
        if out:
            out.write(record.to_line())  # line-buffered: whoever follows the file sees it now

    def _count(self, record: Record) -> None:
        counts = self.counts
        counts.finished += 1
        counts.good += record.good
        counts.refused += record.refused
        counts.failed += record.failed
        if record.stream and record.ttft is not None:
            counts.recent_ttft.append(record.ttft)

    async def _drain(self) -> None:
        if self._running:
            await asyncio.wait(set(self._running), timeout=self.drain_seconds)

    async def _give_up(self) -> None:
        """Nothing runs on without the connections, also when the load itself is cancelled."""
        late = list(self._running)
        self.abandoned = len(late)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _client_settings(self) -> ClientSettings:
        settings = self.settings
        return ClientSettings(
            hostname=settings.hostname,
            model=settings.model,
            max_tokens=settings.max_tokens,
            ttft_objective=settings.ttft_objective,
            connect_timeout=settings.connect_timeout,
            total_timeout=settings.total_timeout,
        )

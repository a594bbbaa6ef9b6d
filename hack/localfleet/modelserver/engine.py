"""One pod's engine: who may run, who waits, and how long each step takes.

The model of time (r = running requests / `max_num_seqs`, read when the step begins):

    prefill     = (base + per prompt token * prompt tokens) * (1 + prefill load factor * r)
    inter-token = base * (1 + inter-token load factor * r)

With the defaults an answer has a mean of 60 tokens; it takes about 3.2 s on an idle pod, 4 s at half load
and 5 s at full load, its first token 0.25 to 0.4 s. A probe of 4 tokens is done in about 0.5 s.

Tokens are handed out in chunks of about `chunk_seconds` (250 ms), not one by one as vLLM does: one timer
and one write for several tokens keep a whole region within a fraction of one core. The first token is
always a chunk of its own, so the time to first token is true; the histogram of inter-token latency is
filled per token.

`max_in_flight` counts running and waiting requests, as vLLM's `--max-num-queued-reqs` does.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .faults import FaultBook
from .metrics import EngineMetrics, FinishedTimes, Gauges

Emit = Callable[[int], Awaitable[None]]

# Size of the simulated KV cache: room for this many tokens for each request that may run.
KV_TOKENS_PER_SEQ = 512


@dataclass(frozen=True, slots=True)
class Timing:
    """The engine's speed; times in seconds, factors without unit."""

    prefill_base: float = 0.2
    prefill_per_token: float = 0.001
    prefill_load_factor: float = 0.6
    itl_base: float = 0.05
    itl_load_factor: float = 0.5
    answer_tokens_mean: float = 60.0
    answer_tokens_sigma: float = 0.4  # of the logarithm of the number of tokens
    chunk_seconds: float = 0.25

    def prefill(self, prompt_tokens: int, load: float) -> float:
        return (self.prefill_base + self.prefill_per_token * prompt_tokens) * (1 + self.prefill_load_factor * load)

    def itl(self, load: float) -> float:
        return self.itl_base * (1 + self.itl_load_factor * load)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many requests a pod takes; `max_in_flight` is running plus waiting."""

    max_num_seqs: int = 16
    max_in_flight: int = 48


class QueueFull(Exception):
    """The pod has as many requests as it may hold: try another pod, or later."""


class Engine:
    """Serves one pod's requests first come, first served."""

    def __init__(
        self, pod: str, model: str, timing: Timing, limits: Limits, faults: FaultBook, rng: random.Random
    ) -> None:
        self.pod = pod
        self.timing = timing
        self.limits = limits
        self.running = 0
        self.served = 0
        self._in_flight = 0
        self._kv_tokens = 0
        self._line: deque[asyncio.Future[None]] = deque()
        self._faults = faults
        self._rng = rng
        kv_size = KV_TOKENS_PER_SEQ * limits.max_num_seqs
        gauges = Gauges(
            running=lambda: self.running,
            waiting=lambda: self.waiting,
            kv_usage=lambda: min(1.0, self._kv_tokens / kv_size),
        )
        self.metrics = EngineMetrics(model, gauges, kv_size, limits.max_num_seqs)

    @property
    def waiting(self) -> int:
        return self._in_flight - self.running

    def sample_answer_tokens(self) -> int:
        """Length of an answer that nothing cuts short: log-normal around the configured mean."""
        sigma = self.timing.answer_tokens_sigma
        mu = math.log(self.timing.answer_tokens_mean) - sigma * sigma / 2
        return max(1, round(self._rng.lognormvariate(mu, sigma)))

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Hold a place among the requests in flight. Raises QueueFull, and counts it, when there is none."""
        if self._in_flight >= self.limits.max_in_flight:
            self.metrics.rejected()
            raise QueueFull
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    async def generate(self, prompt_tokens: int, answer_tokens: int, reason: str, emit: Emit) -> None:
        """Wait for a turn, then call `emit(n)` whenever n more tokens are ready, until all are out.

        Call it inside `admitted()`. Whatever `emit` raises ends the request as an abort: it leaves no
        trace in the end-to-end counts, as in vLLM.
        """
        arrived = time.monotonic()
        await self._enter_batch()
        held = prompt_tokens
        self._kv_tokens += held
        try:
            started = time.monotonic()
            await self._pause(self.timing.prefill(prompt_tokens, self._load()) * self._faults.of(self.pod).slow_ttft)
            first = time.monotonic()
            self.metrics.first_token(first - arrived, prompt_tokens)
            await emit(1)
            due, left = first, answer_tokens - 1
            while left > 0:
                itl = self.timing.itl(self._load()) * self._faults.of(self.pod).slow_itl
                count = min(left, max(1, round(self.timing.chunk_seconds / itl)))
                due += count * itl  # the schedule, not the last wake-up: late timers do not add up
                await self._pause(due - time.monotonic())
                self.metrics.tokens(count, itl)
                self._kv_tokens += count
                held += count
                left -= count
                await emit(count)
            times = FinishedTimes(started - arrived, first - started, time.monotonic() - first)
        finally:
            self._kv_tokens -= held
            self._leave_batch()
        self.served += 1
        self.metrics.finished(reason, times)

    def _load(self) -> float:
        return self.running / self.limits.max_num_seqs

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
        await self._faults.until(self.pod, lambda faults: not faults.hang)

    async def _enter_batch(self) -> None:
        if self.running < self.limits.max_num_seqs:
            self.running += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # Cancelled in the very moment its turn came: the place must go on to the next.
            if turn.done() and not turn.cancelled():
                self._leave_batch()
            raise

    def _leave_batch(self) -> None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)  # the place changes hands, `running` stays as it is
                return
        self.running -= 1

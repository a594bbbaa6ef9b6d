"""The pods a model server plays, and the life of each: start, serve, crash, recover, drain.

Nothing here knows Kubernetes: `kubelet` feeds pods in and reports their readiness, `--static-pod` plays
pods without any cluster.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from .app import Face, ModelApi
from .engine import Engine, Limits, Timing
from .faults import FaultBook
from .listener import Listener

log = logging.getLogger(__name__)

BIND_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class PodSpec:
    """What must be known of a pod to play it."""

    key: str  # unique among all pods ever: a pod's uid
    name: str
    address: str
    port: int
    model: str
    limits: Limits = field(default_factory=Limits)
    grace_seconds: float = 30.0
    # How long a hang lasts before the readiness probe has failed often enough; None without such a probe.
    unready_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What all pods of a model server share."""

    region: str
    timing: Timing = field(default_factory=Timing)
    startup_seconds: float = 5.0
    rejection_status: int = 429
    seed: int = 0


class Phase(StrEnum):
    STARTING = "starting"
    SERVING = "serving"
    CRASHED = "crashed"
    STOPPING = "stopping"


class PlayedPod:
    """One pod's life. `run()` lasts until the pod is gone; `on_change` is called when its phase changes."""

    def __init__(self, spec: PodSpec, settings: Settings, faults: FaultBook, on_change: Callable[[], None]) -> None:
        self.spec = spec
        self.phase = Phase.STARTING
        self.restarts = 0
        self._settings = settings
        self._faults = faults
        self._on_change = on_change
        self._engine: Engine | None = None
        self._served_before = 0
        self._hung_since: float | None = None
        self._stop = asyncio.Event()

    @property
    def ready(self) -> bool:
        """What a kubelet's readiness probe would say now."""
        if self.phase is not Phase.SERVING:
            return False
        patience = self.spec.unready_after_seconds
        if patience is None or self._hung_since is None:
            return True
        return time.monotonic() - self._hung_since < patience

    def state(self) -> dict[str, object]:
        """For the control API; `served` counts completed requests over all lives of the pod."""
        engine = self._engine
        return {
            "name": self.spec.name,
            "address": f"{self.spec.address}:{self.spec.port}",
            "model": self.spec.model,
            "phase": str(self.phase),
            "ready": self.ready,
            "running": engine.running if engine else 0,
            "waiting": engine.waiting if engine else 0,
            "served": self._served_before + (engine.served if engine else 0),
            "restarts": self.restarts,
        }

    def stop(self) -> None:
        """Begin to drain."""
        self._stop.set()

    async def run(self) -> None:
        hang_watch = asyncio.create_task(self._watch_hang())
        try:
            while not self._stop.is_set():
                await self._live_once()
        finally:
            hang_watch.cancel()

    async def _live_once(self) -> None:
        """One life of the container: from the loading of weights to its crash or its end."""
        self._enter(Phase.STARTING)
        if not await self._lasts(self._settings.startup_seconds):
            await self._after_crash()
            return
        listener = self._fresh_listener()
        try:
            await listener.open()
        except OSError as error:
            log.warning("pod %s cannot listen on %s:%d: %s", self.spec.name, self.spec.address, self.spec.port, error)
            await self._lasts(BIND_RETRY_SECONDS)
            return
        self._enter(Phase.SERVING)
        await self._lasts(None)
        if self._stop.is_set():
            self._enter(Phase.STOPPING)
            await listener.drain()
        else:
            self._enter(Phase.CRASHED)
            await listener.crash()
        self._retire_engine()
        await self._after_crash()

    async def _after_crash(self) -> None:
        if self._stop.is_set():
            return
        self._enter(Phase.CRASHED)
        healed = asyncio.create_task(self._faults.until(self.spec.name, lambda faults: not faults.crash))
        await self._first_of(healed, None)
        self.restarts += 1

    async def _lasts(self, seconds: float | None) -> bool:
        """Wait; True when the time has passed without a crash or stop in between (None: wait for one)."""
        crashed = asyncio.create_task(self._faults.until(self.spec.name, lambda faults: faults.crash))
        return not await self._first_of(crashed, seconds)

    async def _first_of(self, event: asyncio.Task[None], seconds: float | None) -> bool:
        """Wait for the event, the pod's stop or the time; whether it was one of the first two."""
        stopped = asyncio.create_task(self._stop.wait())
        try:
            done, _ = await asyncio.wait({event, stopped}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            event.cancel()
            stopped.cancel()
        return bool(done)

    def _fresh_listener(self) -> Listener:
        """A new life has a new engine: its counters begin at 0, as after a real restart."""
        spec, settings = self.spec, self._settings
        rng = random.Random(f"{settings.seed}/{spec.name}/{self.restarts}")
        engine = Engine(spec.name, spec.model, settings.timing, spec.limits, self._faults, rng)
        face = Face(spec.name, settings.region, spec.model, settings.rejection_status)
        # Dice of faults are apart from those of lengths, so a fault does not change the lengths that follow.
        dice = random.Random(f"{settings.seed}/{spec.name}/{self.restarts}/faults")
        self._engine = engine
        return Listener(ModelApi(face, engine, self._faults, dice).app(), spec.address, spec.port, spec.grace_seconds)

    def _retire_engine(self) -> None:
        if self._engine is not None:
            self._served_before += self._engine.served
            self._engine = None

    async def _watch_hang(self) -> None:
        while True:
            await self._faults.until(self.spec.name, lambda faults: faults.hang)
            self._hung_since = time.monotonic()
            await self._faults.until(self.spec.name, lambda faults: not faults.hang)
            self._hung_since = None
            self._on_change()

    def _enter(self, phase: Phase) -> None:
        if phase is not self.phase:
            log.info("pod %s is %s", self.spec.name, phase)
        self.phase = phase
        self._on_change()


class Crew:
    """All pods played here, by key."""

    def __init__(self, settings: Settings, faults: FaultBook) -> None:
        self.pods: dict[str, PlayedPod] = {}
        self.changed = asyncio.Event()
        self._settings = settings
        self._faults = faults
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, spec: PodSpec) -> PlayedPod:
        """Play a pod; one that is already played stays as it is."""
        if spec.key in self.pods:
            return self.pods[spec.key]
        pod = PlayedPod(spec, self._settings, self._faults, self.changed.set)
        self.pods[spec.key] = pod
        task = asyncio.create_task(pod.run(), name=f"pod {spec.name}")
        self._tasks[spec.key] = task
        task.add_done_callback(lambda done: self._forget(spec.key, done))
        return pod

    def stop(self, key: str) -> None:
        """Drain a pod in the background."""
        if key in self.pods:
            self.pods[key].stop()

    async def stop_all(self, timeout_seconds: float) -> None:
        """Drain all pods; what is not done in time is cancelled."""
        tasks = list(self._tasks.values())
        for key in list(self.pods):
            self.stop(key)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=timeout_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def names(self) -> set[str]:
        return {pod.spec.name for pod in self.pods.values()}

    def _forget(self, key: str, done: asyncio.Task[None]) -> None:
        del self.pods[key], self._tasks[key]
        if not done.cancelled() and done.exception() is not None:
            log.error("a pod's life ended with an error", exc_info=done.exception())

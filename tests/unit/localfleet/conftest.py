"""Pods on loopback addresses, and a load against them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from localfleet.load import Load, LoadSettings
from localfleet.load.entries import Entry
from localfleet.modelserver.engine import Limits, Timing
from localfleet.modelserver.faults import FaultBook
from localfleet.modelserver.pods import Crew, PodSpec, Settings

# A hundred times the speed of the defaults: an answer of 20 tokens takes about 50 ms.
FAST = Timing(prefill_base=0.005, prefill_per_token=0.0, itl_base=0.002, answer_tokens_mean=20, chunk_seconds=0.01)


@dataclass
class Region:
    """Pods that are being played."""

    crew: Crew
    faults: FaultBook
    specs: list[PodSpec]

    def url(self, path: str, pod: int = 0) -> str:
        return f"http://{self.specs[pod].address}:{self.specs[pod].port}{path}"

    def entry(self, pod: int = 0) -> Entry:
        spec = self.specs[pod]
        return Entry(spec.name, spec.address, spec.port)

    def load_settings(self, **changes: object) -> LoadSettings:
        entries = [self.entry(pod) for pod in range(len(self.specs))]
        settings = LoadSettings(entries, "llama.example.com", "tiny", rate=300, duration=0.7, seed=1)
        return replace(settings, **changes)  # type: ignore[arg-type]

    async def load(self, **changes: object) -> Load:
        """A load against all pods as entries, run to its end."""
        load = Load(self.load_settings(**changes))
        await load.run(asyncio.Event())
        return load


def free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], bool], seconds: float = 3.0) -> None:
    """Wait for something that must come true soon."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def playing(
    pods: int = 1, timing: Timing = FAST, limits: Limits | None = None, **settings: object
) -> AsyncIterator[Region]:
    """Pods that are ready to serve model `tiny`, on 127.0.0.2 and following."""
    faults = FaultBook()
    shared = replace(Settings("west", timing, startup_seconds=0.0), **settings)  # type: ignore[arg-type]
    crew = Crew(shared, faults)
    specs = []
    for number in range(pods):
        address = f"127.0.0.{number + 2}"
        spec = PodSpec(
            f"uid-{number}",
            f"pod-{number}",
            address,
            free_port(address),
            "tiny",
            limits or Limits(max_num_seqs=64, max_in_flight=200),
            grace_seconds=2.0,
        )
        specs.append(spec)
        crew.start(spec)
    await until(lambda: all(pod.ready for pod in crew.pods.values()))
    try:
        yield Region(crew, faults, specs)
    finally:
        faults.clear()
        await crew.stop_all(3.0)


@pytest.fixture
def play() -> Callable[..., object]:
    return playing


@pytest.fixture
def wait_until() -> Callable[..., object]:
    return until

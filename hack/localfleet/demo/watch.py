"""Sampling what is in force while scenes play: weights in the routes, requests in flight, what the operator says.

Weights are read from the API servers, not from the operator: what counts is what the gateways were told. Requests in
flight at each serve listener come from Envoy itself.
"""

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass, field
from datetime import datetime

import aiohttp

from leeward.adapters.objects import DEPLOYMENT, MODEL_LABEL, NODE, ROUTE
from leeward.adapters.pools.nodes import node_seen
from leeward.adapters.routes import Names, read_row
from leeward.ports import PortError, Ref
from localfleet.demo.stage import KEY, Operator, Stage
from localfleet.layout import ENVOY_STATS_PORT

_COUNT_SECONDS = 1.0
_ACTIVE = re.compile(r'^envoy_cluster_upstream_rq_active\{[^}]*-serve/rule/0"[^}]*\} (\d+)', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """What was in force at one moment (wall clock, seconds). Entries and clusters out of reach are absent.

    `ready` and `wanted` are replicas by region; `nodes` are those with accelerators that are Ready.
    """

    t: float
    weights: dict[str, dict[str, int]]
    active: dict[str, int]
    ready: dict[str, int] = field(default_factory=dict)
    wanted: dict[str, int] = field(default_factory=dict)
    nodes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Slots:
    """How many requests at once a region's serve listener admits: so many for each of at least `least` replicas."""

    per_replica: int
    least: int

    def of(self, sample: Sample, region: str) -> int:
        return self.per_replica * max(self.least, sample.ready.get(region, 0))


@dataclass(frozen=True, slots=True)
class Saying:
    """One line that the operator said."""

    t: float
    kind: str
    region: str
    sentence: str


@dataclass
class Watch:
    """Samples four times a second until stopped."""

    stage: Stage
    operator: Operator | None
    model: tuple[str, str] = KEY
    samples: list[Sample] = field(default_factory=list)
    sayings: list[Saying] = field(default_factory=list)
    _ready: dict[str, int] = field(default_factory=dict)
    _wanted: dict[str, int] = field(default_factory=dict)
    _nodes: dict[str, int] = field(default_factory=dict)
    _counted: float = 0.0

    async def run(self, stop: asyncio.Event, interval: float = 0.25) -> None:
        timeout = aiohttp.ClientTimeout(total=0.4)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while not stop.is_set():
                began = time.monotonic()
                await self._sample(session)
                self._listen()
                await asyncio.sleep(max(0.05, interval - (time.monotonic() - began)))

    async def _sample(self, session: aiohttp.ClientSession) -> None:
        names = self.stage.fleet.region_names
        rows, active = await asyncio.gather(
            asyncio.gather(*(self.row(name) for name in names)),
            asyncio.gather(*(self._active(session, name) for name in names)),
        )
        if time.monotonic() - self._counted >= _COUNT_SECONDS:
            self._counted = time.monotonic()
            await asyncio.gather(*(self._count(name) for name in names))
        self.samples.append(
            Sample(
                time.time(),
                {name: row for name, row in zip(names, rows, strict=True) if row is not None},
                {name: count for name, count in zip(names, active, strict=True) if count is not None},
                *(dict(counts) for counts in (self._ready, self._wanted, self._nodes)),
            )
        )

    async def _count(self, name: str) -> None:
        """Replicas and nodes, less often: nodes are many. What cannot be read stays as it was."""
        cluster = self.stage.clusters[name]
        with contextlib.suppress(PortError, TimeoutError):
            async with asyncio.timeout(0.4):
                found = await cluster.read(Ref(DEPLOYMENT, *self.model))
                nodes = await cluster.find(NODE, labels={MODEL_LABEL: self.model[1]})
            self._ready[name] = ((found or {}).get("status") or {}).get("readyReplicas", 0)
            self._wanted[name] = found["spec"]["replicas"] if found else 0
            self._nodes[name] = sum(node_seen(body).ready for body in nodes)

    async def row(self, name: str) -> dict[str, int] | None:
        """An entry's weights now; None where they cannot be read."""
        try:
            async with asyncio.timeout(0.4):
                route = await self.stage.clusters[name].read(Ref(ROUTE, self.model[0], Names(self.model[1]).users))
        except (PortError, TimeoutError):
            return None
        row = read_row(route, self.model[1], self.stage.fleet.region_names)
        return dict(row) if row is not None else None

    async def _active(self, session: aiohttp.ClientSession, name: str) -> int | None:
        address = self.stage.fleet.region(name).address
        url = f"http://{address}:{ENVOY_STATS_PORT}/stats/prometheus?filter=upstream_rq_active"
        try:
            async with session.get(url) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
        return sum(int(found) for found in _ACTIVE.findall(text))

    def _listen(self) -> None:
        if self.operator is None:
            return
        for line in self.operator.said():
            kind = str(line.get("kind") or ("Weights" if line.get("event") == "weights" else ""))
            if kind:
                sentence = str(line.get("reason") if kind == "Weights" else line.get("event"))
                moment = datetime.fromisoformat(str(line["timestamp"])).timestamp()
                self.sayings.append(Saying(moment, kind, str(line.get("region") or ""), sentence))

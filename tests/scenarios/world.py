"""A small world on a virtual clock: regions, users, gateways, scrapes and faults, seen as snapshots.

Nothing here is random unless a seed is given: without one, errors fall evenly (every fifth request at 20 %).
Every region has an entry gateway and an operator. Requests enter at the gateways that answer, follow the rows
that the clusters hold, and are counted per entry and by the engine; Prometheus sees the counters as they were
at its last scrape. A tick runs every interval, and at once when a region has been unreachable for 3 seconds.
"""

import json
import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from fractions import Fraction

from leeward.core.decide import decide
from leeward.core.memory import Memory, from_record, to_record
from leeward.core.plan import Plan
from leeward.core.snapshot import (
    Counts,
    LoadReading,
    Pin,
    ReachReading,
    ReadyReading,
    RegionReadings,
    Snapshot,
    Tally,
)
from leeward.core.spec import (
    CapacitySpec,
    FailbackSpec,
    ModelSpec,
    RegionSpec,
    TrafficPolicy,
    TrafficSpec,
)

WINDOWS = (30, 60, 300, 900)
START_MS = 1_700_000_000_000
PROBE_EVERY = 5
STARTUP_SECONDS = 90


def three_regions(**changes: object) -> ModelSpec:
    """a, b and c with 34, 33 and 33 %, four replicas of 4 requests/s each."""
    shares = {"a": 34, "b": 33, "c": 33}
    spec = ModelSpec(
        key="models/llama",
        regions=tuple(RegionSpec(name, share, 4, 12) for name, share in shares.items()),
        capacity=CapacitySpec(concurrency_per_replica=64),
    )
    return replace(spec, **changes)  # type: ignore[arg-type]


def short_failback(**changes: object) -> FailbackSpec:
    """The way back in seconds rather than minutes."""
    base = FailbackSpec(bake_ms=10_000, clean_after_degraded_ms=20_000, clean_after_failed_ms=30_000)
    return replace(base, **changes)  # type: ignore[arg-type]


def shares_policy(**changes: object) -> TrafficSpec:
    return replace(TrafficSpec(policy=TrafficPolicy.SHARES), **changes)  # type: ignore[arg-type]


@dataclass
class Region:
    """One region's condition. `since` is when it became unreachable."""

    errors: float = 0.0
    slow: float = 0.0
    crashed: bool = False
    cut_since: int | None = None
    metrics: bool = True
    api: bool = True
    ready: int = 4
    desired: int = 4
    ready_at: int = 0
    sold_out: bool = False
    revision: str = "r1"

    @property
    def cut(self) -> bool:
        return self.cut_since is not None


@dataclass
class Counter:
    """Cumulative (bad, total) at every second, as floats of expected requests or drawn integers."""

    history: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, 0.0)])

    def add(self, bad: float, total: float) -> None:
        before = self.history[-1]
        self.history.append((before[0] + bad, before[1] + total))

    def window(self, until: int, seconds: int) -> Tally:
        until = min(until, len(self.history) - 1)
        first = self.history[max(0, until - seconds)]
        last = self.history[until]
        bad, total = int(last[0]) - int(first[0]), int(last[1]) - int(first[1])
        return Tally(seconds * 1000, min(bad, total), total)


class World:
    """The fleet, its users, and one operator's view of it."""

    def __init__(self, spec: ModelSpec, rate: float = 30.0, seed: int | None = None) -> None:
        self.spec, self.rate, self.now = spec, rate, 0
        self.random = None if seed is None else random.Random(seed)
        self.regions = {name: Region() for name in spec.region_names}
        self.rows: dict[str, dict[str, int]] = {}
        self.memory = Memory()
        self.observer = spec.region_names[0]
        self.isolated = False
        self.evacuated: tuple[str, ...] = ()
        self.pin: Pin | None = None
        self.scrape_offset = 0
        names = spec.region_names
        self.entries: defaultdict[tuple[str, str], Counter] = defaultdict(self._counter)
        self.engines: defaultdict[str, Counter] = defaultdict(self._counter)
        self.latencies: defaultdict[str, Counter] = defaultdict(self._counter)
        self.probes: defaultdict[tuple[str, str], Counter] = defaultdict(self._counter)
        self.newest_probe_bad = dict.fromkeys(names, False)
        self.rates = dict.fromkeys(names, 0.0)
        self.loads = dict.fromkeys(names, 0.0)

    def _counter(self) -> Counter:
        """A counter that begins now; every second of the past counted nothing."""
        return Counter([(0.0, 0.0)] * self.now)

    def change(self, regions: tuple[RegionSpec, ...]) -> None:
        """Regions come without a ready replica, and go with all they have."""
        self.spec = replace(self.spec, regions=regions)
        new = {name: Region(ready=0, ready_at=self.now + STARTUP_SECONDS) for name in self.spec.region_names}
        self.regions = {name: self.regions.get(name, region) for name, region in new.items()}
        self.rows = {name: row for name, row in self.rows.items() if name in new}
        self.rates = {name: self.rates.get(name, 0.0) for name in new}
        self.newest_probe_bad = {name: self.newest_probe_bad.get(name, False) for name in new}

    def second(self) -> None:
        """One second of users."""
        self.now += 1
        open_entries = [e for e in self.spec.region_names if not self.regions[e].cut]
        arriving = dict.fromkeys(self.spec.region_names, 0.0)
        self.loads = dict.fromkeys(self.spec.region_names, 0.0)
        for entry in open_entries:
            self.rates[entry] = self.rate / len(open_entries)
        for entry in self.spec.region_names:
            rate = self.rates[entry] if entry in open_entries else 0.0
            row = self.rows.get(entry, {})
            for name in self.spec.region_names:
                total = rate * row.get(name, 0) / 100
                bad = self._draw(total, self._error_share(entry, name))
                self.entries[entry, name].add(bad, total)
                if not self._unreachable(entry, name):
                    arriving[name] += total
        for name, total in arriving.items():
            self._serve(name, total)

    def _serve(self, name: str, total: float) -> None:
        region = self.regions[name]
        self.loads[name] = total
        served = 0.0 if region.crashed else total
        self.engines[name].add(self._draw(served, region.errors), served)
        self.latencies[name].add(self._draw(served, region.slow), served)
        self._probe(name)

    def _probe(self, name: str) -> None:
        """One probe a path every five seconds."""
        region = self.regions[name]
        due = self.now % PROBE_EVERY == 0 and region.ready > 0  # a region that starts is not probed
        failing = region.crashed or region.cut or self._blind(name)
        share = 1.0 if failing else max(region.errors, region.slow)
        for path in ("direct", "via"):
            self.probes[path, name].add(self._draw(1, share) if due else 0, 1 if due else 0)
        if due:
            self.newest_probe_bad[name] = share >= 1

    def _draw(self, total: float, share: float) -> float:
        if self.random is None or share in (0.0, 1.0):
            return total * share
        whole = int(total) + (self.random.random() < total - int(total))
        return float(sum(self.random.random() < share for _ in range(whole)))

    def _unreachable(self, entry: str, name: str) -> bool:
        return entry != name and (self.regions[name].cut or self.regions[entry].cut)

    def _error_share(self, entry: str, name: str) -> float:
        region = self.regions[name]
        return 1.0 if region.crashed or self._unreachable(entry, name) else region.errors

    def _blind(self, name: str) -> bool:
        """Our observer cannot see this region."""
        return self.isolated and name != self.observer

    def snapshot(self) -> Snapshot:
        """What the observer sees now."""
        readable = {
            e: row
            for e, row in self.rows.items()
            if self.regions[e].api and not self.regions[e].cut and not self._blind(e)
        }
        return Snapshot(
            observer=f"op-{self.observer}",
            taken_ms=self.now_ms,
            regions=tuple(self._readings(name) for name in self.spec.region_names),
            weights=tuple((e, tuple(row.items())) for e, row in readable.items()),
            evacuated=self.evacuated,
            pin=self.pin,
        )

    @property
    def now_ms(self) -> int:
        return START_MS + self.now * 1000

    def _readings(self, name: str) -> RegionReadings:
        region = self.regions[name]
        hidden = region.cut or self._blind(name)
        metrics, api = region.metrics and not hidden, region.api and not hidden
        return RegionReadings(
            name=name,
            outcomes=self._outcomes(name, metrics),
            latency=self._counts("engine", self.latencies[name]) if metrics else None,
            probes=tuple(self._counts(p, self.probes[p, name], fresh=True) for p in ("direct", "via")),
            probe_failing=self.newest_probe_bad[name],
            reach=tuple(self._reach(observer, name) for observer in self.spec.region_names),
            ready=ReadyReading(0 if region.crashed else region.ready, region.desired, 1000) if api else None,
            load=LoadReading(Fraction(int(self.loads[name] * 1000), 1000), 8, 0, 1000) if metrics else None,
            api_answers=api,
            metrics_answer=metrics,
            entry_requests_per_second=Fraction(int(self.rates[name] * 1000), 1000) if metrics else None,
            revision=region.revision,
        )

    def _outcomes(self, name: str, engine: bool) -> tuple[Counts, ...]:
        counts = tuple(
            self._counts(entry, self.entries[entry, name])
            for entry in self.spec.region_names
            if self.regions[entry].metrics and not self.regions[entry].cut and not self._blind(entry)
        )
        return (*counts, self._counts("engine", self.engines[name])) if engine else counts

    def _counts(self, sensor: str, counter: Counter, fresh: bool = False) -> Counts:
        interval = 1 if fresh else self.spec.scrape_interval_ms // 1000
        scraped = self.now - (self.now + self.scrape_offset) % interval
        tallies = tuple(counter.window(scraped, seconds) for seconds in WINDOWS)
        return Counts(sensor, tallies, (self.now - scraped) * 1000)

    def _reach(self, observer: str, name: str) -> ReachReading:
        """Observers in a region that is cut off are not heard; an isolated one hears nobody else."""
        others = [n for n in self.spec.region_names if n != observer]
        heard = observer == self.observer if self.isolated else not self.regions[observer].cut
        alone = self.isolated and observer == self.observer
        reached = 0 if alone else sum(not self.regions[other].cut for other in others)
        since = self.regions[name].cut_since
        failing = 0 if since is None or observer == name else (self.now - since) * 1000
        if alone and observer != name:
            failing = 60_000
        return ReachReading(f"op-{observer}", failing, 500 if heard else 3_600_000, reached, len(others))

    def tick(self) -> Plan:
        """Decide on what is seen, and write where a cluster answers."""
        plan = decide(self.spec, self.snapshot(), self.memory, self.now_ms)
        self.memory = plan.memory
        for region in plan.regions:
            self._scale(self.regions[region.name], region.replicas)
        for entry, row in plan.weights if plan.write_weights else ():
            if self.regions[entry].api and not self.regions[entry].cut and not self._blind(entry):
                self.rows[entry] = dict(row)
        return plan

    def _scale(self, region: Region, replicas: int) -> None:
        """New replicas take a minute and a half to come up."""
        if replicas != region.desired:
            region.desired, region.ready_at = replicas, self.now + STARTUP_SECONDS
            region.ready = min(region.ready, replicas)
        elif self.now >= region.ready_at and not region.sold_out:
            region.ready = region.desired

    def run(self, seconds: int) -> list[tuple[int, Plan]]:
        """Ticks of so many seconds, in time with the interval and at once on fresh definitive evidence."""
        plans = []
        for _ in range(seconds):
            self.second()
            cuts = [r.cut_since for r in self.regions.values() if r.cut_since is not None]
            urgent = any(self.now - since == 3 for since in cuts)
            if urgent or self.now % (self.spec.interval_ms // 1000) == 0:
                plans.append((self.now, self.tick()))
        return plans

    def restart(self) -> None:
        """A new process: only the record survives, through JSON."""
        self.memory = from_record(json.loads(json.dumps(to_record(self.memory))))

    def weight(self, name: str) -> int:
        """The largest weight that any entry that answers gives a region."""
        return max((row[name] for e, row in self.rows.items() if not self.regions[e].cut), default=0)

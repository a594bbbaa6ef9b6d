"""One tick of the core for many models: time and memory. Every model has numbers of its own, so no cache can cheat."""

import gc
import resource
import statistics
import time
from dataclasses import dataclass
from fractions import Fraction
from random import Random

from leeward.core.decide import decide
from leeward.core.memory import Memory
from leeward.core.snapshot import (
    Counts,
    LoadReading,
    Matrix,
    ReachReading,
    ReadyReading,
    RegionReadings,
    Snapshot,
    Tally,
)
from leeward.core.spec import ModelSpec, RegionSpec, TrafficPolicy, TrafficSpec

START_MS = 1_700_000_000_000
WINDOWS_MS = (30_000, 60_000, 300_000, 900_000)
WARM_UP_TICKS = 4


@dataclass(frozen=True, slots=True)
class TickFigures:
    """Milliseconds of processor time for one tick over all models."""

    models: int
    regions: int
    policy: str
    ticks: int
    median_ms: float
    least_ms: float
    most_ms: float
    microseconds_per_model_and_region: float
    memory_mb: float  # what the models, their readings and their memory need


def measure(models: int, regions: int, policy: TrafficPolicy, ticks: int) -> TickFigures:
    """Build the fleet, let it settle, and time so many ticks with new readings in each."""
    before = _memory_mb()
    fleet = [_Model(number, regions, policy) for number in range(models)]
    for _ in range(WARM_UP_TICKS):
        _tick(fleet)
    taken = [_tick(fleet) for _ in range(ticks)]
    median = statistics.median(taken)
    return TickFigures(
        models,
        regions,
        policy.value,
        ticks,
        round(median, 1),
        round(min(taken), 1),
        round(max(taken), 1),
        round(1000 * median / models / regions, 2),
        round(_memory_mb() - before, 1),
    )


def _tick(fleet: "list[_Model]") -> float:
    """Milliseconds that the core takes; making the readings is not counted."""
    snapshots = [model.snapshot() for model in fleet]
    gc.collect()
    started = time.process_time_ns()
    for model, snapshot in zip(fleet, snapshots, strict=True):
        plan = decide(model.spec, snapshot, model.memory, model.now_ms)
        model.memory, model.weights = plan.memory, plan.weights
    taken = (time.process_time_ns() - started) / 1e6
    for model in fleet:
        model.now_ms += model.spec.interval_ms
    return taken


class _Model:
    """One model that is well, with noise."""

    def __init__(self, number: int, regions: int, policy: TrafficPolicy) -> None:
        self.random = Random(number)
        shares = [100 // regions + (i < 100 % regions) for i in range(regions)]
        specs = tuple(RegionSpec(f"region-{i}", share, 4, 12) for i, share in enumerate(shares))
        self.spec = ModelSpec(f"models/{number}", specs, traffic=TrafficSpec(policy))
        self.memory = Memory()
        self.weights: Matrix = ()
        self.now_ms = START_MS

    def snapshot(self) -> Snapshot:
        names = self.spec.region_names
        return Snapshot("leeward", self.now_ms, tuple(self._readings(name) for name in names), self.weights)

    def _readings(self, name: str) -> RegionReadings:
        rate, random = self.random.uniform(5, 10), self.random
        names = self.spec.region_names
        entries = names if self.spec.traffic.policy is TrafficPolicy.SHARES else (name,)
        return RegionReadings(
            name,
            (*(self._counts(entry, rate / len(entries)) for entry in entries), self._counts("engine", rate)),
            self._counts("engine", rate, 0.01),
            (self._counts("direct", 0.2, 0.0), self._counts("via", 0.2, 0.0)),
            False,
            tuple(ReachReading(o, 0, 400, len(names) - 1, len(names) - 1) for o in ("leeward", "via x", "via y")),
            ReadyReading(4, 4, 1_000),
            LoadReading(Fraction(round(1000 * rate), 1000), random.randint(1, 60), 0, 1_000),
            api_answers=True,
            metrics_answer=True,
            entry_requests_per_second=Fraction(round(1000 * rate), 1000),
        )

    def _counts(self, sensor: str, rate: float, bad_share: float = 0.001) -> Counts:
        tallies = []
        for window in WINDOWS_MS:
            total = round(rate * window / 1000 * self.random.uniform(0.9, 1.1))
            tallies.append(Tally(window, min(total, round(total * bad_share * self.random.uniform(0, 2))), total))
        return Counts(sensor, tuple(tallies), self.random.randint(0, 5_000))


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

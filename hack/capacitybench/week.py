"""A week of daily waves: what the core orders minute by minute, and what that costs against fixed sizes.

Users of three or five regions sleep at night: what enters at a region goes between 30 % of its peak and the peak, in
the region's own time zone, at weekends 70 % of that, with 5 % noise. The regions are spread over so many hours: 3 on a
continent, 24 around the world, where their waves cancel out. Nothing fails; each way is asked at every minute
whether it would have carried the demand of that moment if its largest region had been lost then.

The core decides once a minute on readings as a healthy fleet gives them. Replicas take five minutes to start, warm
nodes take the rest of a pool's time away. Fixed sizes are those for the highest minute of the week.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, cos, pi
from random import Random

from corebench.ticks import START_MS, WINDOWS_MS
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
from leeward.core.spec import CapacitySpec, ModelSpec, RegionSpec, Standby

MINUTE_MS, MINUTES = 60_000, 7 * 24 * 60
WARM_UP_MINUTES = 60  # the fleet grows from its minimum, and is not counted
STARTUP_MINUTES = 5
REPLICA_RATE, GPUS = 4, 8  # requests per second of a replica, and its accelerators
PEAK_PER_REGION = 60.0  # requests per second
NIGHT, WEEKEND, NOISE = 0.3, 0.7, 0.05


@dataclass(frozen=True, slots=True)
class WeekFigures:
    """One way to size. `survived_percent`: minutes in which the rest would have carried the loss of the largest."""

    way: str
    regions: int
    hours: int  # that the regions are spread over
    gpu_hours: float
    survived_percent: float
    changes: int  # orders in the week


def waves(regions: int, hours: int, seed: int = 1) -> list[list[float]]:
    """Requests per second that enter at each region, minute by minute."""
    random = Random(seed)
    return [
        [
            PEAK_PER_REGION
            * (NIGHT + (1 - NIGHT) * (1 - cos(2 * pi * (minute / 1440 + region / regions * hours / 24))) / 2)
            * (WEEKEND if minute // 1440 >= 5 else 1.0)
            * random.uniform(1 - NOISE, 1 + NOISE)
            for region in range(regions)
        ]
        for minute in range(MINUTES)
    ]


def fixed(way: str, replicas: int, hours: int, demand: list[list[float]]) -> WeekFigures:
    """Every region the same, all week."""
    regions = len(demand[0])
    left = (regions - 1) * replicas * REPLICA_RATE
    survived = sum(sum(rates) <= left for rates in demand)
    return WeekFigures(way, regions, hours, regions * replicas * GPUS * MINUTES / 60, 100 * survived / MINUTES, 0)


def equal_regions(demand: list[list[float]]) -> int:
    """Replicas per region that carry the week's highest minute at 75 %, and at 90 % without one region."""
    most, regions = max(map(sum, demand)), len(demand[0])
    return ceil(max(most / 0.9 / (regions - 1), most / 0.75 / regions) / REPLICA_RATE)


def doubled(demand: list[list[float]]) -> int:
    """Twice what each region needs at 75 % for the highest minute of the whole."""
    return ceil(2 * max(map(sum, demand)) / 0.75 / len(demand[0]) / REPLICA_RATE)


@dataclass
class Fleet:
    """A fleet that follows the core's orders."""

    spec: ModelSpec
    memory: Memory = field(default_factory=Memory)
    weights: Matrix = ()
    ready: dict[str, int] = field(default_factory=dict)
    starting: list[tuple[int, str, int]] = field(default_factory=list)  # minute, region, replicas then
    changes: int = 0

    def minute(self, at: int, rates: dict[str, float]) -> int:
        """Decide on this minute's readings; returns the replicas whose nodes are paid for."""
        for due, name, replicas in self.starting:
            if due <= at:
                self.ready[name] = replicas
        self.starting = [row for row in self.starting if row[0] > at]
        now_ms = START_MS + at * MINUTE_MS
        plan = decide(self.spec, self._snapshot(now_ms, rates), self.memory, now_ms)
        for line in plan.regions:
            before = self.memory.region(line.name).replicas, self.memory.region(line.name).standby
            self.changes += before != (line.replicas, line.standby)
            self._order(at, line.name, line.replicas)
        self.memory, self.weights = plan.memory, plan.weights
        return sum(line.replicas + line.standby for line in plan.regions)

    def _order(self, at: int, name: str, replicas: int) -> None:
        if replicas < self.ready[name]:
            self.ready[name] = replicas
        elif replicas > max([self.ready[name], *(n for _, region, n in self.starting if region == name)]):
            self.starting.append((at + STARTUP_MINUTES, name, replicas))

    def _snapshot(self, now_ms: int, rates: dict[str, float]) -> Snapshot:
        rows = {entry: dict(row) for entry, row in self.weights}
        load = {
            name: sum(rates[entry] * row.get(name, 0) / 100 for entry, row in rows.items())
            for name in self.spec.region_names
        }
        readings = tuple(self._readings(name, rates[name], load[name]) for name in self.spec.region_names)
        return Snapshot("bench", now_ms, readings, self.weights)

    def _readings(self, name: str, rate: float, load: float) -> RegionReadings:
        ready, others = self.ready[name], len(self.spec.regions) - 1
        slots = ready * self.spec.capacity.concurrency_per_replica
        return RegionReadings(
            name,
            (_counts(name, load), _counts("engine", load)),
            _counts("engine", load),
            (_counts("direct", 0.2),),
            False,
            (ReachReading("bench", 0, 400, others, others),),
            ReadyReading(ready, ready, 1_000),
            LoadReading(_exact(load), round(load / (ready * REPLICA_RATE) * slots), 0, 1_000),
            api_answers=True,
            metrics_answer=True,
            entry_requests_per_second=_exact(rate),
        )


def _exact(value: float) -> Fraction:
    return Fraction(round(1000 * value), 1000)


def _counts(sensor: str, rate: float) -> Counts:
    return Counts(sensor, tuple(Tally(window, 0, round(rate * window / 1000)) for window in WINDOWS_MS), 1_000)


def followed(regions: int, hours: int, standby: Standby) -> WeekFigures:
    """A week under the core, with what it keeps for a loss."""
    demand = waves(regions, hours)
    names = [f"region-{i}" for i in range(regions)]
    shares = [100 // regions + (i < 100 % regions) for i in range(regions)]
    spec = ModelSpec(
        "bench/model",
        tuple(RegionSpec(name, share, 2, 1_000) for name, share in zip(names, shares, strict=True)),
        CapacitySpec(Fraction(REPLICA_RATE)),
        standby=standby,
        interval_ms=MINUTE_MS,
        scrape_interval_ms=MINUTE_MS // 2,
    )
    fleet = Fleet(spec, ready=dict.fromkeys(names, 2))
    paid = survived = 0
    for at, rates in _minutes(demand):
        kept = fleet.minute(at, dict(zip(names, rates, strict=True)))
        if at == 0:
            fleet.changes = 0
        if at >= 0:
            paid += kept
            capacity = sorted(count * REPLICA_RATE for count in fleet.ready.values())
            survived += sum(rates) <= sum(capacity[:-1])
    way = {
        Standby.REPLICAS: "Leeward, replicas in reserve",
        Standby.NODES: "Leeward, warm nodes",
        Standby.NONE: "Leeward, no reserve",
    }
    return WeekFigures(way[standby], regions, hours, paid * GPUS / 60, 100 * survived / MINUTES, fleet.changes)


def _minutes(demand: list[list[float]]) -> Iterator[tuple[int, list[float]]]:
    for at in range(-WARM_UP_MINUTES, MINUTES):
        yield at, demand[max(0, at)]

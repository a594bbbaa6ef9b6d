"""Fixtures that read like sentences: a region that is well, and what can be wrong with it."""

from dataclasses import replace
from fractions import Fraction

from leeward.core.decide import decide
from leeward.core.memory import Memory
from leeward.core.plan import Plan
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
from leeward.core.spec import ModelSpec

NOW = 1_700_000_000_000
WINDOWS_MS = (30_000, 60_000, 300_000, 900_000)


def counts(sensor: str, bad: int, total: int, age_ms: int = 1_000) -> Counts:
    """The same share of bad in every window."""
    return Counts(sensor, tuple(Tally(w, bad * w // 30_000, total * w // 30_000) for w in WINDOWS_MS), age_ms)


def answers(observer: str, failing_ms: int = 0, reached: int = 2, others: int = 2, age_ms: int = 500) -> ReachReading:
    return ReachReading(observer, failing_ms, age_ms, reached, others)


def well(name: str, **changes: object) -> RegionReadings:
    """Everything good: 300 responses in 30 s at its entry and its engine, probes, four replicas, reached by two."""
    readings = RegionReadings(
        name=name,
        outcomes=(counts(name, 0, 300), counts("engine", 0, 300)),
        latency=counts("engine", 3, 300),
        probes=(counts("direct", 0, 30), counts("via", 0, 30)),
        probe_failing=False,
        reach=(answers("op-1"), answers("op-2")),
        ready=ReadyReading(4, 4, 1_000),
        load=LoadReading(Fraction(10), 8, 0, 1_000),
        api_answers=True,
        metrics_answer=True,
        entry_requests_per_second=Fraction(10),
    )
    return replace(readings, **changes)  # type: ignore[arg-type]


def gray(name: str, share: int = 20) -> RegionReadings:
    """So many percent errors at its entry and its engine."""
    bad = 300 * share // 100
    return well(name, outcomes=(counts(name, bad, 300), counts("engine", bad, 300)))


def crashed(name: str) -> RegionReadings:
    """No ready replica, and every probe fails."""
    return well(
        name,
        ready=ReadyReading(0, 4, 1_000),
        probe_failing=True,
        outcomes=(counts(name, 300, 300),),
        latency=None,
        load=None,
    )


def lost(name: str, failing_ms: int = 3_000) -> RegionReadings:
    """Cut off: two observers do not reach it, and nothing else is known."""
    return RegionReadings(
        name,
        reach=(answers("op-1", failing_ms, 1), answers("op-2", failing_ms, 1)),
        probe_failing=True,
        api_answers=False,
        metrics_answer=False,
    )


def seen(*regions: RegionReadings, weights: Matrix = (), **changes: object) -> Snapshot:
    snapshot = Snapshot("op-1", NOW, regions, weights)
    return replace(snapshot, **changes)  # type: ignore[arg-type]


def settled_fleet(spec: ModelSpec, ticks: int = 4) -> tuple[Memory, Matrix, int]:
    """Memory and weights of a fleet that has been well for some ticks, and the time of the next tick."""
    memory, weights, now = Memory(), (), NOW
    for _ in range(ticks):
        plan = decide(spec, seen(*map(well, spec.region_names), weights=weights), memory, now)
        memory, weights, now = plan.memory, plan.weights, now + spec.interval_ms
    return memory, weights, now


def play(spec: ModelSpec, memory: Memory, weights: Matrix, now: int, *ticks: tuple[RegionReadings, ...]) -> list[Plan]:
    """Plans of consecutive ticks; every write arrives."""
    plans = []
    for regions in ticks:
        plan = decide(spec, seen(*regions, weights=weights), memory, now)
        plans.append(plan)
        memory, weights, now = plan.memory, plan.weights, now + spec.interval_ms
    return plans


def verdict_of(plan: Plan, name: str) -> str:
    return next(region.verdict.value for region in plan.regions if region.name == name)


def phase_of(plan: Plan, name: str) -> str:
    return next(region.phase.value for region in plan.regions if region.name == name)

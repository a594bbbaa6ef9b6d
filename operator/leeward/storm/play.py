"""One storm, from its first second to calm: events in order, the checker at every step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from leeward.storm.checker import Checker
from leeward.storm.clusters import Clusters
from leeward.storm.gauges import Gauges
from leeward.storm.liveness import Liveness
from leeward.storm.pilot import Pilot
from leeward.storm.scenario import Scenario
from leeward.storm.sky import changes
from leeward.storm.trace import Decided, Sample, Violation
from leeward.storm.world import World

LONGEST_STEP_MS = 5_000
NEVER_MS = 1 << 60


class Policy(Protocol):
    """Whoever steers the weights: Leeward, or a baseline."""

    def next_ms(self) -> int:
        """When it wants to look again."""
        ...

    def act(self, sky_changed: bool) -> None:
        """Whatever is due now."""
        ...


@dataclass(slots=True)
class Outcome:
    """What became of a storm."""

    seed: int
    ended_ms: int = 0
    calm_ms: int | None = None
    violations: list[Violation] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    decided: list[Decided] = field(default_factory=list)
    decisions: int = 0
    writes: int = 0
    error: str = ""

    @property
    def failed(self) -> bool:
        """Did it break a rule, or the program?"""
        return bool(self.violations or self.error)


class Storm:
    """The clock, and everything that ticks by it."""

    def __init__(self, scenario: Scenario, steer: Callable[[World, Clusters], Policy] | None = None) -> None:
        self.scenario = scenario
        self.world = World(scenario)
        self.gauges = Gauges(self.world)
        self.clusters = Clusters(self.world)
        self._changes = [*changes(scenario), NEVER_MS]
        self.policy: Policy = (
            Pilot(scenario, self.world, self.gauges, self.clusters)
            if steer is None
            else steer(self.world, self.clusters)
        )

    def step(self, limit_ms: int) -> None:
        """To the next moment at which anything happens."""
        soonest = min(
            self.gauges.next_ms(),
            self.policy.next_ms(),
            self.clusters.next_ms() or NEVER_MS,
            self._changes[0],
            self.world.now_ms + LONGEST_STEP_MS,
            limit_ms,
        )
        self.world.step(soonest)
        changed = soonest >= self._changes[0]
        if changed:
            self._changes.pop(0)
            self.world.look_up()
        self.clusters.advance()
        self.gauges.scrape()
        self.policy.act(changed)


def play(scenario: Scenario, keep: bool = False) -> Outcome:
    """Run one storm with Leeward; `keep` keeps samples and decisions for figures and transcripts."""
    storm, outcome = Storm(scenario), Outcome(scenario.seed)
    pilot = storm.policy
    assert isinstance(pilot, Pilot)
    checker, liveness = Checker(scenario, storm.world, storm.clusters), Liveness(scenario, storm.world)
    pilot.act(sky_changed=False)
    started = pilot.sight
    while storm.world.now_ms < scenario.limit_ms:
        decided, pilot.decided = pilot.decided, []
        if pilot.sight is not started:
            started = pilot.sight
            checker.restarted()
        checker.watch(decided, storm.clusters.landed, pilot.standing.able_ms, pilot.home)
        storm.clusters.landed.clear()
        for each in decided:
            liveness.watch(each)
            outcome.writes += each.write
        outcome.decisions += len(decided)
        if keep:
            outcome.decided += decided
            outcome.samples.append(sample(storm.world))
        if checker.violations or (liveness.converged and scenario.until_calm):
            break
        if storm.world.now_ms >= scenario.faults_end_ms and storm.world.now_ms > liveness.deadline_ms():
            break
        storm.step(scenario.limit_ms)
    return _judged(scenario, storm, checker, liveness, outcome)


def _judged(scenario: Scenario, storm: Storm, checker: Checker, liveness: Liveness, outcome: Outcome) -> Outcome:
    outcome.ended_ms, outcome.violations = storm.world.now_ms, checker.violations
    if liveness.converged:
        outcome.calm_ms = outcome.ended_ms - scenario.faults_end_ms
    elif not checker.violations and outcome.ended_ms > liveness.deadline_ms():
        pilot = storm.policy
        assert isinstance(pilot, Pilot)
        last = checker.last.reason if checker.last else "nothing was decided"
        took = (outcome.ended_ms - scenario.faults_end_ms) // 1000
        outcome.violations.append(
            Violation(outcome.ended_ms, "the fleet comes home", f"not home {took} s after the last fault: {last}")
        )
    return outcome


def sample(world: World) -> Sample:
    """How users and regions are doing now."""
    used = tuple([e.rate / c if (c := world.capacity(i)) else 0.0 for i, e in enumerate(world.engines)])
    rows = [row for row, cut in zip(world.rows, world.sky.cut, strict=True) if row is not None and not cut]
    weights = tuple([max((row[r] for row in rows), default=0) for r in range(world.size)])
    return Sample(world.now_ms, world.asked, world.good, used, weights)


def watch(scenario: Scenario, steer: Callable[[World, Clusters], Policy] | None = None) -> tuple[list[Sample], Policy]:
    """The same storm to its limit under any policy, unchecked: for figures."""
    storm = Storm(scenario, steer)
    storm.policy.act(sky_changed=False)
    samples = [sample(storm.world)]
    while storm.world.now_ms < scenario.limit_ms:
        storm.step(scenario.limit_ms)
        samples.append(sample(storm.world))
        if isinstance(storm.policy, Pilot):
            storm.policy.decided.clear()
        storm.clusters.landed.clear()
    return samples, storm.policy

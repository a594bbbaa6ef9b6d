"""Liveness: once faults have ended, the fleet comes home within a bound, and stays there. No core.

Home is: every region in its active phase, no more writes, and rows at their shares where demand fits: under
LocalFirst each entry keeps its users where its region can carry them, under Shares every row holds the shares.

The bound adds up what decisions.md lets things take: windows that still hold the fault, clean time, a penalty that
has to decay, and for one region after the other a ramp with its bakes and steps.
"""

from math import log2

from leeward.storm.scenario import FleetShape, Scenario
from leeward.storm.trace import Decided
from leeward.storm.world import World

HALF_LIFE_MS = 900_000
FALL_PENALTY = 1_000
HOUR_MS = 3_600_000
LOW_RATE = 3.0
WINDOW_MS = 180_000
LONG_WINDOW_MS = 960_000
CALM_DECISIONS = 3
TOLERANCE = 2  # points: the dead band


class Liveness:
    """Waits for calm after the last fault."""

    def __init__(self, scenario: Scenario, world: World) -> None:
        self.scenario, self.world = scenario, world
        self.calm = 0
        self.falls: list[int] = []
        self.writes: list[int] = []
        self._phases: tuple[str, ...] = ()

    def watch(self, decided: Decided) -> None:
        """Take in one decision."""
        for before, after in zip(self._phases, decided.phases, strict=False):
            if after == "drained" and before not in ("drained", "draining"):
                self.falls.append(decided.at_ms)
        self._phases = decided.phases
        if decided.write:
            self.writes.append(decided.at_ms)
        at_home = decided.at_ms >= self.scenario.faults_end_ms and not decided.write and self._home(decided)
        self.calm = self.calm + 1 if at_home else 0

    @property
    def converged(self) -> bool:
        """At home for some decisions in a row."""
        return self.calm >= CALM_DECISIONS

    def deadline_ms(self) -> int:
        """When the fleet has to be home."""
        fleet, size = self.scenario.fleet, self.world.size
        busy = all(region.rate >= LOW_RATE for region in fleet.regions if region.share)
        windows = WINDOW_MS if busy else LONG_WINDOW_MS
        windows += 8 * fleet.scrape_interval_ms + fleet.clean_after_failed_ms + fleet.clean_after_degraded_ms
        end = self.scenario.faults_end_ms + windows + self._forgiven_ms() + size * self._ramp_ms()
        spent = len([ms for ms in self.writes if end - ms < HOUR_MS]) >= fleet.writes_per_hour
        return end + (HOUR_MS if spent else 0)

    def _forgiven_ms(self) -> int:
        """Until a penalty is below the threshold of return (linear between halvings: never earlier than this)."""
        penalty = FALL_PENALTY * len(self.falls)
        resume = self.scenario.fleet.flap_penalty_resume
        return 0 if penalty < 2 * FALL_PENALTY else int(HALF_LIFE_MS * (1 + log2(max(1.0, penalty / resume))))

    def _ramp_ms(self) -> int:
        fleet = self.scenario.fleet
        steps = len(fleet.steps) + 1
        pace = max(fleet.min_interval_ms, fleet.interval_ms) + fleet.interval_ms
        return steps * (fleet.bake_ms + 4 * fleet.interval_ms) + (100 // fleet.max_step + steps) * pace

    def _home(self, decided: Decided) -> bool:
        if any(phase != "active" for phase in decided.phases) or not decided.rows:
            return False
        if any(list(row) != force for row, force in zip(decided.rows, self.world.rows, strict=True)):
            return False
        wanted = shares_wanted(self.scenario.fleet)
        if wanted is None:
            return True
        pairs = zip(decided.rows, wanted, strict=True)
        return all(abs(w - x) <= TOLERANCE for row, ideal in pairs for w, x in zip(row, ideal, strict=True))


def shares_wanted(fleet: FleetShape) -> list[list[float]] | None:
    """The rows of a fleet that is well, with ample room; None where demand is too near to capacity to say."""
    ample = 1.5
    rates = [region.rate for region in fleet.regions]
    usable = [0.75 * r.replicas_min * fleet.requests_per_second_per_replica for r in fleet.regions]
    if fleet.policy == "LocalFirst":
        if any(ample * rate > room for rate, room in zip(rates, usable, strict=True)):
            return None
        return [[100.0 * (i == j) for j in range(len(rates))] for i in range(len(rates))]
    whole = sum(region.share for region in fleet.regions)
    loads = [sum(rates) * region.share / whole for region in fleet.regions]
    if any(ample * load > room for load, room in zip(loads, usable, strict=True)):
        return None
    return [[100.0 * region.share / whole for region in fleet.regions]] * len(rates)

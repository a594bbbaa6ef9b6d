"""A recorded decision's fleet going on without some regions, on a clock of its own: see loss.py."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from leeward.core.capacity import full_capacity
from leeward.core.decide import decide
from leeward.core.memory import Memory
from leeward.core.phases import OUT_OF_TRAFFIC, Phase
from leeward.core.plan import Plan, RegionPlan
from leeward.core.snapshot import LoadReading, Matrix, ReachReading, ReadyReading, RegionReadings, Snapshot
from leeward.core.spec import ModelSpec
from leeward.core.verdict import Verdict
from leeward.core.weights import round_row
from leeward.replay.decision import Decision

LOST_FOR_MS = 60_000
CALM_TICKS = 3
PATIENCE_MS = 900_000
LONGEST_MS = 3_600_000
WITNESS = "what-if"


@dataclass(frozen=True, slots=True)
class RegionAfter:
    """One region in a stage. Weight is its percent of all requests; load is what is sent there, in requests per second.

    `utilization_percent` is load over what the ready replicas are declared to carry: above 100 is refused.
    """

    name: str
    lost: bool
    verdict: Verdict
    phase: Phase
    weight: int
    ready: int
    replicas: int
    load: Fraction
    utilization_percent: int | None


@dataclass(frozen=True, slots=True)
class Stage:
    """How things stand once nothing changes any more, with the weights of the entries that are left. Rates are
    requests per second.

    `shortage` is what the core finds missing, by a demand with its margin; `misdirected` is still sent to lost regions.
    """

    regions: tuple[RegionAfter, ...]
    weights: Matrix
    shortage: Fraction
    misdirected: Fraction
    reason: str


@dataclass
class World:
    """The fleet after a recorded decision, on a clock of its own."""

    decision: Decision
    lost: frozenset[str]
    users: Mapping[str, Fraction]
    established: bool = False
    memory: Memory = field(init=False)
    weights: Matrix = field(init=False)
    now_ms: int = field(init=False)
    ready: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        plan = self.decision.made
        self.memory, self.weights, self.now_ms = plan.memory, plan.weights, self.decision.now_ms
        if self.established:
            been_ready = {n: replace(self.memory.region(n), been_ready=True) for n in self.lost}
            self.memory = replace(self.memory, regions={**self.memory.regions, **been_ready})
        read = {each.name: each.ready for each in self.decision.snapshot.regions}
        known = {name: self.memory.region(name).ready_known for name in self.spec.region_names}
        self.ready = {n: (r.ready if (r := read.get(n)) else known[n]) or 0 for n in self.spec.region_names}

    @property
    def spec(self) -> ModelSpec:
        return self.decision.spec

    def settle(self) -> Plan:
        """Tick until nothing has changed for a while: longer while something is still to come."""
        began, calm_since, before = self.now_ms, self.now_ms, None
        while True:
            plan = self._tick()
            mark = _mark(plan)
            calm_since = calm_since if mark == before else self.now_ms
            before = mark
            done = _arrived(plan) and not self.still_serving()
            enough = CALM_TICKS * self._step_ms + self.spec.traffic.min_interval_ms if done else PATIENCE_MS
            if self.now_ms - calm_since >= enough or self.now_ms - began >= LONGEST_MS:
                return plan

    @property
    def _step_ms(self) -> int:
        return max(1_000, self.spec.interval_ms)

    def _tick(self) -> Plan:
        self.now_ms += self._step_ms
        plan = decide(self.spec, self._snapshot(), self.memory, self.now_ms)
        self.memory, self.weights = plan.memory, plan.weights
        return plan

    def as_decision(self) -> Decision:
        """The next decision of this world."""
        return Decision(
            now_ms=self.now_ms + self._step_ms, spec=self.spec, snapshot=self._snapshot(), memory=self.memory
        )

    def still_serving(self) -> bool:
        """Is a lost region still in traffic, or does an entry that is left send requests to one?"""
        sent = any(dict(row).get(name) for entry, row in self.weights if entry not in self.lost for name in self.lost)
        return sent or any(self.memory.region(name).phase not in OUT_OF_TRAFFIC for name in self.lost)

    def bring_up(self, plan: Plan) -> None:
        """The replicas that were ordered are ready."""
        self.ready |= {line.name: line.replicas for line in plan.regions if line.name not in self.lost}

    def stage(self, plan: Plan) -> Stage:
        """How things stand under a plan."""
        loads = self._loads()
        whole = sum(loads.values(), Fraction(0))
        percent = round_row({name: 100 * load / whole for name, load in loads.items()}) if whole else {}
        return Stage(
            regions=tuple(self._region(line, loads, percent) for line in plan.regions),
            weights=tuple((entry, row) for entry, row in plan.weights if entry not in self.lost),
            shortage=plan.shortage,
            misdirected=sum((loads[name] for name in self.lost), Fraction(0)),
            reason=plan.reason,
        )

    def _region(self, line: RegionPlan, loads: Mapping[str, Fraction], percent: Mapping[str, int]) -> RegionAfter:
        most = self._most(line.name)
        gone = line.name in self.lost
        return RegionAfter(
            name=line.name,
            lost=gone,
            verdict=line.verdict,
            phase=line.phase,
            weight=percent.get(line.name, line.weight),
            ready=0 if gone else self.ready[line.name],
            replicas=line.replicas,
            load=loads[line.name],
            utilization_percent=int(100 * loads[line.name] / most) if most > 0 and not gone else None,
        )

    def _most(self, name: str) -> Fraction:
        region = next(each for each in self.spec.regions if each.name == name)
        return full_capacity(self.spec, region, replace(self.memory.region(name), ready_known=self.ready[name]))

    def _rates(self) -> dict[str, Fraction]:
        """What enters where: the users of lost entries come to the others."""
        left = {name: rate for name, rate in self.users.items() if name not in self.lost}
        whole, kept = sum(self.users.values(), Fraction(0)), sum(left.values(), Fraction(0))
        return {name: rate * whole / kept if kept else whole / len(left) for name, rate in left.items()}

    def _loads(self) -> dict[str, Fraction]:
        rates, rows = self._rates(), dict(self.weights)
        return {
            name: sum((rates[e] * dict(rows[e]).get(name, 0) / 100 for e in rates if e in rows), Fraction(0))
            for name in self.spec.region_names
        }

    def _snapshot(self) -> Snapshot:
        before = self.decision.snapshot
        seen = {each.name: each for each in before.regions}
        rates, loads = self._rates(), self._loads()
        return replace(
            before,
            taken_ms=self.now_ms,
            regions=tuple(
                self._gone(seen.get(name, RegionReadings(name)))
                if name in self.lost
                else self._left(seen.get(name, RegionReadings(name)), rates[name], loads[name])
                for name in self.spec.region_names
            ),
            weights=tuple((entry, row) for entry, row in self.weights if entry not in self.lost),
        )

    def _gone(self, read: RegionReadings) -> RegionReadings:
        """Nobody reaches it; and, where the loss is established otherwise, it has no replica."""
        down = tuple(replace(each, failing_ms=LOST_FOR_MS, age_ms=0) for each in self._heard(read))
        return RegionReadings(
            read.name,
            probe_failing=True,
            reach=() if self.established else down,
            ready=ReadyReading(0, max(1, self.memory.region(read.name).replicas), 0) if self.established else None,
            api_answers=False,
            metrics_answer=False,
        )

    def _left(self, read: RegionReadings, rate: Fraction, load: Fraction) -> RegionReadings:
        served = min(load, self._most(read.name))
        ready = self.ready[read.name]
        desired = max(ready, read.ready.desired) if read.ready else ready
        answers = (ReachReading(WITNESS, 0, 0, 1, 1),)
        return replace(
            read,
            outcomes=tuple(each for each in read.outcomes if each.sensor not in self.lost),
            probes=tuple(each for each in read.probes if each.sensor.removeprefix("via ") not in self.lost),
            reach=answers if self.established else self._heard(read),
            ready=ReadyReading(ready, desired, 0) if desired else None,
            load=replace(read.load, requests_per_second=served) if read.load else LoadReading(served, 0, 0, 0),
            entry_requests_per_second=rate,
        )

    def _heard(self, read: RegionReadings) -> tuple[ReachReading, ...]:
        """The observers that are left, and how many regions they still reach."""
        return tuple(
            replace(each, reached_others=max(0, each.reached_others - self._lost_to(each.observer)))
            for each in read.reach
            if each.observer.removeprefix("via ") not in self.lost
        )

    def _lost_to(self, observer: str) -> int:
        """How many regions an observer reached before and does not now; its own never counted."""
        return sum(
            reading.observer == observer and reading.failing_ms == 0
            for each in self.decision.snapshot.regions
            if each.name in self.lost
            for reading in each.reach
        )


def _mark(plan: Plan) -> object:
    demand = tuple(region.demand_milli for region in plan.memory.regions.values())
    return plan.weights, demand, tuple((line.verdict, line.phase, line.replicas) for line in plan.regions)


def _arrived(plan: Plan) -> bool:
    """Every weight is where it goes, but for the point that is not worth a write."""
    rows = dict(plan.target)
    return all(abs(weight - dict(rows[entry]).get(name, 0)) < 2 for entry, row in plan.weights for name, weight in row)

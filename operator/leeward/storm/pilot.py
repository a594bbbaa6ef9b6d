"""The operator in the storm: drives the real core, and crashes, pauses, forgets and is replaced.

Ticks come every interval, at once when an answer to the question of reachability changes, and in the moment in which
a failure has lasted three seconds. A leader that pauses or is cut off at home for longer than its lease is replaced
by another operator with a higher term; what the old one still writes is late, and the fence refuses it. One that
pauses for less looks at the clock before it writes.
"""

import json
from collections import deque
from dataclasses import dataclass

from leeward.core.decide import decide
from leeward.core.memory import Memory, from_record, to_record
from leeward.core.plan import Plan
from leeward.storm.clusters import Clusters, Write
from leeward.storm.corespec import core_spec, frozen
from leeward.storm.gauges import Gauges
from leeward.storm.scenario import FaultKind, Scenario
from leeward.storm.sight import Sight
from leeward.storm.trace import Decided
from leeward.storm.world import World

START_MS = 1_700_000_000_000
DEFINITIVE_MS = 3_000
REACH_MS = 500
EAGER_MS = 1_000
LEASE_MS = 15_000
WRITE_DEADLINE_MS = 3_000
STALE_RECORD_MS = 60_000
_DOWN = frozenset({FaultKind.OPERATOR_CRASH, FaultKind.OPERATOR_FORGETS, FaultKind.OPERATOR_STALE})


@dataclass(slots=True)
class Standing:
    """Where the operator stands. `able_ms`: since when it could do its work; None while it cannot."""

    down: FaultKind | None = None
    paused_ms: int | None = None
    replaced: bool = False
    cut_ms: int | None = None
    able_ms: int | None = 0


class Pilot:
    """Leeward at the wheel: one leader at a time."""

    def __init__(self, scenario: Scenario, world: World, gauges: Gauges, clusters: Clusters) -> None:
        self.scenario, self.world, self.gauges, self.clusters = scenario, world, gauges, clusters
        self.spec = core_spec(scenario.fleet)
        self.frozen_spec = frozen(self.spec)
        self.names = [region.name for region in scenario.fleet.regions]
        self.home, self.term = 0, 1
        self.memory = Memory()
        self.sight = Sight(scenario, world, gauges, self.home)
        self.standing = Standing()
        self.decided: list[Decided] = []  # since the last look
        self.plan: Plan | None = None
        self._records: deque[tuple[int, Memory]] = deque(maxlen=40)
        self._held: list[Write] = []
        self._next_ms = 0
        self._lasting = 0
        self._alarm_until_ms = 0
        self._orders: tuple[bool, frozenset[int]] = False, frozenset()

    def next_ms(self) -> int:
        """When to look again."""
        now = self.world.now_ms
        if self.standing.down or self.standing.paused_ms is not None:
            return now + EAGER_MS
        soon = self._next_ms
        if self.sight.eager:
            soon = min(soon, now + EAGER_MS)
        if now < self._alarm_until_ms or self.world.sky.reach_blips:
            soon = min(soon, now + REACH_MS)
        return soon

    def act(self, sky_changed: bool) -> None:
        """Whatever is due now."""
        now = self.world.now_ms
        if sky_changed:
            self._alarm_until_ms = now + DEFINITIVE_MS + 2 * REACH_MS
        if not self._stands():
            return
        changed = self.sight.ask_reach()
        if changed:
            self._alarm_until_ms = now + DEFINITIVE_MS + 2 * REACH_MS
        lasting = self.sight.reach.lasting(DEFINITIVE_MS, now)
        alarm, self._lasting = changed or lasting > self._lasting, lasting
        orders = self.world.sky.frozen, self.world.sky.evacuated
        alarm, self._orders = alarm or orders != self._orders, orders  # a person's order wakes the operator
        if now >= self._next_ms or alarm:
            self._tick()
        else:
            for region in self.sight.eager:
                self.sight.probe(region)

    def _stands(self) -> bool:
        """Is there an operator that can act now? Turns of its fate happen here."""
        now, fate = self.world.now_ms, {fault.kind for fault in self.world.sky.active}
        down = next(iter(sorted(fate & _DOWN)), None)
        if down or self.standing.down:
            self._crash_or_return(down)
        paused = FaultKind.OPERATOR_PAUSE in fate
        if not paused and self.standing.paused_ms is not None:
            self._wake()
        elif paused and self.standing.paused_ms is None and self.standing.down is None:
            self._tick(hold=True)
            self.standing.paused_ms, self.standing.able_ms = now, None
        self._watch_home()
        if self.standing.down is not None:
            return False
        since = self.standing.paused_ms
        if since is not None and not self.standing.replaced and now - since >= LEASE_MS:
            self._replace(self.home)
            self.standing.replaced = True
        return since is None or self.standing.replaced

    def _crash_or_return(self, down: FaultKind | None) -> None:
        if down is not None:
            self.standing.down, self.standing.able_ms = down, None
            return
        was, self.standing.down = self.standing.down, None
        back = STALE_RECORD_MS if was is FaultKind.OPERATOR_STALE else 0
        self._start(self.home, Memory() if was is FaultKind.OPERATOR_FORGETS else self._record(back))

    def _record(self, back_ms: int = 0) -> Memory:
        """What a new process finds in the status, written so long ago at least."""
        newest = self._records[-1][0] if self._records else 0
        old = [memory for ms, memory in self._records if ms <= newest - back_ms]
        found = old[-1] if old else self._records[0][1] if self._records else Memory()
        return from_record(json.loads(json.dumps(to_record(found))))

    def _start(self, home: int, memory: Memory) -> None:
        self.home, self.memory = home, memory
        self.sight = Sight(self.scenario, self.world, self.gauges, home)
        self._lasting, self._next_ms = 0, self.world.now_ms
        self.standing.able_ms = self.world.now_ms

    def _replace(self, home: int) -> None:
        """Another operator takes over, with a term of its own."""
        self.term += 1
        self._start(home, self._record())
        reached = [e for e in range(self.world.size) if self.sight.sees(e) and not self.world.sky.api_dead[e]]
        self.clusters.raise_fence(self.term, reached)

    def _wake(self) -> None:
        """The pause is over: late writes of one that was replaced meet the fence, others the clock."""
        now = self.world.now_ms
        for write in self._held:
            if self.standing.replaced or now - write.decided_ms <= WRITE_DEADLINE_MS:
                self.clusters.send(write)
        if not self.standing.replaced:
            self.standing.able_ms, self._next_ms = now, now
        self._held, self.standing.paused_ms, self.standing.replaced = [], None, False

    def _watch_home(self) -> None:
        """An operator whose region reaches no majority loses its lease to one elsewhere that does."""
        now, rulers = self.world.now_ms, [r for r in range(self.world.size) if self._reaches_majority(r)]
        if not self.world.sky.cut[self.home] and (self.home in rulers or not rulers):
            if self.standing.cut_ms is not None:
                self.standing.cut_ms, self.standing.able_ms = None, now
            return
        if self.standing.cut_ms is None:
            self.standing.cut_ms, self.standing.able_ms = now, None
        if now - self.standing.cut_ms >= LEASE_MS and rulers:
            self.standing.cut_ms = None
            self._replace(rulers[0])

    def _reaches_majority(self, region: int) -> bool:
        size = self.world.size
        return 2 * sum(self.world.sky.linked(region, other) for other in range(size)) > size

    def _tick(self, hold: bool = False) -> None:
        world, now = self.world, self.world.now_ms
        self.sight.look()
        snapshot = self.sight.snapshot(list(self.clusters.rows), START_MS)
        shown = [r if answers else None for r, answers in zip(self.clusters.rows, self.sight.api_answers, strict=True)]
        spec = self.frozen_spec if world.sky.frozen else self.spec
        plan = decide(spec, snapshot, self.memory, START_MS + now)
        self.plan, self.memory = plan, plan.memory
        self._records.append((now, plan.memory))
        self._next_ms = now + self.scenario.fleet.interval_ms
        rows = tuple([tuple([weight for _, weight in row]) for _, row in plan.weights])
        votes = [plan.memory.region(line.name).votes[-1:] for line in plan.regions]
        self.sight.eager = {
            i
            for i, (line, vote) in enumerate(zip(plan.regions, votes, strict=True))
            if not line.listed or vote[0].value != "healthy"
        }
        self.decided.append(self._told(plan, rows, shown))
        if plan.write_weights:
            self._write(rows, hold)
        for region, line in enumerate(plan.regions):
            if self.sight.api_answers[region] and line.replicas != world.engines[region].desired:
                world.scale(region, line.replicas)

    def _told(self, plan: Plan, rows: tuple[tuple[int, ...], ...], shown: list[list[int] | None]) -> Decided:
        return Decided(
            self.world.now_ms,
            plan.write_weights,
            plan.emergency,
            plan.reason,
            tuple([line.phase.value for line in plan.regions]),
            tuple([line.verdict.value for line in plan.regions]),
            rows,
            tuple([None if row is None else tuple(row) for row in shown]),
            tuple([f"{'!' if note.warning else ' '} {note.kind}: {note.sentence}" for note in plan.notes]),
        )

    def _write(self, rows: tuple[tuple[int, ...], ...], hold: bool) -> None:
        """Bring every entry that was read in line with the plan; users are let in with the first weights."""
        if len(rows) != self.world.size:
            return
        for entry, row in enumerate(rows):
            held = self.clusters.rows[entry]
            if not self.sight.api_answers[entry] or (held is not None and tuple(held) == row):
                continue
            if self.clusters.under_way(entry) == row:
                continue
            write = Write(entry, row, self.term, self.world.now_ms)
            if hold:
                self._held.append(write)
            else:
                self.clusters.send(write)

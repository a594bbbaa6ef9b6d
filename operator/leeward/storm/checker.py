"""Safety, at every step, by arithmetic of its own: what Leeward must never do, whatever happens.

Each rule is a method that yields sentences. The allowances beside the rules are what decisions.md grants: a cooldown
that a third outage within the hour has to wait for, a person's freeze, a fleet in which nobody else is well.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from leeward.storm.clusters import Clusters, Landed
from leeward.storm.exposure import HOUR_MS, SETTLED_MS, Exposure
from leeward.storm.liveness import shares_wanted
from leeward.storm.scenario import Scenario
from leeward.storm.trace import OUT, Decided, Violation
from leeward.storm.truth import Truth
from leeward.storm.world import World

OVERLOAD = 1.03
ROOM = 0.8
OVERLOAD_MS = 120_000
LOOKBACK_MS = 150_000  # how long an illness may show in what is decided about others
LOOKBACK_QUIET_MS = 960_000  # few requests: windows reach back a quarter of an hour
MANY_PER_SECOND = 1.0  # at one sensor: 20 samples within the shortest window
LIE_MS = 60_000
LIARS = 2  # sensors that call a region bad at the same time: nobody could tell that from the truth


class Checker:
    """Watches one storm; what it finds is in `violations`."""

    def __init__(self, scenario: Scenario, world: World, clusters: Clusters) -> None:
        self.scenario, self.world, self.clusters = scenario, world, clusters
        self.names = [region.name for region in scenario.fleet.regions]
        self.truth = Truth(world)
        self.exposure = Exposure(scenario, world, self.truth, self.names)
        self.violations: list[Violation] = []
        self.falls: deque[int] = deque()
        self.last: Decided | None = None
        self._newest = [(0, -1)] * world.size  # (term, decided) of the newest accepted write per entry
        self._closed = [False] * world.size  # unreachable since its last write: it may have steps to make up for
        self._since_start = 0  # decisions since the operator last started
        self._over_since: list[int | None] = [None] * world.size
        self._told: set[tuple[str, int]] = set()

    def watch(self, decided: Sequence[Decided], landed: Sequence[Landed], able_ms: int | None, home: int = 0) -> None:
        """One step: what was decided and what landed since the last one; since when the operator is able, and where."""
        self.truth.look(home)
        self._closed = [was or ms is None for was, ms in zip(self._closed, self.truth.open_ms, strict=True)]
        for each in decided:
            self._decision(each)
        for write in landed:
            self._note("no stale write is accepted", write.write.entry, self._stale(write))
            self._note("users of healthy regions are moved in small steps", write.write.entry, self._jump(write))
        for region in range(self.world.size):
            self._note("a dead region loses its weight in time", region, self._exposed(region, able_ms))
            self._note("nobody is overloaded while others have room", region, self._overloaded(region, able_ms))

    def restarted(self) -> None:
        """A new operator: what the one before decided is no measure for its first decision."""
        self.last, self._since_start = None, 0
        self._closed = [False] * self.world.size

    def _decision(self, new: Decided) -> None:
        before = self.last
        for rule, region, sentence in self._rules(new, before):
            self._note(rule, region, sentence)
        self.last, self._since_start = new, self._since_start + 1

    def _rules(self, new: Decided, before: Decided | None) -> Iterator[tuple[str, int, str | None]]:
        for entry, row in enumerate(new.rows):
            yield "every row sums to 100", entry, _unsound(row, self.world.size)
            if new.write:
                yield "a region that is out carries nothing", entry, self._carried_by_the_out(new, row)
        yield "a freeze holds", 0, "a write while frozen" if new.write and self.world.sky.frozen else None
        yield "someone is left in traffic", 0, self._everybody_out(new)
        if before is None or not before.rows or not new.rows:
            return
        for region in range(self.world.size):
            yield "a region falls only for a fault of its own", region, self._fell(region, new, before)
            if new.write:
                yield "an unseen region gains nothing", region, self._dark_gain(region, new, before)
                yield "a write piles no load on", region, self._piled_on(region, new, before)
        for entry, row in enumerate(new.rows) if new.write else ():
            yield "steps are small", entry, self._big_step(entry, row, new, before)
        if new.write:
            yield "quiet means quiet", 0, self._loud(new)

    def _carried_by_the_out(self, new: Decided, row: tuple[int, ...]) -> str | None:
        out = [r for r, phase in enumerate(new.phases) if phase in OUT and row[r] > 0]
        if not out or all(phase in OUT for phase in new.phases):
            return None
        return f"{self.names[out[0]]} is {new.phases[out[0]]} and gets {row[out[0]]} %"

    def _everybody_out(self, new: Decided) -> str | None:
        """Falls may never take the last one; a person's evacuation of all is another matter."""
        everybody = all(phase in OUT for phase in new.phases) and not self.world.sky.evacuated
        return "every region is out of traffic" if everybody else None

    def _fell(self, region: int, new: Decided, before: Decided) -> str | None:
        if new.phases[region] != "drained" or before.phases[region] in OUT:
            return None
        if before.phases[region] == "active":
            self.falls.append(new.at_ms)
        truth = self.truth
        lookback = self._lookback_ms(region)
        wrong_ms = max(truth.ill_until_ms[region], truth.full_unseen_ms[region])
        lied = truth.lied_about_ms[region] >= LIE_MS or truth.liars[region] >= LIARS
        if new.at_ms - wrong_ms <= lookback or lied:
            return None
        return f"{self.names[region]} was taken out though nothing is wrong with it: {new.reason}"

    def _lookback_ms(self, region: int) -> int:
        """How long a fault that is over can be read: the shortest window, a scrape, and three ticks."""
        fleet = self.scenario.fleet
        if self.world.engines[region].rate / self.world.size < MANY_PER_SECOND:
            return LOOKBACK_QUIET_MS
        late = max(self.world.sky.metrics_late_ms)
        return fleet.shortest_window_ms + fleet.scrape_interval_ms + 3 * fleet.interval_ms + late

    def _dark_gain(self, region: int, new: Decided, before: Decided) -> str | None:
        since = self.truth.dark_ms[region]
        if since is None or new.at_ms - since <= 4 * self.scenario.fleet.interval_ms:
            return None
        gains = [new.rows[e][region] - before.rows[e][region] for e in range(len(new.rows))]
        return f"{self.names[region]} cannot be seen and gains {max(gains)} points" if max(gains) > 0 else None

    def _big_step(self, entry: int, row: tuple[int, ...], new: Decided, before: Decided) -> str | None:
        if new.shown[entry] is None or before.shown[entry] is None:
            return None  # nobody knew where it was
        old = before.rows[entry]
        gained = sum(max(0, now - was) for now, was in zip(row, old, strict=True))
        freed = sum(was for was, phase in zip(old, new.phases, strict=True) if phase in OUT)
        most = self.scenario.fleet.max_step + freed
        return f"entry {self.names[entry]} moves {gained} points, {most} may" if gained > most else None

    def _loads(self, rows: Sequence[Sequence[int] | None], demand: Sequence[float] | None = None) -> list[float]:
        demand = self.world.demand if demand is None else demand
        loads = [0.0] * self.world.size
        for entry, row in enumerate(rows):
            if row is not None and not self.world.sky.cut[entry]:
                for region, weight in enumerate(row):
                    loads[region] += demand[entry] * weight / 100
        return loads

    def _roomy(self, region: int, rows: Sequence[Sequence[int] | None], phases: Sequence[str]) -> str | None:
        """Another region that is well, in traffic, and has room while this one has none.

        Room for what enters now, and for what entered within the minutes that Leeward plans for. Well for so long that
        no window tells of its illness, and that it is not kept failed until it has been clean.
        """
        capacity, planned = self.world.capacity(region), self._loads(rows, self.truth.highest_demand())
        loads = self._loads(rows)
        slack = len(loads) * sum(self.world.demand) / 100  # whole percent
        if loads[region] <= OVERLOAD * capacity + slack:
            return None
        for other, load in enumerate(loads):
            if other == region or not self._settled(other) or phases[other] != "active":
                continue
            if max(load, planned[other]) + slack < ROOM * self.world.capacity(other):
                return (
                    f"{self.names[region]} gets {loads[region]:.1f} of {capacity:.0f} requests/s, "
                    f"while {self.names[other]} has {load:.1f} of {self.world.capacity(other):.0f}"
                )
        return None

    def _settled(self, region: int) -> bool:
        """Well, and counted as well."""
        now, well = self.world.now_ms, self.truth.well_ms[region]
        ill_for = self._lookback_ms(region) + self.scenario.fleet.clean_after_failed_ms
        return well is not None and now - well >= SETTLED_MS and now - self.truth.ill_until_ms[region] > ill_for

    def _clear(self, settled_ms: int | None = None) -> bool:
        """Leeward can know demand and capacity: rates that miss a part of their window read low."""
        if settled_ms is None:
            settled_ms = max(
                SETTLED_MS, self.scenario.fleet.shortest_window_ms + self.scenario.fleet.scrape_interval_ms
            )
        now, truth = self.world.now_ms, self.truth
        return now - max(truth.blurred_until_ms, truth.demand_moved_ms, truth.frozen_until_ms) > settled_ms

    def _piled_on(self, region: int, new: Decided, before: Decided) -> str | None:
        if not self._clear() or self._since_start < 4 or self.truth.gone_ms[region] is not None:
            return None  # what is gone has a rule of its own
        old, loads = self._loads(before.rows), self._loads(new.rows)
        return self._roomy(region, new.rows, new.phases) if loads[region] > old[region] + 0.01 else None

    def _overloaded(self, region: int, able_ms: int | None) -> str | None:
        now = self.world.now_ms
        others_ill = any(ill and phase not in OUT for ill, phase in self._ill_in_traffic())
        if self.last is None or able_ms is None or not self._clear() or others_ill:
            self._over_since[region] = None
            return None
        found = self._roomy(region, self.world.rows, self.last.phases)
        if found is None:
            self._over_since[region] = None
            return None
        since = self._over_since[region]
        self._over_since[region] = since = now if since is None else since
        return f"{found}, for {(now - since) // 1000} s" if now - max(since, able_ms) > OVERLOAD_MS else None

    def _ill_in_traffic(self) -> Iterator[tuple[bool, str]]:
        for region, until in enumerate(self.truth.ill_until_ms):
            phase = self.last.phases[region] if self.last else "active"
            yield self.world.now_ms - until < LOOKBACK_MS, phase

    def _exposed(self, region: int, able_ms: int | None) -> str | None:
        return self.exposure.sentence(region, able_ms, self.last.phases if self.last else None, self.falls)

    def _stale(self, landed: Landed) -> str | None:
        write, newest = landed.write, self._newest[landed.write.entry]
        if not landed.accepted:
            return None
        this = (write.term, write.decided_ms)
        if this < newest:
            return f"entry {self.names[write.entry]} took a row of term {this[0]}, {this[1] / 1000:g} s, after {newest}"
        self._newest[write.entry] = this
        return None

    def _jump(self, landed: Landed) -> str | None:
        """Whatever the operator knew: nobody has fallen, and an entry's row changes by more than a step."""
        quiet = not self.falls and self.last is not None and set(self.last.phases) == {"active"}
        entry = landed.write.entry
        late, self._closed[entry] = self._closed[entry], self.truth.open_ms[entry] is None
        if landed.before is None or not landed.accepted or not quiet or late or not self._clear(0):
            return None
        pairs = zip(landed.before, landed.write.row, strict=True)
        moved = sum(max(0, after - was) for was, after in pairs)
        if moved <= self.scenario.fleet.max_step:
            return None
        return f"entry {self.names[entry]} jumps from {landed.before} to {landed.write.row}"

    def _loud(self, new: Decided) -> str | None:
        """Nothing has been wrong, or not for an hour; demand is far from capacity; and weights move."""
        faulty = self.truth.faulty_until_ms
        quiet = faulty is None or new.at_ms - faulty > HOUR_MS
        loads = self._loads(self.world.rows)
        roomy = shares_wanted(self.scenario.fleet) is not None and all(
            2 * load < 0.75 * self.world.capacity(region) for region, load in enumerate(loads)
        )
        return f"a write without a cause: {new.reason}" if quiet and roomy else None

    def _note(self, rule: str, where: int, sentence: str | None) -> None:
        if sentence is not None and (rule, where) not in self._told:
            self._told.add((rule, where))
            self.violations.append(Violation(self.world.now_ms, rule, sentence))


def _unsound(row: tuple[int, ...], size: int) -> str | None:
    if len(row) == size and sum(row) == 100 and all(0 <= weight <= 100 for weight in row):
        return None
    return f"{row} is no row"

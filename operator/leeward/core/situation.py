"""A tick's working value: the input, its parts brought in line, and the verdicts that follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from leeward.core import kinds
from leeward.core.demand import MARGIN, entry_demand, remember_rate
from leeward.core.health import Assessment, assess, readings_by_region, self_suspicion
from leeward.core.kinds import Rules
from leeward.core.learning import learn
from leeward.core.memory import Memory, RegionMemory
from leeward.core.phases import OUT_OF_TRAFFIC, Phase
from leeward.core.settle import settle
from leeward.core.snapshot import RegionReadings, Snapshot
from leeward.core.spec import ModelSpec, TrafficPolicy
from leeward.core.verdict import Verdict

Row = dict[str, int]


@dataclass(frozen=True, slots=True)
class Situation:
    """`rows` is what each cluster holds (None: not read); `memory` already has this tick's verdicts."""

    spec: ModelSpec
    snapshot: Snapshot
    memory: Memory
    assessments: Mapping[str, Assessment]
    readings: Mapping[str, RegionReadings]
    rows: Mapping[str, Row | None]
    suspicion: str | None
    elapsed_ms: int
    now_ms: int

    def carries(self, name: str) -> bool:
        """Does the region have weight, in what was read or last decided? Yes, where nothing is known."""
        rows = [dict(row) for _, row in self.memory.weights]
        rows += [row for row in self.rows.values() if row is not None]
        return not rows or any(row.get(name, 0) > 0 for row in rows)

    def sends(self, entry: str, name: str) -> bool:
        """Does this entry send anything there, in what was read or last decided?"""
        rows = [dict(self.memory_rows.get(entry, ())), self.rows[entry] or {}]
        return any(row.get(name, 0) > 0 for row in rows)

    def carried(self) -> dict[str, Fraction]:
        """Requests per second that each region should get by the rows in force, without the margin of demand."""
        demand = entry_demand(self.spec, self.memory.regions)
        load = dict.fromkeys(self.spec.region_names, Fraction(0))
        for entry, wanted in demand.items():
            for name, weight in dict(self.memory_rows.get(entry, (self.rows[entry] or {}).items())).items():
                if name in load:
                    load[name] += wanted / MARGIN * weight / 100
        return load

    def limps(self, name: str) -> bool:
        """Does a region that failed still carry traffic, and is it known to answer a part of it?"""
        region, seen = self.memory.region(name), self.assessments[name]
        answers = seen.verdict is not Verdict.UNKNOWN and not seen.definitive and seen.harm < 1
        in_traffic = region.phase not in OUT_OF_TRAFFIC and name not in self.snapshot.evacuated and self.carries(name)
        return region.verdict is Verdict.FAILED and answers and in_traffic

    @property
    def memory_rows(self) -> dict[str, tuple[tuple[str, int], ...]]:
        """The rows last decided."""
        return dict(self.memory.weights)

    @property
    def pinned(self) -> bool:
        """Are a person's weights in force?"""
        return self.snapshot.pin is not None and self.now_ms < self.snapshot.pin.until_ms

    def serves(self, name: str) -> bool:
        """Is the region known to be able to take traffic?"""
        region = self.memory.region(name)
        return (
            region.verdict in (Verdict.HEALTHY, Verdict.DEGRADED)
            and region.phase not in OUT_OF_TRAFFIC
            and name not in self.snapshot.evacuated
        )


def survey(spec: ModelSpec, snapshot: Snapshot, memory: Memory, now_ms: int) -> Situation:
    """Assess: verdicts for every region, debounced with what is remembered."""
    rows = {name: _readable(snapshot, name, spec.region_names) for name in spec.region_names}
    readings = readings_by_region(spec, snapshot)
    past = _attend(spec, rows, readings, memory, now_ms)
    elapsed = 0 if past.last_tick_ms is None else max(0, now_ms - past.last_tick_ms)
    elapsed = min(elapsed, 3 * max(1, spec.interval_ms))
    assessments = assess(spec, snapshot, past, now_ms)
    rules = Rules.of(spec)
    settled = {name: settle(spec, past.region(name), seen, now_ms, elapsed) for name, seen in assessments.items()}
    if any(row is not None for row in rows.values()) and any(region.been_ready for region in settled.values()):
        settled = {name: _absent(region, readings[name], rules) for name, region in settled.items()}
    regions = {
        name: _remember(spec, region, readings[name], rules, (now_ms, elapsed)) for name, region in settled.items()
    }
    suspicion = self_suspicion(snapshot, rules)
    suspected = past.suspected_ms if suspicion is None else now_ms
    remembered = replace(past, regions=regions, last_tick_ms=now_ms, suspected_ms=suspected)
    return Situation(spec, snapshot, remembered, assessments, readings, rows, suspicion, elapsed, now_ms)


def _readable(snapshot: Snapshot, entry: str, names: tuple[str, ...]) -> Row | None:
    """The row a cluster holds, over the spec's regions; a row that is no row was not read."""
    for name, row in snapshot.weights:
        if name == entry and all(weight >= 0 for _, weight in row):
            weights = dict(row)
            return {region: weights.get(region, 0) for region in names}
    return None


def _attend(
    spec: ModelSpec,
    rows: Mapping[str, Row | None],
    readings: Mapping[str, RegionReadings],
    memory: Memory,
    now_ms: int,
) -> Memory:
    """Memory of exactly the spec's regions, with no time in the future.

    An entry's row that is read for the first time since the start is from before it: users were let in where it has
    weight, and it knows better than a record, which may be old. A memory that knows nothing, in a fleet that has
    weights, was lost: a region found without weight then has to earn it back, because nobody knows why it was taken.
    """
    lost = not memory.regions
    new = [n for n in rows if n not in memory.read and (rows[n] is not None or readings[n].api_answers is True)]
    found = {entry: row for entry in new if (row := rows[entry]) is not None}
    recorded = [dict(row) for entry, row in memory.weights if entry in found]
    whole = {entry: row for entry, row in found.items() if sum(row.values()) == 100}
    regions = {}
    for region in spec.regions:
        known = memory.regions.get(region.name)
        if known is None:
            known = RegionMemory(since_ms=now_ms, phase_since_ms=now_ms, first_seen_ms=now_ms)
            if lost and region.share > 0 and _found_empty(spec, rows, region.name):
                known = _left(known, now_ms, "found without weight, and nothing remembered")
        if any(row[region.name] for row in found.values()):
            known = replace(known, been_ready=True)
        had = known.been_ready and any(row.get(region.name) for row in recorded)
        in_traffic = known.phase in (Phase.ACTIVE, Phase.RECOVERING)
        if had and in_traffic and _found_empty(spec, rows, region.name):  # by a predecessor that left no record of it
            known = _left(known, now_ms, "found without weight, which no record explains")
        regions[region.name] = _no_later_than(known, now_ms)
    return replace(
        memory,
        regions=regions,
        weights=tuple((entry, tuple(whole.get(entry, dict(row)).items())) for entry, row in memory.weights),
        read=(*memory.read, *new),
        writes=tuple(min(ms, now_ms) for ms in memory.writes),
        failovers=tuple(min(ms, now_ms) for ms in memory.failovers),
    )


def _left(known: RegionMemory, now_ms: int, reason: str) -> RegionMemory:
    """It has to earn its weight back."""
    return replace(
        known,
        settled=Verdict.FAILED,
        since_ms=now_ms,
        phase=Phase.DRAINED,
        phase_since_ms=now_ms,
        phase_reason=reason,
        fell_ms=now_ms,
        clean_ms=0,
        step=0,
    )


def _found_empty(spec: ModelSpec, rows: Mapping[str, Row | None], name: str) -> bool:
    """No weight at the entries that tell: under LocalFirst at all, its own among them; else at those of other regions.

    A region that was cut off when it was taken out still has the row of before at its own entry.
    """
    read = {entry: row for entry, row in rows.items() if row is not None}
    if spec.traffic.policy is TrafficPolicy.SHARES:
        others = {entry: row for entry, row in read.items() if entry != name}
        return bool(read) and not any(row[name] for row in (others or read).values())
    return name in read and not any(row[name] for row in read.values())


_TIMES = (
    "since_ms",
    "phase_since_ms",
    "step_since_ms",
    "penalty_at_ms",
    "first_seen_ms",
    "replicas_at_ms",
    "fell_ms",
    "healed_ms",
    "outage_ms",
)


def _no_later_than(region: RegionMemory, now_ms: int) -> RegionMemory:
    """No time in the future: clocks differ between operators."""
    late = {name: now_ms for name in _TIMES if (getattr(region, name) or 0) > now_ms}
    return replace(region, **late) if late else region  # type: ignore[arg-type]  # each of _TIMES is an int


def _absent(region: RegionMemory, readings: RegionReadings, rules: Rules) -> RegionMemory:
    """Users are let in: a region that has no replica and never had one carries nothing, whatever it is declared to."""
    ready = readings.ready
    if region.been_ready:
        return replace(region, ready_known=None) if region.ready_known == 0 else region
    nobody = ready is not None and ready.ready == 0 and kinds.sound_ready(ready, rules)
    return replace(region, ready_known=0) if nobody else region


def _remember(
    spec: ModelSpec, region: RegionMemory, readings: RegionReadings, rules: Rules, moment: tuple[int, int]
) -> RegionMemory:
    """Last positive ready count, what a replica carries, and the rate that enters."""
    now_ms, elapsed_ms = moment
    ready = readings.ready
    if ready is not None and ready.ready not in (0, region.ready_known) and kinds.sound_ready(ready, rules):
        region = replace(region, ready_known=ready.ready)
    region = learn(spec, region, readings, rules, elapsed_ms)
    return remember_rate(region, readings.entry_requests_per_second, now_ms)

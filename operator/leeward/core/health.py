"""Opinions become a verdict; the first match wins.

unknown     the observer suspects itself: it reaches fewer than half of the others, or its queries fail
failed now  REACH down at every trusted observer, two at least, or one plus a bad kind or a failing probe
unknown     the region is starting: it never had a ready replica, and its grace is not over
failed now  no replica is ready, and the newest probe of every path failed (or none in two ticks, and OUTCOME is bad)
failed      two kinds bad, one of them user-visible, as two observers see it; or OUTCOME bad at two sensors,
            eight times at each
failed      another region is clearly better, and OUTCOME has been bad for 60 s on 200 samples, or PROBE for 60 s
            on 50, or (slow) the slow pair of windows has burned at two sensors for 60 s
unknown     fewer than two kinds have an opinion, or neither API server nor Prometheus answers
degraded    any kind below good
healthy     every kind good

A sensor that calls every region bad suspects itself and is not heard (an engine's counters are a sensor of
their own region). The entry of a region that is out of traffic is not heard either: it may be cut off itself.
Slowness of a saturated region can only degrade, as long as OUTCOME and PROBE are not bad, and while windows tell of it.
What a verdict needs over time (2 of 3 ticks, clean time) is in settle.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from leeward.core import kinds, responses
from leeward.core.fullness import Fullness, excuse, fullness, idle_ms
from leeward.core.kinds import USER_VISIBLE, Kind, Level, Opinion, Rules, fresh
from leeward.core.memory import Memory, RegionMemory
from leeward.core.phases import OUT_OF_TRAFFIC
from leeward.core.snapshot import Counts, RegionReadings, Snapshot
from leeward.core.spec import ModelSpec, RegionSpec
from leeward.core.verdict import Verdict

PROOF = 8  # bad responses at each of two sensors: five of thirty may be a burst of seconds
LONG_BAD_MS = 60_000
LONG_BAD_SAMPLES: Mapping[Kind, int] = {Kind.OUTCOME: 200, Kind.PROBE: 50}


@dataclass(frozen=True, slots=True)
class Assessment:
    """One region this tick, before debouncing. `score` is 1 at best; None: nothing is known."""

    name: str
    verdict: Verdict
    definitive: bool
    reason: str
    score: Fraction | None
    opinions: tuple[Opinion, ...]
    fullness: Fullness = Fullness.UNKNOWN
    slow: bool = False  # failed, but by few errors for long: left only for regions that can carry it

    @property
    def harm(self) -> Fraction:
        """The share of requests that goes wrong here, as the worst kind that users see has counted it."""
        seen = (o.share for o in self.opinions if o.kind in USER_VISIBLE and o.level is not Level.GOOD)
        return max(seen, default=Fraction(0))

    @property
    def clean(self) -> bool:
        """Healthy, and so by the stricter rule that leads back."""
        return self.verdict is Verdict.HEALTHY and all(o.clean for o in self.opinions)

    def level(self, kind: Kind) -> Level | None:
        """What one kind says, if anything."""
        return next((o.level for o in self.opinions if o.kind is kind), None)


def assess(spec: ModelSpec, snapshot: Snapshot, memory: Memory, now_ms: int) -> dict[str, Assessment]:
    """Every region of the spec, in its order."""
    rules = Rules.of(spec)
    readings = readings_by_region(spec, snapshot)
    suspicion = self_suspicion(snapshot, rules)
    outcomes = {name: read.outcomes for name, read in readings.items()}
    out = {name for name in readings if memory.region(name).phase in OUT_OF_TRAFFIC}
    outcome_liars = (_liars(outcomes, memory, rules, now_ms) | out) - {kinds.ENGINE}
    probe_liars = _liars({name: read.probes for name, read in readings.items()}, memory, rules, now_ms)
    probe_liars |= {f"via {name}" for name in out}
    heard = {
        name: replace(
            read,
            probe_failing=_probe_fails(read, rules),
            outcomes=_trusted(read.outcomes, outcome_liars, rules),
            probes=_trusted(read.probes, probe_liars, rules),
        )
        for name, read in readings.items()
    }
    full = fullness(spec, readings, memory, rules, now_ms)
    opinions = {
        r.name: excuse(
            _opinions(r, heard[r.name], memory, now_ms, rules), full[r.name], memory.region(r.name), now_ms, rules
        )
        for r in spec.regions
    }
    return {
        r.name: replace(
            _assess_region(spec, r, heard[r.name], opinions, memory, now_ms, suspicion), fullness=full[r.name]
        )
        for r in spec.regions
    }


def readings_by_region(spec: ModelSpec, snapshot: Snapshot) -> dict[str, RegionReadings]:
    """Readings of every region of the spec; empty ones where the snapshot has none."""
    seen = {readings.name: readings for readings in reversed(snapshot.regions)}
    return {name: seen.get(name, RegionReadings(name)) for name in spec.region_names}


def self_suspicion(snapshot: Snapshot, rules: Rules) -> str | None:
    """Why the observer of this snapshot should not believe itself, if so."""
    if snapshot.observer_queries_fail:
        return f"observer {snapshot.observer} suspects itself: its own queries fail"
    own = [
        reading
        for region in snapshot.regions
        for reading in region.reach
        if reading.observer == snapshot.observer and kinds.sound_reach(reading, rules)
    ]
    if any(2 * reading.reached_others < reading.total_others for reading in own):
        return f"observer {snapshot.observer} suspects itself: it reaches fewer than half of the others"
    return None


def reach_back(region: RegionMemory, now_ms: int) -> int | None:
    """How far back windows may reach: to the last fall, or to the end of the last outage or illness."""
    marks = [ms for ms in (region.fell_ms, region.outage_ms, region.healed_ms) if ms is not None]
    return max(0, now_ms - max(marks)) if marks else None


def _trusted(sensors: tuple[Counts, ...], liars: set[str], rules: Rules) -> tuple[Counts, ...]:
    return tuple(c for c in sensors if c.sensor not in liars and kinds.fresh(c.age_ms, rules.stale_scrape_ms))


def _liars(sensors: dict[str, tuple[Counts, ...]], memory: Memory, rules: Rules, now_ms: int) -> set[str]:
    """Sensors that call every region bad, of two at least. Where it counts little and nothing bad, it calls it good."""
    heard: dict[str, list[Level]] = {}
    for name, counts in sensors.items():
        for sensor in _trusted(counts, set(), rules):
            back = reach_back(memory.region(name), now_ms)
            tallies = kinds.windows(sensor, back)
            tally = kinds.shortest_with(tallies, kinds.MIN_SAMPLES)
            if tally is not None:
                heard.setdefault(sensor.sensor, []).append(rules.errors.judge(tally)[0])
            elif any(each.total >= responses.MIN_PROBES and not each.bad for each in tallies):
                heard.setdefault(sensor.sensor, []).append(Level.GOOD)
    return {sensor for sensor, levels in heard.items() if len(levels) > 1 and set(levels) == {Level.BAD}}


def _probe_fails(read: RegionReadings, rules: Rules) -> bool:
    """The newest probe of every path failed, and that is not old news."""
    recent = not read.probes or any(kinds.fresh(c.age_ms, rules.stale_scrape_ms) for c in read.probes)
    return read.probe_failing is True and recent


def _opinions(
    region: RegionSpec, read: RegionReadings, memory: Memory, now_ms: int, rules: Rules
) -> tuple[Opinion, ...]:
    past = memory.region(region.name)
    back = reach_back(past, now_ms)
    unhurried = min((ms for ms in (back, idle_ms(past, now_ms)) if ms is not None), default=None)
    trusted = None if memory.suspected_ms is None else now_ms - memory.suspected_ms
    slow = read.latency if read.latency and kinds.fresh(read.latency.age_ms, rules.stale_scrape_ms) else None
    found = (
        responses.outcome(read.outcomes, rules, back, region.name),
        responses.latency(slow, rules, unhurried),
        responses.probe(read.probes, bool(read.probe_failing), rules, unhurried, trusted),
        kinds.ready(read.ready, region.replicas_min, rules),
        kinds.reach(read.reach, rules),
    )
    return tuple(opinion for opinion in found if opinion is not None)


def _assess_region(
    spec: ModelSpec,
    region: RegionSpec,
    read: RegionReadings,
    fleet: dict[str, tuple[Opinion, ...]],
    memory: Memory,
    now_ms: int,
    suspicion: str | None,
) -> Assessment:
    mine, past = fleet[region.name], memory.region(region.name)
    score = _worst(mine)
    if suspicion is not None:
        return Assessment(region.name, Verdict.UNKNOWN, False, suspicion, score, mine)
    starting = _starting(spec, past, mine, now_ms)
    gone = _cut_off(mine, read) or (None if starting else _crashed(mine, read, Rules.of(spec)))
    if gone is not None:
        return Assessment(region.name, Verdict.FAILED, True, gone, score, mine)
    if starting:
        return Assessment(region.name, Verdict.UNKNOWN, False, "starting: no replica has been ready yet", score, mine)
    better = any(o.level is not Level.GOOD for o in mine) and _others_better(spec, region.name, fleet)
    reason = _corroborated(mine) or (_long_bad(mine, past, now_ms) if better else None)
    if reason is not None:
        return Assessment(region.name, Verdict.FAILED, False, reason, score, mine)
    reason = _slow_failure(spec, mine, past, now_ms) if better else None
    if reason is not None:
        return Assessment(region.name, Verdict.FAILED, False, reason, score, mine, slow=True)
    return Assessment(region.name, *_lesser(mine, read), score, mine)


def _crashed(mine: tuple[Opinion, ...], read: RegionReadings, rules: Rules) -> str | None:
    """No replica is ready, and those who ask it say the same: probes, or the gateways where there are none."""
    bad = {o.kind: o for o in mine if o.level is Level.BAD}
    if Kind.READY not in bad:
        return None
    if read.probe_failing:
        return f"{bad[Kind.READY].sentence} and probes fail"
    unanswered = not any(fresh(c.age_ms, rules.probed_ms) for c in read.probes) and Kind.OUTCOME in bad
    return f"{bad[Kind.READY].sentence}; {bad[Kind.OUTCOME].sentence}" if unanswered else None


def _cut_off(mine: tuple[Opinion, ...], read: RegionReadings) -> str | None:
    down = next((o for o in mine if o.kind is Kind.REACH), None)
    if down is None or down.level is not Level.BAD:
        return None
    if down.bad_sensors >= 2:
        return down.sentence
    others = [o.kind.value for o in mine if _agrees(o, down)]
    if read.probe_failing and Kind.PROBE.value not in others:
        others.append(Kind.PROBE.value)
    return f"{down.sentence}; {', '.join(others)} bad too" if others else None


def _agrees(other: Opinion, down: Opinion) -> bool:
    """Another kind that is bad, and not only in the eyes of the same observer."""
    return other is not down and other.level is Level.BAD and not set(other.sensors) <= set(down.sensors)


def _starting(spec: ModelSpec, past: RegionMemory, mine: tuple[Opinion, ...], now_ms: int) -> bool:
    in_grace = not past.been_ready and now_ms - past.first_seen_ms < spec.guards.starting_grace_ms
    return in_grace and not shows_ready(mine)


def shows_ready(opinions: tuple[Opinion, ...]) -> bool:
    """Someone answers: a replica is ready, or probes get their completions."""
    levels = {o.kind: o.level for o in opinions}
    return levels.get(Kind.READY, Level.BAD) is not Level.BAD or levels.get(Kind.PROBE) is Level.GOOD


def _corroborated(mine: tuple[Opinion, ...]) -> str | None:
    bad = [o for o in mine if o.level is Level.BAD]
    if any(o.kind is Kind.OUTCOME and o.proof >= PROOF for o in bad):
        return next(o.sentence for o in bad if o.kind is Kind.OUTCOME)
    observers = {sensor for o in bad for sensor in o.sensors}
    if len(bad) >= 2 and len(observers) >= 2 and any(o.kind in USER_VISIBLE for o in bad):
        return "; ".join(o.sentence for o in bad)
    return None


def _others_better(spec: ModelSpec, name: str, fleet: dict[str, tuple[Opinion, ...]]) -> bool:
    """Is another region clearly better, as far as two kinds tell?"""
    mine = _worst(fleet[name]) or Fraction(0)
    scores = [_worst(ops) for other, ops in fleet.items() if other != name and len(ops) >= 2]
    return any(score is not None and score >= mine + spec.guards.advantage for score in scores)


def _worst(opinions: tuple[Opinion, ...]) -> Fraction | None:
    """The least score; None without opinions."""
    below = [opinion.score for opinion in opinions if opinion.score is not kinds.ONE]
    return min(below) if below else kinds.ONE if opinions else None


def _long_bad(mine: tuple[Opinion, ...], past: RegionMemory, now_ms: int) -> str | None:
    since = {Kind.OUTCOME: past.outcome_bad_since_ms, Kind.PROBE: past.probe_bad_since_ms}
    for opinion in mine:
        began = since.get(opinion.kind)
        enough = opinion.level is Level.BAD and opinion.samples >= LONG_BAD_SAMPLES.get(opinion.kind, 0)
        if enough and began is not None and now_ms - began >= LONG_BAD_MS:
            return f"{opinion.sentence}, for a minute"
    return None


def _slow_failure(spec: ModelSpec, mine: tuple[Opinion, ...], past: RegionMemory, now_ms: int) -> str | None:
    """Errors at six times the budget or more, at two sensors, for long, and to this moment."""
    opinion = next((o for o in mine if burns(o)), None)
    began, hold_ms = past.burning_since_ms, spec.guards.slow_failure_hold_ms
    if opinion is None or opinion.newest is Level.GOOD or began is None or now_ms - began < hold_ms:
        return None
    return f"{opinion.sentence}, for {hold_ms // 1000} s"


def burns(opinion: Opinion) -> bool:
    """Do two sensors see too many errors for too long?"""
    return opinion.kind is Kind.OUTCOME and opinion.burning_sensors >= 2


def _lesser(mine: tuple[Opinion, ...], read: RegionReadings) -> tuple[Verdict, bool, str]:
    """What is neither failed nor starting; never definitive."""
    if len(mine) < 2:
        heard = ", ".join(o.kind.value for o in mine) or "nothing"
        return Verdict.UNKNOWN, False, f"fewer than two kinds have a fresh reading ({heard})"
    if read.api_answers is False and read.metrics_answer is False:
        return Verdict.UNKNOWN, False, "neither the API server nor Prometheus answers"
    below = [o for o in mine if o.level is not Level.GOOD]
    if below:
        return Verdict.DEGRADED, False, "; ".join(o.sentence for o in below)
    return Verdict.HEALTHY, False, f"{', '.join(o.kind.value for o in mine)} good"

"""Signals become opinions, one per independent kind: good, fair, bad, or none.

OUTCOME  bad responses as entries and engines counted them     user-visible
LATENCY  requests slower than the objective                    user-visible
PROBE    real completions that failed, were wrong or slow      user-visible
READY    ready replicas over wanted ones
REACH    does the gateway answer at all, per observer

A share of bad is bad when its lower Wilson bound reaches the kind's bad threshold and at least two samples
were bad; good when the bound is at most the kind's good share; fair between. The *score* falls linearly from
1 (good) to 0 (bad) in steps of a twentieth. For OUTCOME and PROBE, with error budget b, good is b and bad is
14.4 b kept between 5 % and 50 %; for LATENCY good is 1 − percentile and bad four times that.

The shortest window with 20 samples speaks. After a fall, windows that reach back beyond it are void: they
tell of the outage that is over. *Clean* is stricter than good: it is what leads back to healthy.
Absurd and stale readings are no readings. No reading is no opinion, never a bad one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from fractions import Fraction

from leeward.core.snapshot import Counts, LoadReading, ReachReading, ReadyReading, Tally
from leeward.core.spec import ModelSpec
from leeward.core.wilson import lower_bound, upper_bound

MIN_SAMPLES = 20
RECOVERY_SAMPLES = 73  # the fewest with which 0 bad shows an upper bound of at most 5 %
REACH_DOWN_MS = 3_000
ENGINE = "engine"


class Kind(StrEnum):
    """Independent ways to know."""

    OUTCOME = "OUTCOME"
    LATENCY = "LATENCY"
    PROBE = "PROBE"
    READY = "READY"
    REACH = "REACH"


class Level(IntEnum):
    """What one kind says."""

    BAD = 0
    FAIR = 1
    GOOD = 2


USER_VISIBLE = frozenset({Kind.OUTCOME, Kind.LATENCY, Kind.PROBE})


@dataclass(frozen=True, slots=True)
class Opinion:
    """One kind's opinion of one region. `bad_sensors` and `samples` count what speaks for bad."""

    kind: Kind
    level: Level
    score: Fraction
    clean: bool
    sentence: str
    bad_sensors: int = 0
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Good and bad shares of one kind."""

    good: Fraction
    bad: Fraction

    def judge(self, tally: Tally) -> tuple[Level, Fraction]:
        """Level and score of one tally."""
        lower = lower_bound(tally.bad, tally.total)
        if tally.bad < 2 or lower <= self.good:
            return Level.GOOD, Fraction(1)
        if lower >= self.bad:
            return Level.BAD, Fraction(0)
        return Level.FAIR, Fraction(int(20 * (self.bad - lower) / (self.bad - self.good)), 20)


@dataclass(frozen=True, slots=True)
class Rules:
    """A spec's thresholds, worked out once a tick."""

    errors: Bounds
    slowness: Bounds
    stale_scrape_ms: int
    stale_ms: int

    @classmethod
    def of(cls, spec: ModelSpec) -> "Rules":
        """Thresholds by the formulas at the top of the file, for any spec however absurd."""
        budget = min(max(spec.objectives.error_budget, Fraction(0)), Fraction(1))
        bad = min(max(budget * Fraction(144, 10), Fraction(1, 20)), Fraction(1, 2))
        slow = min(max(1 - Fraction(spec.objectives.ttft_percentile, 100), Fraction(0)), Fraction(1))
        slow_bad = min(max(4 * slow, Fraction(1, 20)), Fraction(9, 10))
        interval = max(spec.interval_ms, 1)
        return cls(
            Bounds(min(budget, bad), bad),
            Bounds(min(slow, slow_bad), slow_bad),
            3 * max(interval, spec.scrape_interval_ms),
            3 * interval,
        )


def fresh(age_ms: int, limit_ms: int) -> bool:
    """A reading from the future is as useless as a stale one."""
    return 0 <= age_ms <= limit_ms


def windows(counts: Counts, reach_back_ms: int | None) -> tuple[Tally, ...]:
    """A sensor's sound tallies, shortest first; none but the shortest reaches back too far."""
    sound = sorted((t for t in counts.tallies if t.window_ms > 0 and 0 <= t.bad <= t.total), key=lambda t: t.window_ms)
    if reach_back_ms is None:
        return tuple(sound)
    return tuple(t for t in sound if t is sound[0] or t.window_ms <= reach_back_ms)


def shortest_with(tallies: Iterable[Tally], samples: int) -> Tally | None:
    """The shortest window with enough samples."""
    return next((tally for tally in tallies if tally.total >= samples), None)


def outcome(sensors: tuple[Counts, ...], rules: Rules, reach_back_ms: int | None) -> Opinion | None:
    """The worst sensor speaks; how many sensors agree on bad is kept."""
    heard = []
    for counts in sensors:
        tallies = windows(counts, reach_back_ms)
        tally = shortest_with(tallies, MIN_SAMPLES)
        if tally is not None:
            recovered = _recovered(tallies, rules.errors)
            heard.append((*rules.errors.judge(tally), counts.sensor, tally, recovered))
    if not heard:
        return None
    level, score, _, worst, _ = min(heard, key=lambda h: (h[0], h[1], h[2]))
    bad = [(sensor, tally) for lev, _, sensor, tally, _ in heard if lev is Level.BAD]
    shown = bad or [(sensor, tally) for lev, _, sensor, tally, _ in heard if lev is level][:1]
    sentence = " and ".join(f"{_share(tally, 'responses bad')} at {sensor}" for sensor, tally in shown)
    clean = all(lev is Level.GOOD and recovered for lev, _, _, _, recovered in heard)
    samples = max((tally.total for _, tally in bad), default=worst.total)
    return Opinion(Kind.OUTCOME, level, score, clean, sentence, len(bad), samples)


def _recovered(tallies: tuple[Tally, ...], bounds: Bounds) -> bool:
    """Could as many as max(b, 5 %) still be bad? Asked only where the samples can answer."""
    tally = shortest_with(tallies, RECOVERY_SAMPLES)
    return tally is None or upper_bound(tally.bad, tally.total) <= max(bounds.good, Fraction(1, 20))


def latency(counts: Counts | None, rules: Rules, reach_back_ms: int | None) -> Opinion | None:
    """Share of requests slower than the objective."""
    tally = counts and shortest_with(windows(counts, reach_back_ms), MIN_SAMPLES)
    if not tally:
        return None
    level, score = rules.slowness.judge(tally)
    sentence = _share(tally, "requests slower than the objective")
    good, bad = level is Level.GOOD, level is Level.BAD
    return Opinion(Kind.LATENCY, level, score, good, sentence, int(bad), tally.total)


def probe(
    sensors: tuple[Counts, ...], failing: bool, rules: Rules, reach_back_ms: int | None, trusted_ms: int | None
) -> Opinion | None:
    """All paths pooled. Few probes can say good or fair, never bad; a newest probe that failed is fair.

    `trusted_ms` is how long the observer has trusted itself again: probes that it made before tell of itself.
    """
    tallies = _pooled(sensors, reach_back_ms)
    if trusted_ms is not None:
        tallies = tuple(tally for tally in tallies if tally.window_ms <= trusted_ms)
    if not tallies:
        return None
    tally = shortest_with(tallies, MIN_SAMPLES) or tallies[-1]
    level, score = rules.errors.judge(tally)
    if tally.total < MIN_SAMPLES and level is Level.BAD:
        level, score = Level.FAIR, Fraction(1, 2)
    if failing and level is Level.GOOD:
        level, score = Level.FAIR, Fraction(1, 2)
    clean = level is Level.GOOD and not failing and tallies[0].bad == 0
    sentence = _share(tally, "probes bad")
    return Opinion(Kind.PROBE, level, score, clean, sentence, int(level is Level.BAD), tally.total)


def _pooled(sensors: tuple[Counts, ...], reach_back_ms: int | None) -> tuple[Tally, ...]:
    by_window: dict[int, list[Tally]] = {}
    for counts in sensors:
        for tally in windows(counts, reach_back_ms):
            by_window.setdefault(tally.window_ms, []).append(tally)
    pooled = (
        Tally(window, sum(t.bad for t in group), sum(t.total for t in group))
        for window, group in sorted(by_window.items())
    )
    return tuple(tally for tally in pooled if tally.total > 0)


def ready(reading: ReadyReading | None, replicas_min: int, rules: Rules) -> Opinion | None:
    """Ready replicas, against the smaller of wanted and minimum: scaling up is not illness."""
    if not sound_ready(reading, rules) or reading is None:
        return None
    wanted = max(1, min(reading.desired, replicas_min)) if reading.desired else replicas_min
    if wanted <= 0 and reading.ready == 0:
        return None
    sentence = f"{reading.ready} of {max(reading.desired, wanted)} replicas ready"
    if reading.ready >= wanted:
        return Opinion(Kind.READY, Level.GOOD, Fraction(1), True, sentence)
    level = Level.FAIR if reading.ready else Level.BAD
    score = Fraction(reading.ready, wanted)
    return Opinion(Kind.READY, level, score, False, sentence, int(level is Level.BAD), 1)


def sound_ready(reading: ReadyReading | None, rules: Rules) -> bool:
    """A ready reading that is fresh and possible."""
    if reading is None or not fresh(reading.age_ms, rules.stale_ms):
        return False
    return reading.ready >= 0 and reading.desired >= 0


def reach(readings: tuple[ReachReading, ...], rules: Rules) -> Opinion | None:
    """Down at every observer that can be trusted is bad; `bad_sensors` counts those observers."""
    sound = [r for r in readings if sound_reach(r, rules)]
    trusted = [r for r in sound if r.total_others > 0 and 2 * r.reached_others >= r.total_others]
    down = sorted({r.observer for r in trusted if r.failing_ms >= REACH_DOWN_MS})
    answered = any(r.failing_ms < REACH_DOWN_MS and r.age_ms < REACH_DOWN_MS for r in trusted)
    if down:
        sentence = f"gateway does not answer {', '.join(down)}"
        level = Level.FAIR if answered else Level.BAD
        return Opinion(Kind.REACH, level, Fraction(int(answered), 2), False, sentence, len(down), len(down))
    if any(r.failing_ms == 0 for r in sound):
        return Opinion(Kind.REACH, Level.GOOD, Fraction(1), True, "gateway answers")
    return None


def sound_reach(reading: ReachReading, rules: Rules) -> bool:
    """A reach reading that is fresh and possible."""
    possible = reading.failing_ms >= 0 and 0 <= reading.reached_others <= reading.total_others
    return possible and fresh(reading.age_ms, rules.stale_ms)


def saturated(load: LoadReading | None, concurrency: int, rules: Rules) -> bool:
    """Requests wait and nearly every slot runs: slow because full, not because broken."""
    if load is None or not fresh(load.age_ms, rules.stale_ms):
        return False
    return load.waiting > 0 and concurrency > 0 and 10 * load.running >= 9 * concurrency


def _share(tally: Tally, what: str) -> str:
    return f"{tally.bad} of {tally.total} {what} in {tally.window_ms // 1000} s"

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

How the counted kinds are judged window by window stands in responses.py; READY and REACH are here. *Clean* is
stricter than good: it is what leads back to healthy. Absurd and stale readings are no readings. No reading is
no opinion, never a bad one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from fractions import Fraction
from functools import lru_cache
from operator import attrgetter

from leeward.core.snapshot import Counts, ReachReading, ReadyReading, Tally
from leeward.core.spec import ModelSpec, Objectives
from leeward.core.wilson import lower_bound, reaches

MIN_SAMPLES = 20
REACH_DOWN_MS = 3_000
FALL_MARGIN_MS = 15_000  # until the gateways have the new weights and what was under way has ended
SLOW_BURN = 6  # times the error budget
LEAST_SLOW_SHARE = Fraction(1, 50)
ENGINE = "engine"
ONE, ZERO = Fraction(1), Fraction(0)  # shared: most scores are 1, and looking is cheaper than comparing


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
    """One kind's opinion of one region. `bad_sensors` and `samples` count what speaks for bad.

    `sensors` are the observers that call it bad, `share` is the share of requests that are, as counted;
    `burning_sensors` are those at which errors are too many for long, bad ones included; `newest` is the
    worst level by the shortest windows alone; `proof` is how many bad ones two sensors have counted.
    """

    kind: Kind
    level: Level
    score: Fraction
    clean: bool
    sentence: str
    bad_sensors: int = 0
    samples: int = 0
    sensors: tuple[str, ...] = ()
    burning_sensors: int = 0
    share: Fraction = Fraction(0)
    newest: Level = Level.GOOD
    proof: int = 0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Good and bad shares of one kind."""

    good: Fraction
    bad: Fraction

    def judge(self, tally: Tally) -> tuple[Level, Fraction]:
        """Level and score of one tally."""
        if tally.bad < 2 or not reaches(tally.bad, tally.total, self.good):
            return Level.GOOD, ONE
        if reaches(tally.bad, tally.total, self.bad):
            return Level.BAD, ZERO
        lower = min(max(lower_bound(tally.bad, tally.total), self.good), self.bad)
        return Level.FAIR, Fraction(int(20 * (self.bad - lower) / (self.bad - self.good)), 20)


@dataclass(frozen=True, slots=True)
class Rules:
    """A spec's thresholds, worked out once a tick."""

    errors: Bounds
    slow_share: Fraction
    slowness: Bounds
    stale_scrape_ms: int
    stale_ms: int
    probed_ms: int  # a probe is due every tick
    shortest_window_ms: int

    @classmethod
    def of(cls, spec: ModelSpec) -> "Rules":
        """Thresholds by the formulas at the top of the file, for any spec however absurd."""
        return cls._by(spec.objectives, spec.interval_ms, spec.scrape_interval_ms)

    @classmethod
    @lru_cache(maxsize=256)
    def _by(cls, objectives: Objectives, interval_ms: int, scrape_interval_ms: int) -> "Rules":
        """The same thresholds serve every model with the same objectives."""
        budget = min(max(objectives.error_budget, Fraction(0)), Fraction(1))
        bad = min(max(budget * Fraction(144, 10), Fraction(1, 20)), Fraction(1, 2))
        slow = min(max(1 - Fraction(objectives.ttft_percentile, 100), Fraction(0)), Fraction(1))
        slow_bad = min(max(4 * slow, Fraction(1, 20)), Fraction(9, 10))
        interval = max(interval_ms, 1)
        return cls(
            Bounds(min(budget, bad), bad),
            min(max(SLOW_BURN * budget, LEAST_SLOW_SHARE), bad),
            Bounds(min(slow, slow_bad), slow_bad),
            3 * max(interval, scrape_interval_ms),
            3 * interval,
            2 * interval,
            shortest_window_ms(scrape_interval_ms),
        )


def shortest_window_ms(scrape_interval_ms: int) -> int:
    """The shortest window that outcomes are counted over: 30 s, or six scrapes."""
    return max(30_000, 6 * scrape_interval_ms)


def fresh(age_ms: int, limit_ms: int) -> bool:
    """A reading from the future is as useless as a stale one."""
    return 0 <= age_ms <= limit_ms


def windows(counts: Counts, reach_back_ms: int | None) -> tuple[Tally, ...]:
    """A sensor's sound tallies, shortest first; none but the shortest reaches back too far.

    A window ends where it was counted, `age_ms` ago, and requests that were under way at a fall still end
    after it: a window counts again once it begins FALL_MARGIN_MS after the fall.
    """
    sound = [t for t in counts.tallies if t.window_ms > 0 and 0 <= t.bad <= t.total]
    sound.sort(key=attrgetter("window_ms"))
    if reach_back_ms is None:
        return tuple(sound)
    reach = reach_back_ms - counts.age_ms - FALL_MARGIN_MS
    return tuple(t for t in sound if t is sound[0] or t.window_ms <= reach)


def shortest_with(tallies: Iterable[Tally], samples: int) -> Tally | None:
    """The shortest window with enough samples."""
    for tally in tallies:
        if tally.total >= samples:
            return tally
    return None


def ready(reading: ReadyReading | None, replicas_min: int, rules: Rules) -> Opinion | None:
    """Ready replicas, against the smaller of wanted and minimum: scaling up is not illness."""
    if not sound_ready(reading, rules) or reading is None:
        return None
    wanted = max(1, min(reading.desired, replicas_min)) if reading.desired else replicas_min
    if wanted <= 0 and reading.ready == 0:
        return None
    sentence = f"{reading.ready} of {max(reading.desired, wanted)} replicas ready"
    if reading.ready >= wanted:
        return Opinion(Kind.READY, Level.GOOD, ONE, True, sentence)
    level = Level.FAIR if reading.ready else Level.BAD
    score = Fraction(reading.ready, wanted)
    bad = level is Level.BAD
    return Opinion(Kind.READY, level, score, False, sentence, int(bad), 1, ("the API server",) if bad else ())


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
        score = Fraction(int(answered), 2)
        sensors = tuple(observer.removeprefix("via ") for observer in down)
        return Opinion(Kind.REACH, level, score, False, sentence, len(down), len(down), sensors)
    if any(r.failing_ms == 0 for r in sound):
        return Opinion(Kind.REACH, Level.GOOD, ONE, True, "gateway answers")
    return None


def sound_reach(reading: ReachReading, rules: Rules) -> bool:
    """A reach reading that is fresh and possible."""
    possible = reading.failing_ms >= 0 and 0 <= reading.reached_others <= reading.total_others
    return possible and fresh(reading.age_ms, rules.stale_ms)

"""The kinds that count responses: OUTCOME, LATENCY and PROBE, window by window.

The shortest window with 20 samples speaks. It does not say bad while a shorter one counts eight and nothing bad, nor
where the shortest is missing, as right after a time without metrics: nothing tells that it goes on. After a fall,
windows that reach back beyond it are void: they tell of the outage that is over.

The *slow pair* is for errors that are too few for that: when the share of bad in 5 m (by its lower Wilson
bound) and in 1 m (as counted) is at least 6 b, and 2 %, the sensor burns. Burning alone can only degrade; at two
sensors and for long enough it is a slow failure (health.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from leeward.core.kinds import ENGINE, MIN_SAMPLES, Bounds, Kind, Level, Opinion, Rules, shortest_with, windows
from leeward.core.snapshot import Counts, Tally
from leeward.core.wilson import reaches, stays_within

MIN_PROBES = 8  # of so few, three bad ones are no chance; 20 slow ones would take half a minute
RECOVERY_SAMPLES = 73  # the fewest with which 0 bad shows an upper bound of at most 5 %
RECOVERED = Fraction(1, 20)
SLOW_SHORT_MS, SLOW_LONG_MS = 60_000, 300_000
TOGETHER = "all entries"


@dataclass(frozen=True, slots=True)
class _Heard:
    """What one sensor says, on which tally. `burning`: the slow pair is above its rate."""

    level: Level
    score: Fraction
    sensor: str
    tally: Tally
    recovered: bool
    burning: bool
    samples: int
    proof: int
    newest: Level


def outcome(sensors: tuple[Counts, ...], rules: Rules, reach_back_ms: int | None, home: str = "") -> Opinion | None:
    """The worst sensor of region `home` speaks; how many sensors agree on bad, or burn, is kept.

    Several entries are also heard together. What is merely fair at one of them is then chance, unless it is fair at
    all of them in sum: many sensors are looked at, every tick. A single other entry that calls the region bad, while
    its own entry or its engine finds it good, tells of the way between the two; so does their sum, where only that one
    counts anything bad.
    """
    seen = [(counts.sensor, windows(counts, reach_back_ms)) for counts in sensors]
    heard = [h for sensor, tallies in seen if (h := _hear(sensor, tallies, rules)) is not None]
    entries = {sensor: tallies for sensor, tallies in seen if sensor != ENGINE and any(t.total > 0 for t in tallies)}
    together = _hear(TOGETHER, _pooled(list(entries.values())), rules) if len(entries) > 1 else None
    if together is not None:
        heard = [h if h.sensor == ENGINE or h.burning else _bad_or_good(h) for h in heard] + [together]
    if not heard:
        return None
    worst = min(heard, key=lambda h: (h.level, h.score, h.sensor))
    bad = _apart([h for h in heard if h.level is Level.BAD])
    if len(bad) == 1 and _is_the_way(_tellers(bad[0], entries), heard, home):
        heard = [_fair(h) if h.level is Level.BAD else h for h in heard]
        worst, bad = _fair(worst), []
    burning = _apart([h for h in heard if h.burning or h.level is Level.BAD])
    shown = bad or burning or [worst]
    return Opinion(
        Kind.OUTCOME,
        worst.level,
        worst.score,
        clean=all(h.level is Level.GOOD and h.recovered for h in heard),
        sentence=" and ".join(f"{_share(h.tally, 'responses bad')} at {h.sensor}" for h in shown),
        bad_sensors=len(bad),
        samples=max((h.samples for h in bad), default=worst.tally.total),
        sensors=tuple(sorted(h.sensor for h in bad)),
        burning_sensors=len(burning),
        share=max(Fraction(h.tally.bad, h.tally.total) for h in shown),
        newest=min(h.newest for h in heard),
        proof=sorted((h.proof for h in bad), reverse=True)[1] if len(bad) > 1 else 0,
    )


def _tellers(bad: _Heard, entries: Mapping[str, tuple[Tally, ...]]) -> set[str]:
    """Who counts anything bad: the sensor itself; of all entries together, those that do."""
    if bad.sensor != TOGETHER:
        return {bad.sensor}
    return {sensor for sensor, tallies in entries.items() if any(t.bad for t in tallies)}


def _is_the_way(tellers: set[str], heard: list[_Heard], home: str) -> bool:
    own = {ENGINE, home}
    return len(tellers) == 1 and not tellers & own and any(h.sensor in own and h.newest is Level.GOOD for h in heard)


def _fair(heard: _Heard) -> _Heard:
    return replace(heard, level=Level.FAIR, score=Fraction(1, 2))


def _bad_or_good(heard: _Heard) -> _Heard:
    return heard if heard.level is Level.BAD else replace(heard, level=Level.GOOD, score=Fraction(1))


def _apart(heard: list[_Heard]) -> list[_Heard]:
    """All entries together are a sensor only where none of them says so by itself."""
    by_themselves = [h for h in heard if h.sensor != TOGETHER]
    return by_themselves if any(h.sensor != ENGINE for h in by_themselves) else heard


def _hear(sensor: str, tallies: tuple[Tally, ...], rules: Rules) -> _Heard | None:
    """One sensor: its shortest window with enough samples; fair at best while the slow pair burns."""
    tally = shortest_with(tallies, MIN_SAMPLES)
    if tally is None:
        return None
    level, score = rules.errors.judge(tally)
    if level is Level.BAD and _is_over(tallies, tally, rules):
        level, score = Level.FAIR, Fraction(1, 2)
    newest = level
    long = _burning(tallies, rules)
    if long is not None and level is not Level.BAD:
        level, score, tally = Level.FAIR, max(Fraction(1, 20), min(score, rules.errors.judge(long)[1])), long
    established = [t for t in tallies if rules.errors.judge(t)[0] is Level.BAD]
    samples = max((t.total for t in established), default=tally.total)
    proof = max((t.bad for t in established), default=0)
    recovered = _recovered(tallies, rules.errors)
    return _Heard(level, score, sensor, tally, recovered, long is not None, samples, proof, newest)


def _is_over(tallies: tuple[Tally, ...], speaks: Tally, rules: Rules) -> bool:
    """Does nothing tell that it goes on? There is no shortest window yet, or a shorter one counts a few, none bad."""
    if tallies[0].window_ms > rules.shortest_window_ms:
        return True
    return any(t.window_ms < speaks.window_ms and t.total >= MIN_PROBES and not t.bad for t in tallies)


def _burning(tallies: tuple[Tally, ...], rules: Rules) -> Tally | None:
    """The slow pair of windows (multi-window burn rates, SRE workbook, chapter 5): the long one, if both burn.

    The long window shows that it is no accident, the short one that it still goes on.
    """
    short = next((t for t in tallies if t.window_ms >= SLOW_SHORT_MS), None)
    long = next((t for t in tallies if t.window_ms >= SLOW_LONG_MS), None)
    if short is None or long is None or long.total < MIN_SAMPLES or short.bad < 2:
        return None
    going_on = short.bad >= rules.slow_share * short.total
    return long if going_on and reaches(long.bad, long.total, rules.slow_share) else None


def _recovered(tallies: tuple[Tally, ...], bounds: Bounds) -> bool:
    """Could as many as max(b, 5 %) still be bad? Asked only where the samples can answer."""
    tally = shortest_with(tallies, RECOVERY_SAMPLES)
    return tally is None or stays_within(tally.bad, tally.total, max(bounds.good, RECOVERED))


def latency(counts: Counts | None, rules: Rules, reach_back_ms: int | None) -> Opinion | None:
    """Share of requests slower than the objective."""
    tally = counts and shortest_with(windows(counts, reach_back_ms), MIN_SAMPLES)
    if not tally:
        return None
    level, score = rules.slowness.judge(tally)
    sentence = _share(tally, "requests slower than the objective")
    good, bad = level is Level.GOOD, level is Level.BAD
    sensors = (counts.sensor,) if counts and bad else ()
    share = Fraction(tally.bad, tally.total)
    return Opinion(Kind.LATENCY, level, score, good, sentence, int(bad), tally.total, sensors, share=share)


def probe(
    sensors: tuple[Counts, ...], failing: bool, rules: Rules, reach_back_ms: int | None, trusted_ms: int | None
) -> Opinion | None:
    """All paths pooled. Few probes can say good or fair, never bad; a newest probe that failed is fair.

    Bad needs two paths that fail, where two are heard: one path alone may be what is broken.

    `trusted_ms` is how long the observer has trusted itself again: probes that it made before tell of itself.
    """
    tallies = _pooled([windows(counts, reach_back_ms) for counts in sensors])
    if trusted_ms is not None:
        tallies = tuple(tally for tally in tallies if tally.window_ms <= trusted_ms)
    if not tallies:
        return None
    tally = _bad_enough(tallies, rules.errors) or shortest_with(tallies, MIN_SAMPLES) or tallies[-1]
    level, score = rules.errors.judge(tally)
    paths = _bad_paths(sensors, tally.window_ms)
    lone = len(paths) < min(2, len(sensors))
    if level is Level.BAD and (tally.total < MIN_PROBES or lone):
        level, score = Level.FAIR, Fraction(1, 2)
    if failing and level is Level.GOOD:
        level, score = Level.FAIR, Fraction(1, 2)
    bad = level is Level.BAD
    samples = max((t.total for t in tallies if rules.errors.judge(t)[0] is Level.BAD), default=tally.total)
    return Opinion(
        Kind.PROBE,
        level,
        score,
        clean=level is Level.GOOD and not failing and tallies[0].bad == 0,
        sentence=_share(tally, "probes bad"),
        bad_sensors=len(paths) if bad else 0,
        samples=samples,
        sensors=paths if bad else (),
        share=Fraction(tally.bad, tally.total),
    )


def _bad_enough(tallies: tuple[Tally, ...], bounds: Bounds) -> Tally | None:
    """Probes are few: for bad, fewer are enough than for good."""
    tally = shortest_with(tallies, MIN_PROBES)
    return tally if tally is not None and bounds.judge(tally)[0] is Level.BAD else None


def _bad_paths(sensors: tuple[Counts, ...], window_ms: int) -> tuple[str, ...]:
    """Paths by which more than an accident failed, named by their observer (the entry, for `via` paths)."""
    return tuple(
        sorted(
            counts.sensor.removeprefix("via ")
            for counts in sensors
            if any(t.window_ms == window_ms and 2 <= t.bad <= t.total for t in counts.tallies)
        )
    )


def _pooled(sensors: Iterable[tuple[Tally, ...]]) -> tuple[Tally, ...]:
    """The sensors' tallies of each window in sum, shortest window first."""
    by_window: dict[int, tuple[int, int]] = {}
    for tallies in sensors:
        for tally in tallies:
            bad, total = by_window.get(tally.window_ms, (0, 0))
            by_window[tally.window_ms] = bad + tally.bad, total + tally.total
    return tuple(Tally(window, bad, total) for window, (bad, total) in sorted(by_window.items()) if total > 0)


def _share(tally: Tally, what: str) -> str:
    return f"{tally.bad} of {tally.total} {what} in {tally.window_ms // 1000} s"

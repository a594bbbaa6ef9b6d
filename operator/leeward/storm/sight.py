"""What the operator sees of the world, as the core's snapshot: the same windows, ages and observers as the real one.

Reachability goes through the operator's own book (`sightings.ReachBook`). An answer of Prometheus or of an API
server that does not come leaves the one before, which grows old. Probes go by two paths, straight and through the
next region's entry; they are made at every tick, and every second where something is suspected.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random

from leeward.core.snapshot import Counts, LoadReading, ReadyReading, RegionReadings, Snapshot, Tally
from leeward.sightings import ReachBook
from leeward.storm.gauges import Gauges, Probes, Series
from leeward.storm.scenario import Scenario
from leeward.storm.world import World, slow_share

REACH_FRESH_MS = 6_000
READY_LAG_MS = 2_000
PROBE_LIMIT_FACTOR = 1.16  # a probe may take the objective and four tokens


@dataclass(slots=True)
class Metrics:
    """One region's Prometheus, as it last answered: ages are as of `seen_ms`."""

    seen_ms: int
    entries: dict[int, Counts]
    engine: Counts | None
    latency: Counts | None
    load: LoadReading | None
    entered: Fraction | None


@dataclass(slots=True)
class Objects:
    """One region's API server, as it last answered."""

    seen_ms: int
    ready: int
    desired: int


class Sight:
    """One operator's eyes. `home` is the region that it runs in."""

    def __init__(self, scenario: Scenario, world: World, gauges: Gauges, home: int) -> None:
        fleet = scenario.fleet
        self.world, self.gauges, self.home = world, gauges, home
        self.names = [region.name for region in fleet.regions]
        self.size, self.fresh_ms, self.probed_ms = world.size, 3 * fleet.interval_ms, 2 * fleet.interval_ms
        shortest = fleet.shortest_window_ms
        self.windows = (shortest, *(w for w in (60_000, 300_000, 900_000) if w > shortest))
        self.reach = ReachBook(home=self.names[home])
        self.probes = [(Probes(), Probes()) for _ in range(self.size)]
        self.lost = [False] * self.size  # is there no path through another entry?
        self.metrics: list[Metrics | None] = [None] * self.size
        self.objects: list[Objects | None] = [None] * self.size
        self.api_answers = [False] * self.size
        self.metrics_answer = [False] * self.size
        self.eager: set[int] = set()
        self._luck = Random(scenario.seed * 7 + 4)

    def sees(self, region: int) -> bool:
        """Does the operator's network reach the region?"""
        sky = self.world.sky
        return region == self.home or (not sky.operator_cut and sky.linked(self.home, region))

    def ask_reach(self) -> bool:
        """The question to every region, straight and through two other entries. True when an answer changed."""
        now, changed = self.world.now_ms, False
        for region, name in enumerate(self.names):
            changed |= self.reach.note("leeward", name, self._answered(self.sees(region)), now, now)
            for step in range(1, min(3, self.size)):
                through = (region + step) % self.size
                if self.sees(through):
                    linked = self._answered(self.world.sky.linked(through, region))
                    changed |= self.reach.note(f"via {self.names[through]}", name, linked, now, now)
        return changed

    def _answered(self, linked: bool) -> bool:
        blips = self.world.sky.reach_blips
        return linked and not (blips and self._luck.random() < blips)

    def look(self) -> None:
        """Ask everything anew: Prometheus, API servers, probes."""
        for region in range(self.size):
            self._see_metrics(region)
            self._see_objects(region)
            self.probe(region)

    def probe(self, region: int) -> None:
        """One probe by each path."""
        sky, now = self.world.sky, self.world.now_ms
        through = (region + 1) % self.size
        if sky.probes_lost[region] or self.world.rows[self.home] is None:
            return
        self.probes[region][0].note(now, not self.sees(region) or self._probe_fails(region))
        self.lost[region] = not self.sees(through)
        if self.size > 1 and not self.lost[region]:
            self.probes[region][1].note(now, not sky.linked(through, region) or self._probe_fails(region))

    def _probe_fails(self, region: int) -> bool:
        sky, engines, luck = self.world.sky, self.world.engines[region], self._luck.random
        if not engines.ready:
            return True
        waits = engines.queue / self.world.capacity(region)
        slow = slow_share(sky.slow[region] / PROBE_LIMIT_FACTOR, waits) if sky.slow[region] > 1 or waits > 0 else 0.0
        whole = (1 - sky.errors[region]) * (1 - sky.cut_streams[region]) * (1 - slow)
        return luck() >= whole - self.world.weather.background_errors

    def _see_metrics(self, region: int) -> None:
        sky, now = self.world.sky, self.world.now_ms
        self.metrics_answer[region] = self.sees(region) and not sky.metrics_gone[region]
        if not self.metrics_answer[region]:
            return
        kept, newest = self.gauges.regions[region], now - sky.metrics_late_ms[region]
        entries = {}
        for serving, series in enumerate(kept.entries):
            seen = self._counts(self.names[region], series, newest, (region, serving) in sky.lies)
            if seen is not None:
                entries[serving] = seen
        age = kept.engine.age_ms(now, newest)
        scrape_ms = self.world.fleet.scrape_interval_ms
        rate = kept.engine.rate(now, newest, self.windows[0], scrape_ms)
        entered = kept.entered.rate(now, newest, self.windows[0], scrape_ms)
        self.metrics[region] = Metrics(
            now,
            entries,
            self._counts("engine", kept.engine, newest),
            self._counts("engine", kept.latency, newest),
            None if age is None else LoadReading(_fraction(rate or 0.0), *kept.load_at(newest), age),
            None if entered is None else _fraction(entered),
        )

    def _counts(self, sensor: str, series: Series, newest_ms: int, lying: bool = False) -> Counts | None:
        now = self.world.now_ms
        age = series.age_ms(now, newest_ms)
        if age is None:
            return None
        windows = series.increases(now, newest_ms, self.windows, self.world.fleet.scrape_interval_ms)
        if not windows:
            return None
        return Counts(sensor, tuple([Tally(w, total if lying else bad, total) for w, bad, total in windows]), age)

    def _see_objects(self, region: int) -> None:
        world = self.world
        self.api_answers[region] = self.sees(region) and not world.sky.api_dead[region]
        if self.api_answers[region]:
            engines = world.engines[region]
            lagging = world.now_ms - engines.changed_ms < READY_LAG_MS
            ready = engines.ready_before if lagging else engines.ready
            self.objects[region] = Objects(world.now_ms, ready, engines.desired)

    def snapshot(self, rows: list[list[int] | None], start_ms: int) -> Snapshot:
        """All that is known now; `rows` is what each cluster's route holds."""
        now = self.world.now_ms
        readings = tuple([self._readings(region) for region in range(self.size)])
        weights = tuple(
            [
                (name, tuple(zip(self.names, row, strict=True)))
                for name, row, answers in zip(self.names, rows, self.api_answers, strict=True)
                if row is not None and answers
            ]
        )
        blind = not any(self.api_answers) and not any(self.metrics_answer)
        gone = tuple([self.names[region] for region in sorted(self.world.sky.evacuated)])
        return Snapshot("leeward", start_ms + now, readings, weights, blind, gone)

    def _readings(self, region: int) -> RegionReadings:
        name, now = self.names[region], self.world.now_ms
        mine, objects = self.metrics[region], self.objects[region]
        since = 0 if mine is None else now - mine.seen_ms
        load = mine.load if mine else None
        entered = mine.entered if mine and since <= self.fresh_ms else None
        counts, failing = self._probed(region)
        return RegionReadings(
            name,
            self._outcomes(region),
            _aged(mine.latency, since) if mine else None,
            counts,
            failing,
            self.reach.readings(name, self.names, now, REACH_FRESH_MS),
            None if objects is None else ReadyReading(objects.ready, objects.desired, now - objects.seen_ms),
            load if load is None or not since else replace(load, age_ms=load.age_ms + since),
            None
            if objects is None and not self.api_answers[region] and now < self.fresh_ms
            else self.api_answers[region],
            self.metrics_answer[region],
            entered,
        )

    def _outcomes(self, region: int) -> tuple[Counts, ...]:
        found = []
        for entry, seen in enumerate(self.metrics):
            if seen is None:
                continue
            since = self.world.now_ms - seen.seen_ms
            if region in seen.entries:
                found.append(_aged(seen.entries[region], since))
            if entry == region and seen.engine is not None:
                found.append(_aged(seen.engine, since))
        return tuple([counts for counts in found if counts is not None])

    def _probed(self, region: int) -> tuple[tuple[Counts, ...], bool | None]:
        now = self.world.now_ms
        paths = ("direct", f"via {self.names[(region + 1) % self.size]}")
        counts, newest = [], []
        for path, probes, lost in zip(paths, self.probes[region], (False, self.lost[region]), strict=True):
            if probes.times:
                age = now - probes.times[-1]
                counts.append(Counts(path, tuple([Tally(*w) for w in probes.windows(now, self.windows)]), age))
                if age <= self.probed_ms and not lost:
                    newest.append(probes.newest_bad())
        return tuple(counts), all(newest) if newest else None


def _aged(counts: Counts | None, since_ms: int) -> Counts | None:
    return replace(counts, age_ms=counts.age_ms + since_ms) if counts and since_ms else counts


def _fraction(value: float) -> Fraction:
    return Fraction(round(value * 1000), 1000)

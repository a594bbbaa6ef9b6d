"""What is counted where: each region's Prometheus, and the operator's book of probes.

A Prometheus scrapes its own entry and its own engines. `increase` over a window needs two samples in it and is
extrapolated to the window, as PromQL does it. Series of engines that are gone get no new samples and grow old.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from random import Random

from leeward.storm.world import World

PROBE_KEEP_MS = 900_000

Window = tuple[int, int, int]
"""Length in ms, bad, total."""


@dataclass(slots=True)
class Series:
    """Cumulative (bad, total) at the moments of the scrapes."""

    times: list[int] = field(default_factory=list)
    bad: list[int] = field(default_factory=list)
    total: list[int] = field(default_factory=list)

    def add(self, now_ms: int, bad: int, total: int) -> None:
        """One scrape."""
        self.times.append(now_ms)
        self.bad.append(bad)
        self.total.append(total)

    def increases(self, now_ms: int, newest_ms: int, windows: tuple[int, ...], scrape_ms: int) -> list[Window]:
        """Windows that end now, from samples no newer than `newest_ms`."""
        last = bisect_right(self.times, newest_ms) - 1
        found = []
        for window in windows:
            first = bisect_left(self.times, now_ms - window, 0, max(0, last))
            if first >= last:
                continue
            span = self.times[last] - self.times[first]
            factor = min(window, span + scrape_ms) / span
            total = round((self.total[last] - self.total[first]) * factor)
            found.append((window, min(total, round((self.bad[last] - self.bad[first]) * factor)), total))
        return found

    def age_ms(self, now_ms: int, newest_ms: int) -> int | None:
        """Age of the newest sample that can be seen; None without any."""
        last = bisect_right(self.times, newest_ms) - 1
        return now_ms - self.times[last] if last >= 0 else None

    def rate(self, now_ms: int, newest_ms: int, window: int, scrape_ms: int) -> float | None:
        """Requests/s over one window; a series younger than that reads low, as in PromQL."""
        found = self.increases(now_ms, newest_ms, (window,), scrape_ms)
        return 1000 * found[0][2] / window if found else None


@dataclass(slots=True)
class Prometheus:
    """One region's. `entries`: what its entry saw of each serving region; `load`: running and waiting, by scrapes."""

    entries: list[Series]
    entered: Series = field(default_factory=Series)
    engine: Series = field(default_factory=Series)
    latency: Series = field(default_factory=Series)
    load: list[tuple[int, int]] = field(default_factory=list)

    def load_at(self, newest_ms: int) -> tuple[int, int]:
        """By the newest sample that can be seen."""
        last = bisect_right(self.engine.times, newest_ms) - 1
        return self.load[last] if last >= 0 else (0, 0)


class Gauges:
    """All regions' Prometheus."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.regions = [Prometheus([Series() for _ in range(world.size)]) for _ in range(world.size)]
        self._luck = Random(world.scenario.seed * 7 + 3)
        self.offsets = [self._luck.randrange(0, world.fleet.scrape_interval_ms, 500) for _ in range(world.size)]

    def next_ms(self) -> int:
        """The next scrape of any region."""
        every, now = self.world.fleet.scrape_interval_ms, self.world.now_ms
        return min(now + every - (now - offset) % every for offset in self.offsets)

    def scrape(self) -> None:
        """Every region whose turn it is."""
        every, now = self.world.fleet.scrape_interval_ms, self.world.now_ms
        for region, offset in enumerate(self.offsets):
            if (now - offset) % every == 0:
                self._scrape(region)

    def _scrape(self, region: int) -> None:
        world, kept = self.world, self.regions[region]
        sky, now = world.sky, world.now_ms
        if sky.metrics_gone[region] or self._luck.random() < sky.scrapes_dropped[region]:
            return
        for serving, series in enumerate(kept.entries):
            if world.attempts[region][serving]:
                series.add(now, world.failures[region][serving], world.attempts[region][serving])
        kept.entered.add(now, 0, world.entered[region])
        engines = world.engines[region]
        if engines.ready:
            kept.engine.add(now, engines.bad, engines.total)
            kept.latency.add(now, engines.slow, engines.first_tokens)
            kept.load.append((engines.running, int(engines.queue)))


@dataclass(slots=True)
class Probes:
    """Probes by one path to one region: when, and how many bad so far."""

    times: list[int] = field(default_factory=list)
    bad_so_far: list[int] = field(default_factory=list)

    def note(self, now_ms: int, bad: bool) -> None:
        """Take in one probe."""
        before = self.bad_so_far[-1] if self.bad_so_far else 0
        self.times.append(now_ms)
        self.bad_so_far.append(before + bad)

    def windows(self, now_ms: int, windows: tuple[int, ...]) -> list[Window]:
        """Counted probes per window."""
        found = []
        whole, bad = len(self.times), self.bad_so_far[-1]
        for window in windows:
            first = bisect_left(self.times, now_ms - window)
            before = self.bad_so_far[first - 1] if first else 0
            found.append((window, bad - before, whole - first))
        return found

    def newest_bad(self) -> bool:
        """Did the newest one fail?"""
        before = self.bad_so_far[-2] if len(self.bad_so_far) > 1 else 0
        return self.bad_so_far[-1] > before

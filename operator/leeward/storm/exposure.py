"""How long a region that is gone may keep its weight: what there was to be known, since when, and by whom. No core.

The bound is 4.5 s for a region that is cut off, 3.5 s and two ticks for one without a ready replica, and the time of
the write. It begins when all that it rests on is there: an operator that can act and trusts itself, another region that
is well, and for a crash an API server that the operator reaches. Where no probe is heard, the failures that gateways
count have to show the crash: that takes W·x and a scrape longer, as decisions.md has it.
"""

from collections.abc import Sequence
from math import sqrt

from leeward.storm.scenario import FleetShape, Scenario
from leeward.storm.trace import OUT
from leeward.storm.truth import Truth
from leeward.storm.world import World

HOUR_MS = 3_600_000
CUT_BOUND_MS = 4_500  # three seconds of evidence, the question before it, the tick
CRASH_SEEN_MS = 3_500  # until the API server and a probe show it; two ticks come on top
SETTLED_MS = 45_000
LONG_WINDOWS_MS = (60_000, 300_000, 900_000)
ENOUGH = 30  # expected requests in a window, so that 20 come


class Exposure:
    """Watches the weights of regions that are gone."""

    def __init__(self, scenario: Scenario, world: World, truth: Truth, names: Sequence[str]) -> None:
        self.fleet, self.world, self.truth, self.names = scenario.fleet, world, truth, names
        self._blind_ms = [0] * world.size  # until when nobody could tell that a region is gone
        self._mute_ms = [0] * world.size  # until when probes told nothing of it

    def sentence(
        self, region: int, able_ms: int | None, phases: Sequence[str] | None, falls: Sequence[int]
    ) -> str | None:
        """What is wrong now. `able_ms`: since when the operator is able; `falls`: when regions fell."""
        now, gone = self.world.now_ms, self.truth.gone_ms[region]
        recent = [ms for ms in falls if now - ms < HOUR_MS]
        asks_a_person = len(recent) >= self.fleet.failovers_per_hour
        if gone is None or able_ms is None or phases is None or self.world.sky.frozen or asks_a_person:
            return None
        helpers = [
            ms for r, ms in enumerate(self.truth.well_ms) if r != region and ms is not None and phases[r] == "active"
        ]
        late_ms = 0 if self.world.sky.cut[region] else self._until_counted_ms(region, phases)
        if not helpers or late_ms is None or self._blind(region):
            self._blind_ms[region] = now
            return None
        learned = able_ms + 4 * self.fleet.interval_ms if able_ms > 0 else 0
        start = max(gone, learned, min(helpers) + SETTLED_MS, self.truth.frozen_until_ms, self._cooled(recent))
        if self.world.sky.probes_lost[region]:
            self._mute_ms[region] = now
        else:
            start = max(start, self._mute_ms[region])
        return self._found(region, max(start, self._blind_ms[region]), late_ms)

    def _found(self, region: int, start_ms: int, late_ms: int) -> str | None:
        fleet, now, weather = self.fleet, self.world.now_ms, self.world.weather
        bound = CUT_BOUND_MS if self.world.sky.cut[region] else CRASH_SEEN_MS + 2 * fleet.interval_ms + late_ms
        bound += weather.write_ms + weather.force_ms
        for entry, row in enumerate(self.world.rows):
            opened = self.truth.open_ms[entry]
            if row is None or row[region] == 0 or opened is None:
                continue
            waited = now - max(start_ms, opened + fleet.interval_ms) - self.truth.slow_ms[entry]
            if waited > bound:
                return f"{self.names[region]} is gone and entry {self.names[entry]} still sends it {row[region]} %"
        return None

    def _blind(self, region: int) -> bool:
        """It suspects itself, and is right to; or nobody tells it that no replica is ready."""
        sky, truth = self.world.sky, self.truth
        others = [r for r in range(self.world.size) if r != truth.home and truth.sees(r)]
        if sky.reach_blips or 2 * len(others) < self.world.size - 1:
            return True
        return not sky.cut[region] and (sky.api_dead[region] or not truth.sees(region))

    def _until_counted_ms(self, region: int, phases: Sequence[str]) -> int | None:
        """How much later a crash shows where no probe is heard; None: nothing tells of it."""
        sky = self.world.sky
        if not sky.probes_lost[region]:
            return 0
        rate = sum(
            self.world.demand[entry] * row[region] / 100
            for entry, row in enumerate(self.world.rows)
            if row is not None and phases[entry] not in OUT and self._tells(entry)
        )
        windows = (w for w in (self.fleet.shortest_window_ms, *LONG_WINDOWS_MS) if rate * w >= 1000 * ENOUGH)
        window_ms = next(windows, None)
        if window_ms is None:
            return None
        return int(window_ms * share_that_shows(self.fleet, rate * window_ms / 1000)) + self.fleet.scrape_interval_ms

    def _tells(self, entry: int) -> bool:
        """Is all that its gateway counts known, and at once?"""
        sky = self.world.sky
        blurred = sky.metrics_gone[entry] or sky.metrics_late_ms[entry] or sky.scrapes_dropped[entry]
        return self.truth.sees(entry) and not sky.cut[entry] and not blurred

    def _cooled(self, recent: Sequence[int]) -> int:
        """The second outage of an hour passes at once; a third one waits for the cooldown."""
        return recent[-1] + self.fleet.cooldown_ms if len(recent) >= 2 else 0


def share_that_shows(fleet: FleetShape, requests: float) -> float:
    """The share of so many requests that must have failed to be called bad: 14.4 b, 5 % to 50 %, and chance."""
    bad = min(max(14.4 * (1 - fleet.availability), 0.05), 0.5)
    shows = bad + 1.96 * sqrt(bad / requests)
    return min(1.0, shows + 2 * sqrt(shows / requests))

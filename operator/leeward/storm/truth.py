"""What the checker knows of the world over time: since when each thing has been so. No core."""

from collections import deque
from dataclasses import dataclass, field

from leeward.storm.scenario import FaultKind
from leeward.storm.world import World

LONG_AGO_MS = -10_000_000
PEAK_MS, DEMAND_KEPT_MS = 15_000, 300_000
SENSING = frozenset(
    {
        FaultKind.METRICS_GONE,
        FaultKind.METRICS_LATE,
        FaultKind.SCRAPES_DROPPED,
        FaultKind.LYING_ENTRY,
        FaultKind.PROBES_LOST,
        FaultKind.REACH_BLIPS,
    }
)


@dataclass(slots=True)
class Truth:
    """Moments in ms; None: it is not so now."""

    world: World
    gone_ms: list[int | None] = field(default_factory=list)  # cut off (which counts anew), or no engine is ready
    dark_ms: list[int | None] = field(default_factory=list)  # neither metrics nor API server
    well_ms: list[int | None] = field(default_factory=list)  # serves as it should, and can be seen to
    open_ms: list[int | None] = field(default_factory=list)  # its API server takes writes
    slow_ms: list[int] = field(default_factory=list)  # what a write to it takes longer that is under way
    ill_until_ms: list[int] = field(default_factory=list)
    full_unseen_ms: list[int] = field(default_factory=list)  # requests waited, and no metrics told of the load
    lied_about_ms: list[int] = field(default_factory=list)  # how long a sensor has called it bad
    liars: list[int] = field(default_factory=list)  # how many sensors call it bad now: two of a kind are evidence
    blurred_until_ms: int = -1  # some sensor is not to be trusted
    demand_moved_ms: int = 0  # users or replicas have just changed
    frozen_until_ms: int = -1
    faulty_until_ms: int | None = None  # when anything at all was last wrong; None: never
    home: int = 0  # the operator's region
    _highest: deque[tuple[int, tuple[float, ...]]] = field(default_factory=deque)  # demand, by each 15 s
    _landed_ms: list[int] = field(default_factory=list)  # when the last slow write has landed
    _cut: list[bool] = field(default_factory=list)
    _before_ms: int = 0

    def __post_init__(self) -> None:
        size = self.world.size
        self.gone_ms, self.dark_ms = [None] * size, [None] * size
        self.well_ms, self.open_ms = [0] * size, [0] * size
        self.ill_until_ms, self.full_unseen_ms = [LONG_AGO_MS] * size, [LONG_AGO_MS] * size
        self.lied_about_ms, self.liars, self._cut = [0] * size, [0] * size, [False] * size
        self.slow_ms, self._landed_ms = [0] * size, [0] * size

    def sees(self, region: int) -> bool:
        """Does the operator's network reach the region?"""
        sky = self.world.sky
        return region == self.home or (not sky.operator_cut and sky.linked(self.home, region))

    def highest_demand(self) -> list[float]:
        """The most that entered at each gateway of late: what was needed minutes ago still counts as demand."""
        return [max(rates) for rates in zip(self.world.demand, *(rates for _, rates in self._highest), strict=True)]

    def look(self, home: int = 0) -> None:
        """Take in this moment. `home` is the operator's region."""
        self.home = home
        world, sky, now = self.world, self.world.sky, self.world.now_ms
        passed, self._before_ms = now - self._before_ms, now
        self.liars = [sum(about == region for _, about in sky.lies) for region in range(world.size)]
        for region in range(world.size):
            gone = sky.cut[region] or world.engines[region].ready == 0
            self._watch_cut(region)
            self._watch_writes(region)
            dark = sky.metrics_gone[region] and sky.api_dead[region]
            ill = region in sky.ill or gone
            if ill:
                self.ill_until_ms[region] = now
            if sky.metrics_gone[region] and world.engines[region].queue > 0:
                self.full_unseen_ms[region] = now
            seen = not (ill or sky.metrics_gone[region] or sky.api_dead[region] or region in sky.evacuated)
            taking = not (sky.cut[region] or sky.api_dead[region]) and self.sees(region)
            for kept, holds in (
                (self.gone_ms, gone),
                (self.dark_ms, dark),
                (self.well_ms, seen),
                (self.open_ms, taking),
            ):
                kept[region] = None if not holds else now if kept[region] is None else kept[region]
            self.lied_about_ms[region] = self.lied_about_ms[region] + passed if self.liars[region] else 0
        if any(fault.kind in SENSING for fault in sky.active) or any(sky.api_dead):
            self.blurred_until_ms = now
        if sky.active:
            self.faulty_until_ms = now
        if sky.frozen:
            self.frozen_until_ms = now
        self._watch_demand()

    def _watch_cut(self, region: int) -> None:
        before, self._cut[region] = self._cut[region], self.world.sky.cut[region]
        if self._cut[region] and not before:
            self.gone_ms[region] = None

    def _watch_writes(self, region: int) -> None:
        """A write that was sent while the API server was slow lands late, also when that is over."""
        now, slow = self.world.now_ms, self.world.sky.api_slow_ms[region]
        if slow:
            self._landed_ms[region] = max(self._landed_ms[region], now + slow + self.world.weather.force_ms)
            self.slow_ms[region] = max(self.slow_ms[region], slow)
        elif now > self._landed_ms[region]:
            self.slow_ms[region] = 0

    def _watch_demand(self) -> None:
        world = self.world
        if not self._highest or world.now_ms - self._highest[-1][0] >= PEAK_MS:
            self._highest.append((world.now_ms, tuple(world.demand)))
        else:
            began, rates = self._highest[-1]
            self._highest[-1] = began, tuple(map(max, rates, world.demand))
        while world.now_ms - self._highest[0][0] > DEMAND_KEPT_MS + world.fleet.shortest_window_ms + 2 * PEAK_MS:
            self._highest.popleft()
        unsettled = any(engines.coming for engines in world.engines) or any(factor != 1 for factor in world.sky.surge)
        if unsettled or any(world.sky.cut):
            self.demand_moved_ms = world.now_ms

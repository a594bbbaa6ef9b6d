"""Three simple policies to compare with, in the same storms. No core; each sees what its kind of system would see.

All begin with equal weights over all regions at every entry, and none has failback steps: a region that is well
again gets its share back at once. They learn by a health check, a small request to each region's gateway, which
fails when the region is cut off, has no ready engine, or its engines answer with an error.
"""

from collections.abc import Callable, Sequence
from random import Random

from leeward.storm.clusters import Clusters, Write
from leeward.storm.world import World


class Checked:
    """Equal weights over the regions that are in; subclasses say who is."""

    every_ms = 10_000

    def __init__(self, world: World, clusters: Clusters) -> None:
        self.world, self.clusters = world, clusters
        self.since_ms: list[int | None] = [None] * world.size  # failing without a break
        self.misses = [0] * world.size
        self.passes = [0] * world.size
        self.out: frozenset[int] = frozenset()
        self.shifts = 0
        self._luck = Random(world.scenario.seed * 7 + 5)
        self._next_ms = 0
        self._later: list[tuple[int, frozenset[int]]] = []  # when a decision reaches the users

    def next_ms(self) -> int:
        """The next check, or the next decision that takes effect."""
        return min([self._next_ms, *(at for at, _ in self._later)])

    def act(self, sky_changed: bool) -> None:
        """Check what is due; put in force what is due."""
        now = self.world.now_ms
        if now >= self._next_ms:
            self._next_ms = now + self.every_ms
            for region in range(self.world.size):
                self._check(region)
            out = self.decide(now)
            if len(out) == self.world.size:
                out = frozenset()  # with everybody out, everybody is tried
            latest = self._later[-1][1] if self._later else self.out
            if out != latest or self.world.rows[0] is None:
                self._later.append((now + self.lag_ms(), out))
        while self._later and self._later[0][0] <= now:
            self.shifts += self._later[0][1] != self.out
            self.out = self._later.pop(0)[1]
            self._write()

    def decide(self, now: int) -> frozenset[int]:
        """Who is out."""
        raise NotImplementedError

    def lag_ms(self) -> int:
        """How long a decision takes to reach the users."""
        return 0

    def _check(self, region: int) -> None:
        sky, engines = self.world.sky, self.world.engines[region]
        errors = max(sky.errors[region], self.world.weather.background_errors)
        if sky.cut[region] or engines.ready == 0 or self._luck.random() < errors:
            self.misses[region], self.passes[region] = self.misses[region] + 1, 0
            if self.since_ms[region] is None:
                self.since_ms[region] = self.world.now_ms
        else:
            self.misses[region], self.passes[region], self.since_ms[region] = 0, self.passes[region] + 1, None

    def _write(self) -> None:
        inside = [region for region in range(self.world.size) if region not in self.out]
        row = [0] * self.world.size
        for i, region in enumerate(inside):
            row[region] = 100 // len(inside) + (i < 100 % len(inside))
        for entry in range(self.world.size):
            self.clusters.send(Write(entry, tuple(row), 1, self.world.now_ms))


class Ejection(Checked):
    """A load balancer's health check: out after five misses at ten seconds, in again after two passes."""

    def decide(self, now: int) -> frozenset[int]:
        """Out from the fifth miss to the second pass."""
        return frozenset(
            region
            for region in range(self.world.size)
            if self.misses[region] >= 5 or (region in self.out and self.passes[region] < 2)
        )


class Dns(Checked):
    """DNS failover: three misses at ten seconds take a region's address out; users follow within a TTL of 30 s.

    The whole TTL is counted: the last users to follow decide when the region is empty.
    """

    def decide(self, now: int) -> frozenset[int]:
        """Out from the third miss to the third pass."""
        return frozenset(
            region
            for region in range(self.world.size)
            if self.misses[region] >= 3 or (region in self.out and self.passes[region] < 3)
        )

    def lag_ms(self) -> int:
        """A TTL."""
        return 30_000


class Toleration(Checked):
    """A cluster that waits five minutes before it takes a lost place for lost, as Kubernetes does with nodes."""

    def decide(self, now: int) -> frozenset[int]:
        """Out after five minutes without an answer; in again with the first one."""
        return frozenset(
            region for region, since in enumerate(self.since_ms) if since is not None and now - since >= 300_000
        )


BASELINES: dict[str, Callable[[World, Clusters], Checked]] = {
    "ejection": Ejection,
    "dns": Dns,
    "toleration": Toleration,
}


def names() -> Sequence[str]:
    """The baselines' names, in the order of the tables."""
    return tuple(BASELINES)

"""The physics: users, gateways, engines and replicas. No core, no policy: rows in force come from outside.

Users of region g ask d_g(t) = rate × daily wave × slow noise × surge. Entry g sends W[g][r] percent to r. A region
serves C = ready × requests/s per replica; what is more waits in a queue of two seconds and is refused (429) beyond
it. Waiting that is longer than the objective makes an answer slow. When a region is cut off its users find another
entry after three seconds, as clients with several addresses do.

*Good* for a user: an answer that is whole, in time, and not refused.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from math import cos, exp, pi
from random import Random

from leeward.storm.dice import arrivals, share_of
from leeward.storm.scenario import Scenario
from leeward.storm.sky import Sky, sky_at

DAY_MS = 86_400_000
USERS_MOVE_MS = 3_000
QUEUE_SECONDS = 2.0
TTFT_SECONDS = 2.5
SLOW_NORMALLY = 0.01  # share of answers slower than the objective when all is well
ENGINES_RESTART_MS = 15_000


@dataclass(slots=True)
class Engines:
    """The replicas of one region."""

    ready: int
    desired: int
    ready_before: int = 0  # until changed_ms
    changed_ms: int = 0
    coming: list[int] = field(default_factory=list)  # when each new replica is ready
    queue: float = 0.0
    total: int = 0  # answered, bad ones included
    bad: int = 0
    first_tokens: int = 0
    slow: int = 0
    rate: float = 0.0  # expected requests/s that arrive, without noise
    running: int = 0

    def set_ready(self, ready: int, now_ms: int) -> None:
        """Replicas have come up or are gone."""
        if ready != self.ready:
            self.ready_before, self.ready, self.changed_ms = self.ready, ready, now_ms


class World:
    """All that is true, whether anyone sees it or not. Regions go by index."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.fleet, self.weather = scenario, scenario.fleet, scenario.weather
        self.size = len(self.fleet.regions)
        self.now_ms = 0
        self.sky: Sky = sky_at(scenario, 0)
        self.cut_since_ms: list[int | None] = [None] * self.size
        self.engines = [Engines(r.replicas_min, r.replicas_min) for r in self.fleet.regions]
        self.rows: list[list[int] | None] = [None] * self.size  # in force at each entry
        self.attempts = [[0] * self.size for _ in range(self.size)]  # entry × serving, counted since the start
        self.failures = [[0] * self.size for _ in range(self.size)]
        self.entered = [0] * self.size
        self.demand = [region.rate for region in self.fleet.regions]  # expected, where users are now
        self.good, self.asked = 0.0, 0
        self._users = Random(scenario.seed * 7 + 1)
        self._luck = Random(scenario.seed * 7 + 2)
        self._noise = [0.0] * self.size

    def look_up(self) -> None:
        """Take in the faults that are in force now."""
        self.sky = sky_at(self.scenario, self.now_ms)
        for region in range(self.size):
            if not self.sky.cut[region]:
                self.cut_since_ms[region] = None
            elif self.cut_since_ms[region] is None:
                self.cut_since_ms[region] = self.now_ms
            self._crash_or_restart(region)

    def _crash_or_restart(self, region: int) -> None:
        engines = self.engines[region]
        if self.sky.crashed[region]:
            engines.set_ready(0, self.now_ms)
            engines.queue, engines.coming = 0.0, []
        elif engines.ready == 0 and not engines.coming:
            engines.coming = [self.now_ms + ENGINES_RESTART_MS] * engines.desired

    def scale(self, region: int, replicas: int) -> None:
        """Order replicas; new ones take their time, and surplus ones go at once."""
        engines = self.engines[region]
        engines.desired = replicas
        if self.sky.crashed[region]:
            return
        missing = replicas - engines.ready - len(engines.coming)
        engines.coming += [self.now_ms + self.weather.startup_ms] * max(0, missing)
        if missing < 0:
            kept = max(0, len(engines.coming) + missing)
            engines.set_ready(min(engines.ready, replicas), self.now_ms)
            engines.coming = engines.coming[:kept]

    def capacity(self, region: int) -> float:
        """Declared requests/s of what is ready."""
        return float(self.engines[region].ready * self.fleet.requests_per_second_per_replica)

    def step(self, until_ms: int) -> None:
        """Let time pass, with rows and faults as they are."""
        seconds = (until_ms - self.now_ms) / 1000
        if seconds <= 0:
            return
        self.now_ms = until_ms
        self._come_up()
        self._ask(seconds)
        flows = [[0.0] * self.size for _ in range(self.size)]
        arrived = [[0] * self.size for _ in range(self.size)]
        for entry in range(self.size):
            self._route(entry, seconds, flows, arrived)
        for region in range(self.size):
            self._serve(region, seconds, [row[region] for row in flows], [row[region] for row in arrived])

    def _come_up(self) -> None:
        for engines in self.engines:
            if engines.coming and engines.coming[0] <= self.now_ms:
                up = sum(ms <= self.now_ms for ms in engines.coming)
                engines.set_ready(engines.ready + up, self.now_ms)
                engines.coming = engines.coming[up:]

    def _ask(self, seconds: float) -> None:
        """How many requests/s users ask for at each entry now."""
        wave = 1.0 - self.weather.wave * cos(2 * pi * self.now_ms / DAY_MS)
        fade = exp(-seconds / 60)
        wanted = []
        for region, shape in enumerate(self.fleet.regions):
            pull = self.weather.jitter * (1 - fade * fade) ** 0.5
            self._noise[region] = self._noise[region] * fade + self._users.gauss(0.0, pull)
            level = max(0.0, wave * (1.0 + self._noise[region])) * self.sky.surge[region]
            wanted.append(shape.rate * level)
        homeless = 0.0
        for region, since in enumerate(self.cut_since_ms):
            if since is not None and self.now_ms - since > USERS_MOVE_MS:
                homeless += wanted[region]
                wanted[region] = 0.0
        entries = [region for region, since in enumerate(self.cut_since_ms) if since is None]
        for region in entries:
            wanted[region] += homeless / len(entries)
        self.demand = wanted

    def _route(self, entry: int, seconds: float, flows: list[list[float]], arrived: list[list[int]]) -> None:
        rate, row = self.demand[entry], self.rows[entry]
        if row is None:
            return  # users are let in with the first weights
        if self.sky.cut[entry]:
            self.asked += arrivals(self._users, rate * seconds)  # nobody answers
            return
        takes = [weight > 0 and self.sky.linked(entry, r) and self.engines[r].ready > 0 for r, weight in enumerate(row)]
        room = sum(weight for weight, open_ in zip(row, takes, strict=True) if open_)
        for region, weight in enumerate(row):
            if weight == 0:
                continue
            mean = rate * weight / 100
            count = arrivals(self._users, mean * seconds)
            self.attempts[entry][region] += count
            self.entered[entry] += count
            if takes[region]:
                flows[entry][region] += mean
                arrived[entry][region] += count
                continue
            self.failures[entry][region] += count
            if self.weather.retries and room:
                self._retry(entry, takes, room, count, mean, flows, arrived)
            else:
                self.asked += count

    def _retry(
        self,
        entry: int,
        takes: list[bool],
        room: int,
        count: int,
        mean: float,
        flows: list[list[float]],
        arrived: list[list[int]],
    ) -> None:
        """The gateway tries the other backends, in proportion to their weights."""
        row = self.rows[entry] or []
        for other, open_ in enumerate(takes):
            if open_:
                again = round(count * row[other] / room)
                flows[entry][other] += mean * row[other] / room
                arrived[entry][other] += again
                self.attempts[entry][other] += again

    def _serve(self, region: int, seconds: float, flows: list[float], arrived: list[int]) -> None:
        engines, sky, luck = self.engines[region], self.sky, self._luck
        engines.rate = sum(flows)
        total, capacity = sum(arrived), self.capacity(region)
        room = capacity * (seconds + QUEUE_SECONDS) - engines.queue
        refused = min(1.0, max(0.0, total - room) / total) if total else 0.0
        admitted = total * (1.0 - refused)
        engines.queue = min(capacity * QUEUE_SECONDS, max(0.0, engines.queue + admitted - capacity * seconds))
        waits = engines.queue / capacity if capacity else 0.0
        slots = self.fleet.concurrency_per_replica * engines.ready
        busy = engines.rate / capacity if capacity else 0.0
        engines.running = slots if engines.queue >= 1 else min(slots, round(busy * slots))
        slow = slow_share(sky.slow[region], waits)
        errors = max(sky.errors[region], self.weather.background_errors)
        for entry, count in enumerate(arrived):
            if not count:
                continue
            taken = count - share_of(luck, count, refused)
            bad = share_of(luck, taken, errors)
            whole = taken - bad - share_of(luck, taken - bad, sky.cut_streams[region])
            late = share_of(luck, whole, slow)
            self.failures[entry][region] += bad
            engines.total += taken
            engines.bad += bad
            engines.first_tokens += taken - bad
            engines.slow += late
            self.asked += count
            self.good += whole - late * (1.0 - SLOW_NORMALLY / slow)  # slow as ever is no fault


def slow_share(factor: float, waits_seconds: float = 0.0) -> float:
    """Share of answers slower than the objective: log-normal times around half a second, with a sigma of 0.7.

    A wait in the queue counts towards it. The table holds 1 − Φ(ln(2.5/(0.5 × factor))/0.7), read linearly.
    """
    if waits_seconds >= TTFT_SECONDS:
        return 1.0
    effective = factor * TTFT_SECONDS / (TTFT_SECONDS - waits_seconds)
    table = ((1.0, SLOW_NORMALLY), (2.0, 0.095), (3.0, 0.233), (4.0, 0.375), (5.0, 0.5), (10.0, 0.839), (20.0, 0.976))
    for (low, share), (high, more) in pairwise(table):
        if effective <= high:
            return share + (more - share) * max(0.0, effective - low) / (high - low)
    return 1.0

"""What the API servers hold, and when the gateways follow: writes take time, and a fence refuses old terms.

A write is on its way, lands at the API server in the order of sending, and is in force at the gateway a little
later. The fence is that of the design: each cluster holds the highest term seen, and refuses writes of lower ones.
"""

from dataclasses import dataclass, field
from heapq import heappop, heappush

from leeward.storm.world import World


@dataclass(frozen=True, slots=True)
class Write:
    """One entry's row, as decided at `decided_ms` in a leader's term."""

    entry: int
    row: tuple[int, ...]
    term: int
    decided_ms: int


@dataclass(frozen=True, slots=True)
class Landed:
    """A write that an API server answered. `before` is the row that it held."""

    write: Write
    at_ms: int
    accepted: bool
    before: tuple[int, ...] | None


@dataclass(slots=True)
class Clusters:
    """All member clusters. `rows` are the objects, `world.rows` what is in force."""

    world: World
    fenced: bool = True
    rows: list[list[int] | None] = field(default_factory=list)
    terms: list[int] = field(default_factory=list)
    landed: list[Landed] = field(default_factory=list)  # since the last look
    _sent: list[tuple[int, int, Write]] = field(default_factory=list)
    _taken: list[tuple[int, int, Write]] = field(default_factory=list)
    _last: list[int] = field(default_factory=list)
    _count: int = 0

    def __post_init__(self) -> None:
        self.rows = [None] * self.world.size
        self.terms = [0] * self.world.size
        self._last = [0] * self.world.size

    def send(self, write: Write) -> None:
        """Put a write on its way."""
        slow = self.world.sky.api_slow_ms[write.entry]
        land = max(self.world.now_ms + (slow or self.world.weather.write_ms), self._last[write.entry])
        self._last[write.entry] = land
        self._count += 1
        heappush(self._sent, (land, self._count, write))

    def raise_fence(self, term: int, reached: list[int]) -> None:
        """A new leader makes its term the lowest that is accepted, where it can."""
        for entry in reached:
            self.terms[entry] = max(self.terms[entry], term)

    def under_way(self, entry: int) -> tuple[int, ...] | None:
        """The newest row that is on its way to an entry."""
        rows = [(land, number, write.row) for land, number, write in self._sent if write.entry == entry]
        return max(rows)[2] if rows else None

    def next_ms(self) -> int | None:
        """When something next lands or comes into force."""
        return min((queue[0][0] for queue in (self._sent, self._taken) if queue), default=None)

    def advance(self) -> None:
        """Land what is due, and put in force what is due."""
        now = self.world.now_ms
        while self._sent and self._sent[0][0] <= now:
            self._land(heappop(self._sent)[2])
        while self._taken and self._taken[0][0] <= now:
            write = heappop(self._taken)[2]
            self.world.rows[write.entry] = list(write.row)

    def _land(self, write: Write) -> None:
        sky, held = self.world.sky, self.rows[write.entry]
        if sky.api_dead[write.entry]:
            return
        accepted = write.term >= self.terms[write.entry] or not self.fenced
        before = None if held is None else tuple(held)
        self.landed.append(Landed(write, self.world.now_ms, accepted, before))
        if accepted:
            self.terms[write.entry] = max(self.terms[write.entry], write.term)
            self.rows[write.entry] = list(write.row)
            self._count += 1
            heappush(self._taken, (self.world.now_ms + self.world.weather.force_ms, self._count, write))

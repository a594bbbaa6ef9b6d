"""What this replica has seen over time: who answers since when, and how probes went.

Answers come from many requests at once; here they become the readings of the core. Nothing here does I/O, and time
is an argument, so a replay gives the same readings.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from leeward.core.snapshot import Counts, ReachReading, Tally
from leeward.ports import ModelKey, Outcome

_KEEP_MS = 900_000


@dataclass
class _Reach:
    failing_since_ms: int | None = None
    seen_ms: int = 0


@dataclass
class ReachBook:
    """Per observer and region: does it answer, and since when not. Observers: this replica, `via <entry>`, and others.

    `me` is this replica, `home` the region that it runs in, empty if it is in none; `homes` are those of others.
    """

    me: str = ""
    home: str = ""
    homes: dict[str, str] = field(default_factory=dict)
    _seen: dict[tuple[str, str], _Reach] = field(default_factory=dict)

    def note(self, observer: str, region: str, answered: bool | None, started_ms: int, now_ms: int) -> bool:
        """Take in one answer, asked at `started_ms`; None says nothing. True when it changed something."""
        if answered is None:
            return False
        entry = self._seen.setdefault((observer, region), _Reach())
        before = entry.failing_since_ms is None
        if answered:
            entry.failing_since_ms = None
        elif entry.failing_since_ms is None:
            entry.failing_since_ms = started_ms
        entry.seen_ms = now_ms
        return before != answered

    def views(self, observer: str) -> dict[str, int | None]:
        """What one observer sees: each region's answer, None, or since when it does not."""
        return {name: seen.failing_since_ms for (who, name), seen in sorted(self._seen.items()) if who == observer}

    def readings(self, region: str, regions: Iterable[str], now_ms: int, fresh_ms: int) -> tuple[ReachReading, ...]:
        """Every observer's fresh view of one region, with how many of the other regions that observer reaches."""
        found = []
        names = list(regions)
        for observer in sorted({observer for observer, seen in self._seen if seen == region}):
            if self._silent(observer):
                continue
            entry = self._seen[observer, region]
            age = now_ms - entry.seen_ms
            if age <= fresh_ms:
                failing = 0 if entry.failing_since_ms is None else max(1, now_ms - entry.failing_since_ms)
                reached, total = self._reached(observer, names, now_ms, fresh_ms)
                found.append(ReachReading(observer, failing, age, reached, total))
        return tuple(found)

    def _silent(self, observer: str) -> bool:
        """Another replica whose region does not answer any more: its last word may be older than it looks."""
        mine = self._seen.get((self.me, self.homes.get(observer, "")))
        return mine is not None and mine.failing_since_ms is not None

    def _reached(self, observer: str, names: list[str], now_ms: int, fresh_ms: int) -> tuple[int, int]:
        """How many of the regions that it was asked about an observer reaches, its own left out: counting itself, it
        would trust itself while it is cut off."""
        through = observer.removeprefix("via ") if observer.startswith("via ") else ""
        own = through or self.homes.get(observer, self.home) or observer
        views = [view for name in names if name != own and (view := self._seen.get((observer, name))) is not None]
        reached = sum(now_ms - view.seen_ms <= fresh_ms and view.failing_since_ms is None for view in views)
        return reached, len(views)

    def lasting(self, at_least_ms: int, now_ms: int) -> int:
        """How many views have failed without a break for at least so long."""
        return sum(
            view.failing_since_ms is not None and now_ms - view.failing_since_ms >= at_least_ms
            for view in self._seen.values()
        )

    def forget(self, regions: set[str]) -> None:
        """Drop regions that are no more."""
        self._seen = {key: view for key, view in self._seen.items() if key[1] in regions}


@dataclass(frozen=True, slots=True)
class _Probe:
    at_ms: int
    good: bool
    why: str


@dataclass
class ProbeBook:
    """Per model, region and path: the probes of the last 15 minutes."""

    windows_ms: tuple[int, ...]
    _probes: dict[tuple[ModelKey, str], dict[str, deque[_Probe]]] = field(default_factory=dict)
    _lost: set[tuple[ModelKey, str, str]] = field(default_factory=set)  # paths that were missing when asked last

    def note(self, model: ModelKey, region: str, path: str, outcome: Outcome, why: str, now_ms: int) -> None:
        """Take in a probe; full regions say nothing. What came by a path that is missing now is no news any more."""
        if outcome is Outcome.NO_PATH:
            self._lost.add((model, region, path))
            return
        self._lost.discard((model, region, path))
        if outcome is Outcome.FULL:
            return
        kept = self._probes.setdefault((model, region), {}).setdefault(path, deque())
        kept.append(_Probe(now_ms, outcome is Outcome.GOOD, why))
        while kept and now_ms - kept[0].at_ms > _KEEP_MS:
            kept.popleft()

    def counts(self, model: ModelKey, region: str, now_ms: int) -> tuple[Counts, ...]:
        """Tallies per path, shortest window first."""
        found = []
        for path, kept in self._paths(model, region):
            tallies = tuple(self._tally(kept, window, now_ms) for window in self.windows_ms)
            found.append(Counts(path, tallies, now_ms - kept[-1].at_ms))
        return tuple(found)

    def failing(self, model: ModelKey, region: str, now_ms: int, fresh_ms: int) -> bool | None:
        """Did the newest probe of every path that has a fresh one fail? None without any."""
        newest = [
            kept[-1]
            for path, kept in self._paths(model, region)
            if (model, region, path) not in self._lost and now_ms - kept[-1].at_ms <= fresh_ms
        ]
        return all(not probe.good for probe in newest) if newest else None

    def _paths(self, model: ModelKey, region: str) -> list[tuple[str, deque[_Probe]]]:
        return sorted(self._probes.get((model, region), {}).items())

    @staticmethod
    def _tally(kept: deque[_Probe], window_ms: int, now_ms: int) -> Tally:
        inside = [probe for probe in kept if now_ms - probe.at_ms <= window_ms]
        return Tally(window_ms, sum(not probe.good for probe in inside), len(inside))

    def forget(self, models: set[ModelKey]) -> None:
        """Drop models that are no more."""
        self._probes = {key: kept for key, kept in self._probes.items() if key[0] in models}
        self._lost = {key for key in self._lost if key[0] in models}

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
    """Per observer and region: does it answer, and since when not. Observers: this replica, and `via <entry>`.

    `home` is the region that this replica runs in, empty if it is in none.
    """

    home: str = ""
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

    def readings(self, region: str, regions: Iterable[str], now_ms: int, fresh_ms: int) -> tuple[ReachReading, ...]:
        """Every observer's fresh view of one region, with how many of the other regions that observer reaches."""
        found = []
        names = list(regions)
        for observer in sorted({observer for observer, seen in self._seen if seen == region}):
            entry = self._seen[observer, region]
            age = now_ms - entry.seen_ms
            if age <= fresh_ms:
                failing = 0 if entry.failing_since_ms is None else max(1, now_ms - entry.failing_since_ms)
                reached, total = self._reached(observer, names, now_ms, fresh_ms)
                found.append(ReachReading(observer, failing, age, reached, total))
        return tuple(found)

    def _reached(self, observer: str, names: list[str], now_ms: int, fresh_ms: int) -> tuple[int, int]:
        """How many of the regions that it was asked about an observer reaches, its own left out: counting itself, it
        would trust itself while it is cut off."""
        own = observer.removeprefix("via ") if observer.startswith("via ") else self.home or observer
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

    def note(self, model: ModelKey, region: str, path: str, outcome: Outcome, why: str, now_ms: int) -> None:
        """Take in a probe; full regions and missing paths say nothing."""
        if outcome in (Outcome.FULL, Outcome.NO_PATH):
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
        newest = [kept[-1] for _, kept in self._paths(model, region) if now_ms - kept[-1].at_ms <= fresh_ms]
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

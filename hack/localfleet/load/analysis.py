"""What records say: pure functions, times in seconds.

Requests belong to the moment they STARTED in, whenever they ended: a request that a cut link kills is the
loss of the moment it was sent, and no later window can look better because slow failures have not arrived
yet.

Three outcomes: good, refused (429: full, not broken) and failed (everything else).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, floor

from .records import Record

NO_REGION = "-"  # no answer that names its region


@dataclass(frozen=True, slots=True)
class Bin:
    """What started in [start, start + width) and was served by one region; TTFT of streamed requests."""

    start: float
    good: int
    failed: int
    refused: int
    ttft_p50: float | None
    ttft_p95: float | None


@dataclass(frozen=True, slots=True)
class Percentiles:
    p50: float
    p95: float
    p99: float
    max: float


def percentile(values: Iterable[float], share: float) -> float | None:
    """The nearest rank: the smallest value that `share` of all values do not exceed; None without any."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def percentiles(values: Iterable[float]) -> Percentiles | None:
    ordered = sorted(values)
    if not ordered:
        return None
    p50, p95, p99 = (ordered[max(0, ceil(share * len(ordered)) - 1)] for share in (0.50, 0.95, 0.99))
    return Percentiles(p50, p95, p99, ordered[-1])


def streamed_ttft(records: Iterable[Record]) -> list[float]:
    """First-token times of streamed requests; for others it is the whole time and would mislead."""
    return [record.ttft for record in records if record.stream and record.ttft is not None]


def bins(records: Iterable[Record], width: float, origin: float | None = None) -> dict[str, list[Bin]]:
    """Bins of `width` per region, in order; empty ones are left out.

    Bins begin at `origin` plus a multiple of width (default: the first start, rounded down to such).
    """
    found = list(records)
    if not found:
        return {}
    if origin is None:
        origin = floor(min(record.t for record in found) / width) * width
    cells: dict[str, dict[int, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in found:
        cells[record.region or NO_REGION][floor((record.t - origin) / width)].append(record)
    return {
        region: [_bin(origin + number * width, inside) for number, inside in sorted(by_number.items())]
        for region, by_number in sorted(cells.items())
    }


def _bin(start: float, records: Sequence[Record]) -> Bin:
    ttft = streamed_ttft(records)
    return Bin(
        start=start,
        good=sum(record.good for record in records),
        failed=sum(record.failed for record in records),
        refused=sum(record.refused for record in records),
        ttft_p50=percentile(ttft, 0.50),
        ttft_p95=percentile(ttft, 0.95),
    )


def first_good_window(
    records: Iterable[Record], after: float, window: float = 5.0, threshold: float = 0.99
) -> float | None:
    """Start of the first window at or after `after` in which at least `threshold` of the requests are good.

    Windows begin at `after` and at each request's start. Refused requests count as not good:
    whoever was refused was not served. A window that the records do not cover to its end does
    not count. None if there is none.
    """
    ordered = sorted(records, key=lambda record: record.t)
    starts = [record.t for record in ordered]
    good_before = [0, *accumulate(int(record.good) for record in ordered)]
    first = bisect_left(starts, after)
    for begin in [after, *starts[first:]]:
        low, high = bisect_left(starts, begin), bisect_left(starts, begin + window)
        if high == len(starts):
            return None
        if high > low and good_before[high] - good_before[low] >= threshold * (high - low):
            return begin
    return None


def in_flight_at(records: Iterable[Record], t: float) -> int:
    """Requests that had started by `t` and had not ended. Abandoned ones have no record: not seen."""
    return sum(record.t <= t < record.t + record.total for record in records)


def failed_share(records: Iterable[Record], t0: float, t1: float) -> float | None:
    """Share of failed among the requests started in [t0, t1), refused ones among them but not failed."""
    inside = [record for record in records if t0 <= record.t < t1]
    if not inside:
        return None
    return sum(record.failed for record in inside) / len(inside)


def causes(records: Iterable[Record]) -> dict[str, int]:
    """Failed requests by cause, most frequent first."""
    return dict(Counter(record.cause for record in records if record.failed).most_common())

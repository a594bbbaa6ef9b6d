"""Figures, table and picture of `hack/bench-surge`: pure."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from corebench.tables import table
from localfleet.demo.measure import good_for_good
from localfleet.demo.watch import Sample
from localfleet.load.records import Record

SURGE = 30.0  # requests/s at the height of the demand
REPLICA_RATE = 3  # requests/s that a replica is declared to carry
WINDOW_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class SurgeFigures:
    """One run; seconds count from the beginning of the rise. `None`: not before its end.

    `peak_percent` is what a region answered in any five seconds, over what its ready replicas are declared to carry;
    `ready_seconds` is until replicas are ready for the whole demand at 90 % in the regions that are left.
    """

    way: str
    case: str
    repeat: int
    requests: int
    failed_percent: float
    refused_percent: float
    peak_percent: float
    good_again_seconds: float | None
    ready_seconds: float | None
    most_replicas: int
    replicas_at_end: int
    course: tuple["Moment", ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """Five seconds of a run: when they ended, requests per second that came and what became of them, and replicas."""

    seconds: float
    came: float
    good: float
    refused: float
    ready: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Played:
    """One run: which, from when to when (wall clock), and the region that was lost, if any."""

    way: str
    case: str
    repeat: int
    began: float
    ended: float
    lost: str | None


def figures(played: Played, sent: Sequence[Record], samples: Sequence[Sample]) -> SurgeFigures:
    """The figures of one run: pure."""
    began, ended, lost = played.began, played.ended, played.lost
    records = [row for row in sent if began <= row.t < ended]
    moments = [each for each in samples if began <= each.t < ended]
    need = SURGE / 0.9 / REPLICA_RATE

    def left(each: Sample) -> int:
        return sum(count for name, count in each.ready.items() if name != lost)

    ready = next((each.t - began for each in moments if left(each) >= need), None)
    return SurgeFigures(
        played.way,
        played.case,
        played.repeat,
        len(records),
        round(100 * sum(row.failed for row in records) / len(records), 2),
        round(100 * sum(row.refused for row in records) / len(records), 2),
        round(100 * _peak(records, moments, lost), 1),
        good_for_good(records, began, ended),
        None if ready is None else round(ready, 1),
        max(sum(each.wanted.values()) for each in moments),
        sum(moments[-1].wanted.values()),
        tuple(_course(records, moments, began, lost)),
    )


def _course(records: Sequence[Record], moments: Sequence[Sample], began: float, lost: str | None) -> Iterator[Moment]:
    """The run in steps of a window, until the last one that was watched whole."""
    at = began + WINDOW_SECONDS
    while moments and at <= moments[-1].t:
        mine = [row for row in records if at - WINDOW_SECONDS <= row.t < at]
        seen = next(each for each in moments if each.t >= at)
        yield Moment(
            round(at - began, 1),
            len(mine) / WINDOW_SECONDS,
            sum(row.good for row in mine) / WINDOW_SECONDS,
            sum(row.refused for row in mine) / WINDOW_SECONDS,
            sum(count for name, count in seen.ready.items() if name != lost),
            sum(count for name, count in seen.wanted.items() if name != lost),
        )
        at += WINDOW_SECONDS


def _peak(records: Sequence[Record], moments: Sequence[Sample], lost: str | None) -> float:
    """The highest share of its declared capacity that a region answered, by what was ready at the window's end."""
    most = 0.0
    for each in moments:
        for name, count in each.ready.items():
            ended = each.t - WINDOW_SECONDS
            answered = sum(row.region == name and ended <= row.t + row.total < each.t for row in records if row.good)
            if name != lost and count:
                most = max(most, answered / WINDOW_SECONDS / (count * REPLICA_RATE))
    return most


SHOWN = ("failed_percent", "refused_percent", "peak_percent", "good_again_seconds", "ready_seconds", "most_replicas")


def markdown(rows: Sequence[SurgeFigures]) -> str:
    """Median (least to most) of each case and way; a run in which it never came about counts as the longest."""
    lines = []
    for case, way in dict.fromkeys((row.case, row.way) for row in rows):
        mine = [asdict(row) for row in rows if (row.case, row.way) == (case, way)]
        lines.append([case, way, str(len(mine)), *(_spread([each[key] for each in mine]) for key in SHOWN)])
    return table(["case", "way", "runs", *SHOWN], lines)


def draw(rows: Sequence[SurgeFigures], path: Path) -> None:
    """The first run of each case and way: what came and what was good above, replicas below."""
    import matplotlib as mpl  # noqa: PLC0415 - takes half a second, and only the picture needs it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    shown = {(row.case, row.way): row for row in reversed(rows)}
    figure, axes = plt.subplots(2, len(shown), figsize=(4.2 * len(shown), 5), sharex=True, sharey="row", squeeze=False)
    for column, ((case, way), row) in enumerate(sorted(shown.items())):
        at = [each.seconds for each in row.course]
        above, below = axes[0][column], axes[1][column]
        above.plot(at, [each.came for each in row.course], color="0.6", label="requests/s")
        above.plot(at, [each.good for each in row.course], color="tab:green", label="good")
        above.plot(at, [each.refused for each in row.course], color="tab:red", label="refused")
        above.set_title(f"{case}, {way}", fontsize=10)
        below.plot(
            at, [each.wanted for each in row.course], color="0.6", label="replicas wanted", drawstyle="steps-post"
        )
        below.plot(at, [each.ready for each in row.course], color="tab:blue", label="ready", drawstyle="steps-post")
        below.axhline(SURGE / REPLICA_RATE, color="0.8", linestyle=":", label="needed at 100 %")
        below.set_xlabel("seconds since the rise began")
    axes[0][0].legend(fontsize=8)
    axes[1][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _spread(values: Sequence[float | None]) -> str:
    ranked = sorted(values, key=lambda value: (value is None, value or 0))
    told = ["never" if value is None else f"{value:g}" for value in ranked]
    return f"{told[len(told) // 2]} ({told[0]} to {told[-1]})"

"""A picture of a campaign: how long after the last fault fleets were home, by kind of fault."""

from collections.abc import Sequence
from pathlib import Path

from leeward.storm.campaign import Result


class NoPictureError(RuntimeError):
    """The drawing library is not installed."""


def draw(results: Sequence[Result], path: Path) -> None:
    """Write a picture: one line per kind of fault, the share of its storms that were home after so many seconds.

    Raises:
        NoPictureError: matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - only pictures need it, and it takes a second
    except ImportError as error:
        raise NoPictureError("a picture needs matplotlib: pip install matplotlib, or leave --plot out") from error
    figure = Figure(figsize=(10, 6), layout="constrained")
    axes = figure.add_subplot()
    for kind, seconds in sorted(_home(results).items()):
        shares = [100 * (i + 1) / len(seconds) for i in range(len(seconds))]
        axes.step(seconds, shares, where="post", label=f"{kind} ({len(seconds)})", linewidth=1)
    axes.set_xscale("symlog", linthresh=60)
    axes.set_xlabel("seconds after the last fault")
    axes.set_ylabel("storms that are home, %")
    axes.set_title(f"{len(results)} storms, {sum(result.failed for result in results)} broken")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small", loc="lower right", ncols=2)
    figure.savefig(path, dpi=130)


def _home(results: Sequence[Result]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for result in results:
        if result.calm_ms is not None:
            for kind in result.kinds or ("nothing",):
                found.setdefault(kind, []).append(result.calm_ms / 1000)
    return {kind: sorted(seconds) for kind, seconds in found.items()}

"""The figures as one picture: what each policy loses in each fault, when it is good again, and how ticks grow."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

_COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red")
_NEVER_SECONDS = 600.0  # as long as the faults last


def draw(found: dict[str, Any], path: Path) -> None:
    """Write the picture of `found`, which is what the JSON has."""
    figure = Figure(figsize=(13, 12), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(3, 1.2))
    good, lost = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    _boxes(good, found["faults"], "good_again_seconds", _NEVER_SECONDS)
    good.set_xlabel("seconds until 99 % of the requests were good (the right edge: not while the fault lasted)")
    _boxes(lost, found["faults"], "lost_percent", 0.0)
    lost.set_xscale("symlog", linthresh=0.1)
    lost.set_xlim(left=0)
    lost.set_xlabel("requests lost, %")
    lost.set_yticklabels([])
    good.legend(*_legend(found["faults"]), fontsize="small", loc="upper right")
    _growth(figure.add_subplot(grid[1, 0]), found["ticks"])
    _quiet(figure.add_subplot(grid[1, 1]), found["quiet"])
    figure.savefig(path, dpi=110)


def _boxes(axes: Axes, rows: list[dict[str, Any]], key: str, never: float) -> None:
    """One box a fault and policy: quartiles, 5th and 95th percentile."""
    faults, policies = _names(rows, "fault"), _names(rows, "policy")
    height = 0.8 / len(policies)
    for row in rows:
        place = policies.index(row["policy"])
        values = [never if value is None else value for value in row[key]["values"]]
        axes.boxplot(
            values,
            positions=[-faults.index(row["fault"]) - (place - (len(policies) - 1) / 2) * height],
            widths=0.8 * height,
            orientation="horizontal",
            whis=(5, 95),
            showfliers=False,
            manage_ticks=False,
            patch_artist=True,
            boxprops={"facecolor": _COLOURS[place % len(_COLOURS)], "alpha": 0.6},
            medianprops={"color": "black"},
        )
    axes.set_yticks([-at for at in range(len(faults))], faults)
    axes.grid(alpha=0.3, axis="x")


def _legend(rows: list[dict[str, Any]]) -> tuple[list[Any], list[str]]:
    policies = _names(rows, "policy")
    return [Patch(facecolor=_COLOURS[i % len(_COLOURS)], alpha=0.6) for i in range(len(policies))], policies


def _names(rows: list[dict[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(row[key] for row in rows))


def _growth(axes: Axes, rows: list[dict[str, Any]]) -> None:
    for policy in _names(rows, "policy"):
        mine = sorted((row["models"] * row["regions"], row["median_ms"]) for row in rows if row["policy"] == policy)
        axes.plot([size for size, _ in mine], [taken for _, taken in mine], marker="o", label=policy, linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("models × regions")
    axes.set_ylabel("one tick of the core, ms")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def _quiet(axes: Axes, rows: list[dict[str, Any]]) -> None:
    bars = axes.barh([row["policy"] for row in rows], [row["per_1000_hours"] for row in rows], color=_COLOURS)
    axes.bar_label(bars, fmt="%g")
    axes.invert_yaxis()
    axes.set_xlabel("wrong shifts in 1,000 quiet but noisy hours")

"""Writing down what the demo showed: report.json, report.md and a picture of the timeline."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from localfleet.demo.measure import Figures, Played
from localfleet.demo.watch import Sample, Saying, Slots
from localfleet.load.records import Record

_COLUMNS: tuple[tuple[str, str], ...] = (
    ("scene", "scene"),
    ("region", "region"),
    ("detected_seconds", "failed after, s"),
    ("drained_seconds", "weight 0 after, s"),
    ("good_again_seconds", "99 % good after, s"),
    ("requests", "requests"),
    ("failed", "failed"),
    ("failed_percent", "failed, %"),
    ("refused", "refused"),
    ("in_flight_lost", "in flight lost"),
    ("in_flight_at_fault", "in flight"),
    ("peak_survivor_percent", "peak of survivors, %"),
    ("ready_seconds", "replicas after, s"),
    ("failback_seconds", "back after, s"),
    ("wrong_shifts", "wrong shifts"),
)


def table(results: Sequence[Figures]) -> str:
    """The figures of the minute after each fault as a Markdown table; `-` where something did not happen."""
    rows = [[_cell(asdict(found)[key]) for key, _ in _COLUMNS] for found in results]
    head = "| " + " | ".join(title for _, title in _COLUMNS) + " |"
    return "\n".join([head, "|" + " --- |" * len(_COLUMNS), *("| " + " | ".join(row) + " |" for row in rows)])


def on_screen(results: Sequence[Figures]) -> Table:
    """The same figures for a terminal: a column a scene."""
    shown = Table(box=box.SIMPLE, padding=0)
    (_, title), *rows = _COLUMNS
    shown.add_column(title)
    for found in results:
        shown.add_column(str(found.scene), justify="right", no_wrap=True)
    for key, title in rows:
        shown.add_row(title, *(_cell(asdict(found)[key]) for found in results))
    return shown


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def write(
    folder: Path,
    played: Sequence[Played],
    results: Sequence[Figures],
    records: Sequence[Record],
    samples: Sequence[Sample],
    sayings: Sequence[Saying],
    slots: Slots,
    settings: dict[str, object],
) -> None:
    """All three files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(
        json.dumps(
            {
                "settings": settings,
                "machine": machine(),
                "scenes": [asdict(found) for found in results],
                "played": [asdict(each) for each in played],
                "sayings": [asdict(saying) for saying in sayings],
            },
            indent=1,
        )
    )
    (folder / "report.md").write_text(_markdown(played, results, sayings, settings))
    picture(folder / "timeline.png", played, records, samples, sayings, slots)


def machine() -> dict[str, object]:
    """What the figures were measured on, and how busy it was."""
    return {
        "cores": os.cpu_count(),
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "kernel": platform.release(),
    }


def _markdown(
    played: Sequence[Played], results: Sequence[Figures], sayings: Sequence[Saying], settings: dict[str, object]
) -> str:
    lines = [
        "# What the demo showed",
        "",
        "![timeline](timeline.png)",
        "",
        table(results),
        "",
        "Settings in force: " + ", ".join(f"{key} {value}" for key, value in settings.items()) + ".",
        "",
    ]
    for each in played:
        lines += [f"## Scene {each.number}: {each.title} ({each.region})", ""]
        lines += [
            f"- {saying.t - each.fault:+.1f} s: {saying.sentence}"
            for saying in sayings
            if each.began <= saying.t <= each.ended
        ]
        lines.append("")
    return "\n".join(lines)


def picture(
    path: Path,
    played: Sequence[Played],
    records: Sequence[Record],
    samples: Sequence[Sample],
    sayings: Sequence[Saying],
    slots: Slots,
) -> None:
    """Weights, requests, first tokens and utilisation over time, with faults and decisions marked."""
    import matplotlib as mpl  # noqa: PLC0415 - takes half a second, and only the report needs it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    if not samples:
        return
    origin = samples[0].t
    figure, axes = plt.subplots(5, 1, sharex=True, figsize=(14, 12))
    weights, requests, first, busy, replicas = axes
    regions = sorted({name for sample in samples for row in sample.weights.values() for name in row})
    for name in regions:
        mean = [_mean([row[name] for entry, row in sample.weights.items() if name in row]) for sample in samples]
        weights.step([sample.t - origin for sample in samples], mean, where="post", label=name)
        shares = [
            100 * sample.active[name] / slots.of(sample, name) if name in sample.active else float("nan")
            for sample in samples
        ]
        busy.plot([sample.t - origin for sample in samples], shares, label=name)
    _requests(requests, first, records, origin)
    weights.set_ylabel("weight, %")
    busy.set_ylabel("in flight, % of limit")
    busy.axhline(100, color="grey", linewidth=0.8)
    _replicas(replicas, samples, regions, origin)
    replicas.set_xlabel("seconds")
    weights.legend(loc="upper right", ncols=3)
    _mark(axes, played, sayings, origin)
    weights.set_ylim(-3, 103)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _mark(axes: Sequence[Any], played: Sequence[Played], sayings: Sequence[Saying], origin: float) -> None:
    """Faults as red bands with their titles, and a line where weights were written."""
    weights = axes[0]
    for axis in axes:
        for each in played:
            axis.axvspan(each.fault - origin, each.healed - origin, color="red", alpha=0.08)
        axis.grid(alpha=0.3)
    for saying in sayings:
        if saying.kind == "Weights":
            weights.axvline(saying.t - origin, color="grey", linewidth=0.6, linestyle=":")
    for each in played:
        weights.annotate(
            f"{each.number}. {each.title}",
            (each.fault - origin, 1.03),
            xycoords=("data", "axes fraction"),
            fontsize=6,
            rotation=8,
            annotation_clip=False,
        )


def _requests(requests: Any, first: Any, records: Sequence[Record], origin: float) -> None:
    seconds = range(int(max((record.t for record in records), default=origin) - origin) + 1)
    good, failed, refused = (dict.fromkeys(seconds, 0) for _ in range(3))
    for record in records:
        second = int(record.t - origin)
        if second in good:
            (good if record.good else refused if record.refused else failed)[second] += 1
    requests.stackplot(
        list(seconds),
        list(good.values()),
        list(refused.values()),
        list(failed.values()),
        labels=("good", "refused", "failed"),
        colors=("#7fbf7b", "#f1c232", "#d6604d"),
    )
    requests.set_ylabel("requests per second")
    requests.legend(loc="upper right", ncols=3)
    shown = [record for record in records if record.stream and record.ttft is not None]
    first.scatter([record.t - origin for record in shown], [record.ttft for record in shown], s=2, alpha=0.4)
    first.set_ylabel("first token, s")
    first.set_yscale("log")


def _replicas(axes: Any, samples: Sequence[Sample], regions: Sequence[str], origin: float) -> None:
    """Ready replicas, those that are wanted, and the nodes that are there for them."""
    times = [sample.t - origin for sample in samples]
    for number, name in enumerate(regions):
        colour, nudge = f"C{number}", 0.06 * number  # so that lines do not cover each other
        for key, style in (("ready", "-"), ("wanted", ":"), ("nodes", "--")):
            values = [getattr(sample, key).get(name, float("nan")) + nudge for sample in samples]
            told = key if not number else None
            axes.step(times, values, where="post", color=colour, linestyle=style, linewidth=1, label=told)
    axes.set_ylabel("replicas, nodes")
    axes.legend(loc="upper right", ncols=3)


def _mean(values: Sequence[int]) -> float:
    return sum(values) / len(values) if values else float("nan")

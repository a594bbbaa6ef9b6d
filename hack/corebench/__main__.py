"""`hack/bench-core`: all figures of the core as JSON with medians, as tables, and as a picture."""

import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from corebench import plots, tables
from corebench.ticks import TickFigures, measure
from leeward.core.spec import TrafficPolicy
from leeward.storm.campaign import run_one, scenario_of
from leeward.storm.compare import CASES, POLICIES, compared, wrong_shifts
from localfleet.demo.report import machine
from localfleet.layout import REPOSITORY

console = Console(highlight=False, soft_wrap=True)

TICKS = ((100, 5), (1_000, 5), (2_000, 5), (4_000, 5), (1_000, 10), (1_000, 20))
LARGE = (10_000, 20)
SPEED_SEEDS = range(1_000, 1_060)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--storms", default=40, show_default=True, help="Storms of each kind of fault, under each policy.")
@click.option("--quiet-hours", default=1_000, show_default=True, help="Quiet but noisy hours, under each policy.")
@click.option("--ticks", default=5, show_default=True, help="Timed ticks of each size.")
@click.option(
    "--large/--no-large", default=True, help=f"Also {LARGE[0]} models × {LARGE[1]} regions (some GB, minutes)."
)
@click.option("--jobs", default=os.cpu_count() or 1, show_default="cores", help="Storms at the same time.")
@click.option("--out", type=click.Path(path_type=Path), default=REPOSITORY / "bench" / "results")
def main(storms: int, quiet_hours: int, ticks: int, large: bool, jobs: int, out: Path) -> None:
    """Time the core alone, run storms for speed, and compare the rules with simpler policies in the same storms."""
    found: dict[str, Any] = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "machine": machine()}
    found["ticks"] = [asdict(each) for each in _ticks(ticks, large)]
    found["speed"] = _speed()
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        found["faults"] = _faults(pool, storms)
        found["quiet"] = _quiet(pool, quiet_hours)
    out.mkdir(parents=True, exist_ok=True)
    text = tables.markdown(found)
    (out / f"core-{found['date']}.json").write_text(json.dumps(found, indent=1) + "\n")
    (out / f"core-{found['date']}.md").write_text(text)
    plots.draw(found, out / f"core-{found['date']}.png")
    console.print(text, markup=False)


def _ticks(ticks: int, large: bool) -> list[TickFigures]:
    """Each size in a process of its own: memory is that of a peak."""
    sizes = [(size, policy) for size in TICKS for policy in (TrafficPolicy.LOCAL_FIRST, TrafficPolicy.SHARES)]
    rows = [(models, regions, policy, ticks) for (models, regions), policy in sizes]
    if large:
        rows.append((*LARGE, TrafficPolicy.LOCAL_FIRST, 1))
    found = []
    for row in rows:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found.append(pool.apply(measure, row))
        console.print(f"{found[-1]}", markup=False)
    return found


def _speed() -> dict[str, float]:
    """How fast storms run on one core."""
    started, hours, decisions = time.process_time(), 0.0, 0
    for seed in SPEED_SEEDS:
        result = run_one(seed)
        hours += result.ended_ms / 3_600_000 * len(scenario_of(seed).fleet.regions)
        decisions += result.decisions
    taken = time.process_time() - started
    return {
        "storms": len(SPEED_SEEDS),
        "region_hours_per_second": round(hours / taken, 2),
        "milliseconds_per_storm": round(1000 * taken / len(SPEED_SEEDS), 1),
        "decisions_per_storm": round(decisions / len(SPEED_SEEDS), 1),
    }


def _faults(pool: Any, storms: int) -> list[dict[str, Any]]:
    rows = []
    for case in CASES:
        found = pool.map(partial(compared, case), range(storms), chunksize=1)
        for policy in POLICIES:
            mine = [each[policy] for each in found]
            rows.append(
                {
                    "fault": case.name,
                    "policy": policy,
                    "storms": storms,
                    "drained_seconds": _spread([figures.drained_seconds for figures in mine]),
                    "good_again_seconds": _spread([figures.good_again_seconds for figures in mine]),
                    "lost_percent": _spread([100 * figures.lost_share for figures in mine]),
                    "peak_survivor_percent": _spread([100 * figures.peak_survivor for figures in mine]),
                }
            )
        console.print(f"{case.name}: done", markup=False)
    return rows


def _spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Median and 95th percentile over all storms, where one in which it never came about counts as the longest."""
    ranked = sorted(value for value in values if value is not None)
    never = len(values) - len(ranked)

    def at(share: float) -> float | None:
        index = min(len(values) - 1, int(share * len(values)))
        return round(ranked[index], 2) if index < len(ranked) else None

    return {"median": at(0.5), "p95": at(0.95), "never": never, "values": [_rounded(value) for value in values]}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _quiet(pool: Any, hours: int) -> list[dict[str, Any]]:
    """Wrong shifts in hours in which nobody is ill, in runs of ten hours."""
    runs = max(1, hours // 10)
    rows = []
    for policy in POLICIES:
        count: Callable[[int], int] = partial(wrong_shifts, hours=10, policy=policy)
        shifts = pool.map(count, range(runs), chunksize=1)
        per_thousand = 1000 * sum(shifts) / (10 * runs)
        rows.append({"policy": policy, "hours": 10 * runs, "shifts": sum(shifts), "per_1000_hours": per_thousand})
        console.print(f"quiet hours under {policy}: {sum(shifts)} shifts, median {statistics.median(shifts)} a run")
    return rows


if __name__ == "__main__":
    main()

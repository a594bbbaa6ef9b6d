"""`hack/bench-capacity`: figures of sizing as JSON and as tables."""

import json
import multiprocessing
import os
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from capacitybench.solver import SIZES, solved
from capacitybench.week import WeekFigures, doubled, equal_regions, fixed, followed, waves
from corebench.tables import table
from leeward.core.spec import Standby
from localfleet.demo.report import machine
from localfleet.layout import REPOSITORY

console = Console(highlight=False, soft_wrap=True)
FLEETS = ((3, 3), (3, 24), (5, 3))
"""Regions, and the hours that they are spread over."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--runs", default=9, show_default=True, help="Problems of each size for the solver.")
@click.option("--jobs", default=os.cpu_count() or 1, show_default="cores", help="Weeks at the same time.")
@click.option("--out", type=click.Path(path_type=Path), default=REPOSITORY / "bench" / "results")
def main(runs: int, jobs: int, out: Path) -> None:
    """Play weeks of daily waves for their GPU-hours, and time the solver."""
    found: dict[str, Any] = {"date": datetime.now(UTC).strftime("%Y-%m-%d"), "machine": machine()}
    weeks = [(*fleet, standby) for fleet in FLEETS for standby in Standby]
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        led = pool.starmap(followed, weeks, chunksize=1)
    found["week"] = [asdict(row) for fleet in FLEETS for row in _ways(*fleet, led)]
    console.print("weeks: done")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found["solver"] = [asdict(row) for row in pool.map(partial(solved, runs=runs), SIZES, chunksize=1)]
    out.mkdir(parents=True, exist_ok=True)
    (out / f"capacity-{found['date']}.json").write_text(json.dumps(found, indent=1) + "\n")
    text = markdown(found)
    (out / f"capacity-{found['date']}.md").write_text(text)
    console.print(text, markup=False)


def _ways(regions: int, hours: int, led: list[WeekFigures]) -> list[WeekFigures]:
    demand = waves(regions, hours)
    return [
        fixed("every region twice", doubled(demand), hours, demand),
        fixed("equal regions, N+1", equal_regions(demand), hours, demand),
        *(row for row in led if (row.regions, row.hours) == (regions, hours)),
    ]


def markdown(found: dict[str, Any]) -> str:
    """Both tables."""
    weeks = []
    for row in found["week"]:
        peer = next(
            each
            for each in found["week"]
            if (each["regions"], each["hours"]) == (row["regions"], row["hours"]) and each["way"].startswith("equal")
        )
        ratio = row["gpu_hours"] / peer["gpu_hours"]
        weeks.append(
            [
                f"{row['regions']} over {row['hours']} h",
                row["way"],
                f"{row['gpu_hours']:,.0f}",
                f"{ratio:.2f}",
                f"{row['survived_percent']:.2f}",
                str(row["changes"]),
            ]
        )
    solver = [
        [
            f"{row['regions']} × {row['offers']} × {row['accelerators']}",
            f"{row['median_seconds']:g}",
            f"{row['most_seconds']:g}",
            f"{row['proven']} of {row['runs']}",
            "-" if row["median_saving_percent"] is None else f"{row['median_saving_percent']:g}",
        ]
        for row in found["solver"]
    ]
    return (
        "\n\n".join(
            (
                f"Figures of sizing of {found['date']}: {found['machine']}",
                "A week of daily waves: GPU-hours, also against equal regions, and the minutes in which the others "
                "would have carried the demand of that moment without the largest region:\n\n"
                + table(["regions", "way", "GPU-hours", "of N+1", "survived, % of minutes", "orders"], weeks),
                "The cheapest placement (`leeward plan-capacity`), the two it is compared with included:\n\n"
                + table(
                    ["regions × offers × types", "median s", "most s", "proven cheapest", "saved against N+1, %"],
                    solver,
                ),
            )
        )
        + "\n"
    )


if __name__ == "__main__":
    main()

"""`leeward simulate`: storms on a virtual clock, checked at every step."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from leeward.storm import scenario_file
from leeward.storm.campaign import Result, by_kind, played, run_many, scenario_of
from leeward.storm.scenario import KINDS, Scenario
from leeward.storm.transcript import transcript

SHOWN_FAILURES = 10

_KINDS = "\n".join(
    f"  {row.kind.value:18} {f'size: {row.unit}, {row.size[0]:g} to {row.size[1]:g}' if row.size else ''}".rstrip()
    for row in KINDS.values()
)
_EPILOG = (
    "FILE is a storm of your own, in YAML (docs/simulate.md):\n\n"
    f"{scenario_file.FORMAT}\n\n\b\nKinds of faults:\n{_KINDS}"
)


@click.command(epilog=_EPILOG)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="The first seed.")
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(min=1), help="How many seeds from there.")
@click.option(
    "--days", default=0, type=click.IntRange(0, 365), help="Long storms: so many days, a fault every few hours."
)
@click.option("--jobs", type=click.IntRange(min=1), help="Storms at the same time; as many as cores if not given.")
@click.option("--plot", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write a picture there.")
@click.option("--quiet", is_flag=True, help="No transcript of a single storm, no progress.")
def simulate(
    file: Path | None, seed: int, seeds: int, days: int, jobs: int | None, plot: Path | None, quiet: bool
) -> None:
    """Play storms against the decision core, and check that it keeps its rules.

    A storm is a fleet on a virtual clock: regions, users, replicas that take minutes, metrics that lag and lie, and
    faults. Safety is checked at every step; when the faults have ended, the fleet has to come home within a bound.
    One seed prints its transcript, many print a table. A storm that breaks a rule prints its seed: the same seed gives
    the same storm. Ends with 1 if any rule was broken.
    """
    console = Console(highlight=False, soft_wrap=True)
    if file is not None and days:
        raise click.UsageError("--days makes a storm by itself: leave out FILE, or --days")
    fixed = _read(file, seed)
    if seeds == 1:
        sys.exit(_tell_one(console, scenario_of(seed, days, fixed), quiet))
    results = _play_all(console, range(seed, seed + seeds), jobs or os.cpu_count() or 1, days, fixed, quiet)
    _draw(results, plot)
    sys.exit(_tell_failures(console, results, file, days))


def _read(file: Path | None, seed: int) -> Scenario | None:
    if file is None:
        return None
    try:
        return scenario_file.read(file, seed)
    except scenario_file.BadScenarioError as error:
        raise click.ClickException(str(error)) from error


def _tell_one(console: Console, scenario: Scenario, quiet: bool) -> int:
    outcome = played(scenario, keep=True)
    if not quiet or outcome.failed:
        for line in transcript(scenario, outcome):
            console.print(line, markup=False)
    return int(outcome.failed)


def _play_all(
    console: Console, seeds: Sequence[int], jobs: int, days: int, fixed: Scenario | None, quiet: bool
) -> list[Result]:
    """All results; those that came in before Ctrl-C, if it is pressed."""
    results: list[Result] = []
    broken = 0
    started = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        task = progress.add_task("storms", total=len(seeds))
        try:
            for result in run_many(seeds, min(jobs, len(seeds)), days, fixed):
                results.append(result)
                broken += result.failed
                told = f"storms, {broken} broken" if broken else "storms"
                progress.update(task, advance=1, description=told)
        except KeyboardInterrupt:
            progress.console.print("stopped: what came in so far follows")
    _tell_table(console, results, time.monotonic() - started)
    return sorted(results, key=lambda result: result.seed)


def _tell_table(console: Console, results: Sequence[Result], seconds: float) -> None:
    table = Table("fault", "storms", "broken", "home after, median s", "most s")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in by_kind(results):
        home = ["-" if value is None else f"{value:.0f}" for value in (row.home_median, row.home_most)]
        table.add_row(row.kind, str(row.storms), str(row.broken), *home)
    console.print(table)
    hours = sum(result.ended_ms for result in results) / 3_600_000
    decisions = sum(result.decisions for result in results)
    console.print(
        f"{len(results)} storms, {hours:.1f} simulated hours, {decisions} decisions in {seconds:.1f} s: "
        f"{sum(result.failed for result in results)} broken"
    )


def _tell_failures(console: Console, results: Sequence[Result], file: Path | None, days: int) -> int:
    failures = [result for result in results if result.failed]
    for result in failures[:SHOWN_FAILURES]:
        told = result.error or f"{result.violations[0].rule}: {result.violations[0].sentence}"
        how = f"leeward simulate {f'{file} ' if file else ''}--seed {result.seed}{f' --days {days}' if days else ''}"
        console.print(f"{how}\n  {told}", markup=False)
    if len(failures) > SHOWN_FAILURES:
        console.print(f"and {len(failures) - SHOWN_FAILURES} more")
    return int(bool(failures))


def _draw(results: Sequence[Result], plot: Path | None) -> None:
    if plot is None:
        return
    from leeward.storm import chart  # noqa: PLC0415 - pictures only on demand

    try:
        chart.draw(results, plot)
    except chart.NoPictureError as error:
        raise click.ClickException(str(error)) from error

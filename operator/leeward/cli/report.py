"""A decision as a person reads it: what was decided and why, then the evidence."""

from collections.abc import Iterator

from rich.console import Console

from leeward.cli.console import plain, stamp, table
from leeward.core.capacity import shown
from leeward.core.snapshot import Matrix
from leeward.replay.explanation import Explanation, RegionWhy


def report(console: Console, told: Explanation) -> None:
    """Print an explanation."""
    console.print(plain(f"{told.model}, decided {stamp(told.at_ms)} by what {told.observer} saw"))
    console.print(plain(told.reason + (" (emergency)" if told.emergency else "")))
    console.print()
    console.print(
        table(("region", "verdict", "phase", "weight", "target", "can carry", "load", "replicas"), _rows(told))
    )
    _section(console, "Weights by entry", _weights(told))
    for region in told.regions:
        console.print()
        _region(console, region)
    _section(console, "Guards and limits that hold", [note.sentence for note in told.guards] or ["none"])
    survives = "survives a loss" if told.survivable else "would not survive a loss"
    _section(console, "Capacity", [f"{survives}: {told.survivable_reason}"])
    changes = [f"{stamp(c.at_ms)}  {'!' if c.warning else ' '} {c.sentence}" for c in told.changes]
    _section(console, "Changes, newest last", changes or ["none"])


def _section(console: Console, title: str, lines: list[str]) -> None:
    console.print()
    console.print(title, style="bold")
    for line in lines:
        console.print(plain(f"  {line}"))


def _rows(told: Explanation) -> Iterator[tuple[object, ...]]:
    for each in told.regions:
        load = "-" if each.utilization_percent is None else f"{each.utilization_percent} %"
        yield (
            each.name,
            each.verdict,
            each.phase,
            f"{each.weight} %",
            f"{each.target_weight} %",
            f"{shown(each.capacity)}/s",
            load,
            each.replicas,
        )


def _weights(told: Explanation) -> list[str]:
    """One line an entry: what it held, and what is in force now where that differs."""
    before = dict(told.before)
    lines = []
    for entry, row in told.weights:
        old = dict(before.get(entry, ()))
        cells = [
            f"{name} {weight}" if old.get(name, weight) == weight else f"{name} {old[name]} -> {weight}"
            for name, weight in row
        ]
        lines.append(f"{entry}: {', '.join(cells)}")
    return lines or ["none is known"]


def _region(console: Console, each: RegionWhy) -> None:
    console.print(plain(each.name), style="bold")
    since = f" since {stamp(each.verdict_since_ms)}" if each.verdict_since_ms else ""
    console.print(plain(f"  {each.verdict}{since}: {each.verdict_reason}"))
    why = f": {each.phase_reason}" if each.phase_reason else ""
    console.print(plain(f"  {each.phase} since {stamp(each.phase_since_ms)}{why}"))
    if each.verdict_now is not each.verdict:
        console.print(plain(f"  these readings alone: {each.verdict_now}"))
    rows = [(reading.kind, reading.level, reading.sentence) for reading in each.readings]
    if rows:
        console.print(table((), rows, indent=4))
    else:
        console.print("    no fresh reading of any kind")


def rows_in_words(matrix: Matrix) -> list[str]:
    """One line an entry."""
    return [f"{entry}: {', '.join(f'{name} {weight}' for name, weight in row)}" for entry, row in matrix]

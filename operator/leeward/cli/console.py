"""What all commands share: output without surprises, times, and the one way in which they fail."""

import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml
from pydantic import TypeAdapter
from rich.console import Console
from rich.text import Text

NOT_HELD = 3
"""Exit code when what `--check` checks does not hold, or what is asked for cannot be had."""

_GAP = 3

Command = TypeVar("Command", bound=Callable[..., Any])

STYLES = {
    "healthy": "green",
    "good": "green",
    "degraded": "yellow",
    "fair": "yellow",
    "unknown": "yellow",
    "failed": "red",
    "bad": "red",
}


def output_option(*more: str, note: str = "How to print it.") -> Callable[[Command], Command]:
    """-o: text for people, json and yaml for programs, and `more` that only this command knows."""
    forms = click.Choice(["text", *more, "json", "yaml"])
    return click.option("-o", "--output", type=forms, default="text", show_default=True, help=note)


def document(value: object, form: str) -> str:
    """A value for programs: json on one line, or yaml."""
    adapter = TypeAdapter(type(value))
    if form == "json":
        return adapter.dump_json(value).decode()
    return yaml.safe_dump(adapter.dump_python(value, mode="json"), sort_keys=False, allow_unicode=True).rstrip()


def console() -> Console:
    """Standard output: colours on a terminal only (NO_COLOR is heeded), and lines that are never cut in a pipe."""
    width = None if sys.stdout.isatty() else 1_000
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)


def plain(text: str) -> Text:
    """Text from outside, without anything that a terminal would obey; words of a verdict carry their colour."""
    clean = "".join(letter if letter.isprintable() else "�" for letter in text)
    return Text(clean, STYLES.get(clean, ""))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], indent: int = 0) -> Text:
    """Columns under capital heads, as kubectl shows them; without heads, only the rows."""
    lines = [[plain(str(cell)) for cell in row] for row in rows]
    if heads:
        lines.insert(0, [Text(head.upper()) for head in heads])
    widths = [max(cell.cell_len for cell in column) for column in zip(*lines, strict=True)]
    made = Text()
    for line in lines:
        row = Text(" " * indent)
        for cell, width in zip(line, widths, strict=True):
            row.append_text(cell).append(" " * (width - cell.cell_len + _GAP))
        row.rstrip()
        made.append_text(row).append("\n")
    made.rstrip()
    return made


def stamp(ms: int) -> str:
    """A time in UTC, to the second; a dash where there is none."""
    if ms <= 0:
        return "-"
    try:
        return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"


def contents(path: str) -> bytes:
    """All of a file, or of standard input for `-`.

    Raises:
        click.ClickException: it cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror or error}") from error

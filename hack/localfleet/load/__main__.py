"""Command line of the load: `python -m localfleet.load --help`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path

import click
import uvloop
from rich.console import Console

from .entries import Entry
from .generator import Load, LoadSettings
from .live import show
from .summary import summarize

INTERRUPTED = 130


def parse_entry(text: str) -> Entry:
    """An entry from NAME=HOST:PORT. Raises click.BadParameter."""
    name, _, place = text.partition("=")
    host, _, port = place.rpartition(":")
    if not (name and host and port.isdecimal()):
        raise click.BadParameter(f"{text!r} is not of the form NAME=HOST:PORT", param_hint="--entry")
    return Entry(name, host, int(port))


def parse_share(text: str) -> tuple[str, float]:
    """A share from NAME=0.5. Raises click.BadParameter."""
    name, _, number = text.partition("=")
    try:
        return name, float(number)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not of the form NAME=0.5", param_hint="--share") from None


async def run(load: Load, quiet: bool) -> bool:
    """Run a load to its end; whether it was interrupted. SIGINT and SIGTERM give up what is in flight."""
    stop = asyncio.Event()

    def interrupt() -> None:
        load.drain_seconds = 0.0
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    running = asyncio.create_task(load.run(stop))
    views = set()
    console = Console(stderr=True)
    if console.is_terminal and not quiet:
        views.add(asyncio.create_task(show(load, console)))
    waiting_for_stop = asyncio.create_task(stop.wait())
    await asyncio.wait({running, waiting_for_stop}, return_when=asyncio.FIRST_COMPLETED)
    interrupted = stop.is_set()
    await running
    for task in (waiting_for_stop, *views):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return interrupted


@click.command()
@click.option("--entry", "entries", multiple=True, required=True, metavar="NAME=HOST:PORT", help="Repeatable.")
@click.option("--hostname", required=True, help="Sent as Host.")
@click.option("--model", required=True)
@click.option("--rate", required=True, type=click.FloatRange(0, min_open=True), help="Requests per second.")
@click.option("--duration", required=True, type=click.FloatRange(0, min_open=True), help="Seconds.")
@click.option("--share", "shares", multiple=True, metavar="NAME=0.5", help="Users' share of an entry; repeatable.")
@click.option("--stream-share", default=0.7, show_default=True, type=click.FloatRange(0, 1))
@click.option("--ttft-objective", default=2.5, show_default=True, help="Seconds.")
@click.option("--max-tokens", default=128, show_default=True, type=click.IntRange(1))
@click.option("--connect-timeout", default=1.0, show_default=True, help="Seconds.")
@click.option("--total-timeout", default=60.0, show_default=True, help="Seconds for all tries of a request.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write a JSON line for each request.")
@click.option("--summary", type=click.Path(dir_okay=False, path_type=Path), help="Write the summary as JSON.")
@click.option("--seed", default=0, show_default=True)
@click.option("--quiet", is_flag=True, help="No live line, no summary on the terminal.")
def main(
    entries: tuple[str, ...],
    shares: tuple[str, ...],
    out: Path | None,
    summary: Path | None,
    quiet: bool,
    **options: object,
) -> None:
    """Send an open-loop load of chat completions and record what became of each request."""
    settings = LoadSettings(
        entries=[parse_entry(text) for text in entries],
        shares=dict(parse_share(text) for text in shares),
        **options,  # type: ignore[arg-type]  # click has checked and converted them, names are the fields' own
    )
    try:
        load = Load(settings, out)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    interrupted = uvloop.run(run(load, quiet))
    text = json.dumps(summarize(load), indent=2)
    if summary:
        summary.write_text(text + "\n", encoding="utf-8")
    if not quiet:
        click.echo(text)
    sys.exit(INTERRUPTED if interrupted else 0)


if __name__ == "__main__":
    main()

"""`hack/chaos`: brings a fleet up, plays faults from a seed, and says what broke."""

import asyncio
import json
import sys
from pathlib import Path

import click
from rich.console import Console

from localfleet import layout, sandbox
from localfleet.bench.session import on_own_fleet, stop_on_signals
from localfleet.chaos.acts import ACTS
from localfleet.chaos.play import play
from localfleet.chaos.report import as_json, faults_table, markdown
from localfleet.demo import report
from localfleet.demo.stage import Stage
from localfleet.layout import REPOSITORY, Fleet

console = Console(highlight=False)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seed", default=1, show_default=True, help="The same faults in the same order, for the same seed.")
@click.option("--minutes", default=10.0, show_default=True, help="A round that has begun is played to its end.")
@click.option("--only", multiple=True, type=click.Choice(list(ACTS)), metavar="FAULT", help="Only this fault; again.")
@click.option("--list", "listed", is_flag=True, help="Tell which faults there are.")
@click.option("--name", default="chaos", show_default=True, help="Name of the fleet.")
@click.option("--out", type=click.Path(path_type=Path), default=REPOSITORY / "out" / "chaos", help="Where results go.")
def main(seed: int, minutes: float, only: tuple[str, ...], listed: bool, name: str, out: Path) -> None:
    """Break a fleet of three regions in every way, under load, while a checker reads what API servers log.

    Exit codes: 0 every promise was kept, 1 one was broken (the report says when, where and by whom), 2 wrong usage.
    """
    if listed:
        console.print(faults_table(), markup=False, soft_wrap=True)
        return
    if sandbox.inside():
        sys.exit(asyncio.run(_inside(layout.load(name), seed, minutes, only or tuple(ACTS), out.resolve())))
    sys.exit(on_own_fleet(name, "localfleet.chaos", sys.argv[1:]))


async def _inside(fleet: Fleet, seed: int, minutes: float, faults: tuple[str, ...], out: Path) -> int:
    stage, stop = Stage(fleet), asyncio.Event()
    stop_on_signals(stop)
    await stage.open()
    try:
        found = await play(stage, out / "run", seed, minutes, faults, console.print, stop, last=True)
    finally:
        await stage.close()
    (out / "chaos.json").write_text(json.dumps(as_json(found, report.machine()), indent=1) + "\n")
    text = markdown(found)
    (out / "chaos.md").write_text(text + "\n")
    console.print(text, markup=False, soft_wrap=True)
    return 1 if found.broken else 0


if __name__ == "__main__":
    main()

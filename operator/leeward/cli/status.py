"""`leeward status`: the fleet at a glance, once or again and again."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from leeward.cli.console import NOT_HELD, console, document, output_option, plain, table
from leeward.cli.options import access, access_options, complete_model

if TYPE_CHECKING:
    from leeward.cli.home import Home
    from leeward.cli.overview import Incident, ModelGlance, Overview, RegionGlance

EPILOG = """\b
Examples:
  leeward status
  leeward status llama-70b -n models -o wide
  leeward status --watch
  leeward status -o json | jq '.incidents'

Exit codes: 0 told, 1 the cluster does not answer or there is no such model, 2 wrong usage, 3 (--check) something asks
for an eye.
"""
_WORDS = {"True": "yes", "False": "no", "Unknown": "unknown", None: "-"}


@click.command("status", epilog=EPILOG)
@click.argument("model", required=False, shell_complete=complete_model)
@click.option("-w", "--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option(
    "--every", type=click.FloatRange(min=0.5), default=2.0, show_default=True, help="Seconds between two looks."
)
@output_option("wide", note="How to print it; wide: with the reason of each region's state.")
@click.option("--check", is_flag=True, help="Exit with 3 if anything asks for a person's eye.")
@access_options
def status(model: str | None, watch: bool, every: float, output: str, check: bool, **options: Any) -> None:
    """Show who leads, the regions, every model (or MODEL alone) by region, and what is not as it should be.

    It is what the operator last wrote into the objects' status; reading them is all the right that it takes.
    """
    if watch and (check or output in ("json", "yaml")):
        raise click.UsageError("--watch is for people: leave out --check, and -o json or yaml")
    where = access(options)
    if watch:
        with suppress(KeyboardInterrupt):
            where.ask(lambda home: _watch(home, model, output == "wide", every))
        return
    found = where.ask(lambda home: _look(home, model))
    if output in ("json", "yaml"):
        click.echo(document(found, output))
    else:
        console().print(shown(found, output == "wide"))
    if check and found.incidents:
        raise click.exceptions.Exit(NOT_HELD)


async def _look(home: "Home", name: str | None) -> "Overview":
    from leeward.cli.overview import overview  # noqa: PLC0415 - see options.access

    models = [await home.model(name)] if name is not None else await home.models()
    regions = await home.regions()
    now_ms = time.time_ns() // 1_000_000
    return overview(models, regions.values(), await home.evacuations(), await home.deciding(), now_ms)


async def _watch(home: "Home", model: str | None, wide: bool, every: float) -> None:
    """Redraw in place on a terminal; elsewhere print what changed. A cluster that is silent is told, not fatal."""
    from leeward.ports import PortError  # noqa: PLC0415 - see options.access

    out, before = console(), ""
    with Live(console=out, auto_refresh=False, screen=out.is_terminal, transient=True) as live:
        while True:
            try:
                page = shown(await _look(home, model), wide)
            except PortError as error:
                page = plain(f"{error} ({error.remedy})")
            now = time.strftime("%H:%M:%S")
            if out.is_terminal:
                live.update(Group(Text(now), page), refresh=True)
            elif (text := _text(page)) != before:
                click.echo(f"{now}\n{text}")
                before = text
            await asyncio.sleep(every)


def _text(page: Text) -> str:
    quiet = Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=1_000, no_color=True)
    with quiet.capture() as captured:
        quiet.print(page)
    return captured.get()


def shown(found: "Overview", wide: bool) -> Text:
    """The page."""
    return Text("\n").join(_parts(found, wide))


def _parts(found: "Overview", wide: bool) -> Iterator[Text]:
    if found.leader is not None:
        yield plain(f"leader: {found.leader or 'nobody'}, epoch {found.epoch}") + Text("\n")
    heads = ("region", "ready", "api answers", "metrics fresh", "nodes", "accelerators", "ordered")
    yield table(heads, map(_region, found.regions)) if found.regions else plain("no Region")
    for model in found.models:
        yield Text("")
        yield from _model(model, wide)
    if not found.models:
        yield Text("")
        yield plain("no ModelDeployment")
    yield Text("")
    yield Text("What asks for an eye" if found.incidents else "Nothing asks for an eye", style="bold")
    yield from (plain(f"  {line}") for line in map(_incident, found.incidents))


def _region(each: "RegionGlance") -> tuple[object, ...]:
    accelerators = ", ".join(f"{name} {count}" for name, count in sorted(each.accelerators.items()))
    states = (_WORDS[state] for state in (each.ready, each.reachable, each.metrics))
    return each.name, *states, each.nodes, accelerators or "-", "evacuate" if each.evacuated else "-"


def _model(model: "ModelGlance", wide: bool) -> Iterator[Text]:
    yield Text.assemble((model.name, "bold"), "  ", plain(model.health), f"  {model.replicas} replicas")
    heads = ("region", "verdict", "phase", "weight", "target", "load", "can carry", "replicas")
    rows = [
        (
            line.name,
            line.verdict,
            line.phase,
            f"{line.weight} %",
            f"{line.target_weight} %",
            "-" if line.utilization is None else f"{line.utilization} %",
            f"{line.capacity}/s" if line.capacity else "-",
            f"{line.replicas.ready}/{line.replicas.desired}"
            + (f" +{line.replicas.standby}" if line.replicas.standby else ""),
            *((line.reason,) if wide else ()),
        )
        for line in model.regions
    ]
    if rows:
        yield table((*heads, "reason") if wide else heads, rows, indent=2)
    yield plain(f"  after a loss: {model.survivable}")


def _incident(each: "Incident") -> str:
    since = f" (since {each.since})" if each.since else ""
    return f"{each.about}: {each.kind}: {each.sentence}{since}"

"""`hack/fleet status | logs | load`: looking at a fleet, and sending it users."""

import asyncio
import subprocess
import sys

import click
from rich.table import Table

from localfleet import launch, lifecycle, sandbox
from localfleet.cli import Context, console, inside, main
from localfleet.layout import ENVOY_READY_PORT, USERS_PORT, RegionHost


async def _answers(region: RegionHost) -> dict[str, bool]:
    urls = {
        "gateway": f"http://{region.address}:{ENVOY_READY_PORT}/ready",
        "prometheus": f"{region.prometheus}/-/ready",
        "models": f"{region.models_control}/state",
    }
    found = await asyncio.gather(*(lifecycle.answers(url) for url in urls.values()))
    return dict(zip(urls, found, strict=True))


def _mark(good: bool) -> str:
    return "[green]answers[/]" if good else "[red]silent[/]"


@main.command()
@click.pass_obj
def status(context: Context) -> None:
    """Show every region's programs and whether they answer."""
    fleet = context.fleet
    if not sandbox.inside():
        return inside(context)
    table = Table("region", "address", "gateway", "prometheus", "models", "programs", "memory", box=None)
    for region in fleet.regions:
        found = asyncio.run(_answers(region))
        states = {name: launch.state(region, name) for name in launch.names(region)}
        off = [f"{name} {state}" for name, state in states.items() if state != "running"]
        memory = sum(launch.resident_bytes(region, name) for name in states) / 2**20
        table.add_row(
            region.name,
            region.address,
            *(_mark(good) for good in found.values()),
            f"[red]{', '.join(off)}[/]" if off else f"{len(states)} running",
            f"{memory:,.0f} MiB",
        )
    console.print(table)


@main.command()
@click.argument("region")
@click.argument("component", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows.")
@click.option("-n", "--lines", default=50, show_default=True)
@click.pass_obj
def logs(context: Context, region: str, component: str | None, follow: bool, lines: int) -> None:
    """Show a program's log, or list the logs of a region."""
    try:
        folder = context.fleet.region(region).folder / "logs"
    except LookupError as error:
        raise click.ClickException(str(error)) from error
    known = sorted(path.stem for path in folder.glob("*.log"))
    if component is None:
        click.echo("\n".join(known))
        return
    if component not in known:
        raise click.ClickException(f"no log of {component!r}; there are: {', '.join(known)}")
    command = ["tail", f"-n{lines}", *(["-f"] if follow else []), str(folder / f"{component}.log")]
    sys.exit(subprocess.call(command))


@main.command(context_settings={"ignore_unknown_options": True})
@click.option("--through", "through", multiple=True, help="Send by way of this region's gateway; repeat for several.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def load(context: Context, through: tuple[str, ...], options: tuple[str, ...]) -> None:
    """Send users' requests (open loop, Poisson arrivals) by way of all gateways or chosen ones.

    Further options go to the load generator, such as --rate 30 --duration 60 --model NAME --hostname HOST
    --out requests.jsonl --summary summary.json; `hack/fleet load --help-load` lists them.
    """
    fleet = context.fleet
    try:
        chosen = [fleet.region(name) for name in through] or list(fleet.regions)
    except LookupError as error:
        raise click.ClickException(str(error)) from error
    if not sandbox.inside():
        return inside(context)
    entries = [f"--entry={region.name}={region.address}:{USERS_PORT}" for region in chosen]
    arguments = ["--help"] if "--help-load" in options else [*entries, *options]
    sys.exit(subprocess.call([sys.executable, "-m", "localfleet.load", *arguments]))

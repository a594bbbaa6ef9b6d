"""`hack/fleet status | logs | load`: looking at a fleet, and sending it users."""

import subprocess
import sys

import click

from localfleet import backends
from localfleet.cli import Context, clearly, main
from localfleet.terminal import console


@main.command()
@click.pass_obj
def status(context: Context) -> None:
    """Show every region's programs and whether they answer."""
    backend = context.enter()
    console.print(clearly(lambda: backend.status(context.fleet)))


@main.command()
@click.argument("region")
@click.argument("component", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows.")
@click.option("-n", "--lines", default=50, show_default=True)
@click.pass_obj
def logs(context: Context, region: str, component: str | None, follow: bool, lines: int) -> None:
    """Show a program's log, or list the logs of a region."""
    fleet = context.fleet
    backend = backends.BACKENDS[fleet.backend]
    (host,) = context.regions((region,))
    known = clearly(lambda: backend.logs(fleet, host))
    if component is None:
        click.echo("\n".join(known))
        return
    if component not in known:
        raise click.ClickException(f"no log of {component!r}; there are: {', '.join(known)}")
    sys.exit(subprocess.call(backend.log_command(fleet, host, component, follow, lines)))


@main.command(context_settings={"ignore_unknown_options": True})
@click.option("--through", "through", multiple=True, help="Send by way of this region's gateway; repeat for several.")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def load(context: Context, through: tuple[str, ...], options: tuple[str, ...]) -> None:
    """Send users' requests (open loop, Poisson arrivals) by way of all gateways or chosen ones.

    Further options go to the load generator, such as --rate 30 --duration 60 --model NAME --hostname HOST
    --out requests.jsonl --summary summary.json; `hack/fleet load --help-load` lists them.
    """
    entries = [f"--entry={region.name}={region.address}:{region.users_port}" for region in context.regions(through)]
    arguments = ["--help"] if "--help-load" in options else [*entries, *options]
    fleet = context.fleet
    command = [sys.executable, "-m", "localfleet.load", *arguments]
    sys.exit(clearly(lambda: backends.BACKENDS[fleet.backend].execute(fleet, "", command)))

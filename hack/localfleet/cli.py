"""`hack/fleet`: several regions on one machine, each a real Kubernetes cluster, without Docker or with kind."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import click

from localfleet import backends, layout
from localfleet.backends import Backend
from localfleet.errors import FleetError
from localfleet.layout import DEFAULT_REGIONS, Fleet, RegionHost, Timing
from localfleet.terminal import console

Found = TypeVar("Found")


class Context:
    """What every command needs: the fleet's name, what a new one is made of, and, once it is up, its layout."""

    def __init__(self, name: str, new_backend: str) -> None:
        self.name = name
        self.new_backend = new_backend

    @property
    def fleet(self) -> Fleet:
        return clearly(lambda: layout.load(self.name))

    def regions(self, names: tuple[str, ...]) -> list[RegionHost]:
        """The regions of these names, or all."""
        fleet = self.fleet
        return clearly(lambda: [fleet.region(name) for name in names]) or list(fleet.regions)

    def enter(self) -> Backend:
        """What the fleet is made of, with this command where the fleet can be reached; else it ends here."""
        fleet = self.fleet
        backend = backends.BACKENDS[fleet.backend]
        status = clearly(lambda: backend.enter(fleet))
        if status is not None:
            sys.exit(status)
        return backend


def clearly(act: Callable[[], Found]) -> Found:
    """What `act` returns; what a person can mend is told as one message."""
    try:
        return act()
    except (FleetError, LookupError, TimeoutError) as error:
        raise click.ClickException(str(error)) from error


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--name",
    default="default",
    envvar="LEEWARD_FLEET_NAME",
    show_default=True,
    help="Which fleet; several can run side by side.",
)
@click.option(
    "--backend",
    type=click.Choice(list(backends.BACKENDS)),
    default=layout.NAMESPACES,
    envvar="LEEWARD_FLEET_BACKEND",
    show_default=True,
    help="What `up` and `tools` make a fleet of; a fleet that is up remembers it. kind needs Docker, kind and kubectl; "
    "it is covered by unit tests only and has not been run by the project's own checks, which have no Docker.",
)
@click.pass_context
def main(click_context: click.Context, name: str, backend: str) -> None:
    """Several regions on one machine: real API servers, Envoy Gateway and Prometheus, without Docker or with kind."""
    click_context.obj = Context(name, backend)


@main.command("tools")
@click.pass_obj
def show_tools(context: Context) -> None:
    """Find the programs that a fleet needs, building from pinned Go modules what is missing."""
    for name, path in clearly(backends.BACKENDS[context.new_backend].tools).items():
        console.print(f"{name:25} {path}", soft_wrap=True)


@main.command()
@click.option("--region", "regions", multiple=True, help="A region's name; repeat for several.")
@click.option("--startup-seconds", default=4.0, show_default=True, help="How long a model server loads its weights.")
@click.option(
    "--node-seconds", default=2.0, show_default=True, help="How long a new machine takes to appear (not with kind)."
)
@click.pass_obj
def up(context: Context, regions: tuple[str, ...], startup_seconds: float, node_seconds: float) -> None:
    """Bring a fleet up (three regions unless told otherwise)."""
    name, timing = context.name, Timing(startup_seconds, node_seconds)
    fleet = Fleet(name, regions or DEFAULT_REGIONS, timing, context.new_backend)
    if fleet.is_saved and backends.of(name) is not backends.BACKENDS[fleet.backend]:
        raise click.ClickException(
            f"fleet {name!r} is up already, with another backend: `hack/fleet --name {name} down` removes it"
        )
    status = clearly(lambda: backends.BACKENDS[fleet.backend].up(fleet))
    if status:
        sys.exit(status)


@main.command()
@click.option("--all", "everything", is_flag=True, help="Every fleet of this machine.")
@click.pass_obj
def down(context: Context, everything: bool) -> None:
    """Take a fleet down: no process, namespace, mount, cluster or file stays behind."""
    names = [path.name for path in layout.fleets_folder().glob("*")] if everything else [context.name]
    for name in names:
        existed = clearly(partial(backends.of(name).down, name))
        console.print(f"fleet {name} is down" if existed else f"fleet {name} was not up")


@main.command()
@click.argument("region")
@click.option("--inside", "for_inside", is_flag=True, help="For use within the fleet's own namespaces.")
@click.option("--operator", is_flag=True, help="The operator's ServiceAccount instead of the administrator.")
@click.pass_obj
def kubeconfig(context: Context, region: str, for_inside: bool, operator: bool) -> None:
    """Print the path of a region's kubeconfig: KUBECONFIG=$(hack/fleet kubeconfig us-east1) kubectl get md -A"""
    (host,) = context.regions((region,))
    if operator:
        click.echo(host.folder / "kubeconfig-operator")
    else:
        click.echo(host.kubeconfig if for_inside else host.outside_kubeconfig)


@main.command("exec", context_settings={"ignore_unknown_options": True})
@click.option("--host", default="", help="A region's host instead of the users' host.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def execute(context: Context, host: str, command: tuple[str, ...]) -> None:
    """Run a command inside the fleet, on the users' host or on a region's: hack/fleet exec -- curl 10.77.1.1:8080

    Its KUBECONFIG is the home cluster's, if you have set none.
    """
    fleet = context.fleet
    sys.exit(clearly(lambda: backends.BACKENDS[fleet.backend].execute(fleet, host, list(command))))


def run(arguments: list[str] | None = None) -> Any:
    """Entry point; registers the commands of the other modules."""
    from localfleet import cli_faults, cli_view  # noqa: F401

    return main(arguments, prog_name="hack/fleet")

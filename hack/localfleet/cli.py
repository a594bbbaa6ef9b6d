"""`hack/fleet`: several regions on one machine, each a real Kubernetes cluster, without Docker."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from localfleet import forward, layout, sandbox, tools
from localfleet.layout import DEFAULT_REGIONS, Fleet, Timing

console = Console(highlight=False)


class Context:
    """What every command needs: the fleet's name and, once it is up, its layout."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def fleet(self) -> Fleet:
        try:
            return layout.load(self.name)
        except LookupError as error:
            raise click.ClickException(str(error)) from error


def _fail_clearly(function: Callable[[], int]) -> None:
    try:
        status = function()
    except (sandbox.SandboxError, tools.ToolError, LookupError, TimeoutError) as error:
        raise click.ClickException(str(error)) from error
    if status:
        sys.exit(status)


def inside(context: Context, *arguments: str) -> None:
    """Run this same command line, or `arguments`, inside the fleet's namespaces."""
    command = [sys.executable, "-m", "localfleet", "--name", context.name, *(arguments or tuple(_rest()))]
    _fail_clearly(lambda: sandbox.run_inside(context.name, command))


def _rest() -> list[str]:
    """Our own command line without `--name NAME`."""
    rest, skip = [], False
    for argument in sys.argv[1:]:
        if skip or argument.startswith("--name="):
            skip = False
        elif argument == "--name":
            skip = True
        else:
            rest.append(argument)
    return rest


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--name",
    default="default",
    envvar="LEEWARD_FLEET_NAME",
    show_default=True,
    help="Which fleet; several can run side by side.",
)
@click.pass_context
def main(click_context: click.Context, name: str) -> None:
    """Several regions on one machine: real API servers, Karpenter, Envoy Gateway and Prometheus, without Docker."""
    click_context.obj = Context(name)


@main.command("tools")
def show_tools() -> None:
    """Find the binaries, building from pinned Go modules what is missing."""
    found: dict[str, Path] = {}
    _fail_clearly(lambda: bool(found.update(tools.ensure(console.print))))
    for name in ("karpenter", "envoy-gateway", "cluster-api"):
        list(tools.manifests(name))
    for name, path in found.items():
        console.print(f"{name:25} {path}")


@main.command()
@click.option("--region", "regions", multiple=True, help="A region's name; repeat for several.")
@click.option("--startup-seconds", default=4.0, show_default=True, help="How long a model server loads its weights.")
@click.option("--node-seconds", default=2.0, show_default=True, help="How long a new machine takes to appear.")
@click.pass_obj
def up(context: Context, regions: tuple[str, ...], startup_seconds: float, node_seconds: float) -> None:
    """Bring a fleet up (three regions unless told otherwise)."""
    fleet = Fleet(context.name, regions or DEFAULT_REGIONS, Timing(startup_seconds, node_seconds))
    if sandbox.inside():
        from localfleet import lifecycle

        binaries = tools.ensure(console.print)
        _fail_clearly(lambda: bool(asyncio.run(lifecycle.up(fleet, binaries, console.print))))
        return
    _fail_clearly(lambda: _up(fleet))


def _up(fleet: Fleet) -> int:
    tools.ensure(console.print)
    for name in ("karpenter", "envoy-gateway"):
        list(tools.manifests(name))
    sandbox.create(fleet.name)
    fleet.save()
    command = [
        sys.executable,
        "-m",
        "localfleet",
        "--name",
        fleet.name,
        "up",
        *(f"--region={name}" for name in fleet.region_names),
        f"--startup-seconds={fleet.timing.startup}",
        f"--node-seconds={fleet.timing.node_registration}",
    ]
    try:
        status = sandbox.run_inside(fleet.name, command)
        if status == 0:
            forward.start(fleet)
    except BaseException:
        status = 130
        raise
    finally:
        if status:
            keep = os.environ.get("LEEWARD_FLEET_KEEP_FAILED")
            console.print("the fleet did not come up; " + ("kept as it is" if keep else "taking it down again"))
            if not keep:
                sandbox.destroy(fleet.name)
    return status


@main.command()
@click.option("--all", "everything", is_flag=True, help="Every fleet of this machine.")
@click.pass_obj
def down(context: Context, everything: bool) -> None:
    """Take a fleet down: no process, namespace, mount or file stays behind."""
    names = [path.name for path in layout.fleets_folder().glob("*")] if everything else [context.name]
    for name in names:
        existed = sandbox.destroy(name)
        console.print(f"fleet {name} is down" if existed else f"fleet {name} was not up")


@main.command()
@click.argument("region")
@click.option("--inside", "for_inside", is_flag=True, help="For use within the fleet's own namespaces.")
@click.option("--operator", is_flag=True, help="The operator's ServiceAccount instead of the administrator.")
@click.pass_obj
def kubeconfig(context: Context, region: str, for_inside: bool, operator: bool) -> None:
    """Print the path of a region's kubeconfig: KUBECONFIG=$(hack/fleet kubeconfig us-east1) kubectl get md -A"""
    try:
        host = context.fleet.region(region)
    except LookupError as error:
        raise click.ClickException(str(error)) from error
    if operator:
        click.echo(host.folder / "kubeconfig-operator")
    else:
        click.echo(host.kubeconfig if for_inside else host.outside_kubeconfig)


@main.command("exec", context_settings={"ignore_unknown_options": True})
@click.option("--host", default="", help="A region's host instead of the users' host.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def execute(context: Context, host: str, command: tuple[str, ...]) -> None:
    """Run a command inside the fleet, on the users' host or on a region's: hack/fleet exec -- curl 10.77.1.1:8080"""
    from localfleet.network import in_host

    line = in_host(host, list(command)) if host else list(command)
    if sandbox.inside():
        sys.exit(subprocess.call(line))
    _fail_clearly(lambda: sandbox.run_inside(context.name, line))


def run(arguments: list[str] | None = None) -> Any:
    """Entry point; registers the commands of the other modules."""
    from localfleet import cli_faults, cli_view  # noqa: F401

    return main(arguments, prog_name="hack/fleet")

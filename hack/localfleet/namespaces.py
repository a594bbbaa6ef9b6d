"""The default backend: regions in namespaces of this machine. Most commands run themselves again inside of them."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
from rich.table import Table

from localfleet import faults, forward, gitops, launch, lifecycle, limits, network, sandbox
from localfleet import tools as binaries
from localfleet.errors import FleetError
from localfleet.layout import ENVOY_READY_PORT, NAMESPACES, Fleet, RegionHost
from localfleet.terminal import console


def tools() -> dict[str, Path]:
    """Binaries, built where they are missing, and the manifests that go with them; those that only tests need too."""
    found = _needed() | binaries.ensure(console.print, binaries.TEST_TOOLS)
    list(gitops.crds())
    return found


def _needed() -> dict[str, Path]:
    found = binaries.ensure(console.print)
    for name in ("karpenter", "envoy-gateway"):
        list(binaries.manifests(name))
    for name, tests in (("cluster-api", "Cluster API's node pools"), ("keda", "KEDA's ScaledObject")):
        try:
            list(binaries.manifests(name))
        except FleetError as error:
            console.print(f"[yellow]tests of {tests} will be skipped: {error}[/yellow]")
    return found


def enter(fleet: Fleet) -> int | None:
    if sandbox.inside():
        return None
    return sandbox.run_inside(fleet.name, _ourselves(fleet.name, *_rest()))


def _ourselves(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "localfleet", "--name", name, "--backend", NAMESPACES, *arguments]


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


def up(fleet: Fleet) -> int:
    if sandbox.inside():
        asyncio.run(lifecycle.up(fleet, binaries.ensure(console.print), console.print))
        return 0
    _needed()
    command = _ourselves(
        fleet.name,
        "up",
        *(f"--region={name}" for name in fleet.region_names),
        f"--startup-seconds={fleet.timing.startup}",
        f"--node-seconds={fleet.timing.node_registration}",
    )
    sandbox.create(fleet.name)
    status = 130
    try:
        fleet.save()
        status = sandbox.run_inside(fleet.name, command)
        if status == 0:
            forward.start(fleet)
    finally:
        if status:
            keep = os.environ.get("LEEWARD_FLEET_KEEP_FAILED")
            console.print("the fleet did not come up; " + ("kept as it is" if keep else "taking it down again"))
            if not keep:
                sandbox.destroy(fleet.name)
    return status


def down(name: str) -> bool:
    return sandbox.destroy(name)


def status(fleet: Fleet) -> Table:
    table = Table("region", "address", "gateway", "prometheus", "models", "programs", "memory", box=None)
    for region in fleet.regions:
        found = asyncio.run(_answers(region))
        states = {name: launch.state(region, name) for name in launch.names(region)}
        off = [f"{name} {state}" for name, state in states.items() if state != "running"]
        memory = sum(launch.resident_bytes(region, name) for name in states) / 2**20
        table.add_row(
            region.name,
            region.address,
            *("[green]answers[/]" if good else "[red]silent[/]" for good in found),
            f"[red]{', '.join(off)}[/]" if off else f"{len(states)} running",
            f"{memory:,.0f} MiB",
        )
    return table


async def _answers(region: RegionHost) -> list[bool]:
    urls = (
        f"http://{region.address}:{ENVOY_READY_PORT}/ready",
        f"{region.prometheus}/-/ready",
        f"{region.models_control}/state",
    )
    return list(await asyncio.gather(*(lifecycle.answers(url) for url in urls)))


def logs(fleet: Fleet, region: RegionHost) -> list[str]:
    return sorted(path.stem for path in (region.folder / "logs").glob("*.log"))


def log_command(fleet: Fleet, region: RegionHost, name: str, follow: bool, lines: int) -> list[str]:
    return ["tail", f"-n{lines}", *(["-f"] if follow else []), str(region.log(name))]


def kill(fleet: Fleet, region: RegionHost, how: str) -> None:
    asyncio.run(faults.kill(region, how))


def degrade(fleet: Fleet, region: RegionHost, faults_wanted: dict[str, Any], pods: list[str]) -> None:
    try:
        asyncio.run(faults.degrade(region, faults_wanted, pods or None))
    except (ValueError, aiohttp.ClientError) as error:
        raise FleetError(str(error)) from error


def heal(fleet: Fleet, region: RegionHost) -> list[str]:
    return asyncio.run(faults.heal(region))


def limit(fleet: Fleet, region: RegionHost, key: str, machines: int | None) -> dict[str, int]:
    return limits.change(region, key, machines)


def execute(fleet: Fleet, host: str, command: list[str]) -> int:
    """KUBECONFIG leads to the home cluster, or where it leads to outside: such addresses are others inside."""
    inner = {str(region.outside_kubeconfig): str(region.kubeconfig) for region in fleet.regions}
    named = os.environ.get("KUBECONFIG") or str(fleet.regions[0].outside_kubeconfig)
    command = ["env", f"KUBECONFIG={inner.get(named, named)}", *command]
    line = network.in_host(host, command) if host else command
    return subprocess.call(line) if sandbox.inside() else sandbox.run_inside(fleet.name, line)

"""The commands of `hack/fleet` on a fleet of kind clusters: runs the lines of `lines`, and tells what is missing."""

import asyncio
import base64
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from leeward.ports import Ref
from localfleet import bootstrap, certificates, layout, lifecycle, members
from localfleet.errors import FleetError
from localfleet.kind import faults, lines
from localfleet.kind.lines import Cluster, Line, Node
from localfleet.layout import ENVOY_NAMESPACE, REPOSITORY, Fleet, RegionHost
from localfleet.terminal import console

_PROGRAMS = ("docker", "kind", "kubectl")


def _run(line: Line, text: str | None = None) -> str:
    """Run a program with `text` as its input and return its output."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("KIND_EXPERIMENTAL_")}
    try:
        done = subprocess.run(line, input=text, env=kept, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise FleetError(f"{line[0]} is not on PATH: install it (docs/local-fleet.md)") from error
    if done.returncode:
        raise FleetError(f"`{shlex.join(line)}` failed: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout


def _run_all(several: Iterable[Line]) -> None:
    for line in several:
        _run(line)


def tools() -> dict[str, Path]:
    """The programs on PATH.

    Raises:
        FleetError: one is missing, or Docker's engine does not answer; all that is wrong, a line each.
    """
    found = {name: shutil.which(name) for name in _PROGRAMS}
    wrong = [f"{name} is not on PATH: install it (docs/local-fleet.md)" for name, path in found.items() if not path]
    if found["docker"]:
        try:
            _run(["docker", "version", "--format={{.Server.Version}}"])
        except FleetError as error:
            wrong.append(f"Docker's engine does not answer: start it, or set DOCKER_HOST or `docker context`. {error}")
    if wrong:
        wrong.append("Without --backend kind a fleet needs no Docker.")
        raise FleetError("\n".join(wrong))
    return {name: Path(path) for name, path in found.items() if path}


def enter(fleet: Fleet) -> int | None:
    tools()
    return None


def _inspect(it: Cluster) -> Node:
    return lines.node(_run(["docker", "inspect", it.node]))


# --- Up and down -----------------------------------------------------------------------------------------------------


def up(fleet: Fleet) -> int:
    tools()
    if fleet.is_saved:
        raise FleetError(f"fleet {fleet.name!r} is up already: `hack/fleet --name {fleet.name} down` removes it")
    fleet.save()
    try:
        _up(fleet, time.monotonic())
    except BaseException:
        if not os.environ.get("LEEWARD_FLEET_KEEP_FAILED"):
            console.print("the fleet did not come up; taking it down again")
            down(fleet.name)
        raise
    return 0


def _up(fleet: Fleet, started: float) -> None:
    def say(text: str) -> None:
        console.print(f"{time.monotonic() - started:5.0f} s  {text}")

    _run(lines.build_image(_image_folder(fleet), fleet.timing.startup))
    say("the model servers' image is built")
    configuration = fleet.folder / "kind.yaml"
    configuration.write_text(yaml.safe_dump(lines.configuration()))
    addresses = []
    for region in fleet.regions:
        region.folder.mkdir(exist_ok=True)
        it = lines.cluster(fleet, region)
        _run(lines.create(it, configuration))
        addresses.append(_inspect(it).address)
        say(f"{region.name}: cluster {it.name} runs at {addresses[-1]}")
    fleet = replace(fleet, addresses=tuple(addresses))
    fleet.save()
    certificates.make(fleet)
    for region in fleet.regions:
        _populate(fleet, region, lines.cluster(fleet, region))
        say(f"{region.name}: Envoy serves the Gateway, Prometheus is ready")
    asyncio.run(members.join(fleet))
    say("fleet is up; its Regions and the operator's credentials are in the home cluster")


def _image_folder(fleet: Fleet) -> Path:
    """A build folder with nothing but the simulator, its requirements and the Containerfile."""
    folder, package = fleet.folder / "image", REPOSITORY / "hack" / "localfleet"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package / "modelserver", folder / "localfleet" / "modelserver", ignore=ignored)
    shutil.copy(package / "__init__.py", folder / "localfleet")
    shutil.copy(lines.HERE / "Containerfile", folder / "Dockerfile")
    shutil.copy(REPOSITORY / "requirements" / "modelserver.txt", folder / "requirements.txt")
    return folder


def _populate(fleet: Fleet, region: RegionHost, it: Cluster) -> None:
    _keep_credentials(region)
    prometheus = region.folder / "prometheus.yaml"
    prometheus.write_text(yaml.safe_dump(lines.prometheus_object(region)))
    _run_all([lines.load_image(it), lines.give_gpus(it), *lines.install(it, prometheus)])
    asyncio.run(_prepare_gateway(fleet, region))
    _run_all(lines.open_gateway(it))
    asyncio.run(_give_address(region))
    _run_all(lines.await_ready(it))


def _keep_credentials(region: RegionHost) -> None:
    """Put the API server's certificate and the kubeconfig where the local fleet has them."""
    trusted = yaml.safe_load(region.kubeconfig.read_text())["clusters"][0]["cluster"]["certificate-authority-data"]
    certificate = region.folder / "apiserver" / "apiserver.crt"
    certificate.parent.mkdir(exist_ok=True)
    certificate.write_bytes(base64.b64decode(trusted))
    region.outside_kubeconfig.symlink_to(region.kubeconfig)


async def _prepare_gateway(fleet: Fleet, region: RegionHost) -> None:
    """Its certificate, and Envoy Gateway's Backend API."""
    cluster = await bootstrap.connect(region)
    try:
        await cluster.apply(certificates.secret(fleet, region.name))
        ref, key = Ref(bootstrap.CONFIG_MAP, ENVOY_NAMESPACE, "envoy-gateway-config"), "envoy-gateway.yaml"
        found = await cluster.read(ref) or {}
        await cluster.patch(ref, {"data": {key: lines.with_backend_api(found["data"][key])}})
    finally:
        await cluster.close()


async def _give_address(region: RegionHost) -> None:
    cluster = await bootstrap.connect(region)
    try:
        await bootstrap.give_address(region, cluster)
    finally:
        await cluster.close()


def down(name: str) -> bool:
    fleet = layout.load(name)
    _run_all(lines.delete(lines.cluster(fleet, region)) for region in fleet.regions)
    shutil.rmtree(fleet.folder)
    return True


# --- Looking ---------------------------------------------------------------------------------------------------------


def status(fleet: Fleet) -> Table:
    table = Table("region", "address", "node", "gateway", "prometheus", "models ready", box=None)
    for region in fleet.regions:
        it = lines.cluster(fleet, region)
        answers = (_connects(region), asyncio.run(lifecycle.answers(f"{region.prometheus}/-/ready")))
        marks = ("[green]answers[/]" if good else "[red]silent[/]" for good in answers)
        table.add_row(region.name, region.address, _inspect(it).state, *marks, _models(it))
    return table


def _connects(region: RegionHost) -> bool:
    try:
        socket.create_connection((region.address, region.users_port), timeout=1).close()
    except OSError:
        return False
    return True


def _models(it: Cluster) -> str:
    try:
        return faults.ready(_run(faults.list_model_pods(it)))
    except FleetError:
        return "[red]unknown[/]"


def logs(fleet: Fleet, region: RegionHost) -> list[str]:
    template = '{range .items[*]}{.metadata.namespace}/{.metadata.name}{"\\n"}{end}'
    it = lines.cluster(fleet, region)
    return _run(it.kubectl("get", "pods", "--all-namespaces", f"--output=jsonpath={template}")).split()


def log_command(fleet: Fleet, region: RegionHost, name: str, follow: bool, lines_wanted: int) -> list[str]:
    namespace, _, pod = name.partition("/")
    more = ["--all-containers", f"--tail={lines_wanted}", *(["--follow"] if follow else [])]
    return lines.cluster(fleet, region).kubectl("logs", pod, f"--namespace={namespace}", *more)


def limit(fleet: Fleet, region: RegionHost, key: str, machines: int | None) -> dict[str, int]:
    raise FleetError("kind clusters have the nodes that they have; limits need the backend namespaces")


def execute(fleet: Fleet, host: str, command: list[str]) -> int:
    """Replaces this program, so that Ctrl-C reaches the command alone."""
    line = lines.execute(lines.cluster(fleet, fleet.region(host)), command) if host else command
    try:
        os.execvp(line[0], line)  # noqa: S606 - a person's own command
    except OSError as error:
        raise FleetError(f"{line[0]}: {error.strerror}") from error


# --- Faults ----------------------------------------------------------------------------------------------------------


def kill(fleet: Fleet, region: RegionHost, how: str) -> None:
    if how == "models":
        return degrade(fleet, region, {"crash": True}, [])
    _run_all(faults.KILL[how](lines.cluster(fleet, region)))


def degrade(fleet: Fleet, region: RegionHost, faults_wanted: dict[str, Any], pods: list[str]) -> None:
    it = lines.cluster(fleet, region)
    found = faults.playing(_run(faults.list_model_pods(it)), pods)
    if not found:
        raise FleetError(f"no model server runs in {region.name}: apply a ModelDeployment first")
    for pod in found:
        _run(*faults.put(it, pod, faults_wanted))


def heal(fleet: Fleet, region: RegionHost) -> list[str]:
    it = lines.cluster(fleet, region)
    before = _inspect(it)
    _run_all(faults.revive(it, before, region.address))
    _run_all(faults.mend(it, _inspect(it)))
    _await_api(it)
    _run_all(faults.restore(it))
    if before.state != "exited":  # model servers that were started again have forgotten their faults
        _run_all(faults.delete(it, pod) for pod in faults.playing(_run(faults.list_model_pods(it)), []))
    return [] if before.state == "running" else ["node"]


def _await_api(it: Cluster, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            _run(it.kubectl("get", "--raw=/readyz", "--request-timeout=2s"))
        except FleetError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return

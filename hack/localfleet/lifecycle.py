"""Bringing a fleet up, inside its namespaces: control planes first, then everything at once, then a check.

`tell` gets one line per step with the seconds since the start.
"""

import asyncio
import os
import secrets
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp

from leeward.adapters.clusters import KubernetesCluster
from leeward.ports import Kind, KubeObject, Ref
from localfleet import bootstrap, certificates, components, launch, members, network, recipes
from localfleet.layout import (
    ENVOY_NAMESPACE,
    ENVOY_READY_PORT,
    ENVOY_STATS_PORT,
    GATEWAY_NAME,
    GATEWAY_NAMESPACE,
    Fleet,
    RegionHost,
)
from localfleet.metricsapi import aggregation

Tell = Callable[[str], None]
GATEWAY = Kind("gateway.networking.k8s.io/v1", "Gateway")


def prepare(region: RegionHost) -> None:
    """Folders, keys, tokens and configuration files of one region."""
    for name in ("logs", "run", "keys", "envoy"):
        (region.folder / name).mkdir(parents=True, exist_ok=True)
    key = region.folder / "keys" / "service-account.key"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    aggregation.make_keys(region)
    token = secrets.token_urlsafe(24)
    (region.folder / "keys" / "admin-token").write_text(token)
    (region.folder / "keys" / "tokens.csv").write_text(f'{token},fleet-admin,fleet-admin,"system:masters"\n')
    (region.folder / "instance-types.json").write_text(recipes.instance_types())
    pods = [{"role": "pod", "kubeconfig_file": str(region.kubeconfig)}]
    envoy = [{"targets": [f"127.0.0.1:{ENVOY_STATS_PORT}"]}]
    places: dict[str, KubeObject] = {
        "models": {"kubernetes_sd_configs": pods},
        "envoy": {"static_configs": envoy, "kubernetes_sd_configs": [], "relabel_configs": []},
    }
    (region.folder / "prometheus.yaml").write_text(recipes.prometheus_configuration(region, places))


async def up(fleet: Fleet, binaries: dict[str, Path], tell: Tell) -> None:
    """Bring all regions up; returns once every Gateway is programmed and its Envoy answers."""
    started = time.monotonic()

    def say(text: str) -> None:
        tell(f"{time.monotonic() - started:5.1f} s  {text}")

    network.lay_out(fleet)
    certificates.make(fleet)
    say(f"network: {len(fleet.regions)} regions, each a host of its own")
    for region in fleet.regions:
        prepare(region)
        for component in components.control_plane(region, binaries):
            launch.start(region, component)
    await asyncio.gather(*(bootstrap.api_ready(region) for region in fleet.regions))
    say("API servers answer")
    await asyncio.gather(*(_populate(fleet, region, binaries, say) for region in fleet.regions))
    await members.join(fleet)
    say("fleet is up; its Regions and the operator's credentials are in the home cluster")


async def _populate(fleet: Fleet, region: RegionHost, binaries: dict[str, Path], say: Tell) -> None:
    cluster = await bootstrap.connect(region)
    try:
        await bootstrap.install_crds(cluster)
        await bootstrap.install_objects(cluster, fleet, region)
        await bootstrap.apply_all(cluster, aggregation.objects(region))
        say(f"{region.name}: CRDs, rights and Gateway are in place")
        await _certificates(region, cluster, binaries)
        for component in components.workers(fleet, region, binaries):
            launch.start(region, component)
        await bootstrap.give_address(region, cluster)
        launch.start(region, await bootstrap.envoy_component(region, cluster, binaries["envoy"]))
        await _programmed(region, cluster)
        say(f"{region.name}: Envoy serves the Gateway")
    finally:
        await cluster.close()


async def _certificates(region: RegionHost, cluster: KubernetesCluster, binaries: dict[str, Path]) -> None:
    await bootstrap.gateway_root(region, cluster, binaries["envoy-gateway"])
    environment = os.environ | {"KUBECONFIG": str(region.kubeconfig), "ENVOY_GATEWAY_NAMESPACE": ENVOY_NAMESPACE}
    command = network.in_host(region.name, [str(binaries["envoy-gateway"]), "certgen"])
    with region.log("certgen").open("wb") as log:
        done = await asyncio.create_subprocess_exec(*command, env=environment, stdout=log, stderr=log)
        await done.wait()
    await bootstrap.gateway_certificates(region, cluster)


async def _programmed(region: RegionHost, cluster: KubernetesCluster) -> None:
    async def look() -> bool | None:
        found = await cluster.read(Ref(GATEWAY, GATEWAY_NAMESPACE, GATEWAY_NAME)) or {}
        conditions = (found.get("status") or {}).get("conditions") or ()
        programmed = any(row["type"] == "Programmed" and row["status"] == "True" for row in conditions)
        return True if programmed and await answers(f"http://{region.address}:{ENVOY_READY_PORT}/ready") else None

    await bootstrap.wait_for(f"the Gateway of {region.name}", look, 90)


async def answers(url: str, seconds: float = 1.0) -> bool:
    """Does this URL answer with a 2xx in time?"""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds)) as session,
            session.get(url) as response,
        ):
            return 200 <= response.status < 300
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False

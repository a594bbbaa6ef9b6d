"""From running binaries to a region that a platform team would hand over: CRDs, RBAC, a Gateway, metrics.

Runs inside the fleet's namespaces. What a cloud or a kubelet would do (a load balancer's address, starting the Envoy
of a Gateway) is done here and nowhere else.
"""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import yaml

from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.kubeconfigs import from_file
from leeward.ports import Kind, KubeObject, PortError, Ref
from localfleet import certificates, tools
from localfleet.components import ASSETS, Component
from localfleet.layout import (
    ENVOY_LABELS,
    ENVOY_NAMESPACE,
    GATEWAY_NAMESPACE,
    REPOSITORY,
    Fleet,
    RegionHost,
)

Found = TypeVar("Found")
CRD = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", namespaced=False)
DEPLOYMENT, SERVICE = Kind("apps/v1", "Deployment"), Kind("v1", "Service")
SECRET, CONFIG_MAP = Kind("v1", "Secret"), Kind("v1", "ConfigMap")


async def wait_for(what: str, look: Callable[[], Awaitable[Found | None]], seconds: float = 60.0) -> Found:
    """Look again every 200 ms until something is found.

    Raises:
        TimeoutError: nothing was found in time; the message says what was waited for and the last error.
    """
    deadline = time.monotonic() + seconds
    last: Exception | None = None
    while time.monotonic() < deadline:
        try:
            if (found := await look()) is not None:
                return found
        except PortError as error:
            last = error
        await asyncio.sleep(0.2)
    raise TimeoutError(f"{what} did not happen within {seconds:.0f} s ({last or 'no error'}); see `hack/fleet logs`")


def documents(path: Path) -> list[KubeObject]:
    """The Kubernetes objects of a YAML file."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [found for found in yaml.load_all(path.read_text(), Loader=loader) if found]


async def connect(region: RegionHost, deadline_seconds: float = 20.0) -> KubernetesCluster:
    """An admin connection from inside the fleet."""
    return await from_file(
        region.name, region.kubeconfig, deadline_seconds=deadline_seconds, field_manager="local-fleet"
    )


async def api_ready(region: RegionHost) -> None:
    """Wait for the API server; its certificate appears with it, and goes into the kubeconfig."""
    certificate = region.folder / "apiserver" / "apiserver.crt"

    async def look() -> bool | None:
        if not certificate.exists():
            return None
        token = (region.folder / "keys" / "admin-token").read_text()
        write_kubeconfig(region.kubeconfig, region.name, region.api_server, certificate.read_bytes(), token)
        cluster = await connect(region, deadline_seconds=3)
        try:
            await cluster.get("/api/v1/namespaces/kube-system")
        finally:
            await cluster.close()
        return True

    await wait_for(f"the API server of {region.name}", look, 90)


def write_kubeconfig(path: Path, name: str, server: str, certificate: bytes, token: str) -> None:
    """A kubeconfig with a bearer token. The certificate is checked as `localhost`, one of its names everywhere."""
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": name,
                "clusters": [
                    {
                        "name": name,
                        "cluster": {
                            "server": server,
                            "tls-server-name": "localhost",
                            "certificate-authority-data": base64.b64encode(certificate).decode(),
                        },
                    }
                ],
                "users": [{"name": name, "user": {"token": token}}],
                "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            }
        )
    )
    path.chmod(0o600)


async def apply_all(cluster: KubernetesCluster, bodies: list[KubeObject]) -> None:
    """Server-side apply, a few at a time."""
    gate = asyncio.Semaphore(4)

    async def one(body: KubeObject) -> None:
        async with gate:
            await cluster.apply(body)

    await asyncio.gather(*(one(body) for body in bodies))


async def install_crds(cluster: KubernetesCluster) -> None:
    """Karpenter's, Envoy Gateway's and our own CRDs, and wait until all are served."""
    files = [
        *tools.manifests("karpenter"),
        *tools.manifests("envoy-gateway"),
        *sorted((REPOSITORY / "crds").glob("*.yaml")),
    ]
    bodies = [body for path in files for body in documents(path) if body["kind"] == "CustomResourceDefinition"]
    await apply_all(cluster, bodies)

    async def established() -> bool | None:
        found = await cluster.find(CRD)
        ready = {
            row["metadata"]["name"]
            for row in found
            if any(
                condition["type"] == "Established" and condition["status"] == "True"
                for condition in (row.get("status") or {}).get("conditions") or ()
            )
        }
        return True if {body["metadata"]["name"] for body in bodies} <= ready else None

    await wait_for("establishing the CRDs", established)


async def install_objects(cluster: KubernetesCluster, fleet: Fleet, region: RegionHost) -> None:
    """Namespaces, a node for system pods, a node class, the operator's rights, and the Gateway."""
    names = dict.fromkeys(("models", GATEWAY_NAMESPACE, ENVOY_NAMESPACE))
    await apply_all(cluster, [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names])
    await cluster.apply(certificates.secret(fleet, region.name))
    for path in (
        ASSETS / "nodes.yaml",
        REPOSITORY / "config" / "member.yaml",
        REPOSITORY / "config" / "home.yaml",
        REPOSITORY / "examples" / "gateway.yaml",
    ):
        await apply_all(cluster, [_timed(body, fleet) for body in documents(path)])


def _timed(body: KubeObject, fleet: Fleet) -> KubeObject:
    if body["kind"] == "KWOKNodeClass":
        body["spec"]["nodeRegistrationDelay"] = f"{fleet.timing.node_registration:g}s"
    return body


async def gateway_root(region: RegionHost, cluster: KubernetesCluster, binary: Path) -> None:
    """Envoy Gateway's own root folder: it wants certificates at /certs, so it is started in a chroot."""
    root = region.folder / "gateway-root"
    for folder in ("certs", "tmp", "etc"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    linked = root / "envoy-gateway"
    linked.unlink(missing_ok=True)
    try:
        linked.hardlink_to(binary)
    except OSError:
        linked.write_bytes(binary.read_bytes())
        linked.chmod(0o755)
    (root / "config.yaml").write_text((ASSETS / "envoy-gateway.yaml").read_text())
    inner = yaml.safe_load(region.kubeconfig.read_text())
    inner["clusters"][0]["cluster"]["server"] = region.api_server.replace(region.address, region.inner_address)
    (root / "kubeconfig").write_text(yaml.safe_dump(inner))


async def gateway_certificates(region: RegionHost, cluster: KubernetesCluster) -> None:
    """Write the certificates that `envoy-gateway certgen` left in Secrets to where the programs look for them."""
    for name, folder in (
        ("envoy-gateway", region.folder / "gateway-root" / "certs"),
        ("envoy", region.folder / "envoy" / "certs"),
    ):
        secret = await cluster.read(Ref(SECRET, ENVOY_NAMESPACE, name))
        if secret is None:
            raise TimeoutError(f"`envoy-gateway certgen` left no Secret {name} in {region.name}")
        folder.mkdir(parents=True, exist_ok=True)
        for key, value in secret["data"].items():
            (folder / key).write_bytes(base64.b64decode(value))


async def envoy_component(region: RegionHost, cluster: KubernetesCluster, binary: Path) -> Component:
    """The real Envoy with the arguments of the Deployment that Envoy Gateway made for our Gateway."""

    async def look() -> KubeObject | None:
        found = await cluster.find(DEPLOYMENT, ENVOY_NAMESPACE, ENVOY_LABELS)
        return found[0] if found else None

    deployment = await wait_for(f"the Envoy Deployment in {region.name}", look, 60)
    name = deployment["metadata"]["name"]
    secrets = await cluster.read(Ref(CONFIG_MAP, ENVOY_NAMESPACE, name))
    folder = region.folder / "envoy"
    (folder / "sds").mkdir(parents=True, exist_ok=True)
    for key, value in ((secrets or {}).get("data") or {}).items():
        (folder / "sds" / key).write_text(_rehome(value, region))
    container = next(
        found for found in deployment["spec"]["template"]["spec"]["containers"] if found["name"] == "envoy"
    )
    arguments = [
        _rehome(argument, region) for argument in container["args"] if not argument.startswith("--cpuset-threads")
    ]
    return Component(
        "envoy",
        region.name,
        (str(binary), *arguments, "--concurrency", "1", "--disable-hot-restart"),
        {"ENVOY_POD_NAME": name, "ENVOY_POD_NAMESPACE": ENVOY_NAMESPACE},
    )


def _rehome(text: str, region: RegionHost) -> str:
    """Point Envoy's bootstrap at this region's files and at its Envoy Gateway."""
    folder = region.folder / "envoy"
    return (
        text.replace("/certs/", f"{folder}/certs/")
        .replace("/sds/", f"{folder}/sds/")
        .replace(f"envoy-gateway.{ENVOY_NAMESPACE}.svc.cluster.local.", region.gateway_host_address)
        .replace(f"envoy-gateway.{ENVOY_NAMESPACE}.svc.cluster.local", region.gateway_host_address)
        .replace("$(ENVOY_POD_NAME)", f"envoy-{region.name}")
        .replace("$(ENVOY_POD_NAMESPACE)", ENVOY_NAMESPACE)
        .replace("$(ENVOY_SERVICE_ZONE)", region.name)
    )


async def give_address(region: RegionHost, cluster: KubernetesCluster) -> None:
    """Do what a cloud's load balancer would: give the Gateway's Service the region's address."""

    async def look() -> KubeObject | None:
        found = await cluster.find(SERVICE, ENVOY_NAMESPACE, ENVOY_LABELS)
        return found[0] if found else None

    service = await wait_for(f"the Envoy Service in {region.name}", look, 60)
    await cluster.patch(
        Ref(SERVICE, ENVOY_NAMESPACE, service["metadata"]["name"]),
        {"status": {"loadBalancer": {"ingress": [{"ip": region.address}]}}},
        subresource="status",
    )


async def operator_kubeconfig(region: RegionHost, cluster: KubernetesCluster, path: Path) -> None:
    """A kubeconfig for the operator's ServiceAccount, with exactly the rights of config/, from the TokenRequest API."""
    answer = await cluster.post(
        f"/api/v1/namespaces/{GATEWAY_NAMESPACE}/serviceaccounts/leeward/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 86400}},
    )
    certificate = (region.folder / "apiserver" / "apiserver.crt").read_bytes()
    write_kubeconfig(path, region.name, region.api_server, certificate, answer["status"]["token"])

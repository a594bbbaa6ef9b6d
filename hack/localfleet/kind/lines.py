"""Bringing kind clusters up and down: command lines and configuration as values; nothing here runs anything."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from leeward.ports import KubeObject
from localfleet import recipes, tools
from localfleet.layout import (
    ACCELERATOR,
    ACCELERATOR_LABEL,
    ENVOY_NAMESPACE,
    GATEWAY_NAME,
    GATEWAY_NAMESPACE,
    REPOSITORY,
    Fleet,
    RegionHost,
)

Line = list[str]
HERE = Path(__file__).parent
NODE_IMAGE = "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5"
"""Kubernetes as in hack/tools/kubernetes (its minor); the image and its digest are those of kind 0.33.0."""
MODEL_IMAGE = "leeward-modelserver:local"
GPUS = 72  # of a region's one node: eight replicas of eight, and one that takes another's place


@dataclass(frozen=True, slots=True)
class Cluster:
    """One region's cluster; kind calls its one node, a container, `<cluster>-control-plane`."""

    name: str
    kubeconfig: Path

    @property
    def node(self) -> str:
        return f"{self.name}-control-plane"

    def kubectl(self, *arguments: str) -> Line:
        return ["kubectl", f"--kubeconfig={self.kubeconfig}", *arguments]

    def on_node(self, *command: str) -> Line:
        return ["docker", "exec", self.node, *command]


@dataclass(frozen=True, slots=True)
class Node:
    """What Docker says of a node: its state (`running`, `paused`, `exited`, …), its address and its gateway's."""

    state: str
    address: str
    gateway: str


def cluster(fleet: Fleet, region: RegionHost) -> Cluster:
    return Cluster(f"leeward-{fleet.name}-{region.name}", region.kubeconfig)


def node(inspected: str) -> Node:
    """From the output of `docker inspect`."""
    found = json.loads(inspected)[0]
    network = found["NetworkSettings"]["Networks"].get("kind") or {}
    return Node(found["State"]["Status"], network.get("IPAddress", ""), network.get("Gateway", ""))


def configuration() -> KubeObject:
    """One node that plays a region's machines, labelled with its accelerator."""
    labels = {ACCELERATOR_LABEL: ACCELERATOR}
    nodes = [{"role": "control-plane", "image": NODE_IMAGE, "labels": labels}]
    return {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": nodes}


def create(it: Cluster, configuration_file: Path) -> Line:
    return [
        "kind",
        "create",
        "cluster",
        f"--name={it.name}",
        f"--config={configuration_file}",
        f"--kubeconfig={it.kubeconfig}",
        "--wait=3m",
    ]


def delete(it: Cluster) -> Line:
    return ["kind", "delete", "cluster", f"--name={it.name}", f"--kubeconfig={it.kubeconfig}"]


def build_image(folder: Path, startup_seconds: float) -> Line:
    return ["docker", "build", f"--tag={MODEL_IMAGE}", f"--build-arg=STARTUP_SECONDS={startup_seconds:g}", str(folder)]


def load_image(it: Cluster) -> Line:
    return ["kind", "load", "docker-image", MODEL_IMAGE, f"--name={it.name}"]


def give_gpus(it: Cluster) -> Line:
    """Advertise GPUs that nobody has; the kubelet counts and hands out extended resources as it is told."""
    patch = {"status": {"capacity": {"nvidia.com/gpu": str(GPUS)}}}
    return it.kubectl("patch", "node", it.node, "--subresource=status", "--type=merge", f"--patch={json.dumps(patch)}")


def _apply(it: Cluster, place: str) -> Line:
    return it.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={place}")


def envoy_gateway_manifest() -> str:
    """Where its project publishes the manifest of the version that hack/tools/envoy-gateway pins."""
    version = tools.pinned("envoy-gateway", "github.com/envoyproxy/gateway")
    return f"https://github.com/envoyproxy/gateway/releases/download/{version}/install.yaml"


def install(it: Cluster, prometheus: Path) -> list[Line]:
    """CRDs, namespaces, Prometheus, the operator's rights, and Envoy Gateway; `prometheus` holds its ConfigMap."""
    files = [HERE / "region.yaml", prometheus, REPOSITORY / "crds"]
    rights = [REPOSITORY / "config" / name for name in ("member.yaml", "home.yaml")]
    return [
        *(_apply(it, str(path)) for path in [*files, *rights]),
        _apply(it, envoy_gateway_manifest()),
        it.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"),
    ]


def open_gateway(it: Cluster) -> list[Line]:
    """Restart Envoy Gateway with its changed configuration, and create the Gateway."""
    deployment = "deployment/envoy-gateway"
    return [
        it.kubectl("rollout", "restart", deployment, f"--namespace={ENVOY_NAMESPACE}"),
        it.kubectl("rollout", "status", deployment, f"--namespace={ENVOY_NAMESPACE}", "--timeout=5m"),
        _apply(it, str(REPOSITORY / "examples" / "gateway.yaml")),
    ]


def await_ready(it: Cluster) -> list[Line]:
    gateway, place = f"gateway/{GATEWAY_NAME}", f"--namespace={GATEWAY_NAMESPACE}"
    return [
        it.kubectl("wait", "--for=condition=Programmed", gateway, place, "--timeout=5m"),
        it.kubectl("rollout", "status", "deployment/prometheus", place, "--timeout=5m"),
    ]


def with_backend_api(text: str) -> str:
    """Envoy Gateway's configuration with its Backend API enabled and everything else as it was."""
    parsed = yaml.safe_load(text)
    parsed["extensionApis"] = {**(parsed.get("extensionApis") or {}), "enableBackend": True}
    return yaml.safe_dump(parsed)


def prometheus_object(region: RegionHost) -> KubeObject:
    """Prometheus' ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "prometheus", "namespace": GATEWAY_NAMESPACE},
        "data": {"prometheus.yml": recipes.prometheus_configuration(region)},
    }


def execute(it: Cluster, command: list[str]) -> Line:
    """On a region's host, with the terminal if there is one."""
    terminal = ["--interactive", "--tty"] if sys.stdin.isatty() else ["--interactive"]
    return ["docker", "exec", *terminal, it.node, *command]

"""Breaking and mending a kind cluster: command lines as values; nothing here runs anything."""

import json
from collections.abc import Callable
from typing import Any

from leeward.ports import KubeObject
from localfleet.errors import FleetError
from localfleet.kind.lines import Cluster, Line, Node, give_gpus
from localfleet.layout import ENVOY_LABELS, ENVOY_NAMESPACE, GATEWAY_NAMESPACE, MODELS_PORT

_MANIFEST, _AWAY = "/etc/kubernetes/manifests/kube-apiserver.yaml", "/etc/kubernetes/kube-apiserver.yaml"
_ENVOY_SELECTOR = ",".join(f"{key}={value}" for key, value in ENVOY_LABELS.items())
_SCALED = {"gateway": (ENVOY_NAMESPACE, _ENVOY_SELECTOR), "prometheus": (GATEWAY_NAMESPACE, "app=prometheus")}


def _scale(it: Cluster, name: str, replicas: int) -> Line:
    namespace, selector = _SCALED[name]
    return it.kubectl(
        "scale", "deployment", f"--namespace={namespace}", f"--selector={selector}", f"--replicas={replicas}"
    )


def _gone(name: str) -> Callable[[Cluster], list[Line]]:
    """A program without a grace time, and none in its place: a Deployment would start another at once."""

    def lines(it: Cluster) -> list[Line]:
        namespace, selector = _SCALED[name]
        where = (f"--namespace={namespace}", f"--selector={selector}")
        return [_scale(it, name, 0), it.kubectl("delete", "pod", *where, "--grace-period=0", "--force")]

    return lines


KILL: dict[str, Callable[[Cluster], list[Line]]] = {
    # Taking the node off Docker's network would take its address too, and not every engine gives it back.
    "partition": lambda it: [it.on_node("ip", "link", "set", "eth0", "down")],
    "crash": lambda it: [["docker", "kill", it.node]],
    "hang": lambda it: [["docker", "pause", it.node]],
    "gateway": _gone("gateway"),
    "prometheus": _gone("prometheus"),
    "apiserver": lambda it: [
        it.on_node("mv", _MANIFEST, _AWAY),  # first, or the kubelet starts it again
        it.on_node("pkill", "-KILL", "-x", "kube-apiserver"),
    ],
}
"""How a region is broken, for each of `faults.HOW` but `models`, which is a fault of the model servers."""


def revive(it: Cluster, found: Node, address: str) -> list[Line]:
    """Let a node go on that was stopped, or start one that ended, at the address that it had before."""
    network = [
        ["docker", "network", "disconnect", "kind", it.node],
        ["docker", "network", "connect", f"--ip={address}", "kind", it.node],
    ]
    return {"paused": [["docker", "unpause", it.node]], "exited": [*network, ["docker", "start", it.node]]}.get(
        found.state, []
    )


def mend(it: Cluster, found: Node) -> list[Line]:
    """Plug the cable in (its route went with it), and let the kubelet have the API server's manifest again."""
    back = f"if [ -e {_AWAY} ]; then mv {_AWAY} {_MANIFEST}; fi"
    return [
        it.on_node("ip", "link", "set", "eth0", "up"),
        it.on_node("ip", "route", "replace", "default", "via", found.gateway),
        it.on_node("sh", "-c", back),
    ]


def restore(it: Cluster) -> list[Line]:
    """What needs the API server: programs that were taken away, and GPUs, which a restarted kubelet forgets."""
    return [*(_scale(it, name, 1) for name in _SCALED), give_gpus(it)]


def list_model_pods(it: Cluster) -> Line:
    wanted = ("--all-namespaces", "--selector=app.kubernetes.io/component=model-server")
    return it.kubectl("get", "pods", *wanted, "--output=json", "--request-timeout=5s")


def ready(listed: str) -> str:
    """`5 of 6`: the pods of that list that are ready."""
    rows = playing(listed, [])
    conditions = [condition for row in rows for condition in row["status"].get("conditions", ())]
    good = [row for row in conditions if row["type"] == "Ready" and row["status"] == "True"]
    return f"{len(good)} of {len(rows)}"


def playing(listed: str, wanted: list[str]) -> list[KubeObject]:
    """The running pods of that list, or those of these names.

    Raises:
        FleetError: no pod of that name runs.
    """
    rows = [row for row in json.loads(listed)["items"] if row["status"].get("phase") == "Running"]
    names = [row["metadata"]["name"] for row in rows]
    if missing := sorted(set(wanted) - set(names)):
        raise FleetError(f"no model server {missing[0]!r} runs here; there are: {', '.join(names) or 'none'}")
    return [row for row in rows if not wanted or row["metadata"]["name"] in wanted]


def _faults_path(pod: KubeObject) -> str:
    """A model server's control address by way of the API server."""
    metadata = pod["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}:{MODELS_PORT}/proxy/faults"


def put(it: Cluster, pod: KubeObject, faults: dict[str, Any]) -> tuple[Line, str]:
    """The command line, and what it reads from its standard input."""
    body = json.dumps({"faults": faults, "pods": None})
    return it.kubectl("replace", f"--raw={_faults_path(pod)}", "--filename=-"), body


def delete(it: Cluster, pod: KubeObject) -> Line:
    return it.kubectl("delete", f"--raw={_faults_path(pod)}")

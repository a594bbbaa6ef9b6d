"""Pods as Kubernetes shows them: from a pod object to what is played, and from what is played to a status
patch.

Pure functions over the API's JSON objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .engine import Limits
from .pods import PodSpec

Json = Mapping[str, Any]

DEFAULT_PORT = 8000
# What Kubernetes assumes where a pod says nothing.
DEFAULT_GRACE_SECONDS = 30.0
DEFAULT_PROBE_PERIOD_SECONDS = 10
DEFAULT_PROBE_FAILURES = 3
SIGKILLED = 137


@dataclass(frozen=True, slots=True)
class Readiness:
    """What the kubelet reports of a pod's container."""

    ready: bool
    restarts: int
    crashed: bool


def is_playable(pod: Json) -> bool:
    """Whether the pod runs and has an address, and is not on its way out."""
    return pod["status"].get("phase") == "Running" and bool(pod["status"].get("podIP")) and not is_leaving(pod)


def is_leaving(pod: Json) -> bool:
    return "deletionTimestamp" in pod["metadata"] or pod["status"].get("phase") in {"Succeeded", "Failed"}


def pod_spec(pod: Json) -> PodSpec:
    """The pod to play. Its container is the one with a port named `http`, otherwise the first."""
    container, port = _serving_container(pod)
    arguments = [*container.get("command", ()), *container.get("args", ())]
    grace = pod["spec"].get("terminationGracePeriodSeconds")
    return PodSpec(
        key=pod["metadata"]["uid"],
        name=pod["metadata"]["name"],
        address=pod["status"]["podIP"],
        port=port,
        model=served_model(arguments),
        limits=limits(arguments),
        grace_seconds=DEFAULT_GRACE_SECONDS if grace is None else float(grace),
        unready_after_seconds=_probe_patience(container),
    )


def pod_of(name: str, arguments: list[str]) -> PodSpec:
    """The pod that this very program is: vLLM's arguments say model, port (8000 if not given) and limits."""
    return PodSpec(
        key=name,
        name=name,
        address="0.0.0.0",
        port=int(_option(arguments, "--port") or DEFAULT_PORT),
        model=served_model(arguments),
        limits=limits(arguments),
    )


def served_model(arguments: list[str]) -> str:
    """The model's name as vLLM derives it: --served-model-name, else --model, else what follows `serve`."""
    for name in ("--served-model-name", "--model"):
        value = _option(arguments, name)
        if value is not None:
            return value
    if "serve" in arguments:
        following = arguments[arguments.index("serve") + 1 :]
        if following and not following[0].startswith("-"):
            return following[0]
    return "model"


def limits(arguments: list[str]) -> Limits:
    """--max-num-seqs (16 if not given) and --max-num-queued-reqs.

    The latter counts running and waiting requests, as in vLLM; not given, two for each running one may
    wait, where vLLM would let any number wait.
    """
    seqs = int(_option(arguments, "--max-num-seqs") or 16)
    in_flight = _option(arguments, "--max-num-queued-reqs")
    return Limits(seqs, 3 * seqs if in_flight is None else int(in_flight))


def restart_count(pod: Json) -> int:
    """Restarts that the pod's status already shows."""
    return max((entry.get("restartCount", 0) for entry in pod["status"].get("containerStatuses", ())), default=0)


def status_patch(pod: Json, wanted: Readiness, now: str) -> dict[str, Any] | None:
    """A strategic-merge patch for the status subresource; None when the status already says what is wanted.

    Conditions are merged by type, so those of others stay. The list of container statuses is atomic and is
    sent whole. `now` is an RFC 3339 time.
    """
    conditions = {condition["type"]: condition for condition in pod["status"].get("conditions", ())}
    state = "True" if wanted.ready else "False"
    seen = {name: conditions.get(name, {}).get("status") for name in ("Ready", "ContainersReady")}
    containers = [_container_status(container, pod, wanted, now) for container in pod["spec"]["containers"]]
    if set(seen.values()) == {state} and containers == pod["status"].get("containerStatuses"):
        return None
    reason = message = None  # null removes what an earlier patch has set
    if not wanted.ready:
        names = " ".join(container["name"] for container in pod["spec"]["containers"])
        reason, message = "ContainersNotReady", f"containers with unready status: [{names}]"
    patches = []
    for name, status in seen.items():
        condition: dict[str, Any] = {"type": name, "status": state, "reason": reason, "message": message}
        if status != state:
            condition["lastTransitionTime"] = now
        patches.append(condition)
    return {"status": {"conditions": patches, "containerStatuses": containers}}


def _container_status(container: Json, pod: Json, wanted: Readiness, now: str) -> dict[str, Any]:
    found = [entry for entry in pod["status"].get("containerStatuses", ()) if entry["name"] == container["name"]]
    status: dict[str, Any] = dict(found[0]) if found else {"name": container["name"], "imageID": ""}
    status.setdefault("image", container.get("image", ""))
    status |= {"ready": wanted.ready, "restartCount": wanted.restarts, "started": not wanted.crashed}
    state: Json = status.get("state") or {}
    if wanted.crashed and "waiting" not in state:
        running: Json = state.get("running") or {}
        ended = {"exitCode": SIGKILLED, "reason": "Error", "finishedAt": now}
        status["lastState"] = {"terminated": ended | {"startedAt": running.get("startedAt", now)}}
        status["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": "restarting failed container"}}
    elif not wanted.crashed and "running" not in state:
        status["state"] = {"running": {"startedAt": now}}
    return status


def _serving_container(pod: Json) -> tuple[Json, int]:
    containers = pod["spec"]["containers"]
    for container in containers:
        for port in container.get("ports", ()):
            if port.get("name") == "http":
                return container, int(port["containerPort"])
    first = containers[0]
    ports = first.get("ports", ())
    return first, int(ports[0]["containerPort"]) if ports else DEFAULT_PORT


def _probe_patience(container: Json) -> float | None:
    probe = container.get("readinessProbe")
    if probe is None:
        return None
    period = probe.get("periodSeconds") or DEFAULT_PROBE_PERIOD_SECONDS
    failures = probe.get("failureThreshold") or DEFAULT_PROBE_FAILURES
    return float(period * failures)


def _option(arguments: list[str], name: str) -> str | None:
    """The value of `--name value` or `--name=value`."""
    for index, argument in enumerate(arguments):
        if argument == name and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith(f"{name}="):
            return argument.removeprefix(f"{name}=")
    return None

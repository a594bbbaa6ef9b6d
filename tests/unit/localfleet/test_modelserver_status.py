"""What a pod object means for the simulator, and what the simulator writes back."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from localfleet.modelserver.engine import Limits
from localfleet.modelserver.status import (
    Readiness,
    is_leaving,
    is_playable,
    limits,
    pod_spec,
    restart_count,
    served_model,
    status_patch,
)

NOW = "2026-11-24T10:00:00Z"
READY = Readiness(ready=True, restarts=0, crashed=False)


def pod(**status: object) -> dict[str, Any]:
    """A pod as KWOK leaves it: running, with an address, not ready."""
    return {
        "metadata": {"name": "llama-0", "namespace": "models", "uid": "u1"},
        "spec": {
            "terminationGracePeriodSeconds": 7,
            "containers": [
                {
                    "name": "server",
                    "image": "vllm/vllm-openai",
                    "args": ["--model", "llama", "--max-num-seqs", "8"],
                    "ports": [
                        {"name": "admin", "containerPort": 9000},
                        {"name": "http", "containerPort": 8080},
                    ],
                    "readinessProbe": {"periodSeconds": 5, "failureThreshold": 2},
                }
            ],
        },
        "status": {
            "phase": "Running",
            "podIP": "10.1.0.5",
            "conditions": [
                {"type": "Initialized", "status": "True"},
                {"type": "Ready", "status": "False"},
                {"type": "ContainersReady", "status": "False"},
            ],
            "containerStatuses": [
                {
                    "name": "server",
                    "image": "vllm/vllm-openai",
                    "imageID": "",
                    "ready": False,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": "2026-11-24T09:00:00Z"}},
                }
            ],
            **status,
        },
    }


def merged(found: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """What the API server makes of it: conditions merge by type, nulls go, container statuses are atomic."""
    after = copy.deepcopy(found)
    conditions = {one["type"]: one for one in after["status"]["conditions"]}
    for one in patch["status"]["conditions"]:
        both = conditions.get(one["type"], {}) | one
        conditions[one["type"]] = {key: value for key, value in both.items() if value is not None}
    after["status"]["conditions"] = list(conditions.values())
    after["status"]["containerStatuses"] = patch["status"]["containerStatuses"]
    return after


def condition(found: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(one for one in found["status"]["conditions"] if one["type"] == kind)


@pytest.mark.parametrize(
    ("arguments", "model"),
    [
        (["--served-model-name", "nice", "--model", "org/real"], "nice"),
        (["--served-model-name=nice"], "nice"),
        (["--model", "org/real"], "org/real"),
        (["vllm", "serve", "org/real", "--port", "8000"], "org/real"),
        (["serve", "--port", "8000"], "model"),
        ([], "model"),
    ],
)
def test_the_models_name_is_found_as_vllm_finds_it(arguments: list[str], model: str) -> None:
    assert served_model(arguments) == model


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], Limits(16, 48)),
        (["--max-num-seqs", "4"], Limits(4, 12)),
        (["--max-num-seqs=4", "--max-num-queued-reqs=5"], Limits(4, 5)),
    ],
)
def test_limits_come_from_the_arguments(arguments: list[str], expected: Limits) -> None:
    assert limits(arguments) == expected


def test_a_pod_is_played_at_its_http_port_with_its_own_grace() -> None:
    spec = pod_spec(pod())
    assert (spec.key, spec.name, spec.address, spec.port) == ("u1", "llama-0", "10.1.0.5", 8080)
    assert (spec.model, spec.grace_seconds, spec.unready_after_seconds) == ("llama", 7.0, 10.0)


def test_nonsense_among_the_arguments_is_an_error_of_that_pod() -> None:
    odd = pod()
    odd["spec"]["containers"][0]["args"] = ["--max-num-seqs", "many"]
    with pytest.raises(ValueError, match="many"):
        pod_spec(odd)


def test_only_a_running_pod_with_an_address_is_played() -> None:
    assert is_playable(pod())
    assert not is_playable(pod(phase="Pending"))
    assert not is_playable(pod(podIP=None))
    leaving = pod()
    leaving["metadata"]["deletionTimestamp"] = NOW
    assert is_leaving(leaving) and not is_playable(leaving)


def test_readiness_is_written_once_and_leaves_other_conditions_alone() -> None:
    patch = status_patch(pod(), READY, NOW)
    assert patch is not None
    after = merged(pod(), patch)
    assert condition(after, "Ready") == {"type": "Ready", "status": "True", "lastTransitionTime": NOW}
    assert condition(after, "ContainersReady")["status"] == "True"
    assert condition(after, "Initialized") == {"type": "Initialized", "status": "True"}
    assert after["status"]["containerStatuses"][0]["ready"] is True
    assert status_patch(after, READY, NOW) is None


def test_a_crash_and_its_recovery_look_as_a_kubelet_shows_them() -> None:
    ready = merged(pod(), status_patch(pod(), READY, NOW) or {})
    down = Readiness(ready=False, restarts=0, crashed=True)
    crashed = merged(ready, status_patch(ready, down, NOW) or {})
    assert condition(crashed, "Ready")["reason"] == "ContainersNotReady"
    container = crashed["status"]["containerStatuses"][0]
    assert container["ready"] is False
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert container["lastState"]["terminated"]["exitCode"] == 137
    assert status_patch(crashed, down, NOW) is None

    starting = Readiness(ready=False, restarts=1, crashed=False)
    again = merged(crashed, status_patch(crashed, starting, NOW) or {})
    assert again["status"]["containerStatuses"][0]["state"] == {"running": {"startedAt": NOW}}
    assert restart_count(again) == 1
    back = Readiness(ready=True, restarts=1, crashed=False)
    healthy = merged(again, status_patch(again, back, NOW) or {})
    assert "reason" not in condition(healthy, "Ready")
    assert status_patch(healthy, back, NOW) is None


def test_a_pod_without_container_statuses_gets_them() -> None:
    bare = pod(containerStatuses=[])
    patch = status_patch(bare, READY, NOW)
    assert patch is not None
    assert patch["status"]["containerStatuses"][0]["image"] == "vllm/vllm-openai"

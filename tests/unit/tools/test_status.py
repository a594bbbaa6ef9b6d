"""`leeward status` on a home cluster that the real client talks to."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from apiserver import ApiServer
from click.testing import Result
from recorded import leeward

KEY = "/apis/leeward.dev/v1alpha1/namespaces/models/modeldeployments/llama-70b"
LEASE = {
    "metadata": {
        "name": "leeward",
        "namespace": "leeward-system",
        "resourceVersion": "7",
        "annotations": {"leeward.dev/epoch": "12"},
    },
    "spec": {"holderIdentity": "ap-south1"},
}
EVACUATION = {
    "apiVersion": "leeward.dev/v1alpha1",
    "kind": "Evacuation",
    "metadata": {"name": "us-east1"},
    "spec": {"region": "us-east1", "reason": "network \x1b[2Jmaintenance", "requestedBy": "ada"},
}
TOLD = {
    "conditions": [
        {"type": "Ready", "status": "True", "reason": "Usable", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    ]
}
FAILED = {
    "health": "eu-west4 failed",
    "readyReplicas": "12/18",
    "regions": [
        {"name": "us-east1", "verdict": "healthy", "weight": 51, "targetWeight": 51},
        {
            "name": "eu-west4",
            "verdict": "failed",
            "phase": "drained",
            "replicas": {"ready": 0, "desired": 6},
            "reason": "gateway does not answer us-east1",
        },
    ],
}


@pytest.fixture(autouse=True)
def failed(home: ApiServer) -> None:
    home.objects[KEY]["status"] = FAILED


def ask(home: ApiServer, *more: str) -> Result:
    return leeward("status", "--kubeconfig", str(home.kubeconfig), *more)


def test_the_page_tells_regions_models_and_what_is_wrong(home: ApiServer) -> None:
    home.put("leases", LEASE)
    result = ask(home)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "leader: ap-south1, epoch 12"
    assert any(line.startswith("models/llama-70b") and "eu-west4 failed" in line for line in lines)
    row = next(line.split() for line in lines if line.startswith("  eu-west4"))
    assert row[1:8] == ["failed", "drained", "0", "%", "0", "%", "-"]
    eye = lines[lines.index("What asks for an eye") + 1 :]
    assert any(line.startswith("  models/llama-70b: eu-west4 failed, drained: ") for line in eye)
    assert "\x1b" not in result.stdout


def test_orders_of_people_are_told_and_cannot_drive_the_terminal(home: ApiServer) -> None:
    home.put("evacuations", EVACUATION)
    result = ask(home)
    row = next(line.split() for line in result.stdout.splitlines() if line.startswith("us-east1"))
    assert row[-1] == "evacuate"
    assert "region us-east1: Evacuation: ordered by ada: network �[2Jmaintenance" in result.stdout


def test_programs_get_the_same(home: ApiServer) -> None:
    home.put("leases", LEASE)
    found = json.loads(ask(home, "-o", "json").stdout)
    assert found == yaml.safe_load(ask(home, "-o", "yaml").stdout)
    assert (found["leader"], found["epoch"]) == ("ap-south1", 12)
    assert {row["name"]: row["verdict"] for row in found["models"][0]["regions"]}["eu-west4"] == "failed"


def test_wide_gives_the_reasons(home: ApiServer) -> None:
    lines = ask(home, "-o", "wide").stdout.splitlines()
    row = next(line for line in lines if line.startswith("  eu-west4"))
    assert "gateway does not answer" in row


def test_check_holds_only_when_all_is_well(home: ApiServer) -> None:
    all_told(home)
    assert ask(home, "--check").exit_code == 3
    del home.objects[KEY]
    assert ask(home, "--check").exit_code == 0


def all_told(home: ApiServer) -> None:
    for path, body in home.objects.items():
        if "/regions/" in path:
            body["status"] = TOLD


def eye(home: ApiServer) -> list[str]:
    lines = ask(home).stdout.splitlines()
    return [line.strip() for line in lines[lines.index("What asks for an eye") + 1 :]]


def test_what_nobody_has_told_of_is_no_good_news(home: ApiServer) -> None:
    home.objects[KEY]["status"] = {}
    told = "no operator has told of it yet: does one run, and may it read its Secret?"
    assert f"region us-east1: NotSeen: {told}" in eye(home)
    assert "models/llama-70b: NotSeen: no operator has told of the newest spec yet: does one run?" in eye(home)
    all_told(home)
    assert not [line for line in eye(home) if line.startswith("region ")]


def deployment(ready: int | None) -> dict[str, object]:
    labels = {"app.kubernetes.io/name": "leeward"}
    status = {} if ready is None else {"readyReplicas": ready}
    return {"metadata": {"name": "leeward", "namespace": "leeward-system", "labels": labels}, "status": status}


def lease(holder: str, age: int) -> dict[str, object]:
    renewed = datetime.now(UTC) - timedelta(seconds=age)
    return LEASE | {"spec": {"holderIdentity": holder, "renewTime": renewed.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}}


SILENT = "ap-south1 has not renewed this cluster's Lease for"
IDLE = "its Deployment here has no ready replica: nothing is decided from here, and weights stay as they are"


@pytest.mark.parametrize(
    ("ready", "held", "told"),
    [
        (1, None, []),
        (None, None, [f"NotRunning: {IDLE}"]),
        (1, ("ap-south1", 5), []),
        (0, ("ap-south1", 5), ["NotRunning: its Deployment here has no ready replica: ap-south1 leads"]),
        (1, ("ap-south1", 300), [f"NoLeaderHere: {SILENT}"]),
        (0, ("", 5), ["NoLeaderHere: no replica holds this cluster's Lease", f"NotRunning: {IDLE}"]),
    ],
)
def test_nobody_at_work_is_told(
    home: ApiServer, ready: int | None, held: tuple[str, int] | None, told: list[str]
) -> None:
    home.put("deployments", deployment(ready))
    if held:
        home.put("leases", lease(*held))
    lines = [line.removeprefix("operator: ") for line in eye(home) if line.startswith("operator: ")]
    assert len(lines) == len(told)
    assert all(map(str.startswith, lines, told))


def test_without_an_election_or_the_right_to_see_it_no_leader_is_told(home: ApiServer) -> None:
    assert "leader" not in ask(home).stdout


def test_a_wrong_line_and_a_missing_model_are_refused_with_the_fix(home: ApiServer) -> None:
    assert "--watch is for people" in ask(home, "--watch", "--check").stderr
    result = ask(home, "absent")
    assert (result.exit_code, "name one of models/llama-70b" in result.stderr) == (1, True)

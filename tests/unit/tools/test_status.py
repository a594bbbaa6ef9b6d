"""`leeward status` on a home cluster that the real client talks to."""

import json

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
    assert ask(home, "--check").exit_code == 3
    del home.objects[KEY]
    assert ask(home, "--check").exit_code == 0


def test_without_an_election_or_the_right_to_see_it_no_leader_is_told(home: ApiServer) -> None:
    assert "leader" not in ask(home).stdout


def test_a_wrong_line_and_a_missing_model_are_refused_with_the_fix(home: ApiServer) -> None:
    assert "--watch is for people" in ask(home, "--watch", "--check").stderr
    result = ask(home, "absent")
    assert (result.exit_code, "name one of models/llama-70b" in result.stderr) == (1, True)

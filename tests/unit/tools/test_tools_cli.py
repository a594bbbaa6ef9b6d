"""The commands as a person calls them: on files, and on a home cluster that the real client talks to."""

import base64
import gzip
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import yaml
from apiserver import ApiServer
from recorded import EXAMPLES, cut, decision_of, leeward, settled, shares, status_of

from leeward.core.spec import Standby
from leeward.replay.decision import Decision, plan_text, schema_text, written


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "decision.json"
    path.write_text(written(cut(settled(shares()), "b")))
    return path


# --- decide ----------------------------------------------------------------------------------------------------------


def test_decide_tells_the_incident(recorded: Path) -> None:
    result = leeward("decide", str(recorded))
    assert result.exit_code == 0
    assert "write: b is out: gateway does not answer op-a, op-c (emergency)" in result.stdout
    assert "  a: a 34 -> 50, b 33 -> 0, c 33 -> 50\n" in result.stdout
    assert "    REACH     bad    gateway does not answer op-a, op-c\n" in result.stdout
    assert "\x1b" not in result.stdout
    assert result.stderr == "the recorded plan, byte for byte\n"


def test_decide_as_json_is_the_recorded_plan(recorded: Path) -> None:
    for result in (
        leeward("decide", str(recorded), "-o", "json", "--check"),
        leeward("decide", "-", "-o", "json", input=recorded.read_text()),
    ):
        assert result.exit_code == 0
        assert recorded.read_text().endswith(f'"plan":{result.stdout.rstrip()}}}')


@pytest.mark.parametrize("command", [("decide",), ("what-if", "--lose", "b", "--file")])
def test_yaml_says_what_json_says(recorded: Path, command: tuple[str, ...]) -> None:
    told = [leeward(*command, str(recorded), "-o", form).stdout for form in ("json", "yaml")]
    assert json.loads(told[0]) == yaml.safe_load(told[1])


def test_decide_says_where_another_plan_comes_out(recorded: Path) -> None:
    document = json.loads(recorded.read_text())
    document["plan"]["regions"][0]["weight"] = 51
    recorded.write_text(json.dumps(document))
    plain, checked = leeward("decide", str(recorded)), leeward("decide", str(recorded), "--check")
    assert (plain.exit_code, checked.exit_code) == (0, 3)
    assert plain.stderr == "not the recorded plan: plan.regions[0].weight was 51 and is now 50\n"


def test_decide_refuses_with_what_to_do(recorded: Path, tmp_path: Path) -> None:
    document = json.loads(recorded.read_text())
    newer = tmp_path / "newer.json"
    newer.write_text(json.dumps(document | {"version": 9}))
    del document["plan"]
    recorded.write_text(json.dumps(document))
    for arguments, code, told in (
        ([str(newer)], 1, "version 9 of the format is newer"),
        ([str(tmp_path / "absent")], 1, "absent cannot be read: No such file"),
        ([str(recorded), "--check"], 1, "holds no recorded plan to compare with"),
        ([], 2, "name a FILE"),
    ):
        result = leeward("decide", *arguments)
        assert (result.exit_code, told in result.stderr) == (code, True), result.stderr


def test_decide_prints_the_schema() -> None:
    assert leeward("decide", "--schema").stdout == schema_text()


def test_what_a_record_says_cannot_drive_the_terminal(recorded: Path) -> None:
    recorded.write_text(recorded.read_text().replace('"observer":"op-a","taken', '"observer":"op\\u001b[2J","taken'))
    assert "\x1b" not in leeward("decide", str(recorded)).stdout


# --- what-if ---------------------------------------------------------------------------------------------------------


def test_what_if_on_a_file(tmp_path: Path) -> None:
    path = tmp_path / "well.json"
    path.write_text(written(decision_of(settled(replace(shares(), standby=Standby.NONE)))))
    told = leeward("what-if", "--lose", "b", "--file", str(path))
    assert told.exit_code == 0
    assert "models/llama, losing b, at 30 requests/s" in told.stdout
    assert "Leeward does this by itself." in told.stdout
    assert "b (lost)   33 % -> 0 %    4       -        9.9/s  61 %" in told.stdout
    assert "Short of 4.2 requests/s at once, and of 0 with those wanted" in told.stdout
    assert "if one of these is lost, in requests/s, as things are: a -4.2, b -4.2, c -4.2." in told.stdout
    answer = json.loads(leeward("what-if", "--lose", "b", "-f", str(path), "-o", "json", "--demand", "1.5x").stdout)
    assert answer["demand"] == "45"
    assert [Fraction(each["load"]) for each in answer["at_once"]["regions"]] == [Fraction("22.5"), 0, Fraction("22.5")]
    assert leeward("what-if", "--lose", "b", "--file", str(path), "--check").exit_code == 3
    assert leeward("what-if", "--lose", "b", "--file", str(path), "--check", "--demand", "20").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--lose", "z"], 1, "there is no region or label 'z': name one of a, b, c"),
        (["--lose", "provider=aws"], 1, "there is no region or label 'provider=aws'"),
        (["--lose", "a", "--lose", "b", "--lose", "c"], 1, "no region of models/llama would be left"),
        (["--demand", "much"], 2, "'much' is neither a rate such as 40 nor a multiple such as 1.5x"),
        ([], 2, "name what is lost with --lose, or another --demand"),
        (["--lose", "b", "model"], 2, "not both"),
    ],
)
def test_what_if_names_the_fix(recorded: Path, arguments: list[str], code: int, told: str) -> None:
    result = leeward("what-if", *arguments, "--file", str(recorded))
    assert result.exit_code == code
    assert told in " ".join(result.stderr.split())


def test_what_if_on_live_objects(home: ApiServer) -> None:
    """The status knows of six ready replicas where the record had fewer; losing a label loses all its regions."""
    common = ("--kubeconfig", str(home.kubeconfig), "-o", "json")
    answer = json.loads(leeward("what-if", "--lose", "grid=ap-south", "llama-70b", *common).stdout)
    assert answer["lost"] == ["ap-south1"]
    assert {each["ready"] for each in answer["before"]["regions"]} == {6}
    every = leeward("what-if", "--lose", "ap-south1", *common).stdout.splitlines()
    assert [json.loads(line)["model"] for line in every] == ["models/llama-70b"]
    assert home.writes() == []


def test_what_if_checks_every_model(home: ApiServer, incident: tuple[Decision, Decision]) -> None:
    """One of two models is carried: not good enough. A model without a record is left out, and said."""
    model = yaml.safe_load((EXAMPLES / "modeldeployment.yaml").read_text())
    tiny = decision_of(settled(replace(incident[0].spec, key="models/tiny"), 0.5))
    for name in ("tiny", "silent"):
        metadata = {"name": name, "namespace": "models"}
        home.put("modeldeployments", {**model, "metadata": metadata, "status": status_of(tiny)})
    held = {"00000001.json.gz": base64.b64encode(gzip.compress(written(tiny).encode())).decode()}
    place = {"name": "leeward-decisions-models.tiny", "namespace": "leeward-system"}
    home.put("configmaps", {"metadata": place, "binaryData": held})
    common = ("--lose", "ap-south1", "--check", "--kubeconfig", str(home.kubeconfig))
    every, one = leeward("what-if", *common), leeward("what-if", "tiny", *common)
    assert (every.exit_code, one.exit_code) == (3, 0)
    assert "left out: no decision of models/silent is recorded" in every.stderr


def test_what_if_knows_where_the_operator_runs(home: ApiServer) -> None:
    told = leeward("what-if", "--lose", "us-east1", "llama-70b", "--kubeconfig", str(home.kubeconfig))
    assert "Leeward would not move by itself: Leeward runs in us-east1: nothing moves until it runs" in told.stdout


# --- explain ---------------------------------------------------------------------------------------------------------


def test_explain_tells_the_newest_decision(home: ApiServer) -> None:
    told = leeward("explain", "llama-70b", "--kubeconfig", str(home.kubeconfig))
    assert told.exit_code == 0, told.stderr
    assert "eu-west4 is out: gateway does not answer" in told.stdout
    assert "eu-west4    failed    drained   0 %" in told.stdout
    assert "! eu-west4 is failed: gateway does not answer" in told.stdout
    assert home.writes() == []


def test_explain_tells_what_the_status_says_since(home: ApiServer) -> None:
    path = "/apis/leeward.dev/v1alpha1/namespaces/models/modeldeployments/llama-70b"
    row = {"type": "Progressing", "status": "False", "reason": "Settled", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    home.objects[path]["status"]["conditions"] = [row | {"message": "hold: frozen by a person"}]
    told = leeward("explain", "llama-70b", "--kubeconfig", str(home.kubeconfig))
    assert told.stdout.endswith("The model's status says since then: hold: frozen by a person\n")


def test_explain_gives_the_record_to_decide(home: ApiServer, incident: tuple[Decision, Decision]) -> None:
    common = ("explain", "models/llama-70b", "-n", "elsewhere", "-o", "record", "--kubeconfig", str(home.kubeconfig))
    newest, before = leeward(*common), leeward(*common, "--back", "1")
    assert newest.stdout == written(incident[1]) + "\n"
    assert before.stdout == written(incident[0]) + "\n"
    assert leeward("decide", "-", "-o", "json", input=newest.stdout).stdout == plan_text(incident[1].made) + "\n"


def test_explain_one_region_as_json(home: ApiServer) -> None:
    arguments = ("llama-70b", "--region", "eu-west4", "-o", "json", "--kubeconfig", str(home.kubeconfig))
    told = json.loads(leeward("explain", *arguments).stdout)
    assert [(each["name"], each["verdict"]) for each in told["regions"]] == [("eu-west4", "failed")]
    assert yaml.safe_load(leeward("explain", *arguments, "-o", "yaml").stdout) == told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nobody"], "there is no ModelDeployment models/nobody: name one of models/llama-70b"),
        (["llama-70b", "--region", "z"], "has no region 'z': name one of us-east1, eu-west4, ap-south1"),
        (["llama-70b", "--back", "2"], "only 2 decisions are kept: --back goes from 0 to 1"),
        (["llama-70b", "--operator-namespace", "x"], "no decision of models/llama-70b is recorded (ConfigMap x/"),
    ],
)
def test_explain_names_the_fix(home: ApiServer, arguments: list[str], told: str) -> None:
    result = leeward("explain", *arguments, "--kubeconfig", str(home.kubeconfig))
    assert result.exit_code == 1
    assert told in result.stderr


def test_a_cluster_that_cannot_be_asked(home: ApiServer, tmp_path: Path) -> None:
    home.refuse = 403
    denied = leeward("explain", "llama-70b", "--kubeconfig", str(home.kubeconfig))
    assert (denied.exit_code, "log in anew, or ask for the rights" in denied.stderr) == (1, True)
    absent = leeward("explain", "llama-70b", "--kubeconfig", str(tmp_path / "absent"))
    assert (absent.exit_code, "name another with --kubeconfig" in absent.stderr) == (1, True)
    several = leeward("explain", "llama-70b", env={"KUBECONFIG": "a:b"})
    assert "KUBECONFIG names several files" in several.stderr
    home.port = 1
    silent = leeward("explain", "llama-70b", "--kubeconfig", str(home.kubeconfig))
    assert (silent.exit_code, "check the network" in silent.stderr) == (1, True)

"""Fleets of kind clusters as values: configuration, manifests, and command lines that the real clients know."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from leeward.adapters import pools
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from localfleet import certificates, faults, members, tools
from localfleet.bootstrap import documents
from localfleet.errors import FleetError
from localfleet.kind import faults as kind_faults
from localfleet.kind import lines
from localfleet.kind.lines import Line, Node
from localfleet.layout import ENVOY_STATS_PORT, GATEWAY_NAME, KIND, MODELS_PORT, Fleet

ROOT = Path(__file__).resolve().parents[3]
FLEET = Fleet("test", ("west", "east"), backend=KIND, addresses=("172.18.0.2", "172.18.0.3"))
WEST, EAST = FLEET.regions
IT = lines.cluster(FLEET, WEST)
RUNNING = Node("running", "172.18.0.2", "172.18.0.1")
POD = {"metadata": {"namespace": "models", "name": "llama-0"}, "status": {"phase": "Running"}}


def model(path: str = "examples/kind/modeldeployment.yaml") -> dict[str, Any]:
    (found,) = documents(ROOT / path)
    return found


# --- Versions --------------------------------------------------------------------------------------------------------


def test_programs_have_the_versions_that_the_local_fleet_pins() -> None:
    (deployment,) = [body for body in documents(lines.HERE / "region.yaml") if body["kind"] == "Deployment"]
    prometheus = deployment["spec"]["template"]["spec"]["containers"][0]["image"].partition(":v")[2]
    module = tools.pinned("prometheus", "github.com/prometheus/prometheus").removeprefix("v")
    major, minor, patch = prometheus.split(".")
    assert module == f"0.{int(major) * 100 + int(minor)}.{patch}"
    minor_of = re.compile(r"v1\.\d+")
    assert minor_of.search(lines.NODE_IMAGE)[0] == minor_of.search(tools.KUBERNETES_VERSION)[0]  # type: ignore[index]
    assert re.search(r"@sha256:[0-9a-f]{64}$", lines.NODE_IMAGE)


def test_envoy_gateway_is_the_pinned_one() -> None:
    text = (ROOT / "hack/tools/envoy-gateway/go.mod").read_text()
    version = lines.envoy_gateway_manifest().split("/")[-2]
    assert f"github.com/envoyproxy/gateway {version}" in text


def test_a_version_that_nobody_pins_is_told() -> None:
    with pytest.raises(FleetError, match=r"envoy-gateway/go\.mod pins no example\.com/other"):
        tools.pinned("envoy-gateway", "example.com/other")


# --- Configuration and manifests -------------------------------------------------------------------------------------


def test_a_region_is_valid_and_its_pods_fit_its_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    certificates.make(FLEET)
    region = Region.model_validate(members.region_object(FLEET, EAST))
    (node,) = lines.configuration()["nodes"]
    wanted = ModelDeployment.model_validate(model())
    (pool,) = pools.load().pools(wanted, region, pools.Range(1, 1, 1))
    labels = pool.node_labels
    assert labels and all(node["labels"][key] in values for key, values in labels.items())
    assert (region.spec.gateway.address, region.spec.gateway.users_port) == ("172.18.0.3", 80)
    replicas = max(row["replicas"]["max"] for row in model()["spec"]["regions"])
    assert (replicas + 1) * wanted.spec.accelerator.count <= lines.GPUS  # one more while a Deployment rolls


def test_the_model_is_the_demos_but_for_its_image() -> None:
    local, kind = model("examples/local/modeldeployment.yaml"), model()
    assert kind["spec"]["server"].pop("image") == lines.MODEL_IMAGE
    local["spec"]["server"].pop("image")
    assert kind == local


def test_prometheus_reads_its_configuration_and_may_look_for_pods() -> None:
    bodies = {(body["kind"], body["metadata"]["name"]): body for body in documents(lines.HERE / "region.yaml")}
    pod = bodies["Deployment", "prometheus"]["spec"]["template"]["spec"]
    configured = lines.prometheus_object(WEST)
    volume = next(row for row in pod["volumes"] if "configMap" in row)
    assert volume["configMap"]["name"] == configured["metadata"]["name"]
    mount = next(row for row in pod["containers"][0]["volumeMounts"] if row["name"] == volume["name"])
    (key,) = configured["data"]
    assert f"--config.file={mount['mountPath']}/{key}" in pod["containers"][0]["args"]
    binding = bodies["ClusterRoleBinding", "local-fleet-prometheus"]
    assert binding["subjects"][0]["name"] == pod["serviceAccountName"]
    assert ("ClusterRole", binding["roleRef"]["name"]) in bodies


def test_prometheus_has_the_local_fleets_jobs_with_pods_found_in_the_cluster() -> None:
    parsed = yaml.safe_load(lines.prometheus_object(WEST)["data"]["prometheus.yml"])
    jobs = {row["job_name"]: row for row in parsed["scrape_configs"]}
    assert set(jobs) == {"models", "envoy"}
    assert all(row["kubernetes_sd_configs"] == [{"role": "pod"}] for row in jobs.values())
    gateway, address = jobs["envoy"]["relabel_configs"]
    assert (gateway["regex"], address["replacement"]) == (GATEWAY_NAME, f"$1:{ENVOY_STATS_PORT}")
    assert "static_configs" not in jobs["envoy"]
    assert parsed["global"]["external_labels"] == {"region": "west"}


def test_the_backend_api_is_enabled_and_nothing_else_is_changed() -> None:
    before = {
        "kind": "EnvoyGateway",
        "provider": {"type": "Kubernetes"},
        "extensionApis": {"enableEnvoyPatchPolicy": True},
    }
    after = yaml.safe_load(lines.with_backend_api(yaml.safe_dump(before)))
    assert after == {**before, "extensionApis": {"enableEnvoyPatchPolicy": True, "enableBackend": True}}
    assert yaml.safe_load(lines.with_backend_api("kind: EnvoyGateway"))["extensionApis"] == {"enableBackend": True}


def test_what_is_applied_exists() -> None:
    applied = [part.partition("=")[2] for line in every_line() for part in line if part.startswith("--filename=")]
    paths = [Path(place) for place in applied if place.startswith("/") and "prometheus" not in place]
    assert len(paths) == 5 and all(path.exists() for path in paths)


# --- Faults ----------------------------------------------------------------------------------------------------------


def test_every_way_of_breaking_a_region_is_there() -> None:
    assert {*kind_faults.KILL, "models"} == set(faults.HOW)


@pytest.mark.parametrize("how", kind_faults.KILL)
def test_a_fault_hits_its_own_region_only(how: str) -> None:
    for line in kind_faults.KILL[how](IT):
        assert any(IT.node in part or str(IT.kubeconfig) in part for part in line)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("running", []),
        ("paused", ["docker unpause leeward-test-west-control-plane"]),
        (
            "exited",
            [
                "docker network disconnect kind leeward-test-west-control-plane",
                "docker network connect --ip=172.18.0.2 kind leeward-test-west-control-plane",
                "docker start leeward-test-west-control-plane",
            ],
        ),
    ],
)
def test_a_node_comes_back_at_its_address(state: str, expected: list[str]) -> None:
    found = kind_faults.revive(IT, Node(state, "", ""), WEST.address)
    assert [" ".join(line) for line in found] == expected


def test_what_docker_says_of_a_node_is_understood() -> None:
    told = [
        {
            "State": {"Status": "running", "Running": True},
            "NetworkSettings": {"Networks": {"kind": {"IPAddress": "172.18.0.2", "Gateway": "172.18.0.1"}}},
        }
    ]
    assert lines.node(json.dumps(told)) == RUNNING
    told[0] |= {"State": {"Status": "exited"}, "NetworkSettings": {"Networks": {}}}
    assert lines.node(json.dumps(told)) == Node("exited", "", "")


def test_pods_are_reached_one_by_one() -> None:
    other = {"metadata": {"namespace": "models", "name": "llama-1"}, "status": {"phase": "Running"}}
    failed = {"metadata": {"namespace": "models", "name": "llama-2"}, "status": {"phase": "Failed"}}
    listed = json.dumps({"items": [POD, other, failed]})
    assert kind_faults.playing(listed, []) == [POD, other]
    assert kind_faults.playing(listed, ["llama-1"]) == [other]
    with pytest.raises(FleetError, match="no model server 'llama-2' runs here; there are: llama-0, llama-1"):
        kind_faults.playing(listed, ["llama-2"])
    line, _ = kind_faults.put(IT, POD, {"crash": True})
    assert f"--raw=/api/v1/namespaces/models/pods/llama-0:{MODELS_PORT}/proxy/faults" in line


def test_ready_pods_are_counted() -> None:
    good = POD | {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    bad = POD | {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}}
    assert kind_faults.ready(json.dumps({"items": [good, bad, good]})) == "2 of 3"


# --- The real clients ------------------------------------------------------------------------------------------------


def every_line() -> list[Line]:
    """A command line of every form there is."""
    return [
        lines.create(IT, Path("kind.yaml")),
        lines.delete(IT),
        lines.build_image(Path("image"), 4.0),
        lines.load_image(IT),
        lines.give_gpus(IT),
        *lines.install(IT, Path("prometheus.yaml")),
        *lines.open_gateway(IT),
        *lines.await_ready(IT),
        *(line for act in kind_faults.KILL.values() for line in act(IT)),
        *(line for state in ("paused", "exited") for line in kind_faults.revive(IT, Node(state, "", ""), "172.18.0.2")),
        *kind_faults.mend(IT, RUNNING),
        *kind_faults.restore(IT),
        kind_faults.list_model_pods(IT),
        kind_faults.put(IT, POD, {})[0],
        kind_faults.delete(IT, POD),
        lines.execute(IT, ["true"]),
    ]


_GROUPS = ("network", "rollout")


def verb(line: Line) -> Line:
    """The client and its command: `docker exec`, `docker network connect`, `kind create cluster`."""
    words = [part for part in line if not part.startswith("--")]
    return words[:3] if words[0] == "kind" or words[1] in _GROUPS else words[:2]


def flags(line: Line) -> list[str]:
    """Options of the client; what follows a container's name belongs to the command inside."""
    ours = line[: line.index(IT.node)] if IT.node in line and line[1] == "exec" else line
    return [part.partition("=")[0] for part in ours if part.startswith("--") and not part.startswith("--kubeconfig")]


@pytest.mark.parametrize("client", ["docker", "kind", "kubectl"])
def test_the_real_client_knows_every_command_and_option(client: str) -> None:
    if not shutil.which(client):
        pytest.skip(f"no {client} on this machine")
    used: dict[tuple[str, ...], set[str]] = {}
    for line in every_line():
        if line[0] == client:
            used.setdefault(tuple(verb(line)), set()).update(flags(line))
    assert len(used) >= 3
    everywhere = {"--namespace", "--request-timeout"}  # kubectl's global options stand in `kubectl options`
    for command, options in used.items():
        shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
        assert command[-1] in shown
        unknown = {option for option in options - everywhere if not re.search(rf"{option}(?![\w-])", shown)}
        assert not unknown, f"{' '.join(command)} has no {unknown}"


def test_the_real_kind_reads_our_configuration(tmp_path: Path) -> None:
    if not shutil.which("kind"):
        pytest.skip("no kind on this machine")

    def create(configuration: dict[str, Any]) -> str:
        path = tmp_path / "kind.yaml"
        path.write_text(yaml.safe_dump(configuration))
        no_engine = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "DOCKER_HOST": "unix:///nonexistent/docker.sock",
        }
        it = lines.Cluster(IT.name, tmp_path / "kubeconfig")
        return subprocess.run(lines.create(it, path), env=no_engine, capture_output=True, text=True, check=False).stderr

    ours = lines.configuration()
    assert "unable to decode config" not in create(ours)
    assert "unable to decode config" in create({**ours, "nodez": ours["nodes"]})

"""`leeward doctor` and `leeward status` on a fleet: all is well, and then it is not."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from leeward.adapters.members import SECRET
from leeward.adapters.objects import GATEWAY, REGIONS
from leeward.ports import Kind, KubeObject, Ref
from localfleet import members
from localfleet.bootstrap import wait_for
from localfleet.demo.stage import Stage
from localfleet.layout import GATEWAY_NAME, GATEWAY_NAMESPACE, REPOSITORY

pytestmark = [pytest.mark.fleet, pytest.mark.usefixtures("served")]

NAME = "eu-west4"
ROLE = Ref(Kind("rbac.authorization.k8s.io/v1", "ClusterRole", namespaced=False), "", "leeward-member")
CLIENTS = Kind("gateway.envoyproxy.io/v1alpha1", "ClientTrafficPolicy")
CRD = Ref(Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", namespaced=False), "", "regions.leeward.dev")


def leeward(stage: Stage, *arguments: str, operator: bool = False) -> subprocess.CompletedProcess[str]:
    """As an administrator of the home cluster, or as the operator."""
    home = stage.fleet.regions[0]
    kubeconfig = home.folder / "kubeconfig-operator" if operator else home.kubeconfig
    return subprocess.run(
        [sys.executable, "-m", "leeward", *arguments, "--kubeconfig", str(kubeconfig)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "operator")},
    )


def doctor(stage: Stage, **as_whom: bool) -> dict[tuple[str, str], dict[str, str]]:
    """Findings by place and subject."""
    result = leeward(stage, "doctor", "-o", "json", **as_whom)
    assert result.stdout, result.stderr
    return {(row["where"], row["what"]): row for row in json.loads(result.stdout)}


@contextmanager
def broken(stage: Stage, loop: asyncio.AbstractEventLoop, region: str, ref: Ref, change: KubeObject) -> Iterator[None]:
    """An object changed by a merge patch, and put back."""
    cluster, run = stage.clusters[region], loop.run_until_complete
    before = run(cluster.read(ref))
    try:
        run(cluster.patch(ref, change))
        yield
    finally:
        run(cluster.patch(ref, {key: before.get(key) for key in change}))


@pytest.mark.parametrize("operator", [False, True], ids=["administrator", "operator"])
def test_a_sound_fleet_passes(stage: Stage, operator: bool) -> None:
    result = leeward(stage, "doctor", operator=operator)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert not [line for line in lines if line.startswith("FAIL")]
    for line in (
        "ok    home: rights of config/home.yaml: all",
        f"ok    {NAME}: clock: as this machine's",
        f"ok    {NAME}: Gateway: has both listeners",
        f"ok    {NAME}: HTTPRoute: gateway.networking.k8s.io/v1 is served",
        f"ok    {NAME}: Prometheus: answers",
        f"ok    {NAME}: rights: all",
        f"ok    {NAME}: token: ends at",
        f"ok    {NAME}: probes' certificate: ends at",
        f"ok    {NAME}: serve listener's certificate: ends at",
        f"ok    {NAME}: serve listener: takes TLS, and clients with a certificate only",
    ):
        assert any(each.startswith(line) for each in lines), line


def test_a_missing_right_is_named(stage: Stage, loop: asyncio.AbstractEventLoop) -> None:
    rules = loop.run_until_complete(stage.clusters[NAME].read(ROLE))["rules"]
    fewer = [rule for rule in rules if rule["resources"] != ["httproutes"]]
    with broken(stage, loop, NAME, ROLE, {"rules": fewer}):
        row = doctor(stage)[NAME, "rights"]
    assert row["state"] == "fail"
    assert "get httproutes.gateway.networking.k8s.io" in row["sentence"]


def test_a_right_to_do_everything_is_told(stage: Stage, loop: asyncio.AbstractEventLoop) -> None:
    everything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    with broken(stage, loop, NAME, ROLE, {"rules": everything}):
        row = doctor(stage)[NAME, "rights"]
    assert (row["state"], row["sentence"]) == ("warn", "it may do everything there")


def test_a_gateway_without_a_listener_is_told(stage: Stage, loop: asyncio.AbstractEventLoop) -> None:
    where = Ref(GATEWAY, GATEWAY_NAMESPACE, GATEWAY_NAME)
    spec = loop.run_until_complete(stage.clusters[NAME].read(where))["spec"]
    fewer = {"spec": {**spec, "listeners": spec["listeners"][:1]}}
    with broken(stage, loop, NAME, where, fewer):
        row = doctor(stage)[NAME, "Gateway"]
    assert row["state"] == "fail"
    assert "has no listener" in row["sentence"] and "examples/gateway.yaml" in row["fix"]


def test_a_serve_listener_that_lets_anybody_in_is_told(stage: Stage, loop: asyncio.AbstractEventLoop) -> None:
    run, where = loop.run_until_complete, Ref(CLIENTS, GATEWAY_NAMESPACE, "inference-serve")
    spec = run(stage.clusters[NAME].read(where))["spec"]

    async def told(state: str) -> dict[str, str] | None:
        row = doctor(stage)[NAME, "serve listener"]
        return row if row["state"] == state else None

    open_to_all = {"spec": {**spec, "tls": {"clientValidation": None}}}
    with broken(stage, loop, NAME, where, open_to_all):
        row = run(wait_for("it to be told", lambda: told("fail"), 30))
    assert row["sentence"] == "answers to clients without a certificate"
    run(wait_for("it to be closed again", lambda: told("ok"), 30))


def test_another_version_of_a_crd_is_told(stage: Stage, loop: asyncio.AbstractEventLoop) -> None:
    home = stage.fleet.regions[0].name
    spec = loop.run_until_complete(stage.home.read(CRD))["spec"]
    versions = [{**each, "additionalPrinterColumns": each["additionalPrinterColumns"][:1]} for each in spec["versions"]]
    with broken(stage, loop, home, CRD, {"spec": {**spec, "versions": versions}}):
        row = doctor(stage)["home", "CRD regions.leeward.dev"]

    async def served() -> bool | None:
        for _ in range(5):
            await stage.home.find(REGIONS)
            await asyncio.sleep(0.2)
        return True

    loop.run_until_complete(wait_for("Regions are served without a gap again", served, 30))
    assert (row["state"], row["fix"]) == ("warn", "kubectl apply --server-side -f crds/")


def test_a_region_whose_secret_is_gone_fails_alone(stage: Stage, loop: asyncio.AbstractEventLoop) -> None:
    run = loop.run_until_complete
    try:
        run(stage.home.delete(Ref(SECRET, GATEWAY_NAMESPACE, f"{NAME}-kubeconfig")))
        found = doctor(stage)
        assert (NAME, "connection") in found, found
        assert found[NAME, "connection"]["state"] == "fail"
        assert "does not exist" in found[NAME, "connection"]["sentence"]
        assert found["ap-south1", "Gateway"]["state"] == "ok"
        assert leeward(stage, "doctor").returncode == 3
    finally:
        run(members.join(stage.fleet))


def test_status_tells_the_fleet_at_a_glance(stage: Stage, loop: asyncio.AbstractEventLoop) -> None:
    loop.run_until_complete(stage.settled())
    result = leeward(stage, "status")
    assert result.returncode == 0, result.stderr
    rows = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line.strip()}
    assert rows[NAME][1:3] == ["healthy", "active"]
    found = json.loads(leeward(stage, "status", "-o", "json").stdout)
    assert sum(row["weight"] for row in found["models"][0]["regions"]) == 100
    assert {row["name"]: row["ready"] for row in found["regions"]} == dict.fromkeys(stage.fleet.region_names, "True")

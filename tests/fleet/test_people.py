"""People who look and people who order, with the roles of config/people.yaml and no more, on a real API server."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from seen import KEY, Run

from leeward.adapters.kubeconfigs import from_file
from leeward.adapters.members import SECRET
from leeward.adapters.objects import EVACUATIONS, ref_of
from leeward.ports import Denied, KubeObject
from localfleet.bootstrap import documents, wait_for, write_kubeconfig
from localfleet.demo.stage import Stage
from localfleet.layout import GATEWAY_NAMESPACE, REPOSITORY

pytestmark = [pytest.mark.fleet, pytest.mark.usefixtures("served")]

RBAC = "rbac.authorization.k8s.io"
MODEL = ("-n", KEY[0], KEY[1])
ROLES = {"viewer": "leeward-view", "oncall": "leeward-operate"}


def person(name: str, role: str) -> list[KubeObject]:
    """An account with the ClusterRole everywhere, and the Role in the operator's namespace."""
    metadata = {"name": name, "namespace": GATEWAY_NAMESPACE}
    subjects = [{"kind": "ServiceAccount", **metadata}]
    bindings = (
        ("ClusterRoleBinding", {"name": name}, {"kind": "ClusterRole", "name": role}),
        ("RoleBinding", metadata, {"kind": "Role", "name": "leeward-view"}),
    )
    return [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}] + [
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": kind,
            "metadata": where,
            "roleRef": {"apiGroup": RBAC, **what},
            "subjects": subjects,
        }
        for kind, where, what in bindings
    ]


@pytest.fixture(scope="module")
def people(
    stage: Stage, loop: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Path]]:
    """A kubeconfig of each person; their rights are gone again afterwards."""
    run, home = loop.run_until_complete, stage.fleet.regions[0]
    made = documents(REPOSITORY / "config" / "people.yaml")
    made += [each for name, role in ROLES.items() for each in person(name, role)]
    certificate = (home.folder / "apiserver" / "apiserver.crt").read_bytes()
    files = {}
    for body in made:
        run(stage.home.apply(body))
    for name in ROLES:
        answer = run(
            stage.home.post(
                f"/api/v1/namespaces/{GATEWAY_NAMESPACE}/serviceaccounts/{name}/token",
                {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}},
            )
        )
        files[name] = tmp_path_factory.mktemp("people") / name
        write_kubeconfig(files[name], "home", home.api_server, certificate, answer["status"]["token"])
    yield files
    for body in made:
        run(stage.home.delete(ref_of(body)))


def leeward(kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "leeward", *arguments, "--kubeconfig", str(kubeconfig)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "operator")},
    )


@pytest.mark.parametrize("name", ROLES)
def test_whoever_looks_sees_the_fleet_a_decision_and_what_would_be(
    people: dict[str, Path], stage: Stage, name: str
) -> None:
    told = leeward(people[name], "status", "-o", "json")
    assert told.returncode == 0, told.stderr
    assert {row["name"] for row in json.loads(told.stdout)["regions"]} == set(stage.fleet.region_names)
    explained = leeward(people[name], "explain", *MODEL)
    assert explained.returncode == 0, explained.stderr
    asked = leeward(people[name], "what-if", *MODEL, "--lose", "eu-west4")
    assert asked.returncode == 0, asked.stderr
    assert "eu-west4" in asked.stdout


@pytest.mark.parametrize("order", [("freeze", *MODEL), ("evacuate", "eu-west4")])
def test_whoever_only_looks_is_refused(people: dict[str, Path], run: Run, stage: Stage, order: tuple[str, ...]) -> None:
    result = leeward(people["viewer"], *order, "--reason", "a test")
    assert result.returncode == 1, result.stdout
    assert "forbidden" in result.stderr
    assert run(stage.home.find(EVACUATIONS)) == []


def test_whoever_orders_holds_pins_and_evacuates(people: dict[str, Path], stage: Stage, run: Run) -> None:
    orders = (
        ("freeze", *MODEL, "--for", "1m", "--reason", "a test"),
        ("thaw", *MODEL),
        ("pin", *MODEL, "us-east1=40,eu-west4=30,ap-south1=30", "--for", "1m", "--reason", "a test"),
        ("unpin", *MODEL),
        ("evacuate", "eu-west4", "--reason", "a test", "--wait", "0"),
        ("restore", "eu-west4"),
    )
    for order in orders:
        result = leeward(people["oncall"], *order)
        assert result.returncode == 0, (order, result.stdout, result.stderr)

    async def ended() -> bool | None:
        return True if await stage.home.find(EVACUATIONS) == [] else None

    run(wait_for("the evacuation ends", ended, 60))
    run(stage.settled(240))


@pytest.mark.parametrize("name", ROLES)
def test_nobody_reads_secrets(people: dict[str, Path], run: Run, name: str) -> None:
    async def look() -> None:
        cluster = await from_file("home", people[name])
        try:
            await cluster.find(SECRET, GATEWAY_NAMESPACE)
        finally:
            await cluster.close()

    with pytest.raises(Denied):
        run(look())

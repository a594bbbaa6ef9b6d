"""No token gets into a log, metrics, statuses, Events or records, also when its kubeconfig is broken."""

import asyncio
import base64
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from seen import Run

from leeward.adapters.members import SECRET
from leeward.adapters.objects import CONFIG_MAP, EVACUATIONS, REGIONS
from leeward.api.common import condition_of
from leeward.api.region import Region
from leeward.ports import Kind, Ref
from localfleet import certificates, members
from localfleet.bootstrap import wait_for
from localfleet.demo.stage import MODELS, Operator, Stage
from localfleet.layout import GATEWAY_NAMESPACE, REPOSITORY

NAME = "eu-west4"
WHERE = Ref(SECRET, GATEWAY_NAMESPACE, f"{NAME}-kubeconfig")
SERVE = Ref(SECRET, GATEWAY_NAMESPACE, certificates.SECRET_NAME)
PLANTED = "planted.eyJwbGFudGVkIjoidG9rZW4ifQ.c2lnbmF0dXJl"


def kubeconfig(stage: Stage, name: str = NAME) -> str:
    return (stage.fleet.region(name).folder / "kubeconfig-operator").read_text()


def token(text: str) -> str:
    return str(yaml.safe_load(text)["users"][0]["user"]["token"])


def broken(stage: Stage) -> dict[str, str]:
    """Kubeconfigs that cannot be used, each with the token in it, by what is told of it."""
    good = kubeconfig(stage)
    planted = good.replace(token(good), PLANTED)
    body = yaml.safe_load(planted)
    body["users"][0]["user"] |= {"exec": {"command": "cat", "args": [PLANTED], "apiVersion": "v1"}}
    return {
        "Denied": planted,
        "is not YAML": f"users: [{{user: {{token: '{PLANTED}'}}\n{planted}",
        "runs the command": yaml.safe_dump(body),
        "cannot be used": planted.replace("current-context: ", "current-context: no-"),
    }


@pytest.fixture
def mended(stage: Stage, served: Operator, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    yield
    loop.run_until_complete(members.join(stage.fleet))


async def put(stage: Stage, text: str) -> None:
    await stage.home.patch(WHERE, {"data": {"value": base64.b64encode(text.encode()).decode()}})


async def told(stage: Stage, wanted: str) -> bool | None:
    found = Region.read(await stage.home.read(Ref(REGIONS, "", NAME)) or {})
    row = condition_of(found.status.conditions, "Reachable")
    return True if row and wanted in f"{row.reason}: {row.message}" else None


async def everything(stage: Stage) -> str:
    """What people may read without a right to Secrets, in all clusters."""
    kinds = (MODELS, REGIONS, EVACUATIONS, CONFIG_MAP, Kind("v1", "Event"), Kind("events.k8s.io/v1", "Event"))
    found = [await cluster.find(kind) for cluster in stage.clusters.values() for kind in kinds]
    return json.dumps(found)


def test_tokens_stay_where_they_are(stage: Stage, served: Operator, run: Run, mended: None) -> None:
    for wanted, text in broken(stage).items():
        run(put(stage, text))
        run(wait_for(f"the Region to say {wanted}", lambda expected=wanted: told(stage, expected), 100))
    with urllib.request.urlopen(served.metrics) as answer:
        places = {"metrics": answer.read().decode(), "objects": run(everything(stage)), "log": served.log.read_text()}
    keys = [run(cluster.read(SERVE))["data"]["tls.key"] for cluster in stage.clusters.values()]
    for key in (base64.b64decode(key).decode() for key in keys):
        assert not [place for place, text in places.items() if key.splitlines()[1] in text]
    tokens = {PLANTED, *(token(kubeconfig(stage, name)) for name in stage.fleet.region_names)}
    for place, text in places.items():
        assert text, place
        for secret in tokens:
            assert not [part for part in (secret, secret.split(".")[1], secret.split(".")[2]) if part in text], place


def test_a_dry_run_tells_no_token(stage: Stage, served: Operator, tmp_path: Path) -> None:
    home, log = stage.fleet.regions[0], tmp_path / "log"
    command = [
        sys.executable,
        "-m",
        "leeward",
        "run",
        "--dry-run",
        "--kubeconfig",
        str(home.folder / "kubeconfig-operator"),
    ]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "operator")}
    with log.open("wb") as output:
        child = subprocess.Popen([*command, "--listen", "127.0.0.1:0"], stdout=output, stderr=output, env=environment)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(15)
        child.terminate()
        assert child.wait(20) == 0
    text = log.read_text()
    assert text
    for name in stage.fleet.region_names:
        assert token(kubeconfig(stage, name)).split(".")[2] not in text

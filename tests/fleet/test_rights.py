"""The operator uses every right that config/ grants it, and asks for none that it lacks: read from the audit logs."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from seen import KEY
from supply import operating
from test_autoscaling import model

from leeward.adapters.objects import AUTHORITIES, CONFIG_MAP, DEPLOYMENT, ROUTE, ref_of
from leeward.adapters.routes import Names
from leeward.cli.checkup.rights import Right, rights
from leeward.ports import Ref
from localfleet.bootstrap import wait_for
from localfleet.chaos import audit
from localfleet.demo.stage import MODELS, Stage
from localfleet.layout import GATEWAY_NAMESPACE

NOT_SERVED = {
    "keda.sh",
    "cluster.x-k8s.io",
    "infrastructure.cluster.x-k8s.io",
    "container.cnrm.cloud.google.com",
    "eks.services.k8s.aws",
    "containerservice.azure.com",
}
"""Kinds that this fleet does not serve; tests/fleet/test_pool_kinds.py plays what is done to them."""
EVACUATION = {
    "apiVersion": "leeward.dev/v1alpha1",
    "kind": "Evacuation",
    "metadata": {"name": "eu-west4"},
    "spec": {"region": "eu-west4", "reason": "a test"},
}


def asked(folder: Path, since: float) -> Iterator[tuple[Right, int]]:
    """What the operator asked of an API server, and the code of the answer. Applying what is not there is creating."""
    for row in audit.answers(audit.kept(folder), f'"{audit.OPERATOR}"'):
        about, code = row["objectRef"], row["responseStatus"]["code"]
        if stamp(row["stageTimestamp"]) < since:
            continue
        resource = "/".join(filter(None, (about["resource"], about.get("subresource"))))
        for verb in {row["verb"], *(["create"] if row["verb"] == "patch" and code == 201 else [])}:
            yield Right(about.get("apiGroup", ""), resource, verb), code


def stamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.fixture(scope="module")
def life(stage: Stage, loop: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory) -> float:
    """A model's whole life: made, its route edited by somebody, a region evacuated, deleted; when that began."""
    run, entry = loop.run_until_complete, stage.clusters["eu-west4"]
    route = Ref(ROUTE, KEY[0], Names(KEY[1]).users)

    async def gone() -> bool | None:
        left = [await cluster.read(Ref(DEPLOYMENT, *KEY)) for cluster in stage.clusters.values()]
        return True if not any(left) and await stage.model() is None else None

    async def mended() -> bool | None:
        found = await entry.read(route)
        return True if found and found["spec"]["hostnames"] != ["edited.example.com"] else None

    async def told() -> bool | None:
        found = await stage.home.read(ref_of(EVACUATION))
        return True if found and found.get("status") else None

    with operating(stage, loop, tmp_path_factory.mktemp("operator")):
        run(stage.home.delete(Ref(MODELS, *KEY)))
        run(wait_for("what other tests left to be gone", gone, 120))
        for cluster in stage.clusters.values():
            run(cluster.delete(Ref(CONFIG_MAP, KEY[0], AUTHORITIES)))  # which outlives models
        began = time.time()
        run(stage.home.apply(model(busy=3)))
        run(stage.settled())
        run(entry.patch(route, {"spec": {"hostnames": ["edited.example.com"]}}))
        run(wait_for("the route to be mended", mended, 90))
        run(stage.home.apply(EVACUATION))
        run(wait_for("the evacuation to be told", told, 60))
        run(stage.home.delete(ref_of(EVACUATION)))
        run(stage.home.delete(Ref(MODELS, *KEY)))
        run(wait_for("the model to be gone", gone, 120))
    return began


def test_nothing_is_asked_that_is_not_granted(stage: Stage, life: float) -> None:
    for region in stage.fleet.regions:
        assert not [str(right) for right, code in asked(region.folder, life) if code == 403]


def test_every_right_is_used(stage: Stage, life: float) -> None:
    for region in stage.fleet.regions:
        parts = ("home", "member") if region is stage.fleet.regions[0] else ("member",)
        granted = {replace(right, namespace="", name="") for part in parts for right in rights(part, GATEWAY_NAMESPACE)}
        used = {right for right, code in asked(region.folder, life) if code < 300 or code == 404}
        assert [str(right) for right in granted - used if right.group not in NOT_SERVED] == [], region.name

"""A region that a model leaves, on real control planes: drained, then deleted."""

import asyncio
import json

import pytest
from seen import KEY, OWNED, Run
from supply import (
    AP,
    EU,
    US,
    Timeline,
    Users,
    capacity_model,
    says,
    written,
)

from leeward.adapters.objects import BACKEND, DEPLOYMENT, labels_of
from leeward.leaving import STREAMS_MS
from leeward.ports import Kind, Ref
from localfleet import faults
from localfleet.bootstrap import wait_for
from localfleet.demo.stage import Stage

EVENT = Kind("v1", "Event")
pytestmark = pytest.mark.usefixtures("supplied")


async def left(stage: Stage) -> list[str]:
    """Kinds of the model's objects that ap-south1 still has."""
    cluster = stage.clusters[AP]
    found = [(kind, await cluster.find(kind, labels=labels_of(*KEY))) for kind in OWNED]
    return [kind.kind for kind, rows in found if rows]


async def nothing(stage: Stage) -> bool | None:
    return None if await left(stage) else True


async def two_regions(stage: Stage) -> bool | None:
    status = (await stage.model() or {}).get("status") or {}
    two = [row["name"] for row in status.get("regions", ())] == [US, EU]
    return True if two and await says(stage, "Progressing", "False") else None


def test_a_region_that_the_spec_names_no_more_is_drained_and_then_left(
    stage: Stage, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    body = capacity_model(US, EU)

    async def scene() -> Timeline:
        async with Users(stage.fleet, 10, (US, EU)) as load, Timeline(stage) as line:
            await asyncio.sleep(15)
            await stage.apply_model(written(body, tmp_path_factory.mktemp("model")))
            try:
                await wait_for("leaving", lambda: nothing(stage), 150)
                await wait_for("the status of two regions", lambda: two_regions(stage), 60)
            finally:
                print(line.show())
            assert [row for row in load.records if not row.good] == []
            return line

    line = run(scene())
    carried = max(sample.t for sample in line.samples if sample.weight(AP))
    gone = line.first(lambda sample: sample.wanted[AP] == 0)
    assert gone.t - carried >= STREAMS_MS / 1000 - 1, "streams had their minute"
    told = {sample.progress.split(": ")[1] for sample in line.samples}
    assert {"LeavingDrained", "LeavingRemoves"} <= told
    entries = run(stage.clusters[US].find(BACKEND, labels=labels_of(*KEY)))
    assert {row["metadata"]["name"].split("-", 2)[2].removesuffix("-spare") for row in entries} == {US, EU}
    events = [row["message"] for row in run(stage.home.find(EVENT, KEY[0]))]
    assert any(text.startswith(f"leaving {AP}: ") for text in events)
    assert f"{AP} is left: nothing of the model is there any more" in events


@pytest.mark.long
def test_a_region_that_is_named_again_in_between_stops_leaving(
    stage: Stage, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("model")
    run(stage.apply_model(written(capacity_model(US, EU, AP), folder)))
    run(stage.settled(180))
    pods = run(stage.clusters[AP].read(Ref(DEPLOYMENT, *KEY)))["metadata"]["uid"]
    run(stage.apply_model(written(capacity_model(US, EU), folder)))
    run(wait_for("its drain", lambda: says(stage, "Progressing", "True", f"LeavingDrained: leaving {AP}: "), 60))
    run(stage.apply_model(written(capacity_model(US, EU, AP), folder)))
    run(stage.settled())
    assert run(stage.model())["status"]["weightsSummary"] == f"{US} 33 {EU} 33 {AP} 34"
    assert run(stage.clusters[AP].read(Ref(DEPLOYMENT, *KEY)))["metadata"]["uid"] == pods


@pytest.mark.long
def test_what_cannot_be_asked_is_owed_and_removed_when_it_answers(
    stage: Stage, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, region = tmp_path_factory.mktemp("model"), stage.fleet.region(AP)
    run(stage.apply_model(written(capacity_model(US, EU, AP), folder)))
    run(stage.settled(180))
    run(faults.kill(region, "apiserver"))
    try:
        run(stage.apply_model(written(capacity_model(US, EU), folder)))
        run(wait_for("a debt", lambda: says(stage, "Progressing", "True", "LeavingRemoves", "once it answers"), 150))
        owed = run(stage.home.read(Ref(Kind("v1", "ConfigMap"), "leeward-system", "leeward-owed")))
        assert json.loads(owed["data"][AP]) == [list(KEY)]
    finally:
        run(faults.heal(region))
    run(wait_for("paying it", lambda: nothing(stage), 150))
    run(wait_for("the status of two regions", lambda: two_regions(stage), 60))

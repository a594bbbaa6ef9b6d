"""A region that a model leaves, on real control planes: drained, then deleted."""

import asyncio
from collections.abc import Iterator

import pytest
from seen import KEY, OWNED, Run
from supply import (
    AP,
    EU,
    US,
    Timeline,
    Users,
    at_work,
    capacity_model,
    says,
    written,
)

from leeward.adapters.objects import BACKEND, labels_of
from leeward.leaving import STREAMS_MS
from leeward.ports import Kind
from localfleet.bootstrap import wait_for
from localfleet.demo.stage import Operator, Stage

EVENT = Kind("v1", "Event")
pytestmark = pytest.mark.usefixtures("supplied")


@pytest.fixture(scope="module")
def supplied(
    stage: Stage, loop: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """The operator at work, and the model served from three regions; ap-south1 prefers spot machines."""
    yield from at_work(stage, loop, tmp_path_factory.mktemp("capacity"))


def test_a_region_that_the_spec_names_no_more_is_drained_and_then_left(
    stage: Stage, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    body = capacity_model(US, EU)
    cluster = stage.clusters[AP]

    async def left() -> list[str]:
        found = [(kind, await cluster.find(kind, labels=labels_of(*KEY))) for kind in OWNED]
        return [kind.kind for kind, rows in found if rows]

    async def nothing() -> bool | None:
        return None if await left() else True

    async def settled() -> bool | None:
        status = (await stage.model() or {}).get("status") or {}
        two = [row["name"] for row in status.get("regions", ())] == [US, EU]
        return True if two and await says(stage, "Progressing", "False") else None

    async def scene() -> Timeline:
        async with Users(stage.fleet, 10, (US, EU)) as load, Timeline(stage) as line:
            await asyncio.sleep(15)
            await stage.apply_model(written(body, tmp_path_factory.mktemp("model")))
            try:
                await wait_for("leaving", nothing, 150)
                await wait_for("the status of two regions", settled, 60)
            finally:
                print(line.show())
            assert [row for row in load.records if not row.good] == []
            return line

    line = run(scene())
    carried = max(sample.t for sample in line.samples if sample.weight(AP))
    gone = line.first(lambda sample: sample.wanted[AP] == 0)
    assert gone.t - carried >= STREAMS_MS / 1000 - 1, "streams had their minute"
    told = {sample.progress.partition(":")[0] for sample in line.samples}
    assert {"LeavingDrained", "LeavingRemoves"} <= told
    entries = run(stage.clusters[US].find(BACKEND, labels=labels_of(*KEY)))
    assert {row["metadata"]["name"].split("-", 2)[2].removesuffix("-spare") for row in entries} == {US, EU}
    events = [row["message"] for row in run(stage.home.find(EVENT, KEY[0]))]
    assert any(text.startswith(f"leaving {AP}: ") for text in events)
    assert f"{AP} is left: nothing of the model is there any more" in events

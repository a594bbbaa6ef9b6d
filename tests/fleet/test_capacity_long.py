"""Scenes of capacity that take minutes: slow machines, no quota at all, a pool that becomes another under load."""

import asyncio
import time
from typing import Any

import pytest
from seen import KEY, Run
from supply import (
    AP,
    EU,
    US,
    Timeline,
    Users,
    beyond_declared,
    capacity_model,
    change_region,
    gone,
    nodes_of,
    ready,
    says,
    slow_machines,
    weighs,
    written,
)

from leeward.adapters.objects import NODE_POOL, labels_of
from leeward.ports import Ref
from localfleet import faults, limits
from localfleet.bootstrap import wait_for
from localfleet.demo.stage import MODELS, Stage

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("supplied")]


@pytest.mark.usefixtures("unlimited")
def test_machines_that_take_a_minute_mean_a_shortage_that_is_told_and_no_overload(
    stage: Stage, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rate = 22.0
    run(stage.apply_model(written(capacity_model(US, EU, AP), tmp_path_factory.mktemp("model"))))
    run(stage.settled(180))
    run(slow_machines(stage, "60s"))

    async def scene() -> tuple[Timeline, float]:
        async with Users(stage.fleet, rate) as load, Timeline(stage) as line:
            await asyncio.sleep(30)
            lost = time.time()
            await faults.kill(stage.fleet.region(EU), "models")
            await wait_for("the shortage", lambda: says(stage, "TrafficHealthy", "False", "Shortage"), 20)
            await wait_for("the missing nodes", lambda: says(stage, "NodesReady", "False", "NodesMissing"), 30)
            await wait_for("the nodes", lambda: ready(stage, US, 8), 120)
            await wait_for("the end of it", lambda: says(stage, "TrafficHealthy", "True"), 60)
            failed = [row for row in load.records if row.failed and row.t > lost + 10]
            assert failed == [], "what is too much is refused and never fails"
            return line, lost

    try:
        line, lost = run(scene())
        print(line.show())
        shift = line.first(lambda sample: sample.t > lost and sample.weight(EU) == 0)
        grown = line.first(lambda sample: sample.t > lost and sample.ready[US] > 6)
        assert grown.t - shift.t > 60
        assert beyond_declared(line, rate, shift.t, (US, AP)) == []
    finally:
        run(slow_machines(stage, "2s"))
        run(faults.heal(stage.fleet.region(EU)))
    run(stage.settled(180))


@pytest.mark.usefixtures("unlimited")
def test_a_region_without_a_quota_serves_nothing_until_it_gets_one(stage: Stage, run: Run) -> None:
    ap = stage.fleet.region(AP)
    limits.write(ap, {"gpu-8x-a100": 0})
    accelerator: dict[str, Any] = {"type": "nvidia-a100-80gb", "count": 8}
    traffic = {"hostnames": ["quota.example.com"], "policy": "Shares", "maxStep": 20, "minInterval": "5s"}
    body = capacity_model(US, AP, name="quota", accelerator=accelerator, traffic=traffic)
    for row in body["spec"]["regions"]:
        row["replicas"] = {"min": 2, "max": 4}
    run(stage.home.apply(body))

    async def scene() -> None:
        async with Timeline(stage, (KEY[0], "quota")) as line:
            try:
                told = await wait_for(
                    "a refusal",
                    lambda: says(stage, "NodesReady", "False", f"{AP}: 0 Ready nodes", "none left", name="quota"),
                    60,
                )
                assert "gpu-8x-a100" in told
                await wait_for("letting users in", lambda: weighs(line, US, 100, 100), 240)
                opened = len(line.samples)
                await asyncio.sleep(60)
                assert {sample.weight(AP) for sample in line.samples[opened:]} == {0}, "no flapping"
                limits.write(ap, {})
                await wait_for("its part", lambda: weighs(line, AP, 45, 55), 240)
            finally:
                print(line.show())

    try:
        run(scene())
        run(wait_for("nodes everywhere", lambda: says(stage, "NodesReady", "True", name="quota"), 60))
    finally:
        run(stage.home.delete(Ref(MODELS, KEY[0], "quota")))
        run(wait_for("deleting it", lambda: gone(stage, "quota"), 90))


def test_a_pool_that_becomes_another_moves_under_load_and_nobody_notices(stage: Stage, run: Run) -> None:
    cluster = stage.clusters[EU]

    async def pools() -> list[str]:
        return [body["metadata"]["name"] for body in await cluster.find(NODE_POOL, labels=labels_of(*KEY))]

    async def scene() -> None:
        (old,) = await pools()
        async with Users(stage.fleet, 10) as load:
            await change_region(stage, EU, capacityTypes=["spot", "on-demand"])

            async def moved() -> bool | None:
                names = await pools()
                return True if len(names) == 1 and names != [old] else None

            await wait_for("the move", moved, 240)
            await asyncio.sleep(10)
            assert [row for row in load.records if not row.good] == []
        assert len(await nodes_of(cluster, capacity_type="spot")) >= 6

    run(scene())
    run(change_region(stage, EU, capacityTypes=["on-demand"]))
    run(wait_for("the way back", lambda: says(stage, "NodesReady", "True", "NodesReady:"), 240))

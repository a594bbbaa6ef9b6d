"""What is kept for the worst loss: warm nodes on which replicas start while other machines are still on their way."""

import time

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
    condition,
    nodes_of,
    ready,
    says,
    slow_machines,
    written,
)

from leeward.adapters.objects import DEPLOYMENT, POD
from leeward.ports import KubeObject, Ref
from localfleet import faults
from localfleet.bootstrap import wait_for
from localfleet.demo.stage import Stage

RATE = 21.0  # requests/s: 6 replicas a region when all is well, 7 to carry the loss of one, 8 when one is lost
PLACEHOLDERS = Ref(DEPLOYMENT, KEY[0], f"{KEY[1]}-standby")


async def _placeholders(stage: Stage, region: str, count: int) -> bool | None:
    found = await stage.clusters[region].read(PLACEHOLDERS)
    return True if found and (found.get("status") or {}).get("readyReplicas", 0) == count else None


async def _nobody(stage: Stage, region: str) -> bool | None:
    return True if await stage.clusters[region].read(PLACEHOLDERS) is None else None


@pytest.mark.usefixtures("supplied")
def test_replicas_start_on_warm_nodes_while_other_machines_are_on_their_way(
    stage: Stage, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def model(standby: str) -> KubeObject:
        return capacity_model(US, EU, AP, redundancy={"survive": "Region", "standby": standby})

    folder = tmp_path_factory.mktemp("model")

    async def scene() -> tuple[Timeline, float]:
        await stage.apply_model(written(model("Nodes"), folder))
        async with Users(stage.fleet, RATE) as load, Timeline(stage) as line:
            for region in (US, EU, AP):
                await wait_for(f"a placeholder in {region}", lambda region=region: _placeholders(stage, region, 1), 90)
            await wait_for("nodes for both", lambda: says(stage, "NodesReady", "True", "NodesReady:"), 40)
            assert len(await nodes_of(stage.clusters[US])) == 7
            status, _, why = await condition(stage, "Survivable")
            assert (status, "short at 90 %" in why) == ("False", True), why
            await slow_machines(stage, "60s")
            lost = time.time()
            await faults.kill(stage.fleet.region(EU), "models")
            await wait_for("the seventh replica", lambda: ready(stage, US, 7), 40)
            assert time.time() - lost < 35, "it did not wait for a machine"
            assert await stage.clusters[US].find(POD, KEY[0], {"app.kubernetes.io/component": "standby"}) == []
            await wait_for("the eighth", lambda: ready(stage, US, 8), 90)
            assert time.time() - lost > 60, "there was no node for it"
            assert [row for row in load.records if row.failed and row.t > lost + 10] == []
            return line, lost

    try:
        line, lost = run(scene())
        print(line.show())
        shift = line.first(lambda sample: sample.t > lost and sample.weight(EU) == 0)
        assert beyond_declared(line, RATE, shift.t, (US, AP)) == []
    finally:
        run(slow_machines(stage, "2s"))
        run(faults.heal(stage.fleet.region(EU)))
    run(stage.settled(180))
    run(stage.apply_model(written(model("Replicas"), folder)))
    run(wait_for("no placeholder any more", lambda: _nobody(stage, US), 60))

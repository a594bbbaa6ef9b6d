"""Machines that come late, are taken back, or are not to be had: what users notice, and what Leeward says of it."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from seen import KEY, Run
from supply import (
    AP,
    EU,
    H100,
    REGION,
    US,
    Timeline,
    Users,
    beyond_declared,
    capacity_model,
    condition,
    gone,
    nodes_of,
    ready,
    reclaim,
    says,
    weighs,
)

from leeward.adapters.objects import NODE
from leeward.ports import KubeObject, Ref
from localfleet import faults, limits
from localfleet.bootstrap import wait_for
from localfleet.demo.stage import MODELS, Operator, Stage
from localfleet.layout import ACCELERATOR

TICK_SECONDS = 5.0
pytestmark = pytest.mark.usefixtures("supplied")


@pytest.mark.usefixtures("unlimited")
def test_a_failover_orders_nodes_at_once_and_a_region_without_any_left_is_told(
    stage: Stage, supplied: Operator, run: Run
) -> None:
    """Two regions have to grow for the third; in ap-south1 there is nothing left to grow with."""
    rate, ap = 20.0, stage.fleet.region(AP)
    limits.write(ap, {H100: 6})

    async def scene() -> tuple[Timeline, float, str]:
        async with Users(stage.fleet, rate) as load, Timeline(stage) as line:
            await asyncio.sleep(25)  # until the demand is known
            lost = time.time()
            await faults.kill(stage.fleet.region(EU), "models")
            told = await wait_for(
                "a refusal", lambda: says(stage, "NodesReady", "False", "NodesRefused", f"{AP}: ", "none left"), 60
            )
            await wait_for("the other's nodes", lambda: ready(stage, US, 8), 60)
            await asyncio.sleep(2 * TICK_SECONDS)
            assert [row for row in load.records if not row.good and row.t > lost + 10] == []
            return line, lost, told

    line, lost, told = run(scene())
    print(line.show())
    assert "6 of 6 are taken" in told
    shift = line.first(lambda sample: sample.t > lost and sample.weight(EU) == 0)
    order = line.first(lambda sample: sample.t > lost and sample.wanted[US] > 6)
    assert order.t - shift.t < TICK_SECONDS / 2, "ordered in the tick that shifts"
    assert shift.ready[US] == 6
    assert beyond_declared(line, rate, shift.t, (US, AP)) == []
    end = line.samples[-1]
    assert end.ready[AP] == 6
    assert end.weight(US) > end.weight(AP) > 0
    new = [body for body in run(stage.clusters[US].find(NODE)) if "karpenter.sh/nodepool" in body["metadata"]["labels"]]
    assert len(new) == 8
    run(faults.heal(stage.fleet.region(EU)))
    limits.write(ap, {})
    run(stage.settled())


@pytest.mark.usefixtures("unlimited")
def test_weights_follow_the_spot_machines_that_are_left_and_come_back_with_new_ones(stage: Stage, run: Run) -> None:
    ap, cluster = stage.fleet.region(AP), stage.clusters[AP]
    nodes = run(nodes_of(cluster, capacity_type="spot", instance=H100))
    assert len(nodes) >= 6, "spot was preferred"

    async def scene() -> None:
        async with Users(stage.fleet, 12) as load, Timeline(stage) as line:
            await asyncio.sleep(15)
            limits.write(ap, {f"{H100}/spot": 2, f"{H100}/on-demand": 0})
            taken = time.time()
            await reclaim(cluster, nodes[2:])
            try:
                await wait_for("less weight", lambda: weighs(line, AP, 1, 28), 30)
                told = await wait_for(
                    "the shortage", lambda: says(stage, "NodesReady", "False", f"{AP}: 2 Ready nodes", "none left"), 60
                )
                assert "was refused" in told
                limits.write(ap, {})
                await wait_for("its weight", lambda: weighs(line, AP, 32, 34), 90)
            finally:
                print(line.show())
            bad = [row for row in load.records if not row.good]
            assert [row for row in bad if row.t > taken + 2 or row.t + row.total < taken] == [], "only those in flight"

    run(scene())
    run(stage.settled())
    assert len(run(nodes_of(cluster, capacity_type="spot"))) >= 6


RACK = {"example.com/rack": "a"}


@pytest.fixture
def rack(stage: Stage, run: Run) -> Iterator[str]:
    """A Region whose nodes somebody else makes: three of them, in eu-west4."""
    found = run(stage.home.read(Ref(REGION, "", EU)))
    pools = {"provider": "static", "accelerators": [{"type": ACCELERATOR, "nodeLabels": {"example.com/rack": ["a"]}}]}
    spec = {**found["spec"], "nodePools": pools}
    identity = {"apiVersion": REGION.api_version, "kind": REGION.kind, "metadata": {"name": "rack"}}
    run(stage.home.apply({**identity, "spec": spec}))
    names = [f"rack-{number}" for number in range(3)]
    for name in names:
        run(_machine(stage, name))
    yield "rack"
    for name in ("rack-first", "rack-second"):
        run(stage.home.delete(Ref(MODELS, KEY[0], name)))
        run(wait_for("deleting a model", lambda name=name: gone(stage, name), 60))
    run(stage.home.delete(Ref(REGION, "", "rack")))
    for name in names:
        run(stage.clusters[EU].delete(Ref(NODE, "", name)))


async def _machine(stage: Stage, name: str) -> None:
    amounts = {"nvidia.com/gpu": "8", "cpu": "96", "memory": "512Gi", "pods": "110"}
    metadata = {"name": name, "labels": RACK | {"kubernetes.io/hostname": name}}
    cluster = stage.clusters[EU]
    await cluster.create({"apiVersion": "v1", "kind": "Node", "metadata": metadata})
    await cluster.patch(
        Ref(NODE, "", name), {"status": {"allocatable": amounts, "capacity": amounts}}, subresource="status"
    )


def test_of_two_models_on_the_same_nodes_the_short_one_says_so_in_numbers(stage: Stage, run: Run, rack: str) -> None:
    def model(name: str) -> KubeObject:
        traffic = {"hostnames": [f"{name}.example.com"], "policy": "Shares"}
        body = capacity_model(name=name, traffic=traffic)
        body["spec"]["regions"] = [{"name": rack, "share": 100, "replicas": {"min": 2, "max": 2}}]
        return body

    run(stage.home.apply(model("rack-first")))
    run(wait_for("its nodes", lambda: says(stage, "NodesReady", "True", name="rack-first"), 60))
    run(wait_for("its replicas", lambda: says(stage, "Ready", "True", name="rack-first"), 60))
    run(stage.home.apply(model("rack-second")))
    short = "rack: 3 Ready nodes with 24 nvidia.com/gpu, 16 of them given to other models, carry 1 of 2 replicas"
    run(wait_for("the shortage", lambda: says(stage, "NodesReady", "False", short, name="rack-second"), 60))
    assert run(condition(stage, "NodesReady", "rack-first"))[0] == "True"

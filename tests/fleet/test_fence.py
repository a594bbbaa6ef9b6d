"""The fence on a real API server: what a leader of an earlier term still sends is refused, whatever it is."""

import asyncio
from collections.abc import Iterator

import pytest
from seen import Run

from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.fenced import FencedCluster, is_in_force, raise_fence
from leeward.adapters.kubeconfigs import from_file
from leeward.adapters.objects import CONFIG_MAP
from leeward.ports import Denied, Kind, KubeObject, NotLeading, Ref
from localfleet.bootstrap import documents, wait_for
from localfleet.demo.stage import Stage
from localfleet.layout import REPOSITORY

SPACE = "leeward-system"
NAME = Ref(CONFIG_MAP, SPACE, "fenced-thing")
BODY: KubeObject = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": NAME.name, "namespace": SPACE},
    "data": {"a": "1"},
}


@pytest.fixture(scope="module")
def ours(stage: Stage, loop: asyncio.AbstractEventLoop) -> Iterator[KubernetesCluster]:
    """eu-west4 as the operator's user, with the fence in place; gone again afterwards."""
    region, admin = stage.fleet.region("eu-west4"), stage.clusters["eu-west4"]
    fence = documents(REPOSITORY / "config" / "fence.yaml")
    for body in fence:
        loop.run_until_complete(admin.apply(body))
    cluster = loop.run_until_complete(from_file(region.name, region.folder / "kubeconfig-operator"))
    yield cluster
    loop.run_until_complete(cluster.close())
    for body in reversed(fence):
        kind = Kind(body["apiVersion"], body["kind"], namespaced=False)
        loop.run_until_complete(admin.delete(Ref(kind, "", body["metadata"]["name"])))
    for name in ("leeward-fence", NAME.name):
        loop.run_until_complete(admin.delete(Ref(CONFIG_MAP, SPACE, name)))


async def begin(ours: KubernetesCluster) -> int:
    """A new term; returns its epoch once the fence is in force."""
    epoch = 1 + await raise_fence(ours, SPACE, 1)
    assert await raise_fence(ours, SPACE, epoch) == epoch

    async def holds() -> bool | None:
        return await is_in_force(ours, SPACE, epoch) or None

    await wait_for("the fence", holds, 10)
    return epoch


WRITES = {
    "apply": lambda cluster: cluster.apply(BODY),
    "create": lambda cluster: cluster.create({**BODY, "metadata": {**BODY["metadata"], "name": "another"}}),
    "patch": lambda cluster: cluster.patch(NAME, {"data": {"a": "2"}}),
    "delete": lambda cluster: cluster.delete(NAME),
}


@pytest.mark.parametrize("what", WRITES)
def test_an_earlier_term_writes_nothing(ours: KubernetesCluster, stage: Stage, run: Run, what: str) -> None:
    epoch = run(begin(ours))
    run(FencedCluster(ours, lambda: epoch).apply(BODY))
    late = FencedCluster(ours, lambda: epoch - 1)
    with pytest.raises(Denied, match=f"the epoch {epoch - 1} is over"):
        run(WRITES[what](late))
    assert run(stage.clusters["eu-west4"].read(NAME))["data"] == {"a": "1"}
    assert run(FencedCluster(ours, lambda: epoch).patch(NAME, {"data": {"a": "1"}}))


@pytest.mark.parametrize("what", WRITES)
def test_without_a_term_nothing_is_even_sent(ours: KubernetesCluster, run: Run, what: str) -> None:
    with pytest.raises(NotLeading):
        run(WRITES[what](FencedCluster(ours, lambda: 0)))


def test_the_fence_never_falls_and_people_are_not_hindered(ours: KubernetesCluster, stage: Stage, run: Run) -> None:
    epoch = run(begin(ours))
    assert run(raise_fence(ours, SPACE, epoch - 1)) == epoch
    lower = {**BODY, "metadata": {**BODY["metadata"], "name": "leeward-fence"}, "data": {"epoch": str(epoch - 1)}}
    with pytest.raises(Denied, match="only rises"):
        run(stage.clusters["eu-west4"].apply(lower))
    run(stage.clusters["eu-west4"].apply(BODY))


def test_without_a_fence_nobody_is_hindered(ours: KubernetesCluster, stage: Stage, run: Run) -> None:
    admin = stage.clusters["eu-west4"]
    run(begin(ours))
    run(admin.delete(Ref(CONFIG_MAP, SPACE, "leeward-fence")))

    async def free() -> bool | None:
        await admin.apply(BODY)
        await ours.apply(BODY)
        return True

    run(wait_for("writes without a fence", free, 10))

"""A replica in each region: one acts, and the fleet may lose any of them, and the leader's region with it."""

import asyncio
import json
import signal
import time

import pytest
from seen import KEY, Run, everywhere, weights

from leeward.adapters.leases import LEASE
from leeward.adapters.objects import ROUTE
from leeward.adapters.routes import Names
from leeward.ports import Cluster, Ref
from leeward.witness import OBSERVER, SEES
from localfleet import faults
from localfleet.bootstrap import wait_for
from localfleet.chaos import audit
from localfleet.demo.measure import good_for_good
from localfleet.demo.quorum import SPACE, Quorum
from localfleet.demo.stage import Stage
from localfleet.demo.users import users_load

ROUTES = Ref(ROUTE, KEY[0], Names(KEY[1]).users)
ODD = 7


async def somebody_else_changes(cluster: Cluster) -> None:
    """A person writes a weight: the leader sees that it is not what was decided, and writes again, in its term."""
    route = await cluster.read(ROUTES)
    assert route is not None
    route["spec"]["rules"][0]["backendRefs"][0]["weight"] = ODD
    await cluster.patch(ROUTES, {"metadata": {"annotations": {"leeward.dev/epoch": None}}, "spec": route["spec"]})


def test_one_acts_and_its_term_stands_on_all_that_it_writes(stage: Stage, quorum: Quorum, run: Run) -> None:
    async def look() -> None:
        async def one() -> tuple[str, int] | None:
            held = set((await quorum.leases()).values())
            return next(iter(held)) if len(held) == 1 else None

        name, epoch = await wait_for("one leader in every cluster", one, 10)
        assert name in quorum.replicas
        for region, cluster in stage.clusters.items():
            await somebody_else_changes(cluster)

            async def stamped(cluster: Cluster = cluster) -> int | None:
                route = await cluster.read(ROUTES)
                assert route is not None
                told = route["metadata"].get("annotations", {}).get("leeward.dev/epoch")
                return int(told) if told and route["spec"]["rules"][0]["backendRefs"][0]["weight"] != ODD else None

            assert await wait_for(f"the term on the route in {region}", stamped, 30) >= epoch

        async def told() -> bool | None:
            rows = [await quorum.status(region) for region in stage.clusters]
            same = {(row.get("epoch"), row.get("memory")) for row in rows}
            return True if len(same) == 1 and next(iter(same))[0] == epoch else None

        await wait_for("the same status in every cluster", told, 10)

    run(look())


def test_every_replica_tells_what_it_sees(stage: Stage, quorum: Quorum, run: Run) -> None:
    async def heard() -> bool | None:
        for cluster in stage.clusters.values():
            found = await cluster.find(LEASE, SPACE, OBSERVER)
            words = {
                body["spec"]["holderIdentity"]: json.loads(body["metadata"]["annotations"][SEES]) for body in found
            }
            others = {name: dict.fromkeys(stage.clusters.keys() - {name}, 0) for name in stage.clusters}
            seen = {name: {each: word["failing"].get(each) for each in others[name]} for name, word in words.items()}
            if seen != others:
                return None
        return True

    run(wait_for("every replica's word in every cluster", heard, 20))


def test_a_leader_that_is_killed_is_followed_within_ten_seconds(quorum: Quorum, run: Run) -> None:
    before = run(quorum.now())
    quorum.replicas[before[0]].send(signal.SIGKILL)
    after, seconds = run(quorum.another(before, 10))
    print(f"{after} leads after {seconds:.1f} s")
    quorum.replicas[before[0]].start()
    run(quorum.settled(120))


@pytest.mark.parametrize("seconds", [20, pytest.param(60, marks=pytest.mark.long)])
def test_a_leader_that_was_paused_writes_nothing_any_more(stage: Stage, quorum: Quorum, run: Run, seconds: int) -> None:
    """It wakes up where it was, with routes before it that are not as it had decided; API servers tell what it sent."""
    before = run(quorum.now())
    paused = time.time()
    quorum.replicas[before[0]].send(signal.SIGSTOP)
    try:
        after, _ = run(quorum.another(before, 10))
        run(quorum.settled(120))
        time.sleep(max(0.0, paused + seconds - time.time()))
        for cluster in stage.clusters.values():
            run(somebody_else_changes(cluster))
    finally:
        woken = time.time()
        quorum.replicas[before[0]].send(signal.SIGCONT)
    run(asyncio.sleep(10))
    assert run(quorum.leader()) == after, "it stays where it is"
    assert run(quorum.status(after[0]))["epoch"] == after[1]
    sources = {region.address: region.name for region in stage.fleet.regions}
    logs = [audit.read(region.folder, region.name, sources, woken) for region in stage.fleet.regions]
    its = [each for log in logs for each in log if each.ours and each.source == before[0]]
    late = [each for each in its if each.epoch is not None and each.epoch <= before[1]]
    assert [each for each in late if each.taken] == []
    print(f"{len(late)} writes of the paused leader were refused")


def test_users_are_served_again_soon_when_a_region_takes_the_leader_with_it(
    stage: Stage, quorum: Quorum, run: Run
) -> None:
    async def scene() -> float | None:
        before = await quorum.now()
        lost = stage.fleet.region(before[0])
        load, stop = users_load(stage.fleet, 8.0, seed=7), asyncio.Event()
        sending = asyncio.create_task(load.run(stop))
        await asyncio.sleep(15)
        began = time.time()
        quorum.replicas[lost.name].send(signal.SIGKILL)
        await faults.kill(lost, "crash")
        try:
            after, _ = await quorum.another(before, 15)
            print(f"{after} leads after {time.time() - began:.1f} s")
            await wait_for("leaving it", lambda: everywhere(stage, lambda row: row.get(lost.name) == 0, lost.name), 30)
            print(f"no weight there after {time.time() - began:.1f} s")
            await asyncio.sleep(15)
        finally:
            stop.set()
            await asyncio.gather(sending, return_exceptions=True)
            await faults.heal(lost)
            quorum.replicas[lost.name].start()
        return good_for_good(load.records, began, time.time() - 5)

    took = run(scene())
    print(f"good again after {took} s")
    assert took is not None
    assert took < 15
    run(quorum.settled(240))


@pytest.mark.parametrize("seconds", [60, pytest.param(600, marks=pytest.mark.long)])
def test_nobody_notices_that_all_replicas_are_dead(stage: Stage, quorum: Quorum, run: Run, seconds: int) -> None:
    async def scene() -> None:
        held = {entry: await weights(stage, entry) for entry in stage.clusters}
        for operator in quorum.replicas.values():
            operator.send(signal.SIGKILL)
        load = users_load(stage.fleet, 8.0, seed=8, seconds=seconds)
        await load.run(asyncio.Event())
        assert [row for row in load.records if not row.good] == []
        assert {entry: await weights(stage, entry) for entry in stage.clusters} == held

        for operator in quorum.replicas.values():
            list(operator.said())
            operator.start()
        await quorum.settled(120)
        assert {entry: await weights(stage, entry) for entry in stage.clusters} == held
        said = [line for operator in quorum.replicas.values() for line in operator.said()]
        assert [line for line in said if line.get("event") == "weights"] == [], "who starts again only observes"

    run(scene())

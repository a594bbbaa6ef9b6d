"""Elections on real API servers: who leads, what a lost leader or a lost minority changes, and how soon."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from seen import Run

from leeward.leadership import Leadership
from localfleet import faults
from localfleet.bootstrap import wait_for
from localfleet.demo.stage import Stage

SPACE = "default"


async def until(what: str, holds: Callable[[], bool], seconds: float) -> None:
    async def look() -> bool | None:
        return holds() or None

    await wait_for(what, look, seconds)


@asynccontextmanager
async def standing(stage: Stage) -> AsyncIterator[list[tuple[Leadership, asyncio.Event, asyncio.Task[None]]]]:
    """A replica per region, each with its way to stop."""
    running = []
    for rank, region in enumerate(stage.fleet.regions):
        replica, stop = Leadership(region.name, SPACE, lambda: stage.clusters, lambda at=rank: at), asyncio.Event()
        running.append((replica, stop, asyncio.create_task(replica.run(stop))))
    try:
        yield running
    finally:
        for _, stop, _ in running:
            stop.set()
        await asyncio.gather(*(task for _, _, task in running), return_exceptions=True)


def leaders(running: list) -> list[str]:  # type: ignore[type-arg]
    return [replica.me for replica, _, _ in running if replica.leads()]


def test_one_leads_and_all_agree(stage: Stage, run: Run) -> None:
    async def play() -> None:
        async with standing(stage) as running:
            await until("an election", lambda: len(leaders(running)) == 1, 6)
            await until(
                "agreement", lambda: {replica.leader() for replica, _, _ in running} == set(leaders(running)), 3
            )

    run(play())


@pytest.mark.parametrize(("how", "bound"), [("dies", 6.0), ("resigns", 2.5)])
def test_the_next_one_follows(stage: Stage, run: Run, how: str, bound: float) -> None:
    async def play() -> None:
        async with standing(stage) as running:
            await until("an election", lambda: len(leaders(running)) == 1, 6)
            replica, stop, task = next(row for row in running if row[0].leads())
            epoch = replica.epoch
            stop.set() if how == "resigns" else task.cancel()
            others = [row for row in running if row[0] is not replica]
            await until("a new leader", lambda: len(leaders(others)) == 1, bound)
            assert not replica.leads()
            assert next(row[0].epoch for row in others if row[0].leads()) > epoch

    run(play())


def test_a_lost_minority_changes_no_leader(stage: Stage, run: Run) -> None:
    async def play() -> None:
        async with standing(stage) as running:
            await until("an election", lambda: len(leaders(running)) == 1, 6)
            before = leaders(running)
            away = next(region for region in stage.fleet.regions if region.name != before[0])
            await faults.kill(away, "apiserver")
            try:
                for _ in range(40):
                    assert leaders(running) == before
                    await asyncio.sleep(0.2)
            finally:
                await faults.heal(away)

    run(play())

"""Elasticity on real control planes: Kubernetes' autoscaler on the real requests of each pod, under the operator."""

import asyncio
import copy
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from seen import KEY, Run, everywhere
from supply import operating

from leeward.adapters.objects import AUTOSCALER, DEPLOYMENT
from leeward.ports import KubeObject, Ref
from localfleet import faults
from localfleet.bootstrap import documents, wait_for
from localfleet.chaos import audit
from localfleet.demo.stage import MODEL_FILE, MODELS, Operator, Stage
from localfleet.demo.users import users_load

RATE = 11.0  # requests per second, which are about 13 requests at a time in each of three regions
LEAST, MOST = 2, 6
HPA, WORKLOAD = Ref(AUTOSCALER, *KEY), Ref(DEPLOYMENT, *KEY)


def model(busy: int | None, capacity: str = "10", calm: str = "15m", patience: int = 300) -> KubeObject:
    """The demo's model, small. `busy`: requests that a replica is to run, for the autoscaler; None: it has none."""
    body = copy.deepcopy(documents(MODEL_FILE)[0])
    for region in body["spec"]["regions"]:
        region["replicas"] = {"min": LEAST, "max": MOST}
    body["spec"]["capacity"] |= {"requestsPerSecondPerReplica": capacity, "scaleDownAfter": calm, "learn": False}
    body["spec"]["redundancy"] = {"standby": "None"}  # so that a loss has to be answered by an order
    body["spec"]["failback"] |= {"cleanAfterFailed": "10s", "steps": [50, 100]}
    if busy:
        target = {"type": "AverageValue", "averageValue": str(busy)}
        metric = {"type": "Pods", "pods": {"metric": {"name": "vllm:num_requests_running"}, "target": target}}
        behavior = {"scaleDown": {"stabilizationWindowSeconds": patience}}
        body["spec"]["autoscaling"] = {"metrics": [metric], "behavior": behavior}
    return body


@pytest.fixture(scope="module")
def elastic(
    stage: Stage, loop: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """The operator at work, and the small model with an autoscaler served and settled."""
    with operating(stage, loop, tmp_path_factory.mktemp("operator")) as operator:
        loop.run_until_complete(_without_model(stage))
        loop.run_until_complete(stage.home.apply(model(busy=3)))
        loop.run_until_complete(stage.settled())
        yield operator


async def _without_model(stage: Stage) -> None:
    """What other tests have left behind would be remembered."""

    async def gone() -> bool:
        return await stage.model() is None and not await floors(stage) and not await running(stage)

    await stage.home.delete(Ref(MODELS, *KEY))
    await until("removing the model", gone)


@pytest.fixture(scope="module")
def load(stage: Stage, loop: asyncio.AbstractEventLoop, elastic: Operator) -> Iterator[None]:
    """Users at all entries, all the time."""
    stop = asyncio.Event()
    sending = loop.create_task(users_load(stage.fleet, RATE, seed=0).run(stop))
    yield
    stop.set()
    loop.run_until_complete(sending)


async def numbers(stage: Stage, of: Ref, read: Callable[[Any], int]) -> dict[str, int]:
    """A number of an object in each region."""
    found = {name: await cluster.read(of) for name, cluster in stage.clusters.items()}
    return {name: read(body["spec"]) for name, body in found.items() if body is not None}


async def running(stage: Stage) -> dict[str, int]:
    return await numbers(stage, WORKLOAD, lambda spec: int(spec["replicas"]))


async def floors(stage: Stage) -> dict[str, int]:
    return await numbers(stage, HPA, lambda spec: int(spec["minReplicas"]))


async def condition(stage: Stage) -> tuple[str, str] | None:
    """Status and reason of the condition Autoscaling."""
    rows = ((await stage.model()) or {})["status"]["conditions"]
    return next(((row["status"], row["reason"]) for row in rows if row["type"] == "Autoscaling"), None)


def until(what: str, holds: Callable[[], Any], seconds: float = 60.0) -> Any:
    async def look() -> bool | None:
        return True if await holds() else None

    return wait_for(what, look, seconds)


def writes(folder: Path, part: str) -> list[datetime]:
    """When somebody wrote to addresses with this part, as a region's API server kept it."""
    rows = (row for row in audit.answers(audit.kept(folder), part) if part in row["requestURI"])
    return [datetime.fromisoformat(row["requestReceivedTimestamp"]) for row in rows]


SIZED = f"/namespaces/{KEY[0]}/deployments/{KEY[1]}?fieldManager=leeward-size"
BOUND = f"/namespaces/{KEY[0]}/horizontalpodautoscalers/{KEY[1]}?fieldManager=leeward"
SHIFTED = f"/namespaces/{KEY[0]}/httproutes/{KEY[1]}-users?fieldManager=leeward"


def test_replicas_grow_under_load_and_the_operator_never_takes_them_back(stage: Stage, run: Run, load: None) -> None:
    before = {region.name: len(writes(region.folder, SIZED)) for region in stage.fleet.regions}

    async def grown() -> bool:
        return min((await running(stage)).values()) > LEAST

    run(until("growth by the autoscalers", grown))
    assert set(run(floors(stage)).values()) == {LEAST}
    changed = model(busy=3)
    changed["spec"]["failover"]["cooldown"] = "21s"  # so that everything is brought in line again
    run(stage.home.apply(changed))
    run(asyncio.sleep(8))
    assert min(run(running(stage)).values()) > LEAST
    assert {region.name: len(writes(region.folder, SIZED)) for region in stage.fleet.regions} == before
    run(until("the condition", lambda: _is(stage, ("True", "InForce")), 70))


async def _is(stage: Stage, wanted: tuple[str, str] | None) -> bool:
    return await condition(stage) == wanted


def test_switched_off_and_on_it_moves_no_number(stage: Stage, run: Run, load: None) -> None:
    async def gone() -> bool:
        return not await floors(stage)

    async def back() -> bool:
        return set((await floors(stage)).values()) == {LEAST}

    run(stage.home.apply(model(busy=None)))
    run(until("removing the autoscalers", gone, 20))
    there = run(running(stage))
    assert min(there.values()) > LEAST
    run(until("the condition's end", lambda: _is(stage, None), 20))
    assert run(running(stage)) == there
    run(stage.home.apply(model(busy=3)))
    run(until("the autoscalers' return", back, 20))
    now = run(running(stage))
    assert all(now[name] >= there[name] for name in there)


def test_a_failover_orders_replicas_in_the_tick_of_its_first_shift(stage: Stage, run: Run, load: None) -> None:
    lost = stage.fleet.region("eu-west4")
    others = [region for region in stage.fleet.regions if region != lost]

    async def small() -> bool:
        return set((await running(stage)).values()) == {LEAST}

    async def back() -> bool:
        return bool(await everywhere(stage, lambda row: row[lost.name] > 25))

    async def released() -> bool:
        return set((await floors(stage)).values()) == {LEAST}

    # An autoscaler that sees no need, and follows every floor at once. By declaration, two replicas in each of three
    # regions carry the load (14.4 at 75 %), and two in each of two regions do not (9.6).
    run(stage.home.apply(model(busy=60, capacity="3.2", calm="5s", patience=0)))
    run(until("scaling down to the floors", small))
    run(asyncio.sleep(20))
    before = {region.name: len(writes(region.folder, BOUND)) for region in others}
    run(faults.kill(lost, "models"))
    run(until("leaving the region", lambda: everywhere(stage, lambda row: row.get(lost.name) == 0, but=lost.name), 20))
    run(asyncio.sleep(1.5))
    raised = run(running(stage))
    for region in others:
        ordered = writes(region.folder, BOUND)[before[region.name]]
        left = max(moment for moment in writes(region.folder, SHIFTED) if moment < ordered)
        assert (ordered - left).total_seconds() < 1.5
        assert raised[region.name] > LEAST
        assert run(floors(stage))[region.name] == raised[region.name]
    run(faults.heal(lost))
    while not run(back()):
        now = run(running(stage))
        assert all(now[region.name] >= raised[region.name] for region in others), "scale-down waits for the failback"
        run(asyncio.sleep(1))
    run(stage.home.apply(model(busy=60, calm="5s", patience=0)))  # the floors are enough again
    run(until("releasing the floors after the failback", released))
    run(until("scaling down after the failback", small))


def test_a_removed_model_leaves_no_autoscaler(stage: Stage, run: Run, elastic: Operator) -> None:
    run(_without_model(stage))

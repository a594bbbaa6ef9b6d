"""The operator on real control planes: what it makes, what it leaves alone, and what it does when regions fail."""

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Awaitable
from typing import Any

import aiohttp
import pytest
from seen import KEY, OWNED, SPEC, Run, everywhere, send, weights

from leeward.adapters.objects import DEPLOYMENT, NODE, NODE_POOL, ROUTE, host_name, labels_of, ref_of
from leeward.adapters.routes import Names
from leeward.ports import Kind, KubeObject, PortError, Ref
from localfleet import certificates, faults, launch, members
from localfleet.bootstrap import documents, wait_for
from localfleet.chaos import audit
from localfleet.demo.stage import MODEL_FILE, MODELS, Operator, Stage
from localfleet.layout import SERVE_PORT, RegionHost

pytestmark = pytest.mark.usefixtures("served")


def test_every_region_gets_pods_on_gpu_nodes_and_routes(stage: Stage, run: Run) -> None:
    for name, cluster in stage.clusters.items():
        kinds = Counter(
            body["kind"] for kind in OWNED for body in run(_kinded(cluster.find(kind, labels=labels_of(*KEY)), kind))
        )
        assert kinds == {
            "HTTPRoute": 3,
            "BackendTrafficPolicy": 3,
            "Backend": 6,
            "Service": 1,
            "PodDisruptionBudget": 1,
            "Deployment": 1,
            "NodePool": 1,
        }, name
        pool = run(cluster.find(NODE_POOL, labels=labels_of(*KEY)))[0]["metadata"]["name"]
        nodes = run(cluster.find(NODE, labels={"leeward.dev/pool": pool}))
        assert sum(int(node["status"]["allocatable"]["nvidia.com/gpu"]) for node in nodes) >= 6 * 8


async def _kinded(found: Awaitable[Any], kind: Kind) -> list[KubeObject]:
    return [{**body, "kind": kind.kind} for body in await found]


def test_users_are_served_by_every_region(stage: Stage, run: Run) -> None:
    load = run(send(stage, rate=12, seconds=8))
    assert [record for record in load.records if not record.good] == []
    assert {record.region for record in load.records} == set(stage.fleet.region_names)


def test_the_status_tells_readiness_weights_and_health(stage: Stage, run: Run) -> None:
    status = run(stage.model())["status"]
    assert status["readyReplicas"] == "18/18"
    assert status["weightsSummary"] == "us-east1 34 eu-west4 33 ap-south1 33"
    assert status["health"] == "healthy"
    assert {row["type"]: row["status"] for row in status["conditions"]} == {
        "Ready": "True",
        "TrafficHealthy": "True",
        "Survivable": "True",
        "NodesReady": "True",
        "Progressing": "False",
    }


def test_metrics_and_health_endpoints_answer(served: Operator, run: Run) -> None:
    async def look() -> tuple[str, list[int]]:
        async with aiohttp.ClientSession() as session:
            text = await (await session.get(served.metrics)).text()
            base = served.metrics.removesuffix("/metrics")
            return text, [(await session.get(base + path)).status for path in ("/healthz", "/readyz")]

    text, statuses = run(look())
    assert statuses == [200, 200]
    assert 'leeward_weight_percent{entry="us-east1",model="models/llama-70b",region="eu-west4"} 33.0' in text
    assert 'leeward_verdict{model="models/llama-70b",region="eu-west4",verdict="healthy"} 1.0' in text


@pytest.mark.parametrize("seconds", [40, pytest.param(300, marks=pytest.mark.long)])
def test_in_steady_state_nothing_is_written(stage: Stage, run: Run, seconds: int) -> None:
    run(stage.settled())

    def writes() -> list[str]:
        return [
            f"{region.name} {row['verb']} {row['requestURI']}"
            for region in stage.fleet.regions
            for row in audit.answers(audit.kept(region.folder), f'"{audit.OPERATOR}"')
            if row["verb"] not in audit.READS
        ]

    time.sleep(5)
    before = writes()
    time.sleep(seconds)
    assert writes() == before


@pytest.mark.parametrize("seconds", [0, pytest.param(300, marks=pytest.mark.long)])
def test_what_git_holds_does_not_drift(stage: Stage, run: Run, seconds: int) -> None:
    """By the server-side diff of Argo CD and Flux: applying the manifest anew would change nothing."""
    run(stage.settled())
    time.sleep(seconds)
    regions = [members.region_object(stage.fleet, region) for region in stage.fleet.regions]
    for body in (*documents(MODEL_FILE), *regions):
        live, applied = run(stage.home.read(ref_of(body))), run(stage.home.apply(body, dry_run=True, writer="git"))
        for found in (live, applied):
            del found["metadata"]["managedFields"]
            found["metadata"].pop("resourceVersion")
            found.pop("status", None)  # changes meanwhile, and is not Git's
        assert applied == live


def test_weights_that_somebody_edited_are_restored(stage: Stage, run: Run) -> None:
    reference = Ref(ROUTE, KEY[0], Names(KEY[1]).users)
    route = run(stage.clusters["eu-west4"].read(reference))
    rules = route["spec"]["rules"]
    for backend, weight in zip(rules[0]["backendRefs"], (80, 10, 10), strict=True):
        backend["weight"] = weight
    run(stage.clusters["eu-west4"].patch(reference, {"spec": {"rules": rules}}))
    restored = {"us-east1": 34, "eu-west4": 33, "ap-south1": 33}

    async def look() -> bool | None:
        return True if await weights(stage, "eu-west4") == restored else None

    run(wait_for("restoring the weights", look, 20))


def test_a_full_region_says_429_and_when_to_come_back(stage: Stage, run: Run) -> None:
    region, context = stage.fleet.region("ap-south1"), certificates.client(stage.fleet)
    limit = 6 * SPEC["capacity"]["concurrencyPerReplica"]
    body = {"model": SPEC["model"]["name"], "max_tokens": 60, "messages": [{"role": "user", "content": "tell me more"}]}

    async def burst() -> list[tuple[int, str | None]]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def one() -> tuple[int, str | None]:
                async with session.post(
                    f"https://{region.address}:{SERVE_PORT}/v1/chat/completions",
                    json=body,
                    ssl=context,
                    server_hostname=host_name(region.name),
                    headers={"Host": SPEC["traffic"]["hostnames"][0]},
                ) as answer:
                    await answer.read()
                    return answer.status, answer.headers.get("retry-after")

            return await asyncio.gather(*(one() for _ in range(limit + 40)))

    answers = Counter(run(burst()))
    assert set(answers) <= {(200, None), (429, "2")}
    assert answers[429, "2"] >= 20
    assert answers[200, None] >= limit - 5


def test_losing_sight_of_a_region_moves_nothing(stage: Stage, run: Run) -> None:
    region = stage.fleet.region("ap-south1")
    before = {name: run(weights(stage, name)) for name in stage.fleet.region_names}
    run(faults.kill(region, "prometheus"))
    run(faults.kill(region, "apiserver"))
    deadline = time.monotonic() + 25
    while time.monotonic() < deadline:
        assert {name: run(weights(stage, name)) for name in ("us-east1", "eu-west4")} == {
            name: before[name] for name in ("us-east1", "eu-west4")
        }
        time.sleep(1)
    run(faults.heal(region))
    run(stage.settled())


async def drained_and_regained(stage: Stage, region: RegionHost, seconds: float) -> None:
    """See the others leave a broken region within so many seconds, mend it, see it come back."""
    name = region.name
    await wait_for(f"draining {name}", lambda: everywhere(stage, lambda row: row.get(name) == 0, but=name), seconds)
    await faults.heal(region)
    await wait_for("the way back", lambda: everywhere(stage, lambda row: row.get(name) in (32, 33, 34)), 150)
    await stage.settled()


@pytest.mark.parametrize(
    "how",
    ["models", "hang", *(pytest.param(how, marks=pytest.mark.long) for how in ("gateway", "partition", "crash"))],
)
def test_a_lost_region_loses_its_traffic_and_gets_it_back(stage: Stage, run: Run, how: str) -> None:
    region = stage.fleet.region("eu-west4")
    run(faults.kill(region, how))
    run(drained_and_regained(stage, region, 15))


def test_a_region_that_died_while_nobody_looked_is_drained(stage: Stage, served: Operator, run: Run) -> None:
    """A started operator has no good probe of it, only its own record that the region served; it acts at once all the
    same, since users have been let in before."""
    served.stop()
    region = stage.fleet.region("eu-west4")
    run(faults.kill(region, "models"))
    time.sleep(5)  # until its pods count as not ready
    served.start()
    run(drained_and_regained(stage, region, 12))


def test_deletion_cleans_reachable_regions_at_once_and_the_others_when_they_return(stage: Stage, run: Run) -> None:
    away = stage.fleet.region("ap-south1")
    run(faults.kill(away, "partition"))
    run(stage.home.delete(Ref(MODELS, *KEY)))

    async def left(name: str) -> int:
        cluster = stage.clusters[name]
        return sum([len(await cluster.find(kind, labels=labels_of(*KEY))) for kind in OWNED])

    async def object_gone() -> bool | None:
        return True if await stage.model() is None and not await left("eu-west4") else None

    async def all_gone() -> bool | None:
        try:
            return True if not await left("ap-south1") else None
        except PortError:
            return None

    run(wait_for("deleting the model", object_gone, 60))
    owed = run(stage.home.read(Ref(Kind("v1", "ConfigMap"), "leeward-system", "leeward-owed")))
    assert json.loads(owed["data"]["ap-south1"]) == [list(KEY)]
    run(faults.heal(away))
    run(wait_for("cleaning what was owed", all_gone, 120))
    assert run(stage.clusters["eu-west4"].read(Ref(DEPLOYMENT, *KEY))) is None


def test_one_gateway_that_never_takes_its_route_keeps_nobody_out(stage: Stage, run: Run) -> None:
    mute = stage.fleet.region("ap-south1")
    launch.send(mute, "envoy-gateway", signal.SIGSTOP)
    run(stage.apply_model())

    run(wait_for("letting users in", lambda: everywhere(stage, lambda row: row.get("us-east1"), but=mute.name), 90))
    run(faults.heal(mute))
    run(stage.settled(180))

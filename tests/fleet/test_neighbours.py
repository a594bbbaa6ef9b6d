"""What people have on the same Gateway goes on beside ours: their policies, and their routes."""

import asyncio
from collections.abc import Iterator

import aiohttp
import pytest
from seen import KEY, SPEC, Run

from leeward.adapters.objects import ADOPT, ROUTE, ref_of
from leeward.adapters.routes import Names
from leeward.ports import KubeObject
from localfleet.bootstrap import wait_for
from localfleet.demo.stage import Stage
from localfleet.layout import GATEWAY_NAME, GATEWAY_NAMESPACE, USERS_PORT

pytestmark = pytest.mark.usefixtures("served")

ENTRY = "eu-west4"
HOST = SPEC["traffic"]["hostnames"][0]
GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": GATEWAY_NAME}
NOISY = {"x-tenant": "noisy"}
ORIGIN = {"origin": "https://chat.example.com", "access-control-request-method": "POST"}


def theirs(api_version: str, kind: str, name: str, namespace: str, spec: KubeObject) -> KubeObject:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


LIMIT = theirs(
    "gateway.envoyproxy.io/v1alpha1",
    "BackendTrafficPolicy",
    "a-tenants-limit",
    GATEWAY_NAMESPACE,
    {
        "targetRefs": [GATEWAY | {"sectionName": "users"}],
        "rateLimit": {
            "type": "Local",
            "local": {
                "rules": [
                    {
                        "clientSelectors": [{"headers": [{"name": "x-tenant", "value": "noisy"}]}],
                        "limit": {"requests": 2, "unit": "Hour"},
                    }
                ]
            },
        },
    },
)
ORIGINS = theirs(
    "gateway.envoyproxy.io/v1alpha1",
    "SecurityPolicy",
    "our-web-page",
    KEY[0],
    {
        "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": ROUTE.kind, "name": Names(KEY[1]).users}],
        "cors": {"allowOrigins": ["https://chat.example.com"], "allowMethods": ["POST"]},
    },
)
OTHER = theirs(
    ROUTE.api_version,
    ROUTE.kind,
    "old-models",
    GATEWAY_NAMESPACE,
    {
        "parentRefs": [GATEWAY | {"sectionName": "users"}],
        "hostnames": ["old.models.example.com"],
        "rules": [
            {
                "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                "filters": [{"type": "RequestRedirect", "requestRedirect": {"hostname": "docs.example.com"}}],
            }
        ],
    },
)


@pytest.fixture(scope="module")
def neighbours(stage: Stage, served: object, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    for body in (LIMIT, ORIGINS, OTHER):
        loop.run_until_complete(stage.clusters[ENTRY].apply(body, writer="people"))
    yield
    for body in (LIMIT, ORIGINS, OTHER):
        loop.run_until_complete(stage.clusters[ENTRY].delete(ref_of(body)))
    loop.run_until_complete(stage.settled())


async def ask(stage: Stage, method: str = "POST", host: str = HOST, **headers: str) -> aiohttp.ClientResponse:
    address = stage.fleet.region(ENTRY).address
    url = f"http://{address}:{USERS_PORT}/v1/chat/completions"
    body = {"model": SPEC["model"]["name"], "max_tokens": 2, "messages": [{"role": "user", "content": "hello"}]}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, json=body, headers={"Host": host} | headers, allow_redirects=False) as answer,
    ):
        await answer.read()
        return answer


def test_a_rate_limit_of_the_listener_counts_for_our_route(stage: Stage, run: Run, neighbours: None) -> None:
    async def limited() -> bool | None:
        return True if (await ask(stage, **NOISY)).status == 429 else None

    run(wait_for("the tenant's limit", limited, 30))
    assert run(ask(stage)).status == 200, "the others have none"


def test_a_security_policy_on_our_route_works(stage: Stage, run: Run, neighbours: None) -> None:
    async def allowed() -> bool | None:
        answer = await ask(stage, "OPTIONS", **ORIGIN)
        return True if answer.headers.get("access-control-allow-origin") == ORIGIN["origin"] else None

    run(wait_for("the answer to a web page", allowed, 30))


def test_another_route_of_the_listener_works(stage: Stage, run: Run, neighbours: None) -> None:
    async def redirected() -> bool | None:
        answer = await ask(stage, "GET", "old.models.example.com")
        return True if answer.status == 302 and "docs.example.com" in answer.headers["location"] else None

    run(wait_for("the redirect", redirected, 30))


def theirs_of_our_host(name: str, *hostnames: str) -> KubeObject:
    """A route of before, which counts for completions since its path is the longer one, and says so in its answers."""
    mark = {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x-route", "value": name}]}}
    service = {"group": "", "kind": "Service", "name": KEY[1], "port": SPEC["server"]["port"]}
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/v1/chat"}}],
        "filters": [mark],
        "backendRefs": [service],
    }
    parent = GATEWAY | {"namespace": GATEWAY_NAMESPACE, "sectionName": "users"}
    spec = {"parentRefs": [parent], "hostnames": [HOST, *hostnames], "rules": [rule]}
    return theirs(ROUTE.api_version, ROUTE.kind, name, KEY[0], spec)


def test_a_route_is_taken_over_on_request(stage: Stage, run: Run, neighbours: None) -> None:
    before, wider = theirs_of_our_host("before"), theirs_of_our_host("wider", "more.example.com")
    entry, given_up = stage.clusters[ENTRY], {"metadata": {"labels": {ADOPT: KEY[1]}}}

    async def answers(route: str | None) -> bool | None:
        found = await ask(stage)
        assert found.status == 200
        return True if found.headers.get("x-route") == route else None

    async def change() -> None:
        await entry.apply(before, writer="people")
        await wait_for("the route of before to count", lambda: answers("before"), 30)
        await entry.apply(wider, writer="people")
        for body in (wider, before):
            await entry.patch(ref_of(body), given_up)

        async def taken() -> bool | None:
            await ask_well()
            return True if await entry.read(ref_of(before)) is None else None

        async def ask_well() -> None:
            assert (await ask(stage)).status == 200

        await wait_for("it to be taken over", taken, 90)
        assert await entry.read(ref_of(wider)) is not None, "it has a host name of its own"
        await entry.delete(ref_of(wider))
        await wait_for("the model's own route to count", lambda: answers(None), 30)

    run(change())


def test_none_of_it_is_touched(stage: Stage, run: Run, neighbours: None) -> None:
    run(stage.settled())
    for body in (LIMIT, ORIGINS, OTHER):
        live = run(stage.clusters[ENTRY].read(ref_of(body)))
        assert {row["manager"] for row in live["metadata"]["managedFields"] if "subresource" not in row} == {"people"}

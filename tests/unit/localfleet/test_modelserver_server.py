"""The HTTP face, faults and lives of pods, through real sockets on loopback."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from localfleet.modelserver.answers import expected_answer
from localfleet.modelserver.control import control_app
from localfleet.modelserver.engine import Limits, Timing
from localfleet.modelserver.faults import Faults, parse_faults

CHAT = "/v1/chat/completions"
SLOW = Timing(prefill_base=0.02, itl_base=0.02, answer_tokens_mean=20, answer_tokens_sigma=0.01, chunk_seconds=0.05)


class Play(Protocol):
    def __call__(self, pods: int = 1, **settings: object) -> AbstractAsyncContextManager[Any]: ...


class Wait(Protocol):
    async def __call__(self, condition: object, seconds: float = 3.0) -> None: ...


def chat(text: str, **more: object) -> dict[str, object]:
    return {"model": "tiny", "messages": [{"role": "user", "content": text}], **more}


def metric(page: str, name: str) -> float:
    """The sum over all series of a sample name with the given labels text."""
    return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(name))


@pytest.mark.asyncio
async def test_answers_are_whole_or_streamed_and_say_who_served(play: Play) -> None:
    async with play() as region, aiohttp.ClientSession() as session:
        async with session.post(region.url(CHAT), json=chat("hello", max_tokens=5)) as response:
            answer = await response.json()
            assert response.headers["x-served-by"] == "pod-0"
            assert response.headers["x-served-region"] == "west"
        assert answer["choices"][0]["message"]["content"].split() == expected_answer("tiny", "hello", 5)
        assert answer["choices"][0]["finish_reason"] == "length"
        assert answer["usage"]["completion_tokens"] == 5

        wanted = chat("hello", max_tokens=5, stream=True, stream_options={"include_usage": True})
        async with session.post(region.url(CHAT), json=wanted) as response:
            events = (await response.text()).strip().split("\n\n")
        assert events[-1] == "data: [DONE]"
        chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
        text = "".join(choice["delta"]["content"] for chunk in chunks for choice in chunk["choices"])
        assert text.split() == expected_answer("tiny", "hello", 5)
        assert chunks[-1]["usage"]["completion_tokens"] == 5

        plain = {"model": "tiny", "prompt": "Repeat exactly: zebra", "max_tokens": 4}
        async with session.post(region.url("/v1/completions"), json=plain) as response:
            choice = (await response.json())["choices"][0]
        assert (choice["text"], choice["finish_reason"]) == ("zebra", "stop")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", 400),
        (b"[]", 400),
        (json.dumps({"model": "tiny"}).encode(), 400),
        (json.dumps(chat("x", max_tokens=0)).encode(), 400),
        (json.dumps(chat("x", temperature=-5)).encode(), 400),
        (json.dumps(chat("x", stream="yes")).encode(), 400),
        (json.dumps(chat("x") | {"model": "other"}).encode(), 404),
    ],
)
async def test_bad_requests_are_refused_in_openais_style(play: Play, body: bytes, status: int) -> None:
    async with (
        play() as region,
        aiohttp.ClientSession() as session,
        session.post(region.url(CHAT), data=body) as response,
    ):
        assert response.status == status
        assert (await response.json())["error"]["code"] == status


@pytest.mark.asyncio
async def test_the_other_routes(play: Play) -> None:
    async with play() as region, aiohttp.ClientSession() as session:
        async with session.get(region.url("/health")) as response:
            assert response.status == 200
        async with session.get(region.url("/v1/models")) as response:
            assert (await response.json())["data"][0]["id"] == "tiny"
        async with session.get(region.url("/metrics")) as response:
            page = await response.text()
    assert metric(page, 'http_requests_total{handler="/v1/models",method="GET",status="2xx"}') == 1
    assert 'handler="/health"' not in page and 'handler="/metrics"' not in page


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [429, 503])
async def test_a_full_pod_refuses(play: Play, status: int) -> None:
    async with (
        play(timing=Timing(prefill_base=0.4), limits=Limits(1, 2), rejection_status=status) as region,
        aiohttp.ClientSession() as session,
    ):

        async def ask() -> int:
            async with session.post(region.url(CHAT), json=chat("hello", max_tokens=1)) as response:
                await response.read()
                return response.status

        statuses = await asyncio.gather(*(ask() for _ in range(4)))
        assert sorted(statuses) == [200, 200, status, status]


@pytest.mark.asyncio
async def test_a_client_that_leaves_is_a_2xx_without_an_end(play: Play, wait_until: Wait) -> None:
    async with play(timing=SLOW) as region, aiohttp.ClientSession() as session:
        async with session.post(region.url(CHAT), json=chat("hello", stream=True)) as response:
            await response.content.readany()
        pod = next(iter(region.crew.pods.values()))
        await wait_until(lambda: pod.state()["running"] == 0)
        async with session.get(region.url("/metrics")) as response:
            page = await response.text()
    assert metric(page, "vllm:time_to_first_token_seconds_count") == 1
    assert metric(page, "vllm:e2e_request_latency_seconds_count") == 0
    assert metric(page, "vllm:request_success_total") == 0
    assert metric(page, 'http_requests_total{handler="/v1/chat/completions",method="POST",status="2xx"}') == 1


@pytest.mark.asyncio
async def test_a_crash_resets_connections_and_recovery_starts_from_zero(play: Play, wait_until: Wait) -> None:
    async with play(timing=SLOW, startup_seconds=0.5) as region, aiohttp.ClientSession() as session:
        pod = next(iter(region.crew.pods.values()))
        async with session.post(region.url(CHAT), json=chat("hello", stream=True)) as response:
            await response.content.readany()
            region.faults.put(Faults(crash=True))
            with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
                await response.read()
        assert not pod.ready
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(region.url("/health"))
        region.faults.clear()
        await asyncio.sleep(0.03)
        assert not pod.ready  # weights are loading
        await wait_until(lambda: pod.ready)
        assert pod.restarts == 1
        async with session.get(region.url("/metrics")) as response:
            assert metric(await response.text(), "vllm:time_to_first_token_seconds_count") == 0


@pytest.mark.asyncio
async def test_a_hung_pod_accepts_and_never_answers(play: Play) -> None:
    async with play() as region, aiohttp.ClientSession() as session:
        region.faults.put(Faults(hang=True))
        with pytest.raises(TimeoutError):
            await session.get(region.url("/health"), timeout=aiohttp.ClientTimeout(total=0.2, sock_connect=0.1))
        region.faults.clear()
        async with session.get(region.url("/health")) as response:
            assert response.status == 200


@pytest.mark.asyncio
async def test_a_stopped_pod_finishes_what_runs_and_takes_nothing_new(play: Play) -> None:
    async with (
        play(timing=SLOW) as region,
        aiohttp.ClientSession() as session,
        session.post(region.url(CHAT), json=chat("hello", stream=True)) as response,
    ):
        await response.content.readany()
        region.crew.stop("uid-0")
        await asyncio.sleep(0.05)
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(region.url("/health"))
        assert (await response.text()).endswith("data: [DONE]\n\n")


@pytest.mark.asyncio
async def test_the_control_api_switches_faults_and_shows_pods(play: Play) -> None:
    async with play(pods=2) as region:
        app = control_app("west", region.crew, region.faults)
        async with TestClient(TestServer(app)) as control:
            put = await control.put("/faults", json={"faults": {"slow": 3, "errors": 0.5}, "pods": ["pod-1"]})
            assert put.status == 200
            assert region.faults.of("pod-1") == Faults(errors=0.5, slow_ttft=3.0)
            assert region.faults.of("pod-0") == Faults()
            await control.put("/faults", json={"faults": {"hang": True}, "pods": None})
            assert region.faults.of("pod-1") == Faults(hang=True)
            healed = await (await control.delete("/faults")).json()
            assert healed == {"region": Faults().to_json(), "pods": {}}
            state = await (await control.get("/state")).json()
            assert [pod["name"] for pod in state["pods"]] == ["pod-0", "pod-1"]
            assert {"ready", "running", "waiting", "served"} <= set(state["pods"][0])


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"faults": 1}',
        b'{"faults": {"errors": 2}}',
        b'{"faults": {"errors": true}}',
        b'{"faults": {"crash": 1}}',
        b'{"faults": {"slow": 0.5}}',
        b'{"faults": {"nonsense": 1}}',
        b'{"faults": {}, "pods": ["nobody"]}',
        b'{"faults": {}, "pods": []}',
        b'{"faults": {}, "pod": "pod-0"}',
    ],
)
async def test_bad_control_input_is_answered_with_a_sentence(play: Play, body: bytes) -> None:
    async with play() as region:
        app = control_app("west", region.crew, region.faults)
        async with TestClient(TestServer(app)) as control:
            response = await control.put("/faults", data=body)
            assert response.status == 400
            assert (await response.json())["error"].endswith(".")
            assert region.faults.of("pod-0") == Faults()


def test_what_is_left_out_is_healthy() -> None:
    assert parse_faults({}) == Faults()

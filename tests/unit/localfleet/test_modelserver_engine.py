"""Who runs, who waits, who is refused, and what load does to time."""

from __future__ import annotations

import asyncio
import random
import statistics
import time

import pytest

from localfleet.modelserver.engine import Engine, Limits, QueueFull, Timing
from localfleet.modelserver.faults import FaultBook, Faults

QUICK = Timing(prefill_base=0.01, prefill_per_token=0.0, itl_base=0.002, chunk_seconds=0.01)


def engine(timing: Timing = QUICK, limits: Limits | None = None, faults: FaultBook | None = None) -> Engine:
    return Engine("pod", "tiny", timing, limits or Limits(2, 4), faults or FaultBook(), random.Random(1))


async def serve(one: Engine, tokens: int = 5) -> list[int]:
    chunks: list[int] = []

    async def emit(count: int) -> None:
        chunks.append(count)

    with one.admitted():
        await one.generate(10, tokens, "length", emit)
    return chunks


def sample(one: Engine, name: str, **labels: str) -> float:
    value = one.metrics.registry.get_sample_value(name, {"model_name": "tiny", **labels})
    assert value is not None, name
    return value


@pytest.mark.asyncio
async def test_the_first_token_comes_alone_and_the_others_in_chunks() -> None:
    chunks = await serve(engine(), tokens=21)
    assert chunks[0] == 1
    assert sum(chunks) == 21
    assert len(chunks) < 10


@pytest.mark.asyncio
async def test_what_exceeds_the_batch_waits_and_what_exceeds_the_queue_is_refused() -> None:
    one = engine()
    tasks = [asyncio.create_task(serve(one)) for _ in range(5)]
    await asyncio.sleep(0)  # every task runs up to its first wait
    assert (one.running, one.waiting) == (2, 2)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(result, QueueFull) for result in results] == [False] * 4 + [True]
    assert (one.running, one.waiting, one.served) == (0, 0, 4)
    assert sample(one, "vllm:admission_rejections_total", reason="max_num_queued_reqs") == 1


@pytest.mark.asyncio
async def test_the_queue_is_first_come_first_served() -> None:
    one = engine(limits=Limits(1, 10))
    ended: list[int] = []

    async def numbered(number: int) -> None:
        await serve(one)
        ended.append(number)

    await asyncio.gather(*(numbered(number) for number in range(5)))
    assert ended == [0, 1, 2, 3, 4]


@pytest.mark.asyncio
async def test_one_that_leaves_gives_its_place_to_the_next() -> None:
    one = engine(limits=Limits(1, 10))
    running, waiting, last = (asyncio.create_task(serve(one)) for _ in range(3))
    await asyncio.sleep(0)  # every task runs up to its first wait
    waiting.cancel()
    running.cancel()
    await last
    assert (one.running, one.waiting, one.served) == (0, 0, 1)
    # vLLM's blind spot: whoever left is not in the end-to-end counts, not even as aborted.
    assert sample(one, "vllm:e2e_request_latency_seconds_count", engine="0") == 1
    assert sample(one, "vllm:request_success_total", engine="0", finished_reason="abort") == 0


@pytest.mark.asyncio
async def test_one_cancelled_in_the_moment_of_its_turn_passes_the_turn_on() -> None:
    one = engine(limits=Limits(1, 10))
    first, second = asyncio.create_task(serve(one)), asyncio.create_task(serve(one))
    await asyncio.sleep(0)  # every task runs up to its first wait
    first.cancel()
    first.add_done_callback(lambda _: second.cancel())
    await asyncio.gather(first, second, return_exceptions=True)
    assert await asyncio.wait_for(serve(one), 1)
    assert one.running == 0


@pytest.mark.asyncio
async def test_time_grows_with_load() -> None:
    timing = Timing(prefill_base=0.02, itl_base=0.004, itl_load_factor=2.0, chunk_seconds=0.02)

    async def timed(one: Engine) -> float:
        began = time.monotonic()
        await serve(one, tokens=20)
        return time.monotonic() - began

    alone = await timed(engine(timing, Limits(8, 8)))
    busy = engine(timing, Limits(8, 8))
    crowded = min(await asyncio.gather(*(timed(busy) for _ in range(8))))
    assert crowded > 1.5 * alone


def test_default_answers_take_three_seconds_or_more_and_probes_well_under_one() -> None:
    timing = Timing()
    one = engine(timing)
    lengths = [one.sample_answer_tokens() for _ in range(4000)]
    assert statistics.mean(lengths) == pytest.approx(60, rel=0.05)
    for load in (0.25, 0.5, 1.0):
        assert 0.2 <= timing.prefill(25, load) <= 0.4
        assert timing.prefill(25, load) + 59 * timing.itl(load) >= 3.0
        assert timing.prefill(5, load) + 3 * timing.itl(load) < 0.7


@pytest.mark.asyncio
async def test_slow_faults_stretch_the_first_token_and_the_rest_apart() -> None:
    faults = FaultBook()
    one = engine(faults=faults)
    faults.put(Faults(slow_ttft=10.0))
    began = time.monotonic()
    await serve(one, tokens=1)
    assert time.monotonic() - began > 0.1
    faults.put(Faults(slow_itl=10.0))
    began = time.monotonic()
    await serve(one, tokens=11)
    assert time.monotonic() - began > 0.2


@pytest.mark.asyncio
async def test_a_hang_freezes_what_runs_and_its_end_thaws_it() -> None:
    faults = FaultBook()
    one = engine(faults=faults)
    task = asyncio.create_task(serve(one, tokens=20))
    await asyncio.sleep(0)  # the task runs up to its first wait
    faults.put(Faults(hang=True), ["pod"])
    await asyncio.sleep(0.1)
    assert one.running == 1 and not task.done()
    faults.clear()
    assert sum(await asyncio.wait_for(task, 1)) == 20


@pytest.mark.asyncio
async def test_gauges_follow_the_requests() -> None:
    one = engine()
    task = asyncio.create_task(serve(one, tokens=20))
    await asyncio.sleep(0)  # the task runs up to its first wait
    assert sample(one, "vllm:num_requests_running", engine="0") == 1
    assert 0 < sample(one, "vllm:kv_cache_usage_perc", engine="0") < 1
    await task
    assert sample(one, "vllm:kv_cache_usage_perc", engine="0") == 0
    assert sample(one, "vllm:generation_tokens_total", engine="0") == 20
    assert sample(one, "vllm:inter_token_latency_seconds_count", engine="0") == 19

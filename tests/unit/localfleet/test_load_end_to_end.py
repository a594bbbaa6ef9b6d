"""The load against real pods: each fault shows as what it is."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import pytest

import localfleet
from localfleet.load import Load
from localfleet.load.analysis import causes, failed_share
from localfleet.load.live import live_line
from localfleet.load.records import read_records
from localfleet.load.summary import summarize
from localfleet.modelserver.engine import Limits, Timing
from localfleet.modelserver.faults import Faults


class Play(Protocol):
    def __call__(self, pods: int = 1, **settings: object) -> AbstractAsyncContextManager[Any]: ...


class Wait(Protocol):
    async def __call__(self, condition: object, seconds: float = 3.0) -> None: ...


def any_ready(region: Any, *pods: str) -> bool:
    return any(pod.ready for pod in region.crew.pods.values() if pod.spec.name in pods)


@pytest.mark.asyncio
async def test_a_healthy_region_serves_everything(play: Play) -> None:
    async with play(pods=2) as region:
        load = await region.load()
    assert len(load.records) > 120
    assert {record.cause for record in load.records} == {""}
    assert {record.region for record in load.records} == {"west"}
    assert {record.pod for record in load.records} == {"pod-0", "pod-1"}
    assert {record.stream for record in load.records} == {True, False}
    for record in load.records:
        assert record.ttft is not None and 0 < record.ttft <= record.total
        assert record.tokens > 0


@pytest.mark.asyncio
async def test_errors_fail_their_share(play: Play) -> None:
    async with play() as region:
        region.faults.put(Faults(errors=0.2))
        load = await region.load()
    share = failed_share(load.records, 0, float("inf"))
    assert share == pytest.approx(0.2, abs=0.08)
    assert set(causes(load.records)) == {"500"}


@pytest.mark.asyncio
async def test_cut_streams_are_truncated(play: Play) -> None:
    async with play() as region:
        region.faults.put(Faults(cut_streams=0.5))
        load = await region.load()
    streams = [record for record in load.records if record.stream]
    cut = [record for record in streams if record.truncated]
    assert len(cut) / len(streams) == pytest.approx(0.5, abs=0.12)
    assert all(record.status == 200 and not record.wrong and record.cause == "truncated" for record in cut)
    assert all(record.good for record in load.records if not record.truncated)


@pytest.mark.asyncio
async def test_wrong_answers_are_wrong_though_complete(play: Play) -> None:
    async with play() as region:
        region.faults.put(Faults(wrong_answers=0.3))
        load = await region.load()
    wrong = [record for record in load.records if record.wrong]
    assert len(wrong) / len(load.records) == pytest.approx(0.3, abs=0.1)
    assert all(record.status == 200 and not record.truncated and not record.good for record in wrong)


@pytest.mark.asyncio
async def test_slow_first_tokens_are_not_good_in_streams_only(play: Play) -> None:
    async with play() as region:
        region.faults.put(Faults(slow_ttft=20.0))
        load = await region.load(duration=0.4, ttft_objective=0.05)
    assert all(record.good != record.stream for record in load.records)
    assert set(causes(load.records)) == {"slow"}


@pytest.mark.asyncio
async def test_a_full_pod_refuses_without_failing(play: Play) -> None:
    async with play(limits=Limits(2, 4)) as region:
        load = await region.load(duration=0.4)
    assert load.counts.refused > 10
    assert load.counts.failed == 0


@pytest.mark.asyncio
async def test_a_crashed_entry_is_refused_and_the_next_one_serves(play: Play, wait_until: Wait) -> None:
    async with play(pods=2) as region:
        region.faults.put(Faults(crash=True), ["pod-0"])
        await wait_until(lambda: not any_ready(region, "pod-0"))
        load = await region.load()
        assert all(record.good and record.pod == "pod-1" for record in load.records)
        tried = [record.entries_tried for record in load.records]
        # The first to fail tells the others: later ones go elsewhere at once.
        assert ["pod-0", "pod-1"] in tried
        assert tried.count(["pod-1"]) > 0.9 * len(tried)

        region.faults.put(Faults(crash=True))
        await wait_until(lambda: not any_ready(region, "pod-0", "pod-1"))
        load = await region.load(duration=0.3)
    assert {record.cause for record in load.records} == {"connect"}
    assert all(record.status == 0 and len(record.entries_tried) == 2 for record in load.records)


@pytest.mark.asyncio
async def test_a_crash_in_mid_answer_is_never_retried_elsewhere(play: Play) -> None:
    slow = Timing(prefill_base=0.05, itl_base=0.01, answer_tokens_mean=40, chunk_seconds=0.05)
    async with play(pods=2, timing=slow) as region:
        load = Load(region.load_settings(rate=100, duration=0.8, shares={"pod-0": 1.0}))
        running = asyncio.create_task(load.run(asyncio.Event()))
        await asyncio.sleep(0.5)
        region.faults.put(Faults(crash=True), ["pod-0"])
        await running
    lost = [record for record in load.records if record.failed]
    assert lost
    assert {record.cause for record in lost} <= {"truncated", "reset"}
    assert all(record.entries_tried == ["pod-0"] for record in lost)
    assert any(record.good and record.pod == "pod-1" for record in load.records)


@pytest.mark.asyncio
async def test_a_cancelled_load_leaves_nothing_running(play: Play, wait_until: Wait) -> None:
    slow = Timing(prefill_base=0.05, itl_base=0.01, answer_tokens_mean=40, chunk_seconds=0.05)
    async with play(timing=slow) as region:
        before = asyncio.all_tasks()
        load = Load(region.load_settings(rate=100, duration=None))
        running = asyncio.create_task(load.run(asyncio.Event()))
        await wait_until(lambda: load.counts.in_flight > 5)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        ours = {task for task in asyncio.all_tasks() - before if "Load" in repr(task)}
    assert (ours, load.abandoned > 5) == (set(), True)


@pytest.mark.asyncio
async def test_a_hang_ends_by_timeout(play: Play) -> None:
    async with play() as region:
        region.faults.put(Faults(hang=True))
        load = await region.load(duration=0.2, rate=50, total_timeout=0.3)
    assert {record.cause for record in load.records} == {"timeout"}
    assert all(record.status == 0 for record in load.records)


@pytest.mark.asyncio
async def test_stopping_leaves_what_never_ended_out_of_the_records(play: Play, tmp_path: Path) -> None:
    out = tmp_path / "requests.jsonl"
    async with play() as region:
        region.faults.put(Faults(hang=True))
        load = Load(region.load_settings(duration=None, rate=100), out, drain_seconds=0.0)
        stop = asyncio.Event()
        running = asyncio.create_task(load.run(stop))
        await asyncio.sleep(0.2)
        assert "in flight" in live_line(load, 0.2, 100.0).plain
        stop.set()
        await asyncio.wait_for(running, 1)
    assert load.abandoned == load.in_flight_at_end > 0
    assert load.records == read_records(out) == []
    assert summarize(load)["good_share"] is None


def test_both_command_lines_and_an_interrupt(tmp_path: Path) -> None:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.9", 0))
        other.bind(("127.0.0.1", 0))
        port, control = one.getsockname()[1], other.getsockname()[1]
    environment = os.environ | {"PYTHONPATH": str(Path(localfleet.__file__).parents[1])}
    server_command = [
        *(sys.executable, "-m", "localfleet.modelserver", "--region", "west", "--control-host", "127.0.0.1"),
        *(
            "--control-port",
            str(control),
            "--static-pod",
            f"pod-0=127.0.0.9:{port}",
            "--startup-seconds",
            "0",
        ),
        *("--itl-base", "0.001", "--prefill-base", "0.01", "--static-model", "tiny"),
    ]
    load_command = [
        *(sys.executable, "-m", "localfleet.load", "--entry", f"a=127.0.0.9:{port}", "--hostname", "x"),
        *("--model", "tiny", "--rate", "50", "--duration", "60", "--quiet"),
        *("--out", str(tmp_path / "requests.jsonl"), "--summary", str(tmp_path / "summary.json")),
    ]
    with subprocess.Popen(server_command, env=environment, stderr=subprocess.DEVNULL) as server:
        try:
            with subprocess.Popen(load_command, env=environment) as load:
                deadline = time.monotonic() + 8
                while time.monotonic() < deadline and not _has_good(tmp_path / "requests.jsonl"):
                    time.sleep(0.05)
                load.send_signal(signal.SIGINT)
                assert load.wait(5) == 130
        finally:
            server.terminate()
            assert server.wait(5) == 0
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary["good"] > 0
    assert summary["by_entry"]["a"]["finished"] == summary["finished"]


def _has_good(path: Path) -> bool:
    return path.exists() and any(record.good for record in read_records(path))

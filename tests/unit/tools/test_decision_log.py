"""What the operator records: only what changed something, bounded in number and bytes, gone with the model."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from apiserver import ApiServer
from recorded import cut, decision_of, settled, shares

from leeward import record_decisions
from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.kubeconfigs import from_file
from leeward.adapters.telemetry import Telemetry
from leeward.core.memory import Memory
from leeward.ports import Unreachable
from leeward.record_decisions import DecisionLog, changes_something, joined, kept
from leeward.replay.decision import Decision, plan_text, read

CONFIG = Path(__file__).resolve().parents[3] / "config"
KEY = ("models", "llama")
PLACE = "/api/v1/namespaces/leeward-system/configmaps/leeward-decisions-models.llama"


@pytest.fixture
async def home(api: ApiServer) -> AsyncIterator[KubernetesCluster]:
    cluster = await from_file("home", api.kubeconfig)
    yield cluster
    await cluster.close()


def log_in(home: KubernetesCluster, keep: int = 10) -> DecisionLog:
    return DecisionLog(home, "leeward-system", Telemetry(), keep)


def note(log: DecisionLog, decision: Decision) -> None:
    log.note(decision.spec, decision.snapshot, decision.memory, decision.now_ms, decision.made)


def count(log: DecisionLog, outcome: str) -> float:
    return log.telemetry.decision_records.labels(outcome)._value.get()


def records(api: ApiServer) -> list[Decision]:
    return [read(raw) for _, raw in kept(api.objects.get(PLACE))]


# --- What is recorded ------------------------------------------------------------------------------------------------


def test_a_tick_that_changes_nothing_is_not_recorded() -> None:
    world = settled(shares())
    for _ in range(10):
        decision = decision_of(world)
        assert not changes_something(decision.memory, decision.made)
        world.run(5)


def test_a_fall_a_new_region_and_every_ramp_step_are_recorded() -> None:
    world = settled(shares())
    decision = cut(world, "b")
    assert changes_something(decision.memory, decision.made)
    assert changes_something(Memory(), decision.made)
    region = replace(decision.made.memory.region("b"), step=1)
    stepped = replace(decision.made.memory, regions={**decision.made.memory.regions, "b": region})
    held = replace(decision.made, write_weights=False)
    assert changes_something(stepped, held)
    assert not changes_something(decision.made.memory, held)


def test_weights_alone_are_a_change() -> None:
    """Somebody edited a route: no verdict changes, and the weights are written again."""
    world = settled(shares())
    world.rows["c"] = {"a": 80, "b": 10, "c": 10}
    decision = decision_of(world)
    assert [line.verdict for line in decision.made.regions] == ["healthy"] * 3
    assert changes_something(decision.memory, decision.made)


# --- Bounds ----------------------------------------------------------------------------------------------------------


def test_the_newest_are_kept_and_numbers_go_on() -> None:
    before = joined((), [b"1", b"2", b"3"], keep=2)
    assert before == (("00000002.json.gz", b"2"), ("00000003.json.gz", b"3"))
    assert joined(before, [b"4"], keep=2) == (("00000003.json.gz", b"3"), ("00000004.json.gz", b"4"))


def test_bytes_are_bounded_and_the_oldest_go() -> None:
    rows = joined((), [b"x" * 40, b"y" * 40, b"z" * 40], keep=10, most_bytes=100)
    assert [raw[:1] for _, raw in rows] == [b"y", b"z"]


def test_limits_leave_room_in_a_config_map() -> None:
    assert record_decisions.MAX_RECORD_BYTES <= record_decisions.MAX_TOTAL_BYTES <= 900 << 10


def test_foreign_keys_of_a_config_map_are_not_ours() -> None:
    held = {"binaryData": {"00000001.json.gz": "eA==", "notes": "eA=="}, "data": {"00000002.json.gz": "x"}}
    assert kept(held) == (("00000001.json.gz", b"x"),)
    assert kept(None) == ()


# --- Writing ---------------------------------------------------------------------------------------------------------


async def test_a_decision_is_written_so_that_it_comes_out_again(api: ApiServer, home: KubernetesCluster) -> None:
    decision = cut(settled(shares()), "b")
    log = log_in(home)
    note(log, decision)
    assert await log.write()
    assert records(api) == [decision]
    assert plan_text(records(api)[0].redo()) == plan_text(decision.made)
    assert api.objects[PLACE]["metadata"] == {
        "name": "leeward-decisions-models.llama",
        "namespace": "leeward-system",
        "labels": {
            "app.kubernetes.io/managed-by": "leeward",
            "app.kubernetes.io/component": "decisions",
            "leeward.dev/model": "llama",
            "leeward.dev/namespace": "models",
        },
    }
    assert count(log, "written") == 1


async def test_nothing_new_writes_nothing(api: ApiServer, home: KubernetesCluster) -> None:
    log = log_in(home)
    note(log, decision_of(settled(shares())))
    assert await log.write()
    assert api.asked == []


async def test_a_restart_goes_on_where_the_record_ended(api: ApiServer, home: KubernetesCluster) -> None:
    decision = cut(settled(shares()), "b")
    for number in range(3):
        log = log_in(home, keep=2)
        note(log, decision.model_copy(update={"now_ms": decision.now_ms + number}))
        assert await log.write()
    assert [each.now_ms - decision.now_ms for each in records(api)] == [1, 2]
    assert [name for name, _ in kept(api.objects[PLACE])] == ["00000002.json.gz", "00000003.json.gz"]


async def test_what_could_not_be_written_waits_and_stays_bounded(api: ApiServer, home: KubernetesCluster) -> None:
    decision = cut(settled(shares()), "b")
    log = log_in(home, keep=3)
    api.refuse = 403
    for number in range(5):
        note(log, decision.model_copy(update={"now_ms": decision.now_ms + number}))
        assert not await log.write()
    api.refuse = 0
    assert await log.write()
    assert [each.now_ms - decision.now_ms for each in records(api)] == [2, 3, 4]
    assert count(log, "failed") == 5


async def test_one_that_is_too_large_is_left_out_and_told(api: ApiServer, home: KubernetesCluster) -> None:
    decision = cut(settled(shares()), "b")
    log = log_in(home)
    noise = os.urandom(record_decisions.MAX_RECORD_BYTES).hex()
    note(log, decision.model_copy(update={"snapshot": replace(decision.snapshot, observer=noise)}))
    note(log, decision)
    assert await log.write()
    assert records(api) == [decision]
    assert count(log, "too large") == 1


async def test_one_that_would_not_be_exact_is_left_out(api: ApiServer, home: KubernetesCluster) -> None:
    decision = cut(settled(shares()), "b")
    log = log_in(home)
    inexact = replace(decision.spec, interval_ms=0.5)  # type: ignore[arg-type]  # what must not happen
    note(log, decision.model_copy(update={"spec": inexact}))
    assert await log.write()
    assert PLACE not in api.objects
    assert count(log, "unwritable") == 1


async def test_none_is_kept_when_told_so(api: ApiServer, home: KubernetesCluster) -> None:
    log = log_in(home, keep=0)
    note(log, cut(settled(shares()), "b"))
    log.forget("models/llama")
    assert await log.write()
    assert api.asked == []


# --- The end of a model ----------------------------------------------------------------------------------------------


async def test_the_record_goes_with_the_model_and_so_does_what_waits(api: ApiServer, home: KubernetesCluster) -> None:
    decision = cut(settled(shares()), "b")
    log = log_in(home)
    note(log, decision)
    await log.write()
    note(log, decision)
    await log.drop(KEY)
    assert await log.write()
    assert PLACE not in api.objects


async def test_a_record_that_cannot_go_now_goes_later_and_holds_nobody_up(
    api: ApiServer, home: KubernetesCluster
) -> None:
    decision = cut(settled(shares()), "b")
    log = log_in(home)
    note(log, decision)
    await log.write()
    api.refuse = 403
    await log.drop(KEY)
    note(log, decision)  # a new model of the same name
    assert not await log.write()
    api.refuse = 0
    assert await log.write()
    assert records(api) == [decision]
    assert api.writes()[-2:] == [f"DELETE {PLACE}", f"PATCH {PLACE}"]


async def test_nothing_is_added_to_a_record_that_has_to_go_first(api: ApiServer, home: KubernetesCluster) -> None:
    """Only deleting is refused: a new model of the same name must not lose its record to the late deletion."""
    decision = cut(settled(shares()), "b")
    newer = decision.model_copy(update={"now_ms": decision.now_ms + 1})
    log = log_in(home)
    note(log, decision)
    await log.write()
    api.refuse, api.refused_methods = 403, ("DELETE",)
    await log.drop(KEY)
    note(log, newer)
    assert not await log.write()
    assert records(api) == [decision]
    api.refuse = 0
    assert await log.write()
    assert records(api) == [newer]


async def test_what_comes_during_a_failed_write_stays_behind_what_waited(
    api: ApiServer, home: KubernetesCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = cut(settled(shares()), "b")
    log = log_in(home)

    async def fail(_: object) -> None:
        note(log, decision.model_copy(update={"now_ms": decision.now_ms + 1}))
        raise Unreachable("gone for a moment")

    note(log, decision)
    with monkeypatch.context() as patched:
        patched.setattr(home, "read", fail)
        assert not await log.write()
    assert await log.write()
    assert [each.now_ms - decision.now_ms for each in records(api)] == [0, 1]


async def test_a_model_that_vanished_takes_its_record_along(api: ApiServer, home: KubernetesCluster) -> None:
    log = log_in(home)
    note(log, cut(settled(shares()), "b"))
    await log.write()
    log.forget("models/llama")
    assert await log.write()
    assert PLACE not in api.objects


async def test_the_task_writes_by_itself_and_what_is_left_at_the_end(api: ApiServer, home: KubernetesCluster) -> None:
    decision = cut(settled(shares()), "b")
    log, stop = log_in(home), asyncio.Event()
    task = asyncio.create_task(log.run(stop))
    note(log, decision)
    async with asyncio.timeout(5):
        while PLACE not in api.objects:
            await asyncio.sleep(0.01)
    note(log, decision)
    stop.set()
    async with asyncio.timeout(5):
        await task
    assert len(records(api)) == 2

"""The tools on a real home cluster: what the operator recorded comes out again, and goes with the model."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from leeward.adapters.objects import ROUTE
from leeward.adapters.routes import Names, read_row
from leeward.ports import Ref
from leeward.record_decisions import kept, place
from localfleet import faults
from localfleet.bootstrap import wait_for
from localfleet.demo.stage import KEY, MODELS, Stage
from localfleet.layout import REPOSITORY

pytestmark = [pytest.mark.fleet, pytest.mark.usefixtures("served")]

RECORD = place("leeward-system", KEY)
Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture
def run(loop: asyncio.AbstractEventLoop) -> Run:
    return loop.run_until_complete


def leeward(stage: Stage, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """The command line with the home region's kubeconfig."""
    more = {"PYTHONPATH": str(REPOSITORY / "operator"), "KUBECONFIG": str(stage.fleet.regions[0].kubeconfig)}
    return subprocess.run(
        [sys.executable, "-m", "leeward", *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | more,
    )


async def weight(stage: Stage, entry: str, serving: str) -> int | None:
    route = await stage.clusters[entry].read(Ref(ROUTE, KEY[0], Names(KEY[1]).users))
    return dict(read_row(route, KEY[1], stage.fleet.region_names) or {}).get(serving)


async def recorded(stage: Stage) -> int:
    return len(kept(await stage.home.read(RECORD)))


def test_a_failover_is_recorded_and_comes_out_again_to_the_byte(stage: Stage, run: Run) -> None:
    region = stage.fleet.region("eu-west4")
    run(faults.kill(region, "models"))

    async def drained() -> bool | None:
        return True if await weight(stage, "us-east1", "eu-west4") == 0 else None

    async def told() -> dict[str, Any] | None:
        answer = leeward(stage, "explain", "llama-70b", "-n", "models", "--region", "eu-west4", "-o", "json")
        found = json.loads(answer.stdout) if answer.returncode == 0 else {"changes": []}
        fell = [row for row in found["changes"] if row["kind"] == "PhaseChanged" and "drained" in row["sentence"]]
        return found if fell else None

    run(wait_for("draining eu-west4", drained, 15))
    explained = run(wait_for("the record of the failover", told, 15))
    assert [(row["name"], row["verdict"], row["weight"]) for row in explained["regions"]] == [("eu-west4", "failed", 0)]

    plans = []
    for back in range(run(recorded(stage))):
        record = leeward(stage, "explain", "llama-70b", "-n", "models", "-o", "record", "--back", str(back))
        assert record.returncode == 0, record.stderr
        again = leeward(stage, "decide", "-", "-o", "json", "--check", given=record.stdout)
        assert again.returncode == 0, again.stderr
        assert record.stdout.rstrip("\n").endswith(f'"plan":{again.stdout.rstrip()}}}')
        plans.append(json.loads(again.stdout))
    falls = [
        plan
        for plan in plans
        if plan["emergency"] and any(row["name"] == "eu-west4" and not row["listed"] for row in plan["regions"])
    ]
    assert falls, [plan["reason"] for plan in plans]

    run(faults.heal(region))
    run(stage.settled(180))


def test_the_record_is_bounded_and_readable_by_a_person(stage: Stage, run: Run) -> None:
    assert 1 <= run(recorded(stage)) <= 10
    told = leeward(stage, "explain", "models/llama-70b")
    assert told.returncode == 0, told.stderr
    assert "eu-west4" in told.stdout and "REACH" in told.stdout
    assert "\x1b" not in told.stdout


def test_what_if_on_the_live_fleet_carries_the_loss_of_a_region(stage: Stage) -> None:
    answer = leeward(stage, "what-if", "--lose", "eu-west4", "llama-70b", "-n", "models", "-o", "json", "--check")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    found = json.loads(answer.stdout)
    assert found["by_itself"] is True
    assert {row["name"]: row["weight"] for row in found["at_once"]["regions"]}["eu-west4"] == 0
    assert all(dict(row)["eu-west4"] == 0 for _, row in found["at_once"]["weights"])
    short = leeward(stage, "what-if", "--lose", "eu-west4", "--demand", "60", "llama-70b", "-n", "models", "--check")
    assert short.returncode == 3
    assert "Short of " in short.stdout


def test_names_that_do_not_exist_are_answered_with_those_that_do(stage: Stage) -> None:
    nobody = leeward(stage, "explain", "nobody", "-n", "models")
    assert (nobody.returncode, "name one of models/llama-70b" in nobody.stderr) == (1, True)
    nowhere = leeward(stage, "what-if", "--lose", "nowhere", "llama-70b", "-n", "models")
    assert (nowhere.returncode, "there is no region or label 'nowhere'" in nowhere.stderr) == (1, True)


def test_the_record_goes_with_the_model(stage: Stage, run: Run) -> None:
    run(stage.home.delete(Ref(MODELS, *KEY)))

    async def gone() -> bool | None:
        return True if await stage.model() is None else None

    run(wait_for("deleting the model", gone, 60))
    assert run(stage.home.read(RECORD)) is None

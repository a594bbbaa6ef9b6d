"""A person's orders under load: nobody notices an evacuation, what cannot be carried is refused, and orders end."""

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from seen import KEY, Run, everywhere

from leeward.adapters.objects import EVACUATIONS
from leeward.api.orders import Freeze, Pin
from leeward.ports import Ref
from localfleet.bootstrap import wait_for
from localfleet.demo.stage import MODELS, Stage
from localfleet.demo.users import users_load
from localfleet.layout import REPOSITORY

pytestmark = pytest.mark.usefixtures("served")

EU = "eu-west4"


def leeward(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line with the home region's kubeconfig."""
    more = {"PYTHONPATH": str(REPOSITORY / "operator"), "KUBECONFIG": str(stage.fleet.regions[0].kubeconfig)}
    command = [sys.executable, "-m", "leeward", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=os.environ | more)


async def ordered(stage: Stage) -> tuple[str, str]:
    """Reason and message of the model's condition `Ordered`, or nothing."""
    rows = ((await stage.model()) or {}).get("status", {}).get("conditions", ())
    return next(((row["reason"], row["message"]) for row in rows if row["type"] == "Ordered"), ("", ""))


async def until(stage: Stage, reason: str) -> None:
    """The condition follows the routes by a moment, and its end may wait for a tick that a ramp holds up."""

    async def look() -> bool | None:
        return True if (await ordered(stage))[0] == reason else None

    await wait_for(f"the condition {reason or 'to go'}", look, 30)


async def back(stage: Stage) -> None:
    async def home() -> bool | None:
        return await everywhere(stage, lambda row: min(row.values()) >= 32)

    await wait_for("all regions at their shares", home, 240)
    await stage.settled()


def test_nobody_notices_an_evacuation_and_its_end(stage: Stage, run: Run) -> None:
    load, stop = users_load(stage.fleet, 8.0, seed=3), asyncio.Event()

    async def scene() -> subprocess.CompletedProcess[str]:
        sending = asyncio.create_task(load.run(stop))
        try:
            await asyncio.sleep(10)
            line = "evacuate", EU, "--reason", "maintenance", "--for", "1h"
            answer = await asyncio.to_thread(leeward, stage, *line)
            assert await everywhere(stage, lambda row: row[EU] == 0)
            reason, message = await ordered(stage)
            assert (reason, "maintenance" in message) == ("Evacuated", True), message
            await asyncio.sleep(10)
            restored = await asyncio.to_thread(leeward, stage, "restore", EU)
            assert restored.returncode == 0, restored.stderr
            await back(stage)
            return answer
        finally:
            stop.set()
            await sending

    answer = run(scene())
    assert (answer.returncode, "Evacuated: no model has weight in eu-west4 until" in answer.stdout) == (0, True), answer
    assert load.records and [row for row in load.records if not row.good] == []
    assert run(ordered(stage)) == ("", "")


def test_an_order_ends_by_itself(stage: Stage, run: Run) -> None:
    answer = leeward(stage, "evacuate", EU, "--reason", "short", "--for", "12s")
    assert answer.returncode == 0, answer
    run(back(stage))
    body: dict[str, Any] = run(stage.home.read(Ref(EVACUATIONS, "", EU)))
    assert body["status"]["conditions"][0]["reason"] == "Expired"
    assert leeward(stage, "restore", EU).returncode == 0


def test_the_last_region_is_never_left(stage: Stage, run: Run) -> None:
    for name in stage.fleet.region_names:
        leeward(stage, "evacuate", name, "--reason", "all of them", "--force", "--wait", "0")

    async def refused() -> str | None:
        found = [await stage.home.read(Ref(EVACUATIONS, "", name)) for name in stage.fleet.region_names]
        rows = [row for body in found for row in (body or {}).get("status", {}).get("conditions", ())]
        if sorted(row["reason"] for row in rows) != ["Evacuated", "Evacuated", "Refused"]:
            return None
        return next(str(row["message"]) for row in rows if row["reason"] == "Refused")

    assert "no other region is known to serve" in run(wait_for("two of three to be left", refused, 60))
    for name in stage.fleet.region_names:
        assert leeward(stage, "restore", name).returncode == 0
    run(back(stage))


def test_a_region_that_does_not_exist_and_one_that_is_not_evacuated(stage: Stage) -> None:
    answer = leeward(stage, "evacuate", "mars", "--reason", "dust")
    assert (answer.returncode, "there is no Region mars: name one of" in answer.stderr) == (1, True)
    answer = leeward(stage, "restore", EU)
    assert (answer.returncode, f"{EU} is not evacuated" in answer.stderr) == (1, True)


def test_pinned_weights_hold_for_their_time(stage: Stage, run: Run) -> None:
    answer = leeward(stage, "pin", "/".join(KEY), f"us-east1=70,{EU}=30", "--for", "20s", "--reason", "a try")
    assert answer.returncode == 0, answer

    async def held() -> bool | None:
        return await everywhere(stage, lambda row: row == {"us-east1": 70, EU: 30, "ap-south1": 0})

    run(wait_for("the pinned weights", held, 15))
    run(until(stage, "Pinned"))
    run(back(stage))
    assert leeward(stage, "unpin", "/".join(KEY)).returncode == 0
    assert Pin.ANNOTATION not in run(stage.model())["metadata"].get("annotations", {})


def test_a_frozen_model_stays_as_it_is_and_git_is_not_fought(stage: Stage, run: Run) -> None:
    assert leeward(stage, "freeze", "--all", "--reason", "hold it").returncode == 0
    found = run(stage.model())
    assert found["spec"].get("freeze") in (None, False)
    assert json.loads(found["metadata"]["annotations"][Freeze.ANNOTATION])["reason"] == "hold it"
    run(until(stage, "Frozen"))
    answer = leeward(stage, "evacuate", EU, "--reason", "too late")
    assert (answer.returncode, "Refused: models/llama-70b: frozen by a person" in answer.stdout) == (1, True), answer
    assert run(everywhere(stage, lambda row: row[EU] > 0))
    assert leeward(stage, "restore", EU).returncode == 0
    assert leeward(stage, "thaw", "/".join(KEY)).returncode == 0
    run(until(stage, ""))
    assert run(stage.home.read(Ref(MODELS, *KEY))) is not None

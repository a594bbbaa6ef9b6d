"""The condition Progressing through an incident: it is settled again when the region carries its whole share."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml
from world import World, shares_policy, short_failback, three_regions

from leeward.adapters.telemetry import Telemetry
from leeward.api.common import condition_of
from leeward.api.modeldeployment import ModelDeployment
from leeward.core.phases import Phase
from leeward.core.plan import Plan
from leeward.record import Recorder

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "modeldeployment.yaml"


class Home:
    """Keeps the last status that was written to it."""

    def __init__(self) -> None:
        self.model = ModelDeployment.model_validate(yaml.safe_load(EXAMPLE.read_text()))

    async def apply_status(self, body: dict[str, Any]) -> None:
        self.model = self.model.model_validate(self.model.wire() | {"status": body["status"]})

    async def create(self, body: dict[str, Any]) -> None:
        pass

    def progress(self, plan: Plan, **more: object) -> tuple[str, str, str]:
        recorder: Any = Recorder(self, Telemetry())  # type: ignore[arg-type]
        ready = {line.name: line.replicas for line in plan.regions} | more.pop("ready", {})  # type: ignore[operator]
        asyncio.run(recorder.record(self.model, plan, ready, {}, **more))
        found = condition_of(self.model.status.conditions, "Progressing")
        assert found is not None
        return found.status, found.reason, found.message


@pytest.fixture
def home() -> Home:
    return Home()


def test_a_region_on_its_way_back_is_progress_between_its_steps_too(home: Home) -> None:
    world = World(three_regions(failback=short_failback(), traffic=shares_policy()))
    assert home.progress(world.run(120)[-1][1])[:2] == ("False", "Settled")
    world.regions["b"].cut_since = world.now
    out = [plan for _, plan in world.run(20)]
    assert home.progress(out[-1])[:2] == ("False", "Settled")
    world.regions["b"].cut_since = None
    back = [plan for _, plan in world.run(300)]
    phases = [next(line.phase for line in plan.regions if line.name == "b") for plan in back]
    told = [home.progress(plan) for plan in back]
    assert phases[-1] is Phase.ACTIVE and told[-1][:2] == ("False", "Settled")
    between = [row for row, phase in zip(told, phases, strict=True) if phase is Phase.RECOVERING]
    assert {row[:2] for row in between} == {("True", "Moving"), ("True", "Returning")}
    assert any(row[2].startswith("b: ramp step 3 of 5") for row in between if row[1] == "Returning")


def test_missing_replicas_and_closed_doors_are_progress(home: Home) -> None:
    plan = World(three_regions()).run(120)[-1][1]
    assert home.progress(plan, ready={"a": 0})[:2] == ("True", "Moving")
    assert home.progress(plan, shut=True)[:2] == ("True", "Opening")
    assert home.progress(plan, leaving=("LeavingDrained", "leaving c"))[:2] == ("True", "LeavingDrained")

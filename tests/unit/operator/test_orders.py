"""A person's orders: which are in force, what becomes of them, and how both are told."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from leeward.api.evacuation import Evacuation
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.orders import Freeze, Pin
from leeward.api.units import moment_ms
from leeward.core.memory import Memory, RegionMemory
from leeward.core.phases import Phase
from leeward.known import Known
from leeward.orders import concerns, condition, obeying, standing
from leeward.record_evacuations import _stage, outcome
from leeward.replay.decision import Decision

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "modeldeployment.yaml"
RECORDED = Path(__file__).resolve().parents[1] / "tools" / "decision.v1.json"
NOON = moment_ms("2026-12-24T12:00:00Z")
HELD = {"reason": "we look into it", "requestedBy": "alice", "expiresAt": "2026-12-24T13:00:00Z"}


def model(**annotations: str) -> ModelDeployment:
    body = yaml.safe_load(EXAMPLE.read_text())
    body["metadata"] |= {
        "labels": {"tier": "batch"},
        "annotations": {f"leeward.dev/{k}": v for k, v in annotations.items()},
    }
    return ModelDeployment.read(body)


def evacuation(**spec: Any) -> Evacuation:
    return Evacuation.read(
        {"kind": "Evacuation", "metadata": {"name": "e"}, "spec": {"region": "eu-west4", "reason": "r"} | spec}
    )


def pinned(**weights: int) -> str:
    return json.dumps(HELD | {"weights": {name.replace("_", "-"): each for name, each in weights.items()}})


def plan() -> Any:
    return Decision.model_validate_json(RECORDED.read_text()).redo()


def test_a_freeze_holds_until_its_end() -> None:
    frozen = model(freeze=json.dumps(HELD))
    assert obeying(frozen, standing(frozen, (), NOON)).spec.freeze
    assert not obeying(frozen, standing(frozen, (), moment_ms("2026-12-24T13:00:00+00:00"))).spec.freeze
    told = condition(standing(frozen, (), NOON), plan())
    assert told == ("Ordered", True, "Frozen", "frozen by alice until 2026-12-24T13:00:00Z: we look into it")
    assert condition(standing(model(), (), NOON), plan()) is None


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        ({"freeze": "yes"}, "the annotation leeward.dev/freeze is ignored ("),
        ({"freeze": "{}"}, "the annotation leeward.dev/freeze is ignored (reason: "),
        ({"freeze": json.dumps(HELD | {"expiresAt": "2026-12-24T13:00:00"})}, "a time needs its zone"),
        ({"pin": pinned(us_east1=60)}, "weights sum to 60, not 100"),
        ({"pin": pinned(us_east1=60, mars=40)}, "it names mars): name only ap-south1, eu-west4, us-east1"),
        ({"pin": json.dumps({"reason": "r", "weights": {"us-east1": 100}})}, "expiresAt: Field required"),
    ],
)
def test_what_is_no_order_is_ignored_and_told(annotation: dict[str, str], why: str) -> None:
    orders = standing(model(**annotation), (), NOON)
    assert (orders.freeze, orders.pin) == (None, None)
    told = condition(orders, plan())
    assert told is not None and told[1:3] == (False, "Unreadable") and why in told[3]


def test_a_broken_pin_does_not_break_a_freeze() -> None:
    orders = standing(model(freeze=json.dumps(HELD), pin="?"), (), NOON)
    assert orders.freeze is not None and orders.pin is None and len(orders.problems) == 1


def test_evacuations_are_followed_by_the_models_that_they_concern() -> None:
    mine, other, late = evacuation(), evacuation(region="mars"), evacuation(expiresAt="2026-12-24T11:59:59Z")
    batch, online = evacuation(modelLabels={"tier": "batch"}, force=True), evacuation(modelLabels={"tier": "online"})
    orders = standing(model(), (mine, other, late, batch, online), NOON)
    assert orders.evacuations == (mine, batch)
    assert (orders.left, orders.forced) == (("eu-west4",), ("eu-west4",))
    assert concerns(batch, model()) and not concerns(online, model())


@pytest.mark.parametrize("spec", [{"reason": ""}, {"expiresAt": "tomorrow"}, {"region": "Not_A_Name"}])
def test_an_evacuation_without_sense_is_refused(spec: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        evacuation(**spec)


@pytest.mark.parametrize(
    ("order", "stages", "told"),
    [
        (evacuation(), {"a": ("Draining", ""), "b": ("Evacuated", "")}, (False, "Draining", "still carrying a")),
        (evacuation(), {"b": ("Evacuated", "")}, (True, "Evacuated", "no model has weight in eu-west4")),
        (evacuation(), {}, (True, "Evacuated", "no model has weight in eu-west4")),
        (evacuation(region="x"), {}, (False, "NoSuchRegion", "there is no Region x: there is eu-west4")),
        (
            evacuation(expiresAt="2026-12-24T11:00:00Z"),
            {"a": ("Draining", "")},
            (False, "Expired", "the order ended at"),
        ),
        (
            evacuation(),
            {"a": ("Refused", "the others lack 4 requests/s to carry it"), "b": ("Draining", "")},
            (False, "Refused", "a: the others lack 4 requests/s to carry it; it goes on by itself"),
        ),
    ],
)
def test_what_an_evacuation_has_come_to(order: Evacuation, stages: Any, told: tuple[bool, str, str]) -> None:
    _, holds, reason, message = outcome(order, {"eu-west4"}, stages, NOON)
    assert (holds, reason) == told[:2]
    assert message.startswith(told[2])


def test_the_stage_of_a_model_is_read_off_its_phase() -> None:
    def at(phase: Phase, **refused: str) -> tuple[str, str]:
        return _stage(Known(Memory(regions={"a": RegionMemory(phase=phase)}), refused=refused), "a")

    assert [at(phase)[0] for phase in (Phase.ACTIVE, Phase.DRAINING, Phase.DRAINED)] == ["Draining"] * 2 + ["Evacuated"]
    assert at(Phase.ACTIVE, a="no room") == ("Refused", "no room")


def test_orders_are_written_as_they_are_read() -> None:
    held = Pin.model_validate_json(pinned(us_east1=100))
    assert Pin.of(model(pin=held.model_dump_json(by_alias=True, exclude_none=True)), NOON) == held
    assert Freeze.of(model(), NOON) is None

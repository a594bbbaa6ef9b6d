"""The format of recorded decisions: exact both ways, versioned, and refused in words that name the fix."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticSerializationError
from recorded import EXAMPLES, cut, decision_of, settled, shares
from world import START_MS, World, three_regions

from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.core.spec import CapacitySpec
from leeward.replay.decision import Decision, UnreadableError, first_difference, plan_text, read, written
from leeward.settings import Settings
from leeward.translate import model_spec

RECORDED = cut(settled(shares()), "b")


def edited(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(written(RECORDED))
    change(document)
    return json.dumps(document).encode()


def test_a_record_is_read_back_as_it_was() -> None:
    assert read(written(RECORDED).encode()) == RECORDED
    assert read(gzip.compress(written(RECORDED).encode())) == RECORDED


def test_the_plan_comes_out_again_to_the_byte_and_stands_last() -> None:
    text = written(RECORDED)
    assert text.endswith(f'"plan":{plan_text(read(text.encode()).redo())}}}')
    assert first_difference(RECORDED.made, read(text.encode()).redo()) is None


def test_every_tick_of_an_incident_comes_out_again() -> None:
    world = World(three_regions())
    for second in range(1, 400):
        world.second()
        if second == 100:
            world.regions["b"].errors = 0.4
        if second == 250:
            world.regions["b"].errors = 0.0
        if second % 5 == 0:
            decision = decision_of(world)
            again = read(written(decision).encode())
            assert plan_text(again.redo()) == plan_text(decision.made)
            world.tick()


@given(st.fractions(min_value=0), st.fractions(), st.integers(min_value=-(10**30), max_value=10**30))
def test_numbers_survive_exactly(rate: Fraction, share: Fraction, age: int) -> None:
    spec = replace(RECORDED.spec, capacity=CapacitySpec(rate, 64, share))
    snapshot = replace(RECORDED.snapshot, taken_ms=age)
    decision = Decision(now_ms=age, spec=spec, snapshot=snapshot, memory=RECORDED.memory)
    assert read(written(decision).encode()) == decision


def test_fractions_are_written_as_strings() -> None:
    assert json.loads(written(RECORDED))["spec"]["capacity"]["target_utilization"] == "3/4"


def test_the_order_of_regions_in_memory_is_kept() -> None:
    turned = dict(reversed(RECORDED.memory.regions.items()))
    decision = RECORDED.model_copy(update={"memory": replace(RECORDED.memory, regions=turned)})
    assert list(read(written(decision).encode()).memory.regions) == ["c", "b", "a"]


def test_fields_that_are_left_out_have_their_default() -> None:
    def forget(document: dict[str, Any]) -> None:
        del document["spec"]["guards"], document["snapshot"]["evacuated"], document["plan"]

    assert read(edited(forget)) == RECORDED.model_copy(update={"plan": None})


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "this is no JSON"),
        (b"\xff", "neither JSON nor gzip"),
        (b"\x1f\x8b\x08broken", "neither JSON nor gzip"),
        (b"[" * 100_000, "this is no JSON"),
        (b"[]", "this is no recorded decision"),
        (b'{"kind": "Pod"}', 'no "format": "leeward.dev/decision"'),
        (edited(lambda d: d.update(version=2)), "version 2 of the format is newer than what this leeward reads"),
        (edited(lambda d: d.update(version=0)), "version 0 of the format is not what this leeward reads"),
        (edited(lambda d: d.update(version=True)), "version True"),
        (edited(lambda d: d.pop("version")), "version None"),
        (edited(lambda d: d.update(now_ms=1.5)), '1.5 is not exact: write a fraction as a string, such as "5/2"'),
        (edited(lambda d: d.update(now_ms="1")), "now_ms: Input should be a valid integer"),
        (edited(lambda d: d["spec"].update(colour="red")), "spec.colour is not known to this leeward"),
        (edited(lambda d: d.update(colour="red")), "colour is not known to this leeward"),
        (edited(lambda d: d["spec"].pop("key")), "spec.key"),
        (edited(lambda d: d["spec"]["regions"][1].update(share=True)), "spec.regions.1.share"),
        (edited(lambda d: d["spec"]["capacity"].update(target_utilization="1/0")), "spec.capacity.target_utilization"),
        (edited(lambda d: d["spec"].update(failover="Sometimes")), "'Automatic', 'Recommend' or 'Off'"),
        (b'{"format": "leeward.dev/decision", "format": "x"}', "'format' stands twice"),
        (b'{"format": "leeward.dev/decision", "version": NaN}', "NaN is not exact"),
        (b'{"now_ms": ' + b"9" * 5000 + b"}", "this is no JSON"),
    ],
)
def test_what_is_refused_says_why(raw: bytes, told: str) -> None:
    with pytest.raises(UnreadableError) as refusal:
        read(raw)
    assert told in str(refusal.value)


def test_a_value_that_could_not_be_read_back_is_not_written() -> None:
    spec = replace(RECORDED.spec, interval_ms=2.5)  # type: ignore[arg-type]  # what must not happen
    with pytest.raises(PydanticSerializationError):
        written(RECORDED.model_copy(update={"spec": spec}))


def test_a_difference_is_told_by_its_place() -> None:
    plan = RECORDED.made
    lines = (replace(plan.regions[0], weight=51), *plan.regions[1:])
    assert first_difference(plan, replace(plan, regions=lines)) == "plan.regions[0].weight was 50 and is now 51"


def test_no_secret_comes_as_far_as_a_record() -> None:
    """Whatever stands in the resources around the decision: addresses, references, arguments, environment."""
    document = yaml.safe_load((EXAMPLES / "modeldeployment.yaml").read_text())
    document["spec"]["server"]["args"] = ["--api-key=hunter2"]
    document["metadata"]["annotations"] = {"note": "hunter2"}
    regions = {each["metadata"]["name"]: each for each in yaml.safe_load_all((EXAMPLES / "regions.yaml").read_text())}
    for each in regions.values():
        each["spec"]["prometheus"]["url"] = "https://hunter2@prometheus.example.com"
    spec = model_spec(
        ModelDeployment.read(document), {name: Region.read(each) for name, each in regions.items()}, Settings()
    )
    text = written(decision_of(settled(spec)))
    assert "us-east1" in text
    assert not [word for word in ("hunter2", "http", "example.com", "kubeconfig", "token") if word in text]


def test_a_recorded_incident_of_version_1_is_still_read() -> None:
    """A file that stays as it is: it fails when a change breaks the format without raising its version."""
    decision = read((Path(__file__).parent / "decision.v1.json").read_bytes())
    assert decision.spec.key == "models/llama"
    assert decision.now_ms == START_MS + 123_000
    assert decision.plan is not None
    assert [line.name for line in decision.redo().regions if line.weight == 0] == ["b"]

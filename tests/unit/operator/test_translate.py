"""What the core is told of a ModelDeployment, where the two differ in form."""

import copy
from pathlib import Path
from typing import Any

import yaml

from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.settings import Settings
from leeward.translate import model_spec

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def documents(name: str) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all((EXAMPLES / name).read_text("utf-8")) if each]


def test_residency_and_nearness_reach_the_core() -> None:
    body = copy.deepcopy(documents("modeldeployment.yaml")[0])
    names = [entry["name"] for entry in body["spec"]["regions"]]
    body["spec"]["regions"][0] |= {"servedBy": [names[0], names[1]], "nearest": [names[2], names[1]]}
    found = [Region.read(each) for each in documents("regions.yaml") if each["kind"] == "Region"]
    regions = {region.metadata.name: region for region in found}
    first, second, _ = model_spec(ModelDeployment.read(body), regions, Settings()).regions
    assert first.may_send_to(names[1]) and not first.may_send_to(names[2])
    assert first.distances == ((names[2], 0), (names[1], 1))
    assert (second.served_by, second.distances) == (None, ())

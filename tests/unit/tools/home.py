"""Fixtures: a home cluster with the example's objects and the recorded decisions of an incident."""

import base64
import gzip

import pytest
import yaml
from apiserver import ApiServer
from recorded import EXAMPLES, cut, decision_of, settled, status_of

from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.replay.decision import Decision, written
from leeward.settings import Settings
from leeward.translate import model_spec

DECISIONS = "leeward-decisions-models.llama-70b"


@pytest.fixture(scope="module")
def incident() -> tuple[Decision, Decision]:
    """Two decisions of the example's fleet: well, and eu-west4 cut off."""
    regions = {
        each["metadata"]["name"]: Region.read(each)
        for each in yaml.safe_load_all((EXAMPLES / "regions.yaml").read_text())
    }
    document = yaml.safe_load((EXAMPLES / "modeldeployment.yaml").read_text())
    document["spec"]["traffic"]["policy"] = "Shares"
    world = settled(model_spec(ModelDeployment.read(document), regions, Settings()))
    return decision_of(world), cut(world, "eu-west4")


@pytest.fixture
def home(api: ApiServer, incident: tuple[Decision, Decision]) -> ApiServer:
    """A home cluster with the example's objects and both decisions."""
    for each in yaml.safe_load_all((EXAMPLES / "regions.yaml").read_text()):
        api.put("regions", each)
    model = yaml.safe_load((EXAMPLES / "modeldeployment.yaml").read_text())
    api.put("modeldeployments", {**model, "status": status_of(incident[1])})
    held = {
        f"{number:08d}.json.gz": base64.b64encode(gzip.compress(written(each).encode())).decode()
        for number, each in enumerate(incident, 1)
    }
    api.put("configmaps", {"metadata": {"name": DECISIONS, "namespace": "leeward-system"}, "binaryData": held})
    return api

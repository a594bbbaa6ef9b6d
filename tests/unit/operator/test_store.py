"""The store of our own objects: what wakes a tick, and what becomes of an object that cannot be read."""

from pathlib import Path

import yaml
from structlog.testing import capture_logs

from leeward.settings import Settings
from leeward.store import Store
from leeward.translate import model_spec

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def model(generation: int = 1, **status: object) -> dict:
    document = yaml.safe_load((EXAMPLES / "modeldeployment.yaml").read_text())
    document["metadata"] |= {"generation": generation, "uid": "u"}
    return document | {"status": status}


def filled() -> Store:
    store = Store()
    for body in yaml.safe_load_all((EXAMPLES / "regions.yaml").read_text()):
        store.put(body)
    store.put(model())
    store.changed.clear()
    return store


def test_a_change_of_status_wakes_nobody() -> None:
    store = filled()
    store.put(model(health="healthy"))
    assert not store.changed.is_set()
    assert store.models["models/llama-70b"].status.health == "healthy"


def test_a_new_generation_wakes() -> None:
    store = filled()
    store.put(model(generation=2))
    assert store.changed.is_set()


def test_an_unreadable_object_keeps_the_last_readable_one() -> None:
    store = filled()
    broken = model(generation=2)
    broken["spec"]["capacity"]["targetUtilization"] = "much"
    store.put(broken)
    assert "targetUtilization" in str(store.unreadable["ModelDeployment", "models/llama-70b"])
    assert store.models["models/llama-70b"].spec.capacity.target_utilization == 75


def test_a_list_drops_what_a_watch_missed() -> None:
    store = filled()
    store.keep_only("ModelDeployment", set())
    assert store.models == {}
    assert store.changed.is_set()


def test_the_core_sees_exact_numbers_and_only_regions_that_exist() -> None:
    store = filled()
    del store.regions["ap-south1"]
    spec = model_spec(store.models["models/llama-70b"], store.regions, Settings())
    assert spec.region_names == ("us-east1", "eu-west4")
    assert spec.objectives.error_budget * 1000 == 5
    assert spec.failback.bake_ms == 120_000


def test_what_cannot_be_read_is_told_once_and_forgotten_with_the_object() -> None:
    store = filled()
    broken = model(generation=2)
    broken["spec"]["capacity"]["targetUtilization"] = "much"
    with capture_logs() as said:
        store.put(broken)
        store.put(broken)
    assert [(line["key"], line["log_level"]) for line in said] == [("models/llama-70b", "error")]
    assert store.changed.is_set()
    store.drop(broken)
    assert not store.unreadable

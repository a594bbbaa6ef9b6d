"""Where decisions are kept, and the rights that this takes."""

import gzip
from pathlib import Path

import yaml
from recorded import cut, settled, shares

from leeward.adapters.objects import AUTHORITIES
from leeward.record_decisions import place
from leeward.replay.decision import written

CONFIG = Path(__file__).resolve().parents[3] / "config"


def test_two_models_never_share_a_place() -> None:
    places = {place("leeward-system", key).name for key in (("a", "b-c"), ("a-b", "c"), ("a", "b"), ("b", "a"))}
    assert len(places) == 4


def test_config_maps_may_be_written_in_the_operators_namespace_and_elsewhere_by_name() -> None:
    documents = [each for path in CONFIG.glob("*.yaml") for each in yaml.safe_load_all(path.read_text())]
    granted = {
        (each["metadata"].get("namespace"), rule["verbs"].count("delete"), *rule.get("resourceNames", ()))
        for each in documents
        for rule in each.get("rules", ())
        if "configmaps" in rule["resources"] or "*" in rule["resources"]
    }
    assert granted == {("leeward-system", 1), ("leeward-system", 0), (None, 0, AUTHORITIES)}


def test_records_are_small() -> None:
    """Three regions: a few kilobytes, so that ten of them are far from any limit."""
    decision = cut(settled(shares()), "b")
    assert len(gzip.compress(written(decision).encode())) < 4096

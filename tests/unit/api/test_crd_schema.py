"""The generated schemas are what the API server calls structural, and small enough for its cost budget."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from leeward.api.crd import crds
from leeward.api.markers import VALIDATIONS
from leeward.api.modelstatus import PHASES, VERDICTS
from leeward.api.schema import structural

Schema = dict[str, Any]
FOREIGN = ("$ref", "$defs", "anyOf", "oneOf", "allOf", "title", "const", "prefixItems", "exclusiveMinimum")


def walk(node: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    if "items" in node:
        yield from walk(node["items"], f"{path}[]")
    if "additionalProperties" in node:
        yield from walk(node["additionalProperties"], f"{path}{{}}")


def version_of(crd: Schema) -> Schema:
    version: Schema = crd["spec"]["versions"][0]
    return version


def nodes() -> list[Any]:
    found: list[Any] = []
    for crd in crds().values():
        schema = version_of(crd)["schema"]["openAPIV3Schema"]
        for part in ("spec", "status"):
            kind = crd["spec"]["names"]["kind"]
            found.extend(
                pytest.param(node, id=path) for path, node in walk(schema["properties"][part], f"{kind}.{part}")
            )
    return found


@pytest.mark.parametrize("node", nodes())
def test_node_is_structural(node: Schema) -> None:
    assert not [key for key in FOREIGN if key in node]
    if node.get("x-kubernetes-int-or-string"):
        assert "type" not in node
        assert "maxLength" in node
        return
    assert node["type"] in ("object", "array", "string", "integer", "boolean")
    if node["type"] == "string":
        assert "maxLength" in node or "enum" in node
    if node["type"] == "array":
        assert "maxItems" in node
        assert "x-kubernetes-list-type" in node
    if node["type"] == "object" and "additionalProperties" in node:
        assert "properties" not in node
        assert "maxProperties" in node


@pytest.mark.parametrize("crd", crds().values(), ids=lambda crd: str(crd["spec"]["names"]["kind"]))
def test_every_field_is_described(crd: Schema) -> None:
    schema = version_of(crd)["schema"]["openAPIV3Schema"]
    named = [
        (f"{path}.{name}", child)
        for path, node in walk(schema, "")
        for name, child in node.get("properties", {}).items()
        if f"{path}.{name}" != ".metadata"
    ]
    assert [path for path, child in named if not child.get("description", "").rstrip().endswith(".")] == []


@pytest.mark.parametrize("crd", crds().values(), ids=lambda crd: str(crd["spec"]["names"]["kind"]))
def test_every_rule_has_a_sentence_and_an_existing_field_path(crd: Schema) -> None:
    schema = version_of(crd)["schema"]["openAPIV3Schema"]
    for path, node in walk(schema, ""):
        for each in node.get(VALIDATIONS, []):
            assert len(each["message"]) > 20, path
            assert "\n" not in each["message"], path
            if "fieldPath" in each:
                assert each["fieldPath"].lstrip(".") in node["properties"], path


def test_names_columns_and_subresources() -> None:
    region, model, evacuation = crds().values()
    assert evacuation["metadata"]["name"] == "evacuations.leeward.dev"
    assert evacuation["spec"]["scope"] == "Cluster"
    assert region["metadata"]["name"] == "regions.leeward.dev"
    assert region["spec"]["scope"] == "Cluster"
    assert region["spec"]["names"]["shortNames"] == ["rgn"]
    assert model["metadata"]["name"] == "modeldeployments.leeward.dev"
    assert model["spec"]["scope"] == "Namespaced"
    assert model["spec"]["names"]["shortNames"] == ["md", "mdeploy"]
    for crd, columns in (
        (region, ["Provider", "Reachable", "Ready", "Age"]),
        (model, ["Model", "Ready", "Weights", "Health", "Age"]),
    ):
        version = version_of(crd)
        assert crd["spec"]["names"]["categories"] == ["leeward"]
        assert version["subresources"] == {"status": {}}
        assert [each["name"] for each in version["additionalPrinterColumns"] if "priority" not in each] == columns


def test_status_words_are_those_of_the_core() -> None:
    plan = pytest.importorskip("leeward.core.plan", exc_type=ImportError)
    phases = pytest.importorskip("leeward.core.phases", exc_type=ImportError)
    assert tuple(each.value for each in plan.Verdict) == VERDICTS
    assert {each.value for each in phases.Phase} == set(PHASES)


def test_a_choice_of_types_is_refused() -> None:
    class Undecided(BaseModel):
        value: int | str

    with pytest.raises(ValueError, match="a choice of 2 types"):
        structural(Undecided)

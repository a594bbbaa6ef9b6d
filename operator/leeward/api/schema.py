"""From a pydantic model to the structural OpenAPI v3 schema that a CRD takes.

pydantic writes JSON schema with `$ref`, `anyOf [T, null]`, titles and the defaults of whole sub-objects.
The API server wants one tree in which every node has a type. Nothing is lost on the way: `$ref`s are
inlined, `null` is dropped (an absent field means the same), and a default that is an object shrinks to what
the defaults of its fields do not say, mostly to `{}`.
"""

from typing import Any

from pydantic import BaseModel

from leeward.api.markers import VALIDATIONS, Schema

_DROPPED = ("title", "$defs", "anyOf", "allOf", "$ref")
_EMPTY: tuple[Any, ...] = (None, [], {})


def structural(model: type[BaseModel]) -> Schema:
    """Structural schema of `model`, self-contained. Raises ValueError for a union that no CRD can hold."""
    raw = model.model_json_schema(by_alias=True, mode="validation")
    return _node(raw, raw.get("$defs", {}))


def _node(raw: Schema, definitions: dict[str, Schema]) -> Schema:
    merged = _resolve(raw, definitions)
    node = {key: value for key, value in merged.items() if key not in _DROPPED}
    if "properties" in node:
        node["properties"] = {name: _node(each, definitions) for name, each in node["properties"].items()}
    if "items" in node:
        node["items"] = _node(node["items"], definitions)
    if isinstance(node.get("additionalProperties"), dict) and node["additionalProperties"]:
        node["additionalProperties"] = _node(node["additionalProperties"], definitions)
    elif node.get("x-kubernetes-preserve-unknown-fields"):
        node.pop("additionalProperties", None)
    if node.get("properties") == {}:
        del node["properties"]
    return _with_tidy_default(node, merged.get("properties"))


def _resolve(raw: Schema, definitions: dict[str, Schema]) -> Schema:
    """`raw` with what it refers to merged below it; its own keys win, CEL rules of both are kept."""
    target = _target(raw, definitions)
    if target is None:
        return raw
    below = _resolve(target, definitions)
    merged = {**below, **raw}
    if below.get(VALIDATIONS) and raw.get(VALIDATIONS):
        merged[VALIDATIONS] = [*below[VALIDATIONS], *raw[VALIDATIONS]]
    return merged


def _target(raw: Schema, definitions: dict[str, Schema]) -> Schema | None:
    if "$ref" in raw:
        return definitions[raw["$ref"].rpartition("/")[2]]
    if "allOf" in raw:
        return _only(raw["allOf"])
    if "anyOf" in raw:
        return _only([each for each in raw["anyOf"] if each.get("type") != "null"])
    return None


def _only(choices: list[Schema]) -> Schema:
    if len(choices) != 1:
        raise ValueError(f"a CRD's schema cannot hold a choice of {len(choices)} types: {choices}")
    return choices[0]


def _with_tidy_default(node: Schema, raw_properties: Schema | None) -> Schema:
    default = node.get("default")
    if isinstance(default, dict) and raw_properties:
        return node | {"default": _object_default(default, raw_properties)}
    if default in _EMPTY:
        node.pop("default", None)
    return node


def _object_default(default: Schema, raw_properties: Schema) -> Schema:
    """What of `default` the fields' own defaults do not say already."""
    return {
        name: value
        for name, value in default.items()
        if value not in _EMPTY and raw_properties[name].get("default") != value
    }

"""Kubernetes' schema extensions (`x-kubernetes-…`) as values, to hang on pydantic fields and models."""

from typing import Any

Schema = dict[str, Any]
"""A JSON schema, or a part of one."""

VALIDATIONS = "x-kubernetes-validations"
MAX_REGIONS = 16
"""Gateway API admits 16 backends in a rule, and each region is one backend of every users route."""

MAX_SENTENCE = 1024
MAX_MEMORY = 262_144

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
HOSTNAME = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_VALUE = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"


def rule(expression: str, message: str, field_path: str | None = None) -> Schema:
    """One CEL rule. `message` names the fix; `field_path` points to a child of the rule's own node."""
    return {"rule": expression, "message": message} | ({"fieldPath": field_path} if field_path else {})


def rules(*each: Schema) -> Schema:
    """CEL rules as an extension of a field or model."""
    return {VALIDATIONS: list(each)}


def keyed_list(*keys: str) -> Schema:
    """A list whose entries differ in `keys`: duplicates are refused, server-side apply merges by entry."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


def atomic_list() -> Schema:
    """A list that has one owner as a whole."""
    return {"x-kubernetes-list-type": "atomic"}


def set_list() -> Schema:
    """A list of distinct scalars."""
    return {"x-kubernetes-list-type": "set"}

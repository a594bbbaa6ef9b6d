"""The JSON Schema: it ships with the package, follows the core, and says the same as the reader."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recorded import cut, settled, shares

from leeward.replay.decision import SCHEMA_FILE, UnreadableError, read, schema, schema_text, written

SCRIPT = Path(__file__).resolve().parents[3] / "hack" / "generate-schema"
RECORDED = written(cut(settled(shares()), "b"))
TYPES: dict[str, Callable[[object], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
}
KNOWN = frozenset(
    [
        *("$schema", "$id", "$defs", "$ref", "title", "description", "default"),
        *("type", "enum", "const", "pattern", "anyOf", "properties", "required", "additionalProperties"),
        *("items", "prefixItems", "minItems", "maxItems"),
    ]
)


def valid(value: Any, rules: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Is a value as the rules say? Of JSON Schema, what ours uses; anything else raises."""
    assert set(rules) <= KNOWN, set(rules) - KNOWN
    if "$ref" in rules:
        return valid(value, whole["$defs"][rules["$ref"].rpartition("/")[2]], whole)
    if "anyOf" in rules:
        return any(valid(value, rule, whole) for rule in rules["anyOf"])
    types = rules.get("type", list(TYPES))
    checks = [
        any(TYPES[name](value) for name in ([types] if isinstance(types, str) else types)),
        value in rules.get("enum", [value]) and value == rules.get("const", value),
        not isinstance(value, str) or re.search(rules.get("pattern", ""), value) is not None,
    ]
    if isinstance(value, list):
        before, rest = rules.get("prefixItems", []), rules.get("items", {})
        each = [*before, *[rest] * (len(value) - len(before))]
        checks.append(rules.get("minItems", 0) <= len(value) <= rules.get("maxItems", len(value)))
        checks += [valid(part, rule, whole) for part, rule in zip(value, each, strict=False)]
    if isinstance(value, dict):
        named, other = rules.get("properties", {}), rules.get("additionalProperties", True)
        checks.append(set(rules.get("required", ())) <= set(value))
        checks += [
            valid(part, named.get(name, other), whole) if isinstance(named.get(name, other), dict) else bool(other)
            for name, part in value.items()
        ]
    return all(checks)


def readable(document: object) -> bool:
    try:
        read(json.dumps(document).encode())
    except UnreadableError:
        return False
    return True


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document, one of each kind: of lists, the first member stands for all."""
    found = [path]
    members = node.items() if isinstance(node, dict) else enumerate(node[:1]) if isinstance(node, list) else ()
    for name, part in members:
        found += places(part, (*path, name))
    return found


def spoilt(path: tuple[Any, ...], value: object) -> Any:
    document = json.loads(RECORDED)
    node = document
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    return document


def test_a_real_record_is_valid() -> None:
    made = json.loads(schema_text())
    assert valid(json.loads(RECORDED), made, made)


@pytest.mark.parametrize("value", [None, "x", True, {}, "1/2"])
def test_schema_and_reader_agree_on_every_spoilt_place(value: object) -> None:
    """Any value in any place but the free-standing version: what one refuses, the other does too."""
    made = schema()
    paths = [path for path in places(json.loads(RECORDED)) if path]
    documents = [(path, spoilt(path, value)) for path in paths]
    wrong = [path for path, each in documents if valid(each, made, made) != readable(each)]
    assert len(paths) > 150
    assert not wrong


def test_unknown_and_missing_fields_are_refused_by_both() -> None:
    made = schema()
    more = spoilt(("spec", "colour"), "red")
    less = json.loads(RECORDED)
    del less["snapshot"]["observer"]
    assert not any(valid(each, made, made) or readable(each) for each in (more, less))


def test_the_shipped_schema_has_not_drifted() -> None:
    assert json.loads(schema_text()) == schema()


def test_drift_is_shown_and_nothing_written(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(SCRIPT), "--folder", str(tmp_path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert run("--check").returncode == 1
    assert run().returncode == 0
    assert run("--check").returncode == 0
    path = tmp_path / SCHEMA_FILE
    path.write_text(path.read_text().replace('"max_step"', '"most_step"'))
    before = path.read_text()
    checked = run("--check")
    assert checked.returncode == 1
    assert '-        "most_step"' in checked.stdout
    assert "run hack/generate-schema" in checked.stderr
    assert path.read_text() == before

"""One decision with its whole input, as JSON: what the operator records and `leeward decide` reads.

The shape is the core's own dataclasses, read off their type hints: a new field with a default needs no change here.
Everything is exact: fractions are strings such as "3/4", and a number with a point is refused wherever it stands.
Fields are written out even at their default, so that a default that changes later changes no recorded decision.

The version rises when a field is removed, renamed or means something else; a new field with a default does not raise
it. A field that is not known is refused: to leave out part of an input would decide on something else.
"""

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from importlib import resources
from itertools import chain
from typing import Any, Final, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from leeward.api.common import first_problem
from leeward.core.decide import decide
from leeward.core.memory import Memory
from leeward.core.plan import Plan
from leeward.core.snapshot import Snapshot
from leeward.core.spec import ModelSpec

FORMAT: Final = "leeward.dev/decision"
VERSION: Final = 1
SCHEMA_FILE = "decision.v1.schema.json"
MAX_BYTES = 32 << 20

_GZIP = b"\x1f\x8b"
_EXACT = {"type": ["string", "integer"], "pattern": r"^-?[0-9]+(/[0-9]+|\.[0-9]+)?$"}
_LENIENT = ({"type": "number"}, {"type": "string", "format": "fraction"})
_PLANS = TypeAdapter(Plan)


class UnreadableError(ValueError):
    """Not a recorded decision, or one of another version; the message names the place and what to do."""


class Decision(BaseModel):
    """One decision of Leeward's core: plan = decide(spec, snapshot, memory, now_ms). Times are milliseconds."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: Literal["leeward.dev/decision"] = FORMAT
    version: Literal[1] = VERSION
    now_ms: int = Field(description="When it was decided, in milliseconds since 1970 UTC.")
    spec: ModelSpec
    snapshot: Snapshot
    memory: Memory = Field(description="What was remembered of earlier ticks, before this one.")
    plan: Plan | None = Field(default=None, description="What was decided when this was recorded.")

    def redo(self) -> Plan:
        """The plan, decided anew from the input alone."""
        return decide(self.spec, self.snapshot, self.memory, self.now_ms)

    @property
    def made(self) -> Plan:
        """What was decided: the recorded plan, or else one decided now."""
        return self.plan or self.redo()


def written(decision: Decision) -> str:
    """The decision as one line of JSON; the plan, if there is one, comes last.

    Raises:
        PydanticSerializationError: a value is not what its type says, so it could not be read back exactly.
    """
    return decision.model_dump_json(exclude_none=False, warnings="error")


def plan_text(plan: Plan) -> str:
    """A plan as one line of JSON, with the same bytes wherever it is written."""
    return _PLANS.dump_json(plan, warnings="error").decode()


def read(raw: bytes) -> Decision:
    """A decision from its JSON, plain or compressed with gzip.

    Raises:
        UnreadableError: it is none, or not of a version that is known here.
    """
    text = unpacked(raw)
    head = _exact_json(text)
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise UnreadableError(f'this is no recorded decision: it has no "format": "{FORMAT}"')
    version = head.get("version")
    if version != VERSION or isinstance(version, bool):
        newer = isinstance(version, int) and version > VERSION
        raise UnreadableError(
            f"version {version!r} of the format is {'newer than' if newer else 'not'} what this leeward reads "
            f"(version {VERSION}): {'use a newer leeward' if newer else 'record the decision anew'}"
        )
    try:
        return Decision.model_validate_json(text)
    except ValidationError as error:
        raise UnreadableError(_first_error(error)) from error


def unpacked(raw: bytes) -> str:
    """The JSON of a record, which may be compressed with gzip. Raises UnreadableError when it is neither."""
    try:
        if raw.startswith(_GZIP):
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
                raw = packed.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise UnreadableError(f"this is longer than {MAX_BYTES >> 20} MiB, too long for a recorded decision")
        return raw.decode("utf-8")
    except (UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        raise UnreadableError(f"this is neither JSON nor gzip: {error}") from error


def _exact_json(text: str) -> object:
    try:
        return json.loads(text, parse_float=_inexact, parse_constant=_inexact, object_pairs_hook=_unique)
    except UnreadableError:
        raise
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"this is no JSON: {error}") from error


def _inexact(number: str) -> NoReturn:
    raise UnreadableError(f'{number} is not exact: write a fraction as a string, such as "5/2"')


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise UnreadableError(f"the field {twice!r} stands twice in one object: keep one of them")
    return found


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{place} is not known to this leeward: it was recorded by a newer one, or is misspelt"
    return first_problem(error)


def first_difference(recorded: Plan, now: Plan) -> str | None:
    """Where two plans differ first, in words; None when they are the same to the byte."""
    if plan_text(recorded) == plan_text(now):
        return None
    return next(_differences(json.loads(plan_text(recorded)), json.loads(plan_text(now)), "plan"), "the order differs")


def _differences(before: object, now: object, place: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for name in dict.fromkeys(chain(before, now)):
            yield from _differences(before.get(name), now.get(name), f"{place}.{name}")
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, (old, new) in enumerate(zip(before, now, strict=True)):
            yield from _differences(old, new, f"{place}[{index}]")
    elif before != now:
        yield f"{place} was {json.dumps(before)} and is now {json.dumps(now)}"


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the format, made from the core's dataclasses."""
    made: dict[str, Any] = _plain(Decision.model_json_schema())
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://leeward.dev/schemas/{SCHEMA_FILE}",
        "title": "A recorded decision of Leeward",
    }
    return head | made | {"required": ["format", "version", *made["required"]]}


def schema_text() -> str:
    """The schema as the package holds it; hack/generate-schema writes it."""
    return resources.files(__package__).joinpath(SCHEMA_FILE).read_text("utf-8")


def _plain(node: Any) -> Any:
    """Without the titles that repeat each field's name, and with fractions as they may be written."""
    if isinstance(node, list):
        return [_plain(part) for part in node]
    if not isinstance(node, dict):
        return node
    if _LENIENT[1] in node.get("anyOf", ()):
        rest = [part for part in node["anyOf"] if part not in _LENIENT]
        exact = {"anyOf": [_EXACT, *rest]} if rest else _EXACT
        return exact | ({"default": node["default"]} if "default" in node else {})
    return {name: _plain(part) for name, part in node.items() if not (name == "title" and isinstance(part, str))}

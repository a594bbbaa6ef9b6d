"""Durations, decimals and quantities: how they are written in a resource, and what they mean.

The API holds them as strings, since floats have no place in a Kubernetes API and the arithmetic of the core
is exact. Each kind has a type for the models (pattern and length checked) and a function that reads it.
"""

import re
from datetime import datetime
from fractions import Fraction
from typing import Annotated

from pydantic import Field, WithJsonSchema

from leeward.api.markers import rule, rules

DURATION_PATTERN = r"^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?([0-9]{1,5}ms)?$"
DECIMAL_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,9})?$"
QUANTITY_PATTERN = r"^([0-9]{1,15}(\.[0-9]{1,9})?)(m|k|Ki|[MGTPE]i?)?$"

# The rules repeat the patterns, so that the API server adds a sentence to "should match '^(…)$'".
Duration = Annotated[
    str,
    Field(
        min_length=2,
        max_length=32,
        pattern=DURATION_PATTERN,
        json_schema_extra=rules(
            rule(
                f"self.size() < 2 || self.matches(r'{DURATION_PATTERN}')",
                "write a duration as hours, minutes and seconds in this order, such as 90s, 2m or 1h30m",
            )
        ),
    ),
]
"""A length of time such as `90s`, `2m` or `1h30m`."""

_POSITIVE = rule(
    f"self.matches(r'{DECIMAL_PATTERN}') && double(self) > 0.0",
    'write a decimal number above 0 in quotes, such as "2.5"',
)
PositiveDecimal = Annotated[
    str, Field(min_length=1, max_length=20, pattern=DECIMAL_PATTERN, json_schema_extra=rules(_POSITIVE))
]
"""A decimal number above zero, in quotes: `"2.5"`."""

_OPEN_PERCENT = rule(
    f"self.matches(r'{DECIMAL_PATTERN}') && double(self) > 0.0 && double(self) < 100.0",
    'write a percentage above 0 and below 100 in quotes, such as "99.5"; 100 leaves no error budget to judge by',
)
OpenPercent = Annotated[
    str, Field(min_length=1, max_length=20, pattern=DECIMAL_PATTERN, json_schema_extra=rules(_OPEN_PERCENT))
]
"""A percentage above 0 and below 100, in quotes: `"99.5"`."""

Quantity = Annotated[
    int | str,
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 32, "pattern": QUANTITY_PATTERN}),
]
"""An amount as Kubernetes writes it: `8`, `500m`, `64Gi`."""

_UNIT_MS = {"h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_SCALE = {
    "": Fraction(1),
    "m": Fraction(1, 1000),
    "k": Fraction(1000),
    **{letter: Fraction(1000) ** power for power, letter in enumerate("MGTPE", start=2)},
    **{f"{letter}i": Fraction(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}


def duration_ms(text: str) -> int:
    """Whole milliseconds of a duration such as `1h30m`. Raises ValueError for anything else."""
    if not text or not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is no duration: write 90s, 2m or 1h30m")
    return sum(int(count) * _UNIT_MS[unit] for count, unit in re.findall(r"([0-9]+)(ms|h|m|s)", text))


def duration_seconds(text: str) -> Fraction:
    """Seconds of a duration such as `1h30m`, exact. Raises ValueError for anything else."""
    return Fraction(duration_ms(text), 1000)


def parse_decimal(text: str) -> Fraction:
    """Exact value of a decimal such as `2.5`. Signs, exponents and blanks raise ValueError."""
    if not re.fullmatch(DECIMAL_PATTERN, text):
        raise ValueError(f'{text!r} is no decimal number: write digits such as "2.5"')
    return Fraction(text)


def parse_percent(text: str) -> Fraction:
    """Share of one that a percentage above 0 and below 100 means: `99.5` is 199/200. Raises ValueError."""
    share = parse_decimal(text) / 100
    if not 0 < share < 1:
        raise ValueError(f"{text!r} is no percentage above 0 and below 100")
    return share


def parse_quantity(amount: int | str) -> Fraction:
    """Exact value of a Kubernetes quantity: `500m` is 1/2, `1Ki` is 1024. Raises ValueError."""
    match = re.fullmatch(QUANTITY_PATTERN, str(amount))
    if match is None:
        raise ValueError(f"{amount!r} is no quantity: write 8, 500m or 64Gi")
    return Fraction(match[1]) * _SCALE[match[3] or ""]


def decimal_text(value: Fraction, places: int = 1) -> str:
    """A value as the API writes it, rounded to `places`: Fraction(25, 2) is `12.5`, Fraction(3) is `3`."""
    text = f"{float(round(value, places)):.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def moment_ms(text: str) -> int:
    """Milliseconds since 1970 UTC of a time such as `2026-12-24T18:00:00Z`.

    Raises:
        ValueError: it is no time, or says no zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone, such as 2026-12-24T18:00:00Z")
    return round(1000 * moment.timestamp())

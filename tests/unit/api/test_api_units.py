"""Durations, decimals and quantities: what is read, and what is refused."""

from fractions import Fraction

import pytest

from leeward.api.units import (
    decimal_text,
    duration_ms,
    duration_seconds,
    parse_decimal,
    parse_percent,
    parse_quantity,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("90s", 90),
        ("2m", 120),
        ("1h30m", 5400),
        ("1h30m5s", 5405),
        ("250ms", Fraction(1, 4)),
        ("1m250ms", Fraction(241, 4)),
    ],
)
def test_duration(text: str, seconds: Fraction) -> None:
    assert duration_seconds(text) == seconds
    assert duration_ms(text) == seconds * 1000


@pytest.mark.parametrize("text", ["", "5", "m", "-5s", "1.5h", "2 m", "30m1h", "5d", "2m\n", "1e3s", "123456s"])
def test_bad_duration(text: str) -> None:
    with pytest.raises(ValueError, match="write 90s, 2m or 1h30m"):
        duration_seconds(text)


@pytest.mark.parametrize(("text", "value"), [("4", 4), ("2.5", Fraction(5, 2)), ("0.1", Fraction(1, 10)), ("0", 0)])
def test_decimal(text: str, value: Fraction) -> None:
    assert parse_decimal(text) == value


@pytest.mark.parametrize("text", ["", ".5", "5.", "-1", "+1", "1e3", "1/2", " 1", "1\n", "nan", "1,5", "\u0661"])
def test_bad_decimal(text: str) -> None:
    with pytest.raises(ValueError, match="is no decimal number"):
        parse_decimal(text)


def test_percent_is_an_exact_share() -> None:
    assert parse_percent("99.5") == Fraction(199, 200)


@pytest.mark.parametrize("text", ["0", "0.0", "100", "100.0", "250"])
def test_percent_out_of_range(text: str) -> None:
    with pytest.raises(ValueError, match="above 0 and below 100"):
        parse_percent(text)


@pytest.mark.parametrize(
    ("amount", "value"),
    [
        (8, 8),
        ("8", 8),
        ("500m", Fraction(1, 2)),
        ("1Ki", 1024),
        ("1Mi", 2**20),
        ("200Gi", 200 * 2**30),
        ("1k", 1000),
        ("2M", 2_000_000),
        ("1.5G", 1_500_000_000),
        ("1E", 10**18),
    ],
)
def test_quantity(amount: int | str, value: Fraction) -> None:
    assert parse_quantity(amount) == value


@pytest.mark.parametrize("amount", ["", "1KiB", "200 GB", "-1", "1K", "Gi", -1])
def test_bad_quantity(amount: int | str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        parse_quantity(amount)


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (Fraction(25, 2), 1, "12.5"),
        (Fraction(3), 1, "3"),
        (Fraction(1, 3), 2, "0.33"),
        (Fraction(0), 1, "0"),
        (Fraction(100), 0, "100"),
    ],
)
def test_decimal_text(value: Fraction, places: int, text: str) -> None:
    assert decimal_text(value, places) == text

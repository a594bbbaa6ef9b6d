"""Known values of Wilson's interval, computed independently in floating point."""

from fractions import Fraction
from math import sqrt

import pytest

from leeward.core.wilson import lower_bound, upper_bound


@pytest.mark.parametrize(("bad", "total"), [(0, 20), (1, 20), (2, 24), (32, 300), (60, 300), (20, 20), (5, 10_000)])
def test_bounds_agree_with_the_formula(bad: int, total: int) -> None:
    z, p = 1.96, bad / total
    centre, spread = p + z * z / (2 * total), z * sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    assert float(lower_bound(bad, total)) == pytest.approx(max(0.0, (centre - spread) / (1 + z * z / total)), abs=1e-8)
    assert float(upper_bound(bad, total)) == pytest.approx(min(1.0, (centre + spread) / (1 + z * z / total)), abs=1e-8)


def test_nothing_bad_establishes_nothing() -> None:
    assert lower_bound(0, 10**9) == 0


def test_seventy_three_good_samples_exclude_five_percent() -> None:
    assert upper_bound(0, 73) <= Fraction(1, 20) < upper_bound(0, 72)


def test_huge_counts_are_exact() -> None:
    assert abs(lower_bound(2 * 10**40, 10**41) - Fraction(1, 5)) < Fraction(1, 10**9)

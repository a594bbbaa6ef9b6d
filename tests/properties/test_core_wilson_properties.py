"""Wilson's bounds, for every count."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from leeward.core.wilson import lower_bound, upper_bound


@given(st.integers(0, 10**12), st.integers(1, 10**12))
def test_wilson_brackets_the_share(bad: int, total: int) -> None:
    bad = min(bad, total)
    assert 0 <= lower_bound(bad, total) <= Fraction(bad, total) <= upper_bound(bad, total) <= 1


@given(st.integers(0, 5_000), st.integers(1, 5_000))
def test_wilson_is_monotone(bad: int, total: int) -> None:
    bad = min(bad, total)
    if bad < total:
        assert lower_bound(bad, total) < lower_bound(bad + 1, total) or bad == 0
        assert upper_bound(bad, total) <= upper_bound(bad + 1, total)

"""Wilson's bounds, for every count."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from leeward.core.wilson import ROOT_SCALE, lower_bound, reaches, stays_within, upper_bound


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


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.fractions(0, 1, max_denominator=1_000))
def test_asking_for_a_share_is_asking_for_the_bound(bad: int, total: int, share: Fraction) -> None:
    bad = min(bad, total)
    rounded = Fraction(2, ROOT_SCALE)
    lower, upper = lower_bound(bad, total), upper_bound(bad, total)
    if share < 1 and abs(lower - share) > rounded:
        assert reaches(bad, total, share) == (lower >= share)
    if share > 0 and abs(upper - share) > rounded:
        assert stays_within(bad, total, share) == (upper <= share)

"""How bad is a share really, given how few samples it was seen on?

Wilson's score interval (E. B. Wilson, JASA 22, 1927) at z = 1.96: the lower bound is the badness that is
established, the upper bound the badness that cannot be excluded. With k bad of n:

    (k + z²/2 ± z·sqrt(k(n−k)/n + z²/4)) / (n + z²)

Everything is a Fraction except the square root, which is an integer root in units of 10⁻⁹, rounded so that
each bound is never stricter than the truth. No float: readings may be absurdly large, and the same input
must give the same verdict on every machine.
"""

from fractions import Fraction
from math import isqrt

Z_SQUARED = Fraction(196, 100) ** 2
ROOT_SCALE = 10**9


def reaches(bad: int, total: int, share: Fraction) -> bool:
    """Is the lower bound at least `share`, below 1? Exact, and without a root: an interval of Wilson's is a score test
    turned around, so the lower bound of k of n is at least p just when k ≥ np and (k − np)² ≥ z²·n·p·(1 − p).
    """
    return bad * share.denominator >= total * share.numerator and _beyond(bad, total, share)


def stays_within(bad: int, total: int, share: Fraction) -> bool:
    """Is the upper bound at most `share`, above 0? The same test from the other side."""
    return bad * share.denominator <= total * share.numerator and _beyond(bad, total, share)


def _beyond(bad: int, total: int, share: Fraction) -> bool:
    part, whole = share.numerator, share.denominator
    distance = bad * whole - total * part
    return Z_SQUARED.denominator * distance * distance >= Z_SQUARED.numerator * total * part * (whole - part)


def lower_bound(bad: int, total: int) -> Fraction:
    """The share of bad that is established. Needs 0 ≤ bad ≤ total, total > 0."""
    if bad == 0:
        return Fraction(0)
    centre, spread = _centre_and_spread(bad, total)
    return max(Fraction(0), (centre - spread) / (total + Z_SQUARED))


def upper_bound(bad: int, total: int) -> Fraction:
    """The share of bad that cannot be excluded. Needs 0 ≤ bad ≤ total, total > 0."""
    centre, spread = _centre_and_spread(bad, total)
    return min(Fraction(1), (centre + spread) / (total + Z_SQUARED))


def _centre_and_spread(bad: int, total: int) -> tuple[Fraction, Fraction]:
    under_root = Z_SQUARED * Fraction(bad * (total - bad), total) + Z_SQUARED**2 / 4
    root = isqrt(int(under_root * ROOT_SCALE**2)) + 1
    return bad + Z_SQUARED / 2, Fraction(root, ROOT_SCALE)

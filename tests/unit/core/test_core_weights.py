"""Rows and matrices, by example. The invariants are in tests/properties."""

from fractions import Fraction

import pytest

from leeward.core.matrix import Aim, target_rows
from leeward.core.spec import TrafficPolicy
from leeward.core.weights import normalized, round_row, step_row, water_fill

SHARES = {"a": 50, "b": 50, "c": 0}


@pytest.mark.parametrize(
    ("caps", "demand", "load"),
    [
        ((10, 10, 10), 10, (5, 5, 0)),  # one level
        ((4, 10, 10), 10, (4, 6, 0)),  # a is full
        ((4, 4, 10), 10, (4, 4, 2)),  # both full: spill
        ((4, 4, 1), 10, (4, 4, 1)),  # short
        ((0, 10, 0), 8, (0, 8, 0)),
        ((10, 10, 10), 0, (0, 0, 0)),
    ],
)
def test_water_filling(caps: tuple[int, ...], demand: int, load: tuple[int, ...]) -> None:
    by_name = {n: Fraction(cap) for n, cap in zip("abc", caps, strict=True)}
    assert tuple(water_fill(by_name, SHARES, Fraction(demand)).values()) == load


@pytest.mark.parametrize(
    ("exact", "caps", "row"),
    [
        (("100/3", "100/3", "100/3"), None, (34, 33, 33)),
        (("33.4", "33.3", "33.3"), (33, 100, 100), (33, 34, 33)),  # never above its cap
        (("99.7", "0.3", "0"), None, (99, 1, 0)),  # never to nothing by rounding
        (("0", "50", "50"), None, (0, 50, 50)),
        (("60.5", "39.5", "0"), (60, 39, 100), (61, 39, 0)),  # caps do not allow 100
    ],
)
def test_rounding(exact: tuple[str, ...], caps: tuple[int, ...] | None, row: tuple[int, ...]) -> None:
    named = {n: Fraction(x) for n, x in zip("abc", exact, strict=True)}
    assert tuple(round_row(named, caps and dict(zip("abc", caps, strict=True))).values()) == row


@pytest.mark.parametrize(
    ("row", "target", "at_once", "after"),
    [
        ((34, 33, 33), (34, 33, 33), "", (34, 33, 33)),
        ((100, 0, 0), (0, 50, 50), "", (90, 5, 5)),
        ((100, 0, 0), (0, 50, 50), "a", (0, 50, 50)),
        ((34, 33, 33), (0, 50, 50), "a", (0, 50, 50)),
        ((40, 60, 0), (0, 0, 100), "a", (0, 50, 50)),  # 40 at once, and 10 of the others
        ((95, 5, 0), (100, 0, 0), "", (100, 0, 0)),
    ],
)
def test_stepping(row: tuple[int, ...], target: tuple[int, ...], at_once: str, after: tuple[int, ...]) -> None:
    before, goal = dict(zip("abc", row, strict=True)), dict(zip("abc", target, strict=True))
    assert tuple(step_row(before, goal, at_once, 10).values()) == after


def test_rows_are_brought_to_the_regions_of_the_spec() -> None:
    assert normalized({"a": 50, "gone": 50}, "ab") == {"a": 100, "b": 0}
    assert normalized({"gone": 100}, "ab") is None
    assert normalized({"a": -1, "b": 101}, "ab") is None


def aim(policy: TrafficPolicy, usable: tuple[int, ...], demand: tuple[int, ...], held: str = "") -> Aim:
    home = {e: {n: 100 * (n == e) for n in "abc"} for e in "abc"}
    return Aim(
        policy,
        {n: Fraction(u) for n, u in zip("abc", usable, strict=True)},
        {n: Fraction(d) for n, d in zip("abc", demand, strict=True)},
        dict(zip("abc", (34, 33, 33), strict=True)),
        frozenset(held),
        home,
    )


@pytest.mark.parametrize(
    ("usable", "demand", "held", "rows"),
    [
        ((12, 12, 12), (10, 10, 10), "", ((100, 0, 0), (0, 100, 0), (0, 0, 100))),
        ((0, 20, 20), (10, 10, 10), "", ((0, 50, 50), (0, 100, 0), (0, 0, 100))),
        ((5, 20, 20), (10, 10, 10), "", ((50, 25, 25), (0, 100, 0), (0, 0, 100))),
        ((0, 20, 11), (10, 10, 10), "", ((0, 90, 10), (0, 100, 0), (0, 0, 100))),  # c has room for one
        ((0, 10, 10), (10, 10, 10), "", ((0, 50, 50), (0, 100, 0), (0, 0, 100))),  # short: nothing abroad in vain
        ((0, 20, 20), (10, 10, 10), "b", ((0, 0, 100), (0, 100, 0), (0, 0, 100))),  # b is unknown: cannot gain
        ((0, 0, 0), (10, 10, 10), "", ((100, 0, 0), (0, 100, 0), (0, 0, 100))),  # nowhere to go: stay
    ],
)
def test_local_first(usable: tuple, demand: tuple, held: str, rows: tuple) -> None:
    found = target_rows(aim(TrafficPolicy.LOCAL_FIRST, usable, demand, held))
    assert tuple(tuple(row.values()) for row in found.values()) == rows


@pytest.mark.parametrize(
    ("usable", "row"),
    [((20, 20, 20), (34, 33, 33)), ((0, 20, 20), (0, 50, 50)), ((3, 20, 20), (10, 45, 45)), ((0, 10, 30), (0, 33, 67))],
)
def test_shares(usable: tuple, row: tuple) -> None:
    found = target_rows(aim(TrafficPolicy.SHARES, usable, (10, 10, 10)))
    assert {tuple(r.values()) for r in found.values()} == {row}


def test_the_first_ramp_step_is_one_percent() -> None:
    tiny = {"a": Fraction(12, 100), "b": Fraction(20), "c": Fraction(20)}
    for policy in TrafficPolicy:
        wish = aim(policy, (0, 0, 0), (10, 10, 10))
        rows = target_rows(Aim(policy, tiny, wish.demand, wish.shares, wish.held, wish.rows))
        assert rows["a"]["a"] == 1

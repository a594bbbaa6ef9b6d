"""Arithmetic of weights, for every input: section by section what rows and matrices promise."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from leeward.core.matrix import Aim, Rows, target_rows
from leeward.core.spec import TrafficPolicy
from leeward.core.weights import round_row, step_row, water_fill
from leeward.core.wilson import lower_bound, upper_bound

NAMES = ("a", "b", "c", "d", "e")
rates = st.fractions(min_value=0, max_value=1_000, max_denominator=50)
positive = st.fractions(min_value=Fraction(1, 1_000), max_value=1_000, max_denominator=1_000)
share_values = st.integers(0, 100)


@st.composite
def fills(draw: st.DrawFn) -> tuple[dict[str, Fraction], dict[str, int], Fraction]:
    names = NAMES[: draw(st.integers(1, 5))]
    return {n: draw(rates) for n in names}, {n: draw(share_values) for n in names}, draw(rates)


@st.composite
def rows_of_100(draw: st.DrawFn, size: int = 4) -> dict[str, int]:
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=size - 1, max_size=size - 1)))
    edges = [0, *cuts, 100]
    return {n: edges[i + 1] - edges[i] for i, n in enumerate(NAMES[:size])}


@st.composite
def aims(draw: st.DrawFn, holding: bool = True) -> Aim:
    size = draw(st.integers(1, 5))
    names = NAMES[:size]
    rows: Rows = {n: draw(rows_of_100(size)) for n in names}
    held = frozenset(draw(st.lists(st.sampled_from(names), max_size=2))) if holding else frozenset()
    return Aim(
        draw(st.sampled_from(TrafficPolicy)),
        {n: draw(rates) for n in names},
        {n: draw(positive) for n in names},
        {n: draw(share_values) for n in names},
        held,
        rows,
    )


@given(fills())
def test_filling_places_all_that_fits(fill: tuple) -> None:
    caps, shares, demand = fill
    load = water_fill(caps, shares, demand)
    assert all(0 <= load[n] <= caps[n] for n in caps)
    assert sum(load.values()) == min(demand, sum(caps.values()))


@given(fills())
def test_unsaturated_regions_share_one_level(fill: tuple) -> None:
    caps, shares, demand = fill
    load = water_fill(caps, shares, demand)
    levels = {load[n] / shares[n] for n in caps if shares[n] and load[n] < caps[n]}
    assert len(levels) <= 1


@given(fills(), st.sampled_from(NAMES), rates)
def test_more_capacity_never_lowers_its_own_load_nor_raises_another(fill: tuple, name: str, more: Fraction) -> None:
    caps, shares, demand = fill
    if name in caps:
        before, after = water_fill(caps, shares, demand), water_fill(caps | {name: caps[name] + more}, shares, demand)
        assert after[name] >= before[name]
        if sum(caps.values()) >= demand:
            assert all(after[n] <= before[n] for n in caps if n != name)


@given(fills(), rates)
def test_more_demand_lowers_no_load(fill: tuple, more: Fraction) -> None:
    caps, shares, demand = fill
    before, after = water_fill(caps, shares, demand), water_fill(caps, shares, demand + more)
    assert all(after[n] >= before[n] for n in caps)


@given(fills(), positive)
def test_filling_knows_no_units_and_no_order(fill: tuple, unit: Fraction) -> None:
    caps, shares, demand = fill
    load = water_fill(caps, shares, demand)
    scaled = water_fill({n: cap * unit for n, cap in caps.items()}, shares, demand * unit)
    turned = water_fill(dict(reversed(caps.items())), shares, demand)
    assert scaled == {n: x * unit for n, x in load.items()}
    assert turned == load


@given(st.lists(rates, min_size=1, max_size=5), st.integers(1, 100))
def test_rounding_is_exact_and_keeps_zero_and_non_zero(parts: list[Fraction], total: int) -> None:
    whole = sum(parts)
    if whole == 0:
        return
    exact = {n: total * part / whole for n, part in zip(NAMES, parts, strict=False)}
    row = round_row(exact, None, total)
    assert sum(row.values()) == total
    assert all(value >= 0 for value in row.values())
    assert all(row[n] == 0 for n in exact if exact[n] == 0)
    assert total < len(exact) or all(row[n] > 0 for n in exact if exact[n] > 0)
    assert all(abs(row[n] - exact[n]) < len(exact) for n in exact)
    assert round_row(dict(reversed(exact.items())), None, total) == row


@given(fills())
def test_rounding_respects_caps_while_they_allow(fill: tuple) -> None:
    caps, shares, demand = fill
    load = water_fill(caps, shares, demand)
    if demand == 0 or sum(load.values()) < demand:
        return
    limits = {n: int(100 * caps[n] / demand) for n in caps}
    row = round_row({n: 100 * load[n] / demand for n in caps}, limits)
    if sum(limits.values()) >= 100:
        lifted = {n for n in row if load[n] > 0 and limits[n] == 0}  # never to nothing by rounding
        assert all(row[n] <= limits[n] for n in row if n not in lifted)


@given(rows_of_100(), rows_of_100(), st.sets(st.sampled_from(NAMES[:4])), st.integers(1, 100))
def test_a_step(row: dict, target: dict, at_once: set, most: int) -> None:
    after = step_row(row, target, at_once, most)
    drained = sum(max(0, row[n] - target[n]) for n in at_once)
    assert sum(after.values()) == 100
    assert all(min(row[n], target[n]) <= after[n] <= max(row[n], target[n]) for n in row)
    assert all(after[n] <= target[n] for n in at_once if row[n] >= target[n])
    assert sum(max(0, row[n] - after[n]) for n in row) <= drained + most
    assert step_row(target, target, at_once, most) == target


@given(rows_of_100(), rows_of_100(), st.integers(1, 100))
def test_steps_converge_in_time(row: dict, target: dict, most: int) -> None:
    distance = sum(max(0, row[n] - target[n]) for n in row)
    for _ in range(-(-distance // most)):
        row = step_row(row, target, (), most)
    assert row == target


@given(aims())
def test_every_row_sums_to_100_and_held_cells_stay(aim: Aim) -> None:
    for entry, row in target_rows(aim).items():
        assert sum(row.values()) == 100
        assert all(weight >= 0 for weight in row.values())
        assert all(row[name] == aim.rows[entry][name] for name in aim.held)


@given(aims())
def test_no_capacity_no_weight(aim: Aim) -> None:
    free = [n for n, cap in aim.usable.items() if cap > 0 and n not in aim.held]
    for row in target_rows(aim).values() if free else ():
        assert all(row[n] == 0 for n, cap in aim.usable.items() if cap == 0 and n not in aim.held)


@given(aims(holding=False))
def test_columns_stay_within_capacity_but_for_rounding(aim: Aim) -> None:
    """Whole percent cost at most a point of each row."""
    rows, whole = target_rows(aim), sum(aim.demand.values())
    if sum(aim.usable.values()) < whole:
        return
    for name, cap in aim.usable.items():
        load = sum(aim.demand[entry] * row[name] / 100 for entry, row in rows.items())
        assert load <= cap + len(rows) * whole / 100


@given(aims(holding=False))
def test_a_region_with_capacity_and_share_is_used_and_home_comes_first(aim: Aim) -> None:
    rows = target_rows(aim)
    if aim.policy is TrafficPolicy.LOCAL_FIRST and sum(aim.usable.values()) >= sum(aim.demand.values()):
        assert all(rows[n][n] == 100 for n in rows if aim.usable[n] >= aim.demand[n])
        assert all(rows[n][n] >= 1 for n in rows if aim.usable[n] > 0)


@given(aims())
def test_the_order_of_regions_changes_nothing(aim: Aim) -> None:
    turned = Aim(
        aim.policy,
        dict(reversed(aim.usable.items())),
        dict(reversed(aim.demand.items())),
        dict(reversed(aim.shares.items())),
        aim.held,
        {entry: dict(reversed(row.items())) for entry, row in reversed(aim.rows.items())},
    )
    assert target_rows(turned) == target_rows(aim)


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

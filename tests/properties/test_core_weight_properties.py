"""What weights promise, for every input: one test for each promise, from one region to fifty, from tiny to huge."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from leeward.core.matrix import Aim, Rows, target_rows
from leeward.core.placement import Ways, place
from leeward.core.spec import TrafficPolicy
from leeward.core.weights import round_row, step_row, water_fill

Fill = tuple[dict[str, Fraction], dict[str, int], Fraction]

NAMES = tuple(f"r{i:02d}" for i in range(50))
TINY, HUGE = Fraction(1, 10**12), Fraction(10**15)
odd = st.sampled_from((TINY, HUGE, Fraction(1, 3), HUGE / 7))
rates = st.one_of(st.just(Fraction(0)), st.fractions(0, 1_000, max_denominator=50), odd)
positive = st.one_of(st.fractions(Fraction(1, 50), 1_000, max_denominator=50), odd)
share_values = st.one_of(st.integers(0, 100), st.sampled_from((-5, 0, 10**9)))


@st.composite
def fills(draw: st.DrawFn) -> Fill:
    names = NAMES[: draw(st.one_of(st.integers(1, 5), st.integers(1, 50)))]
    caps = draw(st.lists(rates, min_size=len(names), max_size=len(names)))
    shares = draw(st.lists(share_values, min_size=len(names), max_size=len(names)))
    return dict(zip(names, caps, strict=True)), dict(zip(names, shares, strict=True)), draw(rates)


@st.composite
def rows_of_100(draw: st.DrawFn, size: int = 4) -> dict[str, int]:
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=size - 1, max_size=size - 1)))
    edges = [0, *cuts, 100]
    return {n: edges[i + 1] - edges[i] for i, n in enumerate(NAMES[:size])}


@st.composite
def aims(draw: st.DrawFn, holding: bool = True, masked: bool = True) -> Aim:
    size = draw(st.integers(1, 6))
    names = NAMES[:size]
    rows: Rows = {n: draw(rows_of_100(size)) for n in names}
    some = st.sets(st.sampled_from(names), min_size=1).map(frozenset)
    return Aim(
        draw(st.sampled_from(TrafficPolicy)),
        {n: draw(rates) for n in names},
        {n: draw(positive) for n in names},
        {n: draw(share_values) for n in names},
        frozenset(draw(st.lists(st.sampled_from(names), max_size=2))) if holding else frozenset(),
        rows,
        draw(st.dictionaries(st.sampled_from(names), some, max_size=2)) if masked else {},
        draw(st.dictionaries(st.sampled_from(names), st.dictionaries(st.sampled_from(names), st.integers(0, 9)))),
    )


def free_regions(aim: Aim, entry: str) -> list[str]:
    """Regions with capacity to aim at, that may serve the entry."""
    return [n for n, cap in aim.usable.items() if cap > 0 and n not in aim.held and aim.ways.may(entry, n)]


# --- Water-filling ---------------------------------------------------------------------------------------------------


@given(fills())
def test_filling_places_min_of_demand_and_capacity(fill: Fill) -> None:
    caps, shares, demand = fill
    load = water_fill(caps, shares, demand)
    assert all(0 <= load[n] <= caps[n] for n in caps)
    assert sum(load.values()) == min(demand, sum(caps.values()))


@given(fills())
def test_unsaturated_regions_share_one_level(fill: Fill) -> None:
    caps, shares, demand = fill
    load = water_fill(caps, shares, demand)
    levels = {load[n] / shares[n] for n in caps if shares[n] > 0 and load[n] < caps[n]}
    assert len(levels) <= 1


@given(fills(), st.integers(0, 49), rates)
def test_more_capacity_never_lowers_its_own_load(fill: Fill, at: int, more: Fraction) -> None:
    caps, shares, demand = fill
    name = NAMES[at % len(caps)]
    before, after = water_fill(caps, shares, demand), water_fill(caps | {name: caps[name] + more}, shares, demand)
    assert after[name] >= before[name]


@given(fills(), st.integers(0, 49), rates)
def test_more_capacity_never_raises_another_while_all_fits(fill: Fill, at: int, more: Fraction) -> None:
    caps, shares, demand = fill
    demand, name = min(demand, sum(caps.values())), NAMES[at % len(caps)]
    before, after = water_fill(caps, shares, demand), water_fill(caps | {name: caps[name] + more}, shares, demand)
    assert all(after[n] <= before[n] for n in caps if n != name)


@given(fills(), rates)
def test_more_demand_lowers_no_load(fill: Fill, more: Fraction) -> None:
    caps, shares, demand = fill
    before, after = water_fill(caps, shares, demand), water_fill(caps, shares, demand + more)
    assert all(after[n] >= before[n] for n in caps)


@given(fills())
def test_the_order_of_regions_changes_no_load(fill: Fill) -> None:
    caps, shares, demand = fill
    assert water_fill(dict(reversed(caps.items())), shares, demand) == water_fill(caps, shares, demand)


@given(fills(), positive)
def test_the_unit_of_rates_changes_no_load(fill: Fill, unit: Fraction) -> None:
    caps, shares, demand = fill
    scaled = water_fill({n: cap * unit for n, cap in caps.items()}, shares, demand * unit)
    assert scaled == {n: load * unit for n, load in water_fill(caps, shares, demand).items()}


@given(fills())
def test_placing_one_entry_without_distances_is_water_filling(fill: Fill) -> None:
    caps, shares, demand = fill
    loads, left = place({"entry": demand}, caps, Ways(shares, {}, {}))
    assert loads["entry"] == water_fill(caps, shares, demand)
    assert left["entry"] == max(Fraction(0), demand - sum(caps.values()))


# --- Rounding --------------------------------------------------------------------------------------------------------


@given(st.lists(rates, min_size=1, max_size=50), st.integers(1, 100))
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
    assert round_row(dict(reversed(exact.items())), None, total) == row


@given(fills())
def test_no_region_is_rounded_above_its_cap_while_the_caps_allow(fill: Fill) -> None:
    caps, shares, demand = fill
    load = water_fill(caps, shares, demand)
    if demand == 0 or sum(load.values()) < demand:
        return
    limits = {n: int(100 * caps[n] / demand) for n in caps}
    row = round_row({n: 100 * load[n] / demand for n in caps}, limits)
    if sum(min(limit, 100) for limit in limits.values()) >= 100:
        lifted = {n for n in row if load[n] > 0 and limits[n] == 0}  # never to nothing by rounding
        assert all(row[n] <= limits[n] for n in row if n not in lifted)


# --- Steps -----------------------------------------------------------------------------------------------------------

steps = given(rows_of_100(), rows_of_100(), st.sets(st.sampled_from(NAMES[:4])), st.integers(1, 100))


@steps
def test_a_step_stays_between_old_and_target(row: dict, target: dict, at_once: set, most: int) -> None:
    after = step_row(row, target, at_once, most)
    assert sum(after.values()) == 100
    assert all(min(row[n], target[n]) <= after[n] <= max(row[n], target[n]) for n in row)


@steps
def test_a_step_moves_at_most_max_step_beyond_what_is_drained(row: dict, target: dict, at_once: set, most: int) -> None:
    after = step_row(row, target, at_once, most)
    drained = sum(max(0, row[n] - target[n]) for n in at_once)
    assert all(after[n] <= target[n] for n in at_once if row[n] >= target[n])
    assert sum(max(0, row[n] - after[n]) for n in row) <= drained + most


@steps
def test_a_step_at_the_target_is_a_fixed_point(row: dict, target: dict, at_once: set, most: int) -> None:
    assert step_row(target, target, at_once, most) == target


@given(rows_of_100(), rows_of_100(), st.integers(1, 100))
def test_steps_converge_in_the_fewest_possible(row: dict, target: dict, most: int) -> None:
    distance = sum(max(0, row[n] - target[n]) for n in row)
    for _ in range(-(-distance // most)):
        row = step_row(row, target, (), most)
    assert row == target


# --- The matrix ------------------------------------------------------------------------------------------------------


@given(aims())
def test_weights_are_integers_from_zero_that_sum_to_100(aim: Aim) -> None:
    for row in target_rows(aim).values():
        assert sum(row.values()) == 100
        assert all(isinstance(weight, int) and weight >= 0 for weight in row.values())


@given(aims())
def test_held_regions_keep_exactly_what_they_carry(aim: Aim) -> None:
    for entry, row in target_rows(aim).items():
        kept = [name for name in aim.held if aim.ways.may(entry, name)]
        assert not free_regions(aim, entry) or all(row[name] == aim.rows[entry][name] for name in kept)


@given(aims())
def test_no_capacity_no_weight(aim: Aim) -> None:
    for entry, row in target_rows(aim).items():
        if free_regions(aim, entry):
            assert all(row[n] == 0 for n, cap in aim.usable.items() if cap == 0 and n not in aim.held)


@given(aims())
def test_residency_is_never_broken_not_even_when_nobody_else_serves(aim: Aim) -> None:
    for entry, row in target_rows(aim).items():
        assert all(row[name] == 0 for name in row if not aim.ways.may(entry, name))


@given(aims(holding=False, masked=False))
def test_columns_stay_within_capacity_but_for_rounding(aim: Aim) -> None:
    """Whole percent cost at most a point of each row."""
    rows, whole = target_rows(aim), sum(aim.demand.values())
    if sum(aim.usable.values()) < whole:
        return
    for name, cap in aim.usable.items():
        load = sum(aim.demand[entry] * row[name] / 100 for entry, row in rows.items())
        assert load <= cap + len(rows) * whole / 100


@given(aims(holding=False))
def test_placing_keeps_every_capacity_and_leaves_nothing_that_could_be_placed(aim: Aim) -> None:
    """Exactly: what is left over is what a maximum flow leaves over (by its cut: Hall's condition on entries)."""
    loads, left = place(aim.demand, aim.usable, aim.ways)
    for name, cap in aim.usable.items():
        assert sum(row[name] for row in loads.values()) <= cap
    for entry, row in loads.items():
        assert sum(row.values()) + left[entry] == aim.demand[entry]
        assert all(load >= 0 and (load == 0 or aim.ways.may(entry, name)) for name, load in row.items())
    assert sum(left.values()) == max(_excess(aim, chosen) for chosen in range(2 ** len(aim.demand)))


def _excess(aim: Aim, chosen: int) -> Fraction:
    """By how much these entries' demand is above the capacity of all regions that may serve any of them."""
    entries = [entry for bit, entry in enumerate(aim.demand) if chosen >> bit & 1]
    theirs = {name for name in aim.usable for entry in entries if aim.ways.may(entry, name)}
    return sum((aim.demand[e] for e in entries), Fraction(0)) - sum((aim.usable[n] for n in theirs), Fraction(0))


@given(aims(holding=False, masked=False))
def test_home_comes_first_and_whoever_has_room_for_its_own_is_used(aim: Aim) -> None:
    rows = target_rows(aim)
    if aim.policy is TrafficPolicy.LOCAL_FIRST and sum(aim.usable.values()) >= sum(aim.demand.values()):
        assert all(rows[n][n] == 100 for n in rows if aim.usable[n] >= aim.demand[n])
        assert all(rows[n][n] >= 1 for n in rows if 100 * aim.usable[n] >= aim.demand[n])


@given(aims(masked=False))
def test_the_order_of_regions_changes_no_weight(aim: Aim) -> None:
    turned = Aim(
        aim.policy,
        dict(reversed(aim.usable.items())),
        dict(reversed(aim.demand.items())),
        dict(reversed(aim.shares.items())),
        aim.held,
        {entry: dict(reversed(row.items())) for entry, row in reversed(aim.rows.items())},
        aim.allowed,
        aim.distances,
    )
    assert target_rows(turned) == target_rows(aim)


@given(aims(), positive)
def test_the_unit_of_rates_changes_no_weight(aim: Aim, unit: Fraction) -> None:
    scaled = Aim(
        aim.policy,
        {n: cap * unit for n, cap in aim.usable.items()},
        {n: rate * unit for n, rate in aim.demand.items()},
        aim.shares,
        aim.held,
        aim.rows,
        aim.allowed,
        aim.distances,
    )
    assert target_rows(scaled) == target_rows(aim)


palette = st.lists(st.sampled_from((Fraction(0), TINY, Fraction(1, 3), Fraction(40), HUGE)), min_size=50, max_size=50)


@settings(max_examples=15)
@given(st.integers(20, 50), st.sampled_from(TrafficPolicy), palette, palette)
def test_fifty_regions_are_as_sound_as_three(size: int, policy: TrafficPolicy, caps: list, wanted: list) -> None:
    names = NAMES[:size]
    usable = dict(zip(names, caps, strict=False))
    demand = {name: rate + TINY for name, rate in zip(names, wanted, strict=False)}
    rows = {entry: {name: 100 * (name == entry) for name in names} for entry in names}
    for row in target_rows(Aim(policy, usable, demand, dict.fromkeys(names, 2), frozenset(), rows)).values():
        assert sum(row.values()) == 100
        assert not any(usable.values()) or all(row[name] == 0 for name in names if usable[name] == 0)

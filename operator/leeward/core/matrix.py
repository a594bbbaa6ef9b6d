"""The target: W[entry][serving], one row per entry gateway, each row 100.

LocalFirst: entry g keeps min(d_g, U_g) at home, and the excess is placed into the headroom that is left
elsewhere. Shares: all demand is placed into U, so that every row aims at the same division. Placing is
water-filling, nearest first where distances are given, within residency (placement.py).

Held regions (unknown, or failed but kept by a guard) keep in every row exactly what they carry; the rest of
the row is divided over the others as if only the rest of the demand existed. Those that failed keep no more than was
declared, as far as others have room: a full region never comes right. When ΣU < D every U is
stretched by D/ΣU, so that the overload is spread in proportion and nothing is sent abroad in vain; the
gateways refuse what is too much. An entry that may send nowhere keeps its row: nobody else may serve it.

Caps when rounding: under Shares ⌊100·U/D⌋ while all rows are alike; otherwise a running account of each
region's room, since a point of one entry is not a point of another. A region whose part is less than one
point of a row gets a whole point of so many rows as its load needs, its own first: with 16 entries a point of
one row is a sixteenth of a percent of all, which is what lets a ramp begin small.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from leeward.core.placement import Loads, Ways, place
from leeward.core.spec import TrafficPolicy
from leeward.core.weights import lift, normalized, round_row, water_fill

Rows = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Aim:
    """All that a target depends on. `rows` is what is in force; `held` regions keep it, up to `limits` if any.

    `allowed` names, for entries that may not send everywhere, where they may; `distances` order them.
    """

    policy: TrafficPolicy
    usable: Mapping[str, Fraction]
    demand: Mapping[str, Fraction]
    shares: Mapping[str, int]
    held: frozenset[str]
    rows: Rows
    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    distances: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    limits: Mapping[str, Fraction] = field(default_factory=dict)

    @property
    def ways(self) -> Ways:
        near = self.distances if self.policy is TrafficPolicy.LOCAL_FIRST else {}
        return Ways(self.shares, self.allowed, near)


def target_rows(aim: Aim) -> Rows:
    """The target matrix; what is in force where nobody has capacity to aim at."""
    if _all_at_home(aim):
        return {entry: {name: 100 * (name == entry) for name in row} for entry, row in aim.rows.items()}
    free = {name: cap for name, cap in aim.usable.items() if name not in aim.held and cap > 0}
    stuck = {entry for entry in aim.rows if not any(aim.ways.may(entry, name) for name in free)}
    kept = _kept(aim, free, stuck)
    totals = {entry: 100 - sum(kept[entry].values()) for entry in aim.rows if entry not in stuck}
    demand = {entry: aim.demand[entry] * totals[entry] / 100 for entry in totals}
    divided = _divide(aim, free, demand, totals)
    return {
        entry: _at_home(aim, entry)
        if entry in stuck
        else {n: kept[entry].get(n, divided[entry].get(n, 0)) for n in row}
        for entry, row in aim.rows.items()
    }


def _kept(aim: Aim, free: Mapping[str, Fraction], stuck: set[str]) -> Rows:
    """What the held regions keep of each row."""
    kept = {
        entry: {name: row[name] for name in row if name in aim.held and aim.ways.may(entry, name)}
        for entry, row in aim.rows.items()
    }
    moving = [entry for entry in kept if entry not in stuck]
    for name, limit in sorted(aim.limits.items()):
        spare = sum(free.values()) - sum(aim.demand[e] * (100 - sum(kept[e].values())) / 100 for e in moving)
        load = sum((aim.demand[entry] * row.get(name, 0) / 100 for entry, row in kept.items()), Fraction(0))
        excess = min(load - limit, spare)
        for entry in moving if excess > 0 else ():
            if name in kept[entry]:
                kept[entry][name] -= int(kept[entry][name] * excess / load)
    return kept


def _all_at_home(aim: Aim) -> bool:
    """The usual case, and the cheapest: every entry's own region can carry what enters there."""
    if aim.policy is not TrafficPolicy.LOCAL_FIRST or aim.held:
        return False
    usable, demand = aim.usable, aim.demand
    return all(e in usable and 0 < demand[e] <= usable[e] and aim.ways.may(e, e) for e in aim.rows)


def _at_home(aim: Aim, entry: str) -> dict[str, int]:
    """The row of an entry that may send nowhere now: as it is, or to whom it may send at all."""
    row = aim.rows[entry]
    mine = [name for name in row if aim.ways.may(entry, name)]
    if not mine or sum(row[name] for name in mine) == 100:
        return dict(row)
    only = entry if entry in mine else mine[0]
    return normalized({name: row[name] for name in mine}, row) or {name: 100 * (name == only) for name in row}


def _divide(aim: Aim, free: dict[str, Fraction], demand: dict[str, Fraction], totals: dict[str, int]) -> Rows:
    if not free or not totals:
        return {}
    loads = _loads(aim, free, demand)
    points = {entry: totals[entry] / demand[entry] if demand[entry] else Fraction(0) for entry in demand}
    exact = {entry: {name: load * points[entry] for name, load in row.items()} for entry, row in loads.items()}
    alike = aim.policy is TrafficPolicy.SHARES and len({tuple(sorted(row.items())) for row in exact.values()}) == 1
    if alike and len(set(totals.values())) == 1:
        return _round_alike(exact, free, demand, totals)
    return _round_rows(exact, free, demand, totals)


def _loads(aim: Aim, free: dict[str, Fraction], demand: dict[str, Fraction]) -> Loads:
    """Requests per second that each entry should send to each region, all of its demand."""
    usable, whole = sum(free.values(), Fraction(0)), sum(demand.values(), Fraction(0))
    stretch = max(Fraction(1), whole / usable)
    room = {name: cap * stretch for name, cap in free.items()}
    if aim.policy is TrafficPolicy.SHARES and not aim.allowed and whole > 0:  # every entry divides alike
        filled = water_fill(room, aim.shares, whole)
        return {e: {name: load * wanted / whole for name, load in filled.items()} for e, wanted in demand.items()}
    loads, left = place(demand, room, aim.ways, home_first=aim.policy is TrafficPolicy.LOCAL_FIRST)
    for entry, row in loads.items():
        if left[entry] > 0:
            _overload(entry, left[entry], row, free, aim.ways)
    return loads


def _overload(entry: str, left: Fraction, row: dict[str, Fraction], free: Mapping[str, Fraction], ways: Ways) -> None:
    """What nobody who may serve it can carry goes to those who may, in proportion (in place)."""
    mine = {name: cap for name, cap in free.items() if ways.may(entry, name)}
    whole = sum(mine.values(), Fraction(0))
    for name, cap in mine.items():
        row[name] += left * cap / whole


def _round_alike(
    exact: dict[str, dict[str, Fraction]],
    free: dict[str, Fraction],
    demand: dict[str, Fraction],
    totals: dict[str, int],
) -> Rows:
    """Equal rows, but for regions whose part is less than a point."""
    whole = sum(demand.values(), Fraction(0))
    wanted, total = next(iter(exact.values())), next(iter(totals.values()))
    small = {name: part for name, part in wanted.items() if 0 < part < 1}
    scale = Fraction(total) / (total - sum(small.values())) if total > sum(small.values()) else Fraction(0)
    if not total or not scale:
        return {entry: round_row(wanted, None, total) for entry in exact}
    large = {name: part * scale for name, part in wanted.items() if name not in small}
    row = round_row(large, {name: int(total * free[name] / whole) for name in large}, total)
    rows = {entry: row | dict.fromkeys(small, 0) for entry in exact}
    for name in sorted(small):
        _spread_points(name, small[name] * whole, rows, demand)
    return rows


def _spread_points(name: str, load: Fraction, rows: Rows, demand: Mapping[str, Fraction]) -> None:
    """A point of one row after the other, its own first, until they bring `load` (in percent of the demand)."""
    for entry in sorted(rows, key=lambda e: (e != name, demand[e], e)):
        if load <= 0:
            return
        lift(rows[entry], name)
        load -= demand[entry]


def _round_rows(
    exact: dict[str, dict[str, Fraction]],
    free: dict[str, Fraction],
    demand: dict[str, Fraction],
    totals: dict[str, int],
) -> Rows:
    rows = {entry: {name: int(value) for name, value in cells.items()} for entry, cells in exact.items()}
    room = {
        name: cap - sum((demand[e] * rows[e][name] / totals[e] for e in rows if totals[e]), Fraction(0))
        for name, cap in free.items()
    }
    for entry in sorted(rows):
        _hand_out(rows[entry], exact[entry], room, demand[entry], totals[entry])
    for name in sorted(free):
        if not any(row[name] for row in rows.values()):
            largest = min(rows, key=lambda e: (-exact[e][name], e))
            if exact[largest][name] > 0:
                lift(rows[largest], name)
    return rows


def _hand_out(
    row: dict[str, int], exact: dict[str, Fraction], room: dict[str, Fraction], demand: Fraction, total: int
) -> None:
    """The points that rounding down left over: to the largest remainder that has room (in place)."""
    for _ in range(total - sum(row.values()) if total else 0):
        point = demand / total
        wanting = [name for name in row if exact[name] > 0]
        fitting = [name for name in wanting if room[name] >= point] or wanting
        name = min(fitting, key=lambda n: (row[n] - exact[n], n))
        row[name] += 1
        room[name] -= point

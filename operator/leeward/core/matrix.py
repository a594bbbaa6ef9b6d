"""The target: W[entry][serving], one row per entry gateway, each row 100.

LocalFirst: entry g keeps min(d_g, U_g) at home. The excess of all entries together is water-filled over the
headroom that is left elsewhere, and every entry sends its excess in these proportions. Shares: every row
aims at the same division, water-filled over the whole demand.

Held regions (unknown, or failed but kept by a guard) keep in every row exactly what they carry; the rest of
the row is divided over the others as if only the rest of the demand existed. When ΣU < D every U is
stretched by D/ΣU, so that the overload is spread in proportion and nothing is sent abroad in vain; the
gateways refuse what is too much.

Caps when rounding: under Shares ⌊100·U/D⌋; under LocalFirst a running account of each region's room, since
a point of one entry is not a point of another.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from leeward.core.spec import TrafficPolicy
from leeward.core.weights import lift, round_row, water_fill

Rows = dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Aim:
    """All that a target depends on. `rows` is what is in force; `held` regions keep it."""

    policy: TrafficPolicy
    usable: Mapping[str, Fraction]
    demand: Mapping[str, Fraction]
    shares: Mapping[str, int]
    held: frozenset[str]
    rows: Rows


def target_rows(aim: Aim) -> Rows:
    """The target matrix; what is in force where nobody has capacity to aim at."""
    free = {name: cap for name, cap in aim.usable.items() if name not in aim.held and cap > 0}
    if not free:
        return {entry: dict(row) for entry, row in aim.rows.items()}
    totals = {entry: 100 - sum(row[name] for name in aim.held) for entry, row in aim.rows.items()}
    demand = {entry: aim.demand[entry] * totals[entry] / 100 for entry in aim.rows}
    divide = _shares if aim.policy is TrafficPolicy.SHARES else _local_first
    divided = divide(aim, free, demand, totals)
    return {
        entry: {name: row[name] if name in aim.held else divided[entry].get(name, 0) for name in row}
        for entry, row in aim.rows.items()
    }


def _shares(aim: Aim, free: dict[str, Fraction], demand: dict[str, Fraction], totals: dict[str, int]) -> Rows:
    whole = sum(demand.values(), Fraction(0))
    load = water_fill(free, aim.shares, whole)
    carried = sum(load.values(), Fraction(0))
    rows = {}
    for entry, total in totals.items():
        if total == 0 or carried == 0:
            rows[entry] = dict.fromkeys(free, 0)
            continue
        exact = {name: total * load[name] / carried for name in free}
        rows[entry] = round_row(exact, {name: int(total * free[name] / whole) for name in free}, total)
    return rows


def _local_first(aim: Aim, free: dict[str, Fraction], demand: dict[str, Fraction], totals: dict[str, int]) -> Rows:
    usable = sum(free.values(), Fraction(0))
    stretch = max(Fraction(1), sum(demand.values(), Fraction(0)) / usable)
    room = {name: cap * stretch for name, cap in free.items()}
    local = {entry: min(demand[entry], room.get(entry, Fraction(0))) for entry in demand}
    excess = {entry: demand[entry] - local[entry] for entry in demand}
    spread = _spread(aim, room, local, sum(excess.values(), Fraction(0)))
    exact = {}
    for entry, wanted in demand.items():
        cells = {name: excess[entry] * spread[name] for name in free}
        if entry in cells:
            cells[entry] += local[entry]
        scale = Fraction(totals[entry]) / wanted if wanted else Fraction(0)
        exact[entry] = {name: load * scale for name, load in cells.items()}
    return _round_rows(exact, free, demand, totals)


def _spread(aim: Aim, room: dict[str, Fraction], local: dict[str, Fraction], excess: Fraction) -> dict[str, Fraction]:
    """The division of the excess, as shares of one (all zero when there is no excess)."""
    if excess == 0:
        return dict.fromkeys(room, Fraction(0))
    headroom = {name: cap - local.get(name, Fraction(0)) for name, cap in room.items()}
    load = water_fill(headroom, aim.shares, excess)
    return {name: load[name] / excess for name in room}


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

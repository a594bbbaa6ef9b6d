"""Arithmetic of one row: filling, rounding, stepping. Exact: integers and Fractions.

*Water-filling* finds one level θ with x_r = min(U_r, θ·share_r) and Σx = min(D, ΣU): every region that is
not full carries the same multiple of its share. Spill-only regions (share 0) take what is left over, in
proportion to U.

*Rounding* gives whole percent that sum exactly to the row's total, by largest remainder, ties by name. No
region goes above its cap while the caps allow, and a region that should have something never gets nothing.

*Stepping* moves a row towards its target: weight that must leave at once leaves at once, to those who need
it; beyond that at most `max_step` points move. Every cell stays between where it is and where it goes.
"""

from collections.abc import Collection, Mapping
from fractions import Fraction


def water_fill(caps: Mapping[str, Fraction], shares: Mapping[str, int], demand: Fraction) -> dict[str, Fraction]:
    """Load per region: at most its cap, in total min(demand, Σcaps)."""
    load = {name: Fraction(0) for name in caps}
    open_regions = {name: max(0, shares.get(name, 0)) for name in caps if shares.get(name, 0) > 0}
    left = max(Fraction(0), demand)
    while open_regions:
        level = left / sum(open_regions.values())
        full = [name for name, share in open_regions.items() if caps[name] <= level * share]
        if not full:
            return load | {name: level * share for name, share in open_regions.items()}
        for name in full:
            load[name] = max(Fraction(0), caps[name])
            left -= load[name]
            del open_regions[name]
    spill = {name: cap for name, cap in caps.items() if shares.get(name, 0) <= 0 and cap > 0}
    room = sum(spill.values(), Fraction(0))
    if room > 0:
        load |= {name: cap * min(left, room) / room for name, cap in spill.items()}
    return load


def round_row(exact: Mapping[str, Fraction], caps: Mapping[str, int] | None = None, total: int = 100) -> dict[str, int]:
    """Whole percent that sum to `total`, as `exact` must; zero stays zero, non-zero stays non-zero."""
    row = {name: int(value) for name, value in exact.items()}
    wanting = sorted((n for n in exact if exact[n] > 0), key=lambda n: (row[n] - exact[n], n))
    missing = total - sum(row.values())
    while missing > 0 and wanting:
        fitting = [n for n in wanting if caps is None or row[n] < caps.get(n, total)] or wanting
        for name in fitting[:missing]:
            row[name] += 1
        missing -= min(missing, len(fitting))
    for name in sorted(wanting):
        if row[name] == 0:
            lift(row, name)
    return row


def lift(row: dict[str, int], name: str) -> None:
    """Give a region that would round to nothing one point of the largest (in place)."""
    largest = min(row, key=lambda n: (-row[n], n))
    if row[largest] > 1:
        row[largest] -= 1
        row[name] += 1


def step_row(
    row: Mapping[str, int], target: Mapping[str, int], at_once: Collection[str], max_step: int
) -> dict[str, int]:
    """One step from `row` towards `target`; both sum to the same total and have the same regions."""
    losses = {n: row[n] - target[n] for n in row if row[n] > target[n]}
    needs = {n: target[n] - row[n] for n in row if target[n] > row[n]}
    forced = {n: loss for n, loss in losses.items() if n in at_once}
    others = {n: loss for n, loss in losses.items() if n not in at_once}
    budget = min(sum(losses.values()), sum(forced.values()) + max(0, max_step))
    given = forced | _portion(others, budget - sum(forced.values()))
    gained = _portion(needs, budget)
    return {n: row[n] - given.get(n, 0) + gained.get(n, 0) for n in row}


def _portion(amounts: Mapping[str, int], budget: int) -> dict[str, int]:
    """`budget` points divided in proportion to the amounts, none above its amount."""
    whole = sum(amounts.values())
    if budget >= whole:
        return dict(amounts)
    part = {n: a * budget // whole for n, a in amounts.items()}
    order = sorted(amounts, key=lambda n: (-(amounts[n] * budget % whole), n))
    for name in order[: budget - sum(part.values())]:
        part[name] += 1
    return part


def normalized(row: Mapping[str, int], names: Collection[str]) -> dict[str, int] | None:
    """A row over exactly these regions that sums to 100, in proportion; None if there is nothing to go by."""
    kept = {name: row.get(name, 0) for name in names}
    total = sum(kept.values())
    if total <= 0 or any(weight < 0 for weight in row.values()):
        return None
    if total == 100:
        return kept
    return round_row({name: Fraction(100 * weight, total) for name, weight in kept.items()})

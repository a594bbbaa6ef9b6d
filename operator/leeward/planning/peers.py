"""Simpler ways to size a fleet, to compare with: equal regions that survive a loss, and every region twice.

Equal sizing buys on demand, in each region as cheaply as that region allows. With C the capacity of a region, equal
regions need C = max(D/(0.9(n−1)), D/(0.75n)); where a quota caps some of them, the others share one common level.
"""

from collections.abc import Sequence
from fractions import Fraction

from leeward.planning.problem import Lot, Need, Problem, lots, needs
from leeward.planning.solve import Placement, minimise


def equal(problem: Problem, seconds: float) -> Placement | None:
    """All regions the same, able to lose what must be survived; None where quotas do not allow it."""
    offered = lots(problem)
    firm = [i for i, lot in enumerate(offered) if not lot.offer.spot]
    wanted = [
        Need(need.name, tuple(i for i in need.lots if i in set(firm)), need.rate, need.utilization, need.lost)
        for need in needs(problem, offered)
    ]
    most = {r.name: _most(offered, firm, r.name) for r in problem.regions}
    levels = [common_level([most[name] for name in most if name not in need.lost], need.capacity) for need in wanted]
    if None in levels:
        return None
    level = max(level for level in levels if level is not None)
    return _bought(problem, offered, firm, {name: min(level, most[name]) for name in most}, tuple(wanted), seconds)


def doubled(problem: Problem, seconds: float) -> Placement | None:
    """Each region with twice its equal part of the demand; None where quotas do not allow it."""
    offered = lots(problem)
    firm = [i for i, lot in enumerate(offered) if not lot.offer.spot]
    normal = Fraction(problem.utilization.normal, 100)
    level = 2 * problem.demand / normal / len(problem.regions)
    if any(_most(offered, firm, region.name) < level for region in problem.regions):
        return None
    return _bought(problem, offered, firm, {r.name: level for r in problem.regions}, needs(problem, offered), seconds)


def common_level(most: Sequence[Fraction], wanted: Fraction) -> Fraction | None:
    """The least level with Σ min(level, most) ≥ wanted; None if there is none."""
    left = wanted
    for at, each in enumerate(sorted(most)):
        if left <= each * (len(most) - at):
            return left / (len(most) - at)
        left -= each
    return None


def _most(offered: Sequence[Lot], firm: Sequence[int], region: str) -> Fraction:
    return sum((offered[i].rate * offered[i].most for i in firm if offered[i].region == region), Fraction(0))


def _bought(
    problem: Problem,
    offered: tuple[Lot, ...],
    firm: Sequence[int],
    capacity: dict[str, Fraction],
    wanted: tuple[Need, ...],
    seconds: float,
) -> Placement:
    """The cheapest on-demand replicas that give each region its capacity."""
    replicas, proven, bound = [0] * len(offered), True, Fraction(0)
    for region in problem.regions:
        mine = [i for i in firm if offered[i].region == region.name]
        part = tuple(offered[i] for i in mine)
        need = Need(region.name, tuple(range(len(mine))), capacity[region.name], Fraction(1))
        held = min(region.min_replicas, sum(lot.most for lot in part))
        found, sure, least = minimise(part, (need,), {region.name: held}, seconds)
        for i, n in zip(mine, found, strict=True):
            replicas[i] = n
        proven, bound = proven and sure, bound + least
    return Placement(offered, tuple(replicas), wanted, proven, bound)

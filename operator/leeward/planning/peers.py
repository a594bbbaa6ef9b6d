"""Simpler ways to size a fleet, to compare with: equal regions that survive a loss, and every region twice.

Both buy on demand, in each region as cheaply as that region allows. With C the capacity of a region, equal regions need
C = max(D/(0.9(n−1)), D/(0.75n)); where a quota caps some of them, the others share one common level.
"""

from collections.abc import Sequence
from fractions import Fraction

from leeward.core.weights import water_fill
from leeward.planning.problem import Lot, Need, Problem, lots, needs
from leeward.planning.solve import Placement, minimise


def equal(problem: Problem, seconds: float) -> Placement | None:
    """All regions the same, able to lose what must be survived; None where quotas do not allow it."""
    offered = _on_demand(problem)
    most = _most(problem, offered)
    levels = [
        common_level([most[name] for name in most if name not in need.lost], need.capacity)
        for need in needs(problem, offered)
    ]
    if None in levels:
        return None
    level = max(level for level in levels if level is not None)
    return _bought(problem, offered, {name: min(level, most[name]) for name in most}, seconds)


def doubled(problem: Problem, seconds: float) -> Placement | None:
    """Each region with twice its equal part of the demand; None where quotas do not allow it."""
    offered = _on_demand(problem)
    most = _most(problem, offered)
    level = 2 * problem.demand / Fraction(problem.utilization.normal, 100) / len(most)
    if min(most.values()) < level:
        return None
    return _bought(problem, offered, dict.fromkeys(most, level), seconds)


def common_level(most: Sequence[Fraction], wanted: Fraction) -> Fraction | None:
    """The least level with Σ min(level, most) ≥ wanted; None if there is none."""
    caps = {str(at): each for at, each in enumerate(most)}
    filled = water_fill(caps, dict.fromkeys(caps, 1), wanted)
    return max(filled.values(), default=Fraction(0)) if sum(filled.values()) >= wanted else None


def _on_demand(problem: Problem) -> tuple[Lot, ...]:
    return tuple(lot for lot in lots(problem) if not lot.offer.spot)


def _most(problem: Problem, offered: Sequence[Lot]) -> dict[str, Fraction]:
    """All that each region offers, in requests per second."""
    return {
        region.name: sum((lot.rate * lot.most for lot in offered if lot.region == region.name), Fraction(0))
        for region in problem.regions
    }


def _bought(problem: Problem, offered: tuple[Lot, ...], capacity: dict[str, Fraction], seconds: float) -> Placement:
    """The cheapest replicas that give each region its capacity."""
    inside = {name: tuple(i for i, lot in enumerate(offered) if lot.region == name) for name in capacity}
    wanted = tuple(Need(name, inside[name], rate, Fraction(1)) for name, rate in capacity.items())
    least = {r.name: min(r.min_replicas, sum(offered[i].most for i in inside[r.name])) for r in problem.regions}
    replicas, proven, bound = minimise(offered, wanted, least, seconds)
    return Placement(offered, replicas, wanted, proven, bound)

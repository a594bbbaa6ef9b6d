"""The cheapest placement, as an integer program for HiGHS (Huangfu and Hall 2018, doi:10.1007/s12532-017-0130-5).

    minimise   Σ price · n        n: replicas by lot, integers from 0 to what the quota allows
    such that  Σ rate · n ≥ D/u   with all regions, and without each that may be lost (on-demand lots only)
               Σ n ≥ minimum      in each region

Every need grows with every n, so a problem can be solved exactly if buying all that there is would do; what is short
then is told without a solver. Rates and needs are brought to integers before they become floats: an answer within
HiGHS's tolerance of 1e-6 is then right to the last replica, which is checked in Fractions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import highspy

from leeward.planning.problem import Lot, Need, Problem, lots, needs


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A need that cannot be met with all that is offered, in requests per second of demand."""

    name: str
    carried: Fraction
    wanted: Fraction


@dataclass(frozen=True, slots=True)
class Placement:
    """Replicas for every lot. `proven`: nothing cheaper exists; else the least price that could be is `bound`."""

    lots: tuple[Lot, ...]
    replicas: tuple[int, ...]
    needs: tuple[Need, ...]
    proven: bool
    bound: Fraction

    @property
    def price(self) -> Fraction:
        """For an hour."""
        return sum((lot.price * n for lot, n in zip(self.lots, self.replicas, strict=True)), Fraction(0))

    def capacity(self, need: Need) -> Fraction:
        """Declared capacity for a need, in requests per second."""
        return sum((self.lots[i].rate * self.replicas[i] for i in need.lots), Fraction(0))


class SolverError(RuntimeError):
    """HiGHS ended without an answer; the message says how."""


def shortfalls(problem: Problem) -> list[Shortfall]:
    """What is short even if all that is offered were bought; empty if the problem has a solution."""
    offered = lots(problem)
    found = []
    for need in needs(problem, offered):
        most = sum((offered[i].rate * offered[i].most for i in need.lots), Fraction(0))
        if most < need.capacity:
            found.append(Shortfall(need.name, most * need.utilization, need.rate))
    return found


def crowded(problem: Problem) -> list[str]:
    """Regions whose quotas do not hold their least number of replicas."""
    offered = lots(problem)
    room = {r.name: sum(lot.most for lot in offered if lot.region == r.name) for r in problem.regions}
    return [r.name for r in problem.regions if room[r.name] < r.min_replicas]


def cheapest(problem: Problem, seconds: float) -> Placement:
    """The cheapest placement of a problem that has one, or the best that is found within so many seconds.

    Raises:
        SolverError: no placement was found in that time.
    """
    offered = lots(problem)
    wanted = needs(problem, offered)
    minimums = {region.name: region.min_replicas for region in problem.regions}
    replicas, proven, bound = minimise(offered, wanted, minimums, seconds)
    return Placement(offered, replicas, wanted, proven, bound)


def minimise(
    offered: Sequence[Lot], wanted: Sequence[Need], minimums: dict[str, int], seconds: float
) -> tuple[tuple[int, ...], bool, Fraction]:
    """Replicas by lot, whether they are proven to be cheapest, and the least price that could be.

    Raises:
        SolverError: there is no answer, or none in that time.
    """
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("time_limit", seconds)
    model.setOptionValue("mip_rel_gap", 0.0)
    model.HandleKeyboardInterrupt = True
    integer = highspy.HighsVarType.kInteger
    count = [model.addVariable(0, lot.most, obj=float(lot.price), type=integer) for lot in offered]
    for need in wanted:
        factors, least = _integers([offered[i].rate for i in need.lots], need.capacity)
        if least > 0:
            model.addConstr(model.qsum(f * count[i] for f, i in zip(factors, need.lots, strict=True)) >= least)
    for region, least in minimums.items():
        mine = [count[i] for i, lot in enumerate(offered) if lot.region == region]
        if least > 0:
            model.addConstr(model.qsum(mine) >= least)
    model.minimize()
    status, info = model.getModelStatus(), model.getInfo()
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        raise SolverError(f"no placement was found in {seconds:g} s ({model.modelStatusToString(status)})")
    replicas = tuple(round(value) for value in model.vals(count))
    _check(offered, wanted, replicas)
    return replicas, status == highspy.HighsModelStatus.kOptimal, Fraction(info.mip_dual_bound)


def _integers(rates: Sequence[Fraction], capacity: Fraction) -> tuple[list[int], int]:
    """The same inequality in integers: Σ f · n ≥ least."""
    scale = math.lcm(*(rate.denominator for rate in rates)) if rates else 1
    factors = [int(rate * scale) for rate in rates]
    common = math.gcd(*factors) or 1
    return [factor // common for factor in factors], math.ceil(capacity * scale / common)


def _check(offered: Sequence[Lot], wanted: Sequence[Need], replicas: Sequence[int]) -> None:
    for need in wanted:
        if sum((offered[i].rate * replicas[i] for i in need.lots), Fraction(0)) < need.capacity:
            raise SolverError(f"the solver's answer does not hold {need.name}: please report this file")

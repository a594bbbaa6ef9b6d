"""What each region can carry, and what of the demand that leaves.

    U_r = utilisation × ready × requests/s per replica (declared, or learned) × health factor × ramp

utilisation is the target (75 %) while that suffices. When ΣU < D the fleet is strained, and gives way in
this order: run at 90 %; count degraded regions as whole (and ramps bake for a quarter of the time, see
turns.py). What is still missing is the shortage, a number: load beyond declared capacity is refused by the
gateways, never piled on.

A degraded region's factor is twice its score, between one half and one: it counts as whole down to a score
of one half, so that the noise which now and then degrades a region moves no weight. A failed region that a
guard keeps in traffic counts like that too, because it carries what it carries. `ready` is the last positive
count: a region that is seen without a replica while it answers is an API server's mistake, and one that does
not answer has failed, which is a verdict and no matter of capacity.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from leeward.core.demand import MARGIN, entry_demand
from leeward.core.learning import rate_per_replica
from leeward.core.memory import RegionMemory
from leeward.core.phases import OUT_OF_TRAFFIC, Phase
from leeward.core.placement import Ways, place
from leeward.core.spec import ModelSpec, RegionSpec
from leeward.core.verdict import Verdict

STRAINED_UTILIZATION = Fraction(9, 10)
LEAST_DEGRADED = Fraction(1, 2)
STAGES = ("", "at 90 %", "at 90 %, degraded ones counted as whole")
LAST_STAGE = len(STAGES) - 1


@dataclass(frozen=True, slots=True)
class Outlook:
    """Capacity against demand, in requests per second. `strain` says what had to give way, if anything."""

    usable: dict[str, Fraction]
    demand: dict[str, Fraction]
    strain: str
    shortage: Fraction


def look_ahead(
    spec: ModelSpec,
    regions: Mapping[str, RegionMemory],
    scores: Mapping[str, Fraction | None],
    demand: dict[str, Fraction],
) -> Outlook:
    """The first stage that carries the demand, or the last one and the shortage."""
    usable: dict[str, Fraction] = {}
    for stage, strain in enumerate(STAGES):
        usable = {r.name: _usable(spec, r, regions[r.name], scores[r.name], stage) for r in spec.regions}
        if short(spec, usable, demand) == 0:
            return Outlook(usable, demand, strain, Fraction(0))
    return Outlook(usable, demand, STAGES[LAST_STAGE], short(spec, usable, demand))


def residency(spec: ModelSpec) -> dict[str, frozenset[str]]:
    """For every entry that may not send everywhere: where it may."""
    return {r.name: frozenset(r.served_by) for r in spec.regions if r.served_by is not None}


def short(spec: ModelSpec, usable: Mapping[str, Fraction], demand: Mapping[str, Fraction]) -> Fraction:
    """Requests per second that nobody who may serve them can carry."""
    allowed = residency(spec)
    if not allowed:
        return max(Fraction(0), sum(demand.values(), Fraction(0)) - sum(usable.values(), Fraction(0)))
    ways = Ways({r.name: r.share for r in spec.regions}, allowed, {})
    return sum(place(demand, usable, ways)[1].values(), Fraction(0))


def without(
    spec: ModelSpec, regions: Mapping[str, RegionMemory], carried: Mapping[str, Fraction], name: str
) -> tuple[Fraction, Fraction]:
    """If a region were left: what the others would refuse (at 100 %), and what they would lack (at 90 %, D).

    `carried` is the load of each region now; those that are unknown or failed cannot take more than that.
    """
    demand = entry_demand(spec, regions)
    most = {r.name: _most_without(spec, r, regions[r.name], carried, name) for r in spec.regions}
    strained = {n: min(cap, cap * STRAINED_UTILIZATION) if _may_gain(regions[n]) else cap for n, cap in most.items()}
    bare = {entry: wanted / MARGIN for entry, wanted in demand.items()}
    return short(spec, most, bare), short(spec, strained, demand)


def _most_without(
    spec: ModelSpec, region: RegionSpec, memory: RegionMemory, carried: Mapping[str, Fraction], name: str
) -> Fraction:
    if region.name == name or memory.phase in OUT_OF_TRAFFIC:
        return Fraction(0)
    return full_capacity(spec, region, memory) if _may_gain(memory) else carried[region.name]


def _may_gain(memory: RegionMemory) -> bool:
    return memory.verdict in (Verdict.HEALTHY, Verdict.DEGRADED)


def full_capacity(spec: ModelSpec, region: RegionSpec, memory: RegionMemory) -> Fraction:
    """C: what the ready replicas carry when they are full; those of the minimum where no count was ever read."""
    replicas = region.replicas_min if memory.ready_known is None else memory.ready_known
    return max(0, replicas) * rate_per_replica(spec, memory)


def _usable(spec: ModelSpec, region: RegionSpec, memory: RegionMemory, score: Fraction | None, stage: int) -> Fraction:
    if memory.phase in OUT_OF_TRAFFIC:
        return Fraction(0)
    target = min(max(spec.capacity.target_utilization, Fraction(0)), Fraction(1))
    usable = full_capacity(spec, region, memory) * (target if stage < 1 else max(target, STRAINED_UTILIZATION))
    if memory.phase is Phase.RECOVERING:
        usable *= Fraction(ramp_percent(spec, memory), 100)
    if memory.verdict in (Verdict.DEGRADED, Verdict.FAILED) and stage < LAST_STAGE:
        usable *= min(Fraction(1), max(LEAST_DEGRADED, 2 * (score or Fraction(0))))
    return usable


def ramp_steps(spec: ModelSpec) -> tuple[int, ...]:
    """The ramp's steps, each 1 to 100 %, ending with 100."""
    steps = tuple(min(max(step, 1), 100) for step in spec.failback.steps)
    return steps if steps and steps[-1] == 100 else (*steps, 100)


def ramp_percent(spec: ModelSpec, memory: RegionMemory) -> int:
    """The ramp step in force, in percent of normal usable capacity."""
    steps = ramp_steps(spec)
    return steps[min(memory.step, len(steps) - 1)]


def may_serve(memory: RegionMemory) -> bool:
    """In traffic, and not failed."""
    return memory.phase not in OUT_OF_TRAFFIC and memory.verdict is not Verdict.FAILED


def shown(value: Fraction) -> str:
    """A rate with at most one decimal, rounded down."""
    tenths = int(value * 10)
    return f"{tenths // 10}.{tenths % 10}" if tenths % 10 else f"{tenths // 10}"


def signed(value: Fraction) -> str:
    """The same with its sign."""
    return f"-{shown(-value)}" if value < 0 else f"+{shown(value)}"

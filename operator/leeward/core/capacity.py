"""What each region can carry, whether the fleet survives a loss, and how many replicas that takes.

    U_r = utilisation × ready × requests/s per replica × health factor × ramp

utilisation is the target (75 %) while that suffices. When ΣU < D the fleet is strained, and gives way in
this order: run at 90 %; count degraded regions as whole (and ramps bake for a quarter of the time, see
turns.py). What is still missing is the shortage, a number: load beyond declared capacity is refused by the
gateways, never piled on.

A degraded region's factor is twice its score, between one half and one: it counts as whole down to a score
of one half, so that the noise which now and then degrades a region moves no weight. A failed region that a
guard keeps in traffic counts like that too, because it carries what it carries. `ready` is the last positive
count: a region that is seen without a replica while it answers is an API server's mistake, and one that does
not answer has failed, which is a verdict and no matter of capacity.

Survivable, with C = ready × rate: ΣC − max C ≥ D/0.9 and ΣC ≥ D/0.75, leaving out each region (or each
value of a failure domain) in turn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from leeward.core.demand import MARGIN, entry_demand
from leeward.core.memory import RegionMemory
from leeward.core.phases import OUT_OF_TRAFFIC, Phase
from leeward.core.placement import Ways, place
from leeward.core.spec import ModelSpec, RegionSpec
from leeward.core.verdict import Verdict
from leeward.core.weights import water_fill

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
        if _short(spec, usable, demand) == 0:
            return Outlook(usable, demand, strain, Fraction(0))
    return Outlook(usable, demand, STAGES[LAST_STAGE], _short(spec, usable, demand))


def residency(spec: ModelSpec) -> dict[str, frozenset[str]]:
    """For every entry that may not send everywhere: where it may."""
    return {r.name: frozenset(r.served_by) for r in spec.regions if r.served_by is not None}


def _short(spec: ModelSpec, usable: Mapping[str, Fraction], demand: Mapping[str, Fraction]) -> Fraction:
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
    return _short(spec, most, bare), _short(spec, strained, demand)


def _most_without(
    spec: ModelSpec, region: RegionSpec, memory: RegionMemory, carried: Mapping[str, Fraction], name: str
) -> Fraction:
    if region.name == name or memory.phase in OUT_OF_TRAFFIC:
        return Fraction(0)
    return declared(spec, region, memory) if _may_gain(memory) else carried[region.name]


def _may_gain(memory: RegionMemory) -> bool:
    return memory.verdict in (Verdict.HEALTHY, Verdict.DEGRADED)


def declared(spec: ModelSpec, region: RegionSpec, memory: RegionMemory) -> Fraction:
    """C: what the ready replicas are declared to carry; the minimum where no count was ever read."""
    replicas = region.replicas_min if memory.ready_known is None else memory.ready_known
    return max(0, replicas) * max(Fraction(0), spec.capacity.requests_per_second_per_replica)


def _usable(spec: ModelSpec, region: RegionSpec, memory: RegionMemory, score: Fraction | None, stage: int) -> Fraction:
    if memory.phase in OUT_OF_TRAFFIC:
        return Fraction(0)
    target = min(max(spec.capacity.target_utilization, Fraction(0)), Fraction(1))
    usable = declared(spec, region, memory) * (target if stage < 1 else max(target, STRAINED_UTILIZATION))
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


def survivable(spec: ModelSpec, regions: Mapping[str, RegionMemory], demand: dict[str, Fraction]) -> tuple[bool, str]:
    """Would demand still fit if any one region (or failure domain) were lost? And why, in numbers."""
    serving = {
        r.name: declared(spec, r, regions[r.name])
        for r in spec.regions
        if regions[r.name].phase is Phase.ACTIVE and regions[r.name].verdict is not Verdict.FAILED
    }
    total, needed = sum(serving.values(), Fraction(0)), sum(demand.values(), Fraction(0))
    if spec.survive == "None":
        return True, "not asked to survive a loss"
    if total < needed / Fraction(3, 4):
        return False, f"{shown(total)} requests/s are too few for {shown(needed)} at 75 %, without any loss"
    left, loss = min(
        (
            (total - sum((serving.get(n, Fraction(0)) for n in names), Fraction(0)), lost)
            for lost, names in _losses(spec).items()
        ),
        default=(total, "nothing"),
    )
    verb = "leaves" if left >= needed / STRAINED_UTILIZATION else "leaves only"
    sentence = f"losing {loss} {verb} {shown(left)} requests/s for {shown(needed)}"
    return left >= needed / STRAINED_UTILIZATION, sentence


def _losses(spec: ModelSpec) -> dict[str, list[str]]:
    """What can be lost, and the regions that go with it."""
    losses: dict[str, list[str]] = {}
    for region in spec.regions:
        value = dict(region.failure_domains).get(spec.survive)
        lost = region.name if spec.survive == "Region" or value is None else f"{spec.survive} {value}"
        losses.setdefault(lost, []).append(region.name)
    return losses


def wanted_replicas(
    spec: ModelSpec, regions: Mapping[str, RegionMemory], demand: dict[str, Fraction], now_ms: int
) -> dict[str, int]:
    """Replicas per region: the minimum, raised where the serving regions' minima do not carry the demand.

    Fewer only when all regions have been active, and the number unchanged, for scale_down_after_ms.
    """
    needed = _needed_replicas(spec, regions, demand)
    calm_since = max((max(m.phase_since_ms, m.replicas_at_ms) for m in regions.values()), default=now_ms)
    calm = now_ms - calm_since >= spec.capacity.scale_down_after_ms
    may_shrink = calm and all(m.phase is Phase.ACTIVE for m in regions.values())
    return {
        r.name: _bounded(r, needed[r.name] if may_shrink else max(needed[r.name], regions[r.name].replicas))
        for r in spec.regions
    }


def _needed_replicas(
    spec: ModelSpec, regions: Mapping[str, RegionMemory], demand: dict[str, Fraction]
) -> dict[str, int]:
    rate = spec.capacity.requests_per_second_per_replica * spec.capacity.target_utilization
    total = sum(demand.values(), Fraction(0))
    serving = [r for r in spec.regions if _may_grow(regions[r.name])]
    needed = {r.name: r.replicas_min for r in spec.regions}
    if rate <= 0 or sum((max(0, r.replicas_min) for r in serving), 0) * rate >= total:
        return needed
    most = {r.name: max(0, r.replicas_max) * rate for r in serving}
    for name, load in water_fill(most, {r.name: r.share for r in serving}, total).items():
        needed[name] = max(needed[name], -(-load // rate))
    return needed


def _may_grow(memory: RegionMemory) -> bool:
    return memory.phase not in OUT_OF_TRAFFIC and memory.verdict is not Verdict.FAILED


def _bounded(region: RegionSpec, replicas: int) -> int:
    return max(region.replicas_min, min(replicas, max(region.replicas_min, region.replicas_max)))


def shown(value: Fraction) -> str:
    """A rate with at most one decimal, rounded down."""
    tenths = int(value * 10)
    return f"{tenths // 10}.{tenths % 10}" if tenths % 10 else f"{tenths // 10}"

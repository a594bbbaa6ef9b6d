"""Would the rest carry the demand if something were lost? And how many replicas that takes.

With C = ready × rate, D the demand, for every single loss g (a region, or all regions of a failure domain):

    Σ_{r∉g} C_r ≥ D/0.9    and    ΣC ≥ D/0.75

The *margin* of a loss is what the rest could carry beyond D (at 90 %), in requests per second; where residency leaves
some of it to nobody, it is what is lacking, and negative.

Replicas: the shares carry D/0.75; then, for each loss, the rest is raised to one common level until it carries D/0.9.
For equal regions that is C = max(D/(0.9(n−1)), D/(0.75n)); regions at their maximum stay there and the others carry
more. What is asked beyond D/0.75 is the *reserve*: running replicas, warm nodes, or none, as the team chose. While a
region is out, that loss has happened: the others are brought to D/0.75, and no reserve for a second one is built.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from leeward.core.capacity import STRAINED_UTILIZATION, full_capacity, may_serve, residency, short, shown
from leeward.core.learning import rate_per_replica
from leeward.core.memory import RegionMemory
from leeward.core.phases import Phase
from leeward.core.spec import ModelSpec, RegionSpec, Standby
from leeward.core.verdict import Verdict
from leeward.core.weights import water_fill

NORMAL_UTILIZATION = Fraction(3, 4)
HYSTERESIS = Fraction(11, 10)
ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Survival:
    """`margins` are of every single loss there could be; `margin` is the worst of those that must be survived."""

    survives: bool
    reason: str
    margin: Fraction | None
    margins: tuple[tuple[str, Fraction], ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Replicas to run in a region, and further ones to keep nodes warm for."""

    replicas: int
    standby: int = 0


def survival(spec: ModelSpec, regions: Mapping[str, RegionMemory], demand: Mapping[str, Fraction]) -> Survival:
    """Prove it, for every region and every failure domain."""
    serving = {
        r.name: full_capacity(spec, r, regions[r.name])
        for r in spec.regions
        if regions[r.name].phase is Phase.ACTIVE and regions[r.name].verdict is not Verdict.FAILED
    }
    total, needed = sum(serving.values(), ZERO), sum(demand.values(), ZERO)
    margins = {lost: _margin(spec, serving, demand, names) for lost, names in every_loss(spec).items()}
    told = tuple(margins.items())
    if spec.survive == "None" or not spec.regions:
        return Survival(True, "not asked to survive a loss", None, told)
    if total < needed / NORMAL_UTILIZATION:
        sentence = f"{shown(total)} requests/s are too few for {shown(needed)} at 75 %, without any loss"
        return Survival(False, sentence, total * NORMAL_UTILIZATION - needed, told)
    asked = losses(spec, spec.survive)
    worst = min(asked, key=lambda lost: margins[lost])
    left = total - sum((serving.get(name, ZERO) for name in asked[worst]), ZERO)
    verb = "leaves" if margins[worst] >= 0 else "leaves only"
    spare = f"{shown(margins[worst])} to spare" if margins[worst] >= 0 else f"{shown(-margins[worst])} short"
    sentence = f"losing {worst} {verb} {shown(left)} requests/s for {shown(needed)}: {spare} at 90 %"
    return Survival(margins[worst] >= 0, sentence, margins[worst], told)


def _margin(
    spec: ModelSpec, serving: Mapping[str, Fraction], demand: Mapping[str, Fraction], lost: Iterable[str]
) -> Fraction:
    gone = set(lost)
    left = {r.name: ZERO if r.name in gone else serving.get(r.name, ZERO) * STRAINED_UTILIZATION for r in spec.regions}
    lacking = short(spec, left, demand) if residency(spec) else ZERO
    return -lacking if lacking else sum(left.values(), ZERO) - sum(demand.values(), ZERO)


def losses(spec: ModelSpec, key: str) -> dict[str, list[str]]:
    """What can be lost, by region or by the values of a failure-domain key, and the regions that go with it."""
    found: dict[str, list[str]] = {}
    for region in spec.regions:
        value = dict(region.failure_domains).get(key)
        lost = region.name if key == "Region" or value is None else f"{key} {value}"
        found.setdefault(lost, []).append(region.name)
    return found


def every_loss(spec: ModelSpec) -> dict[str, list[str]]:
    """Every region, and every value of every failure-domain key that any region has."""
    keys = dict.fromkeys(key for region in spec.regions for key, _ in region.failure_domains)
    found = losses(spec, "Region")
    for key in keys:
        found |= losses(spec, key)
    return found


def wanted_sizes(
    spec: ModelSpec, regions: Mapping[str, RegionMemory], demand: Mapping[str, Fraction], now_ms: int
) -> dict[str, Sizes]:
    """Sizes per region, within its bounds.

    Fewer only when all regions have been active, and the sizes unchanged, for scale_down_after_ms; and only as few as a
    tenth more demand would need, so that noise orders nothing back and forth.
    """
    run, whole = _needed(spec, regions, demand)
    running = {name: past.replicas for name, past in regions.items()}
    there = {name: past.replicas + past.standby for name, past in regions.items()}
    spare = any(running[name] > run[name] or there[name] > whole[name] for name in run)
    if spare and _may_shrink(spec, regions, now_ms):
        kept, kept_whole = _needed(spec, regions, {entry: rate * HYSTERESIS for entry, rate in demand.items()})
        running = {name: min(running[name], kept[name]) for name in run}
        there = {name: min(there[name], kept_whole[name]) for name in run}
    sizes = {}
    for region in spec.regions:
        name = region.name
        replicas = _bounded(region, max(run[name], running[name]))
        sizes[name] = Sizes(replicas, max(0, _bounded(region, max(whole[name], there[name])) - replicas))
    return sizes


def _may_shrink(spec: ModelSpec, regions: Mapping[str, RegionMemory], now_ms: int) -> bool:
    since = max((max(m.phase_since_ms, m.replicas_at_ms) for m in regions.values()), default=now_ms)
    calm = now_ms - since >= spec.capacity.scale_down_after_ms
    return calm and all(m.phase is Phase.ACTIVE for m in regions.values())


def _needed(
    spec: ModelSpec, regions: Mapping[str, RegionMemory], demand: Mapping[str, Fraction]
) -> tuple[dict[str, int], dict[str, int]]:
    """Replicas to run, and replicas to have nodes for, before bounds in time."""
    least = {r.name: max(0, r.replicas_min) for r in spec.regions}
    present = tuple(r for r in spec.regions if regions[r.name].ready_known != 0)
    if len(present) < len(spec.regions):  # what never came is not counted on
        run, whole = _needed(replace(spec, regions=present), regions, demand)
        return least | run, least | whole
    rates = {r.name: rate_per_replica(spec, regions[r.name]) for r in spec.regions}
    if min(rates.values(), default=ZERO) <= 0 or spec.capacity.target_utilization <= 0:
        return least, least
    total = sum(demand.values(), ZERO)
    serving = [r for r in spec.regions if may_serve(regions[r.name])]
    normal = _normal(spec, serving, rates, total)
    run = {name: max(least[name], _replicas(normal.get(name, ZERO), rates[name])) for name in least}
    if spec.standby is Standby.NONE or spec.survive == "None" or len(serving) < len(spec.regions):
        return run, run
    reserved = _reserved(spec, {name: run[name] * rates[name] for name in run}, rates, total)
    whole = {name: max(run[name], _replicas(reserved[name], rates[name])) for name in run}
    return (whole, whole) if spec.standby is Standby.REPLICAS else (run, whole)


def _normal(
    spec: ModelSpec, serving: list[RegionSpec], rates: Mapping[str, Fraction], total: Fraction
) -> dict[str, Fraction]:
    """Capacity that the shares need to carry the demand at the target; none where the minima do."""
    target = spec.capacity.target_utilization
    if sum((max(0, r.replicas_min) * rates[r.name] for r in serving), ZERO) * target >= total:
        return {}
    most = {r.name: max(0, r.replicas_max) * rates[r.name] * target for r in serving}
    filled = water_fill(most, {r.name: r.share for r in serving}, total)
    return {name: load / target for name, load in filled.items()}


def _reserved(
    spec: ModelSpec, base: Mapping[str, Fraction], rates: Mapping[str, Fraction], total: Fraction
) -> dict[str, Fraction]:
    """Capacity per region with which every loss that is asked for is survived, as far as the maxima allow."""
    most = {r.name: max(base[r.name], r.replicas_max * rates[r.name]) for r in spec.regions}
    found = dict(base)
    for lost in losses(spec, spec.survive).values():
        left = [name for name in base if name not in lost]
        raised = raise_level({n: base[n] for n in left}, {n: most[n] for n in left}, total / STRAINED_UTILIZATION)
        found |= {name: max(found[name], capacity) for name, capacity in raised.items()}
    return found


def raise_level(least: Mapping[str, Fraction], most: Mapping[str, Fraction], wanted: Fraction) -> dict[str, Fraction]:
    """The lowest raised to one common level, each within its bounds, until together they have what is wanted."""
    level = ZERO
    for bound in sorted({*least.values(), *most.values()}):
        have = sum((max(least[n], min(bound, most[n])) for n in least), ZERO)
        if have >= wanted:
            rising = sum(1 for n in least if least[n] < bound <= most[n])
            level = bound - (have - wanted) / rising if rising else bound
            break
        level = bound
    return {n: max(least[n], min(level, most[n])) for n in least}


def _replicas(capacity: Fraction, rate: Fraction) -> int:
    return int(-(-capacity // rate))


def _bounded(region: RegionSpec, replicas: int) -> int:
    return max(region.replicas_min, min(replicas, max(region.replicas_min, region.replicas_max)))

"""How much enters at each region's gateway.

d_g = 1.1 × the smoothed rate at entry g, refused requests included. The smoothed rate rises at once and falls
by an eighth of the difference each tick: too much capacity for a minute costs nothing, too little does. It is
kept in thousandths of a request per second, an integer, so that smoothing never grows a denominator.

An entry whose rate is unknown keeps the one last known; if there was none, its share of what is known
elsewhere, or the mean. Demand is never zero: an idle entry still needs a row. Only the entry of a drained
region that tells nothing fades away, by half each tick: its users have gone to other entries and would
count twice.
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from leeward.core.memory import RegionMemory
from leeward.core.phases import Phase
from leeward.core.spec import ModelSpec

ABSURD_RATE = 1_000_000  # requests/s at one entry: a counter gone wild, and it would take hours to forget
MARGIN = Fraction(11, 10)
FALL_DIVISOR = 8
FADE_DIVISOR = 2


def remember_rate(region: RegionMemory, rate: Fraction | None) -> RegionMemory:
    """The region's memory with this tick's entry rate smoothed in."""
    before = region.demand_milli
    if rate is not None and 0 <= rate <= ABSURD_RATE:
        return replace(region, demand_milli=_smoothed(before, int(rate * 1000), FALL_DIVISOR))
    if region.phase is Phase.DRAINED and before is not None:
        return replace(region, demand_milli=_smoothed(before, 0, FADE_DIVISOR))
    return region


def entry_demand(spec: ModelSpec, regions: Mapping[str, RegionMemory]) -> dict[str, Fraction]:
    """Requests per second that each entry must be able to place, all positive."""
    known = {n: m.demand_milli for n, m in regions.items() if m.demand_milli is not None}
    shares = {r.name: max(0, r.share) for r in spec.regions}
    known_shares = sum(shares[name] for name in known if name in shares)
    demand = {}
    for name, share in shares.items():
        guess = Fraction(sum(known.values()), len(known)) if known else Fraction(1)
        if share and known_shares:
            guess = Fraction(sum(known.values()) * share, known_shares)
        milli = Fraction(known[name]) if name in known else guess
        demand[name] = MARGIN * max(Fraction(1), milli) / 1000
    return demand


def _smoothed(before: int | None, new: int, divisor: int) -> int:
    if before is None or new >= before:
        return new
    return before - -(-(before - new) // divisor)

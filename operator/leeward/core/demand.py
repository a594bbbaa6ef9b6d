"""How much enters at each region's gateway.

    d_g = 1.1 × max(smoothed rate, p95 of the last 5 m) at entry g, refused requests included

The smoothed rate goes an eighth of the difference each tick, up and down. The p95 is taken (nearest rank) over
the highest rate of every 15 s: one burst of retries is no demand, and what was needed minutes ago still is.
Both are kept in thousandths of a request per second, integers: smoothing never grows a denominator.

An entry whose rate is unknown keeps the one last known; if there was none, the mean of those that are known:
shares are of serving and tell nothing of where users enter. Demand is never zero: an idle entry still needs a
row. Only the entry of a drained region that tells nothing fades away, by half each tick: its users have gone
to other entries and would count twice.
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from math import ceil

from leeward.core.memory import RegionMemory
from leeward.core.phases import Phase
from leeward.core.spec import ModelSpec

ABSURD_RATE = 1_000_000  # requests/s at one entry: a counter gone wild, and it would take hours to forget
MARGIN = Fraction(11, 10)
MARGIN_PER_MILLI = MARGIN / 1000
SMOOTHING = 8
FADING = 2
PEAK_MS, KEPT_PEAKS = 15_000, 20
PERCENTILE = Fraction(95, 100)


def remember_rate(region: RegionMemory, rate: Fraction | None, now_ms: int) -> RegionMemory:
    """The region's memory with this tick's entry rate smoothed in."""
    before = region.demand_milli
    if rate is not None and 0 <= rate <= ABSURD_RATE:
        milli = int(rate * 1000)
        peaks, since_ms = _peaks(region, milli, now_ms)
        demand = _smoothed(before, milli, SMOOTHING)
        return replace(region, demand_milli=demand, peaks_milli=peaks, peak_since_ms=since_ms)
    if region.phase is Phase.DRAINED and before is not None:
        return replace(region, demand_milli=_smoothed(before, 0, FADING), peaks_milli=())
    return region


def _peaks(region: RegionMemory, milli: int, now_ms: int) -> tuple[tuple[int, ...], int]:
    """The newest peak is raised until its 15 s are over; a gap as long as the whole memory starts anew."""
    age_ms = now_ms - region.peak_since_ms
    peaks = region.peaks_milli if age_ms < PEAK_MS * KEPT_PEAKS else ()
    if peaks and age_ms < PEAK_MS:
        return (*peaks[:-1], max(peaks[-1], milli)), region.peak_since_ms
    return (*peaks, milli)[-KEPT_PEAKS:], now_ms


def _known_demand(region: RegionMemory) -> int | None:
    """The larger of the smoothed rate and the p95, in thousandths; None if no rate was ever known."""
    if region.demand_milli is None or not region.peaks_milli:
        return region.demand_milli
    ranked = sorted(region.peaks_milli)
    return max(region.demand_milli, ranked[ceil(PERCENTILE * len(ranked)) - 1])


def entry_demand(spec: ModelSpec, regions: Mapping[str, RegionMemory]) -> dict[str, Fraction]:
    """Requests per second that each entry must be able to place, all positive."""
    known = {name: milli for name, m in regions.items() if (milli := _known_demand(m)) is not None}
    guess = Fraction(sum(known.values()), len(known)) if known else Fraction(1)
    return {name: MARGIN_PER_MILLI * max(1, known.get(name, guess)) for name in spec.region_names}


def _smoothed(before: int | None, new: int, divisor: int) -> int:
    """A step towards `new`, rounded away from where it was, so that it arrives."""
    if before is None:
        return new
    part = -(-abs(new - before) // divisor)
    return before + part if new > before else before - part

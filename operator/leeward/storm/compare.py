"""The same storms under Leeward and under each baseline: one fault at a time, in a fleet that has room for it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

from leeward.storm.baselines import BASELINES
from leeward.storm.figures import FaultFigures, measure
from leeward.storm.play import watch
from leeward.storm.scenario import Fault, FaultKind, FleetShape, RegionShape, Scenario, Weather

K = FaultKind
POLICIES = ("leeward", *BASELINES)
START_MS = 100_000
LASTS_MS = 600_000
WARM_UP_MS = 60_000


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of fault as the table lists it: how many of the three regions, how bad."""

    name: str
    kind: FaultKind
    size: float = 0.0
    struck: int = 1
    apart_ms: int = 0


CASES = (
    Case("partition", K.PARTITION),
    Case("crash of all engines", K.CRASH),
    Case("100 % errors", K.ERRORS, 1.0),
    Case("20 % errors", K.ERRORS, 0.2),
    Case("5 % errors", K.ERRORS, 0.05),
    Case("2 % errors", K.ERRORS, 0.02),
    Case("TTFT × 10", K.SLOW, 10.0),
    Case("TTFT × 3", K.SLOW, 3.0),
    Case("10 % of streams cut", K.CUT_STREAMS, 0.1),
    Case("bad release, 30 % errors in two of three", K.BAD_RELEASE, 0.3, struck=2, apart_ms=20_000),
    Case("demand × 2 at one region", K.SURGE, 2.0),
    Case("metrics gone", K.METRICS_GONE),
    Case("correlated, 30 % errors everywhere", K.CORRELATED, 0.3, struck=3),
)


def scenario_of(case: Case, seed: int) -> Scenario:
    """Three equal regions that carry the loss of one, 5 to 50 requests/s each, ticks and scrapes of 5 s."""
    rng = Random(seed)
    rate = rng.choice((5.0, 15.0, 50.0))
    replicas = max(3, round(1.6 * rate / 4 / 0.75) + 1)
    regions = tuple(
        RegionShape(name, share, replicas, 2 * replicas, rate * rng.uniform(0.9, 1.1))
        for name, share in (("a", 34), ("b", 33), ("c", 33))
    )
    start = START_MS + rng.randrange(0, 10_000, 100)
    struck = rng.sample("abc", case.struck)
    faults = tuple(
        Fault(case.kind, start + i * case.apart_ms, start + LASTS_MS, (name,), case.size)
        for i, name in enumerate(struck)
    )
    weather = Weather(background_errors=0.001, startup_ms=90_000)
    fleet = FleetShape(regions, policy=rng.choice(("LocalFirst", "Shares")))
    return Scenario(seed, fleet, faults, weather, start + LASTS_MS, start + LASTS_MS, until_calm=False)


def compared(case: Case, seed: int) -> dict[str, FaultFigures]:
    """One storm's figures under every policy."""
    scenario = scenario_of(case, seed)
    names = [region.name for region in scenario.fleet.regions]
    struck = sorted({names.index(name) for fault in scenario.faults for name in fault.regions})
    found = {}
    for policy in POLICIES:
        samples, _ = watch(scenario, BASELINES.get(policy))
        found[policy] = measure(samples, scenario.faults[0], struck)
    return found


def quiet(seed: int, hours: int) -> Scenario:
    """Nobody is ill, and everything is noisy: errors now and then, demand that comes and goes, lost scrapes."""
    rng = Random(seed)
    base = scenario_of(CASES[0], seed)
    end = hours * 3_600_000
    names = [region.name for region in base.fleet.regions]
    noise = tuple(_noise(rng, names, end))
    weather = replace(base.weather, background_errors=0.002, jitter=0.1, wave=0.3)
    roomy = tuple(replace(region, replicas_min=2 * region.replicas_min) for region in base.fleet.regions)
    fleet = replace(base.fleet, regions=roomy)  # demand is never a reason to move
    return replace(base, fleet=fleet, weather=weather, faults=noise, faults_end_ms=end, limit_ms=end)


def _noise(rng: Random, names: list[str], end_ms: int) -> Iterator[Fault]:
    """A quarter of the hours have scrapes that get lost, late metrics, blips, or an API server that is slow or dead."""
    kinds = ((K.SCRAPES_DROPPED, 0.2), (K.METRICS_LATE, 8.0), (K.REACH_BLIPS, 0.01), (K.API_SLOW, 2.0), (K.API_DEAD, 0))
    for start in range(WARM_UP_MS, end_ms, 1_800_000):
        if rng.random() < 0.5:
            kind, size = rng.choice(kinds)
            yield Fault(kind, start, start + 900_000, (rng.choice(names),), size)


def wrong_shifts(seed: int, hours: int, policy: str) -> int:
    """How often weights moved in quiet but noisy hours, after the first ones."""
    samples, steering = watch(quiet(seed, hours), BASELINES.get(policy))
    if policy in BASELINES:
        return int(getattr(steering, "shifts", 0))
    settled = [sample.weights for sample in samples if sample.at_ms >= WARM_UP_MS]
    return sum(before != after for before, after in pairwise(settled))

"""From a seed to a storm: a fleet, weather and faults, all drawn from one source of chance.

Short storms use short failback settings, so that a fleet comes home in minutes; `days` gives a long one with the
settings that a ModelDeployment has by default, a full daily wave, and a fault every few hours.
"""

from dataclasses import replace
from random import Random

from leeward.storm.scenario import Fault, FaultKind, FleetShape, RegionShape, Scenario, Weather

K = FaultKind
SECOND = 1_000
DAY_MS = 86_400_000
NAMES = "abcdefghij"
WARM_UP_MS = 40_000

_ILL = (
    (K.PARTITION, 4),
    (K.LINK_CUT, 2),
    (K.CRASH, 4),
    (K.ERRORS, 5),
    (K.SLOW, 3),
    (K.CUT_STREAMS, 2),
    (K.BAD_RELEASE, 2),
    (K.CORRELATED, 2),
    (K.SURGE, 2),
)
_BLUR = (
    (K.METRICS_GONE, 3),
    (K.METRICS_LATE, 2),
    (K.SCRAPES_DROPPED, 2),
    (K.LYING_ENTRY, 2),
    (K.API_DEAD, 3),
    (K.API_SLOW, 2),
    (K.PROBES_LOST, 2),
    (K.REACH_BLIPS, 2),
    (K.OPERATOR_CUT, 2),
)
_FATE = (
    (K.OPERATOR_CRASH, 3),
    (K.OPERATOR_FORGETS, 1),
    (K.OPERATOR_STALE, 2),
    (K.OPERATOR_PAUSE, 3),
    (K.FREEZE, 1),
    (K.EVACUATION, 1),
)
_SIZES: dict[FaultKind, tuple[float, ...]] = {
    K.ERRORS: (0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
    K.SLOW: (3.0, 10.0),
    K.CUT_STREAMS: (0.1, 0.5, 1.0),
    K.BAD_RELEASE: (0.1, 0.3, 1.0),
    K.CORRELATED: (0.1, 0.3, 1.0),
    K.SURGE: (1.5, 2.0, 4.0, 10.0),
    K.METRICS_LATE: (10.0, 30.0, 120.0),
    K.SCRAPES_DROPPED: (0.2, 0.6),
    K.API_SLOW: (1.0, 4.0),
    K.REACH_BLIPS: (0.01, 0.1),
}
_ALL_OVER = frozenset({K.REACH_BLIPS, K.OPERATOR_CUT, K.FREEZE, *(kind for kind, _ in _FATE[:4])})


def storm(seed: int, days: int = 0) -> Scenario:
    """The storm of a seed; the same for ever, as long as this file stays as it is."""
    rng = Random(seed)
    fleet = _fleet(rng, short=not days)
    weather = _weather(rng, wave=0.5 if days else 0.0)
    faults = _long_faults(rng, fleet, days) if days else _short_faults(rng, fleet)
    end = max((fault.end_ms for fault in faults), default=WARM_UP_MS + 60 * SECOND)
    if days:
        return Scenario(seed, fleet, faults, weather, end, days * DAY_MS, until_calm=False)
    return Scenario(seed, fleet, faults, weather, end, end + 4 * 3_600_000)


def _fleet(rng: Random, short: bool) -> FleetShape:
    size = rng.choices((2, 3, 4, 5), (15, 65, 12, 8))[0]
    per_replica = rng.choice((2, 4, 10))
    replicas = [rng.randint(2, 8) for _ in range(size)] if rng.random() < 0.3 else [rng.randint(3, 6)] * size
    load = rng.choices((0.01, 0.15, 0.3, 0.45, 0.65), (8, 15, 35, 30, 12))[0]
    shares = _shares(rng, size)
    whole = sum(replicas) * per_replica * load
    spread = shares if rng.random() < 0.5 else [1.0] * size
    regions = tuple(
        RegionShape(
            NAMES[i],
            shares[i],
            replicas[i],
            replicas[i] * rng.choice((1, 2, 4)),
            whole * spread[i] / sum(spread),
            rng.choice("pq"),
        )
        for i in range(size)
    )
    fleet = FleetShape(
        regions,
        policy=rng.choice(("LocalFirst", "LocalFirst", "Shares")),
        requests_per_second_per_replica=per_replica,
        interval_ms=rng.choice((5_000, 5_000, 5_000, 10_000)),
        scrape_interval_ms=rng.choice((5_000, 5_000, 15_000)),
        availability=rng.choice((0.995, 0.99, 0.999)),
        max_step=rng.choice((10, 10, 25, 50)),
    )
    return _hurried(rng, fleet) if short else fleet


def _shares(rng: Random, size: int) -> list[int]:
    kind = rng.random()
    if kind < 0.6:
        return [100 // size + (i < 100 % size) for i in range(size)]
    if kind < 0.75:  # one has nearly everything
        rest = 10 // (size - 1)
        return [100 - rest * (size - 1)] + [rest] * (size - 1)
    if kind < 0.85 and size > 2:  # the last one is spill only
        return [100 // (size - 1) + (i < 100 % (size - 1)) for i in range(size - 1)] + [0]
    cuts = [rng.randint(5, 40) for _ in range(size)]
    return [cut * 100 // sum(cuts) for cut in cuts[:-1]] + [100 - sum(cut * 100 // sum(cuts) for cut in cuts[:-1])]


def _hurried(rng: Random, fleet: FleetShape) -> FleetShape:
    """Failback in minutes instead of half an hour."""
    return replace(
        fleet,
        bake_ms=rng.choice((10_000, 20_000)),
        steps=rng.choice(((5, 25, 100), (25, 100), (1, 5, 25, 50, 100), (100,))),
        min_requests=20,
        clean_after_degraded_ms=20_000,
        clean_after_failed_ms=rng.choice((30_000, 45_000)),
        cooldown_ms=rng.choice((60_000, 300_000)),
        failovers_per_hour=rng.choice((3, 3, 10)),
        writes_per_hour=rng.choice((60, 120)),
        flap_penalty_resume=rng.choice((750, 1_500, 1_900)),
        scale_down_after_ms=60_000,
    )


def _weather(rng: Random, wave: float) -> Weather:
    return Weather(
        background_errors=rng.choice((0.0, 0.0005, 0.001, 0.002)),
        wave=wave,
        jitter=rng.choice((0.02, 0.05, 0.1)),
        startup_ms=rng.choice((60_000, 90_000, 180_000)),
        write_ms=rng.choice((50, 200, 500)),
        force_ms=rng.choice((100, 300, 1_000)),
        retries=rng.random() < 0.5,
    )


def _short_faults(rng: Random, fleet: FleetShape) -> tuple[Fault, ...]:
    """One to three faults, blurred sensors in half of the storms, and an operator's fate in a third."""
    kinds = [_draw(rng, _ILL) for _ in range(rng.choices((0, 1, 2, 3), (8, 60, 24, 8))[0])]
    kinds += [_draw(rng, _BLUR) for _ in range(rng.choices((0, 1, 2), (50, 35, 15))[0])]
    kinds += [_draw(rng, _FATE) for _ in range(rng.choices((0, 1), (67, 33))[0])]
    faults: list[Fault] = []
    for kind in kinds:
        start = WARM_UP_MS + rng.randrange(0, 60_000, 100)
        faults += _faults(rng, fleet, kind, start, start + rng.choice((8, 20, 45, 75, 110)) * SECOND)
    return tuple(sorted(faults, key=lambda fault: (fault.start_ms, fault.kind)))


def _long_faults(rng: Random, fleet: FleetShape, days: int) -> tuple[Fault, ...]:
    """About six a day, and none in the last six hours."""
    faults: list[Fault] = []
    for _ in range(6 * days):
        start = rng.randrange(3_600_000, days * DAY_MS - DAY_MS // 4, 100)
        kind = _draw(rng, rng.choice((_ILL, _ILL, _BLUR, _FATE)))
        faults += _faults(rng, fleet, kind, start, start + rng.choice((60, 600, 3_600)) * SECOND)
    return tuple(sorted(faults, key=lambda fault: (fault.start_ms, fault.kind)))


def _faults(rng: Random, fleet: FleetShape, kind: FaultKind, start_ms: int, end_ms: int) -> list[Fault]:
    names = [region.name for region in fleet.regions]
    size = rng.choice(_SIZES.get(kind, (0.0,)))
    if kind in _ALL_OVER:
        return [Fault(kind, start_ms, end_ms, (), size)]
    if kind is K.LYING_ENTRY:
        return [Fault(kind, start_ms, min(end_ms, start_ms + 45_000), tuple(rng.sample(names, 2)), size)]
    if kind is K.LINK_CUT:
        return [Fault(kind, start_ms, end_ms, tuple(rng.sample(names, 2)), size)]
    if kind is K.CORRELATED:
        struck = rng.sample(names, max(2, -(-len(names) * 3 // 5)))
        return [Fault(kind, start_ms, end_ms, tuple(sorted(struck)), size)]
    if kind is K.BAD_RELEASE:
        struck = rng.sample(names, min(2, len(names)))
        return [Fault(kind, start_ms + i * 20_000, end_ms + 20_000, (name,), size) for i, name in enumerate(struck)]
    if kind is K.SURGE:
        struck = names if rng.random() < 0.5 else [rng.choice(names)]
        return [Fault(kind, start_ms, end_ms, tuple(struck), size)]
    return [Fault(kind, start_ms, end_ms, (rng.choice(names),), size)]


def _draw(rng: Random, table: tuple[tuple[FaultKind, int], ...]) -> FaultKind:
    return rng.choices([kind for kind, _ in table], [weight for _, weight in table])[0]

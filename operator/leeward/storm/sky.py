"""Which faults are in force, as one value per moment: recomputed only when a fault begins or ends."""

from dataclasses import dataclass, field

from leeward.storm.scenario import KINDS, Fault, FaultKind, Scenario

K = FaultKind


@dataclass(slots=True)
class Sky:
    """Conditions per region, by its index in the fleet."""

    cut: list[bool]
    crashed: list[bool]
    errors: list[float]
    slow: list[float]
    cut_streams: list[float]
    surge: list[float]
    metrics_gone: list[bool]
    metrics_late_ms: list[int]
    scrapes_dropped: list[float]
    api_dead: list[bool]
    api_slow_ms: list[int]
    probes_lost: list[bool]
    broken: frozenset[frozenset[int]] = frozenset()  # pairs of regions that do not reach each other
    lies: frozenset[tuple[int, int]] = frozenset()  # (entry, region that it calls bad)
    reach_blips: float = 0.0
    operator_cut: bool = False
    frozen: bool = False
    evacuated: frozenset[int] = frozenset()
    active: tuple[Fault, ...] = ()
    ill: frozenset[int] = field(default_factory=frozenset)  # regions that do not serve as they should

    def linked(self, one: int, other: int) -> bool:
        """Do the two regions' gateways reach each other?"""
        if one == other:
            return True
        return not (self.cut[one] or self.cut[other] or (self.broken and {one, other} in self.broken))


def clear_sky(size: int) -> Sky:
    """Nothing is wrong."""
    no, zero = [False] * size, [0] * size
    return Sky(
        cut=no[:],
        crashed=no[:],
        errors=[0.0] * size,
        slow=[1.0] * size,
        cut_streams=[0.0] * size,
        surge=[1.0] * size,
        metrics_gone=no[:],
        metrics_late_ms=zero[:],
        scrapes_dropped=[0.0] * size,
        api_dead=no[:],
        api_slow_ms=zero[:],
        probes_lost=no[:],
    )


_FLAGS = {
    K.PARTITION: "cut",
    K.CRASH: "crashed",
    K.METRICS_GONE: "metrics_gone",
    K.API_DEAD: "api_dead",
    K.PROBES_LOST: "probes_lost",
}
_LARGEST = {
    K.ERRORS: "errors",
    K.BAD_RELEASE: "errors",
    K.CORRELATED: "errors",
    K.SLOW: "slow",
    K.CUT_STREAMS: "cut_streams",
    K.SCRAPES_DROPPED: "scrapes_dropped",
}
_MILLISECONDS = {K.METRICS_LATE: "metrics_late_ms", K.API_SLOW: "api_slow_ms"}


def sky_at(scenario: Scenario, now_ms: int) -> Sky:
    """The conditions at one moment."""
    index = {region.name: i for i, region in enumerate(scenario.fleet.regions)}
    sky = clear_sky(len(index))
    active = tuple(fault for fault in scenario.faults if fault.start_ms <= now_ms < fault.end_ms)
    for fault in active:
        _add(sky, fault, [index[name] for name in fault.regions])
    sky.active = active
    sky.ill = frozenset(index[name] for fault in active if KINDS[fault.kind].ill for name in fault.regions)
    return sky


def _add(sky: Sky, fault: Fault, where: list[int]) -> None:
    for region in where:
        _add_to_region(sky, fault, region)
    if fault.kind is K.LYING_ENTRY:
        sky.lies |= {(where[0], where[1])}
    elif fault.kind is K.LINK_CUT:
        sky.broken |= {frozenset(where[:2])}
    elif fault.kind is K.REACH_BLIPS:
        sky.reach_blips = max(sky.reach_blips, fault.size)
    elif fault.kind is K.EVACUATION:
        sky.evacuated |= frozenset(where)
    sky.operator_cut |= fault.kind is K.OPERATOR_CUT
    sky.frozen |= fault.kind is K.FREEZE


def _add_to_region(sky: Sky, fault: Fault, region: int) -> None:
    kind = fault.kind
    if kind in _FLAGS:
        getattr(sky, _FLAGS[kind])[region] = True
    elif kind in _LARGEST:
        values = getattr(sky, _LARGEST[kind])
        values[region] = max(values[region], fault.size)
    elif kind in _MILLISECONDS:
        late = getattr(sky, _MILLISECONDS[kind])
        late[region] = max(late[region], int(fault.size * 1000))
    elif kind is K.SURGE:
        sky.surge[region] *= fault.size


def changes(scenario: Scenario) -> list[int]:
    """Every moment at which the conditions change, rising."""
    return sorted({ms for fault in scenario.faults for ms in (fault.start_ms, fault.end_ms)})

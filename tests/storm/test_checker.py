"""The checker itself: every rule of it can break, and only where it should."""

from dataclasses import replace

import pytest

from leeward.storm.checker import Checker
from leeward.storm.clusters import Clusters, Landed, Write
from leeward.storm.pilot import Pilot
from leeward.storm.play import Storm, play
from leeward.storm.scenario import Fault, FaultKind, FleetShape, RegionShape, Scenario, Weather
from leeward.storm.trace import Decided
from leeward.storm.world import World

FLEET = FleetShape(tuple(RegionShape(n, s, 4, 8, 4.0) for n, s in (("a", 34), ("b", 33), ("c", 33))))
HOME = ((100, 0, 0), (0, 100, 0), (0, 0, 100))
ACTIVE = ("active",) * 3
HEALTHY = ("healthy",) * 3


def scenario(*faults: Fault, **changes: object) -> Scenario:
    base = Scenario(1, FLEET, faults, Weather(), 10_000_000, 20_000_000)
    return replace(base, **changes)  # type: ignore[arg-type]


def decided(at_ms: int = 200_000, **changes: object) -> Decided:
    base = Decided(at_ms, False, False, "hold: all is well", ACTIVE, HEALTHY, HOME, HOME, ())
    return replace(base, **changes)  # type: ignore[arg-type]


def checked(case: Scenario, *decisions: Decided, able_ms: int | None = 0) -> list[str]:
    """Rules that break when these decisions are made one after the other, at their times."""
    world = World(case)
    checker = Checker(case, world, Clusters(world))
    for each in decisions:
        world.now_ms = each.at_ms - 1
        world.step(each.at_ms)
        world.look_up()
        world.rows = [list(row) for row in each.rows]
        checker.watch([each], [], able_ms)
    return [violation.rule for violation in checker.violations]


def fault(kind: FaultKind, start: int, *regions: str, size: float = 0.0) -> Fault:
    return Fault(kind, start, 9_000_000, regions, size)


MOVED = ((90, 5, 5), (0, 100, 0), (0, 0, 100))
FALLEN = ((0, 50, 50), (0, 100, 0), (0, 0, 100))
OUT = ("drained", "active", "active")
NEXT = 205_000

BROKEN: list[tuple[str, Scenario, list[Decided]]] = [
    ("every row sums to 100", scenario(), [decided(rows=((99, 0, 0), *HOME[1:]))]),
    ("every row sums to 100", scenario(), [decided(rows=((120, -20, 0), *HOME[1:]))]),
    ("someone is left in traffic", scenario(), [decided(phases=("drained",) * 3)]),
    (
        "a region that is out carries nothing",
        scenario(fault(FaultKind.CRASH, 100_000, "a")),
        [decided(phases=OUT, rows=MOVED, write=True)],
    ),
    ("a freeze holds", scenario(fault(FaultKind.FREEZE, 100_000)), [decided(write=True)]),
    ("a region falls only for a fault of its own", scenario(), [decided(), decided(NEXT, phases=OUT, rows=FALLEN)]),
    (
        "an unseen region gains nothing",
        scenario(fault(FaultKind.API_DEAD, 100_000, "b"), fault(FaultKind.METRICS_GONE, 100_000, "b")),
        [decided(150_000), decided(rows=MOVED, write=True)],
    ),
    (
        "steps are small",
        scenario(fault(FaultKind.ERRORS, 100_000, "a", size=1)),
        [decided(), decided(NEXT, rows=((80, 10, 10), *HOME[1:]), write=True)],
    ),
    ("quiet means quiet", scenario(), [decided(), decided(NEXT, rows=MOVED, write=True)]),
    (
        "a dead region loses its weight in time",
        scenario(fault(FaultKind.PARTITION, 100_000, "b")),
        [decided(101_000, rows=MOVED), decided(107_000, rows=MOVED)],
    ),
    (
        "a dead region loses its weight in time",
        scenario(fault(FaultKind.CRASH, 100_000, "b")),
        [decided(101_000), decided(120_000)],
    ),
    (
        "nobody is overloaded while others have room",
        scenario(),
        [decided(100_000 * i, rows=((0, 100, 0), (0, 100, 0), (0, 100, 0)), shown=HOME) for i in range(2, 5)],
    ),
]


@pytest.mark.parametrize(
    ("rule", "case", "decisions"), BROKEN, ids=[f"{i}: {rule}" for i, (rule, *_) in enumerate(BROKEN)]
)
def test_a_broken_rule_is_found(rule: str, case: Scenario, decisions: list[Decided]) -> None:
    if rule.startswith("nobody"):
        case = replace(case, fleet=replace(FLEET, regions=tuple(replace(r, rate=7.0) for r in FLEET.regions)))
    assert rule in checked(case, *decisions)


KEPT: list[tuple[str, Scenario, list[Decided], int | None]] = [
    ("nothing happens", scenario(), [decided(), decided(NEXT)], 0),
    (
        "a crashed region is taken out",
        scenario(fault(FaultKind.CRASH, 195_000, "a")),
        [decided(), decided(NEXT, phases=OUT, rows=FALLEN, shown=(FALLEN[0], *HOME[1:]), write=True)],
        0,
    ),
    (
        "a dead region keeps its weight while nobody is at the wheel",
        scenario(fault(FaultKind.PARTITION, 100_000, "b")),
        [decided(101_000, rows=MOVED), decided(107_000, rows=MOVED)],
        None,
    ),
]


@pytest.mark.parametrize(("name", "case", "decisions", "able_ms"), KEPT, ids=[name for name, *_ in KEPT])
def test_a_kept_rule_is_not_called_broken(
    name: str, case: Scenario, decisions: list[Decided], able_ms: int | None
) -> None:
    assert checked(case, *decisions, able_ms=able_ms) == []


@pytest.mark.parametrize(
    ("second", "found"),
    [((2, 9_000), []), ((1, 9_000), ["no stale write is accepted"]), ((2, 4_000), ["no stale write is accepted"])],
)
def test_an_older_write_after_a_newer_one_is_stale(second: tuple[int, int], found: list[str]) -> None:
    world = World(scenario())
    checker = Checker(scenario(), world, Clusters(world))
    landed = [Landed(Write(0, HOME[0], t, ms), 10_000, True, HOME[0]) for t, ms in ((2, 5_000), second)]
    checker.watch([], landed, 0)
    assert [violation.rule for violation in checker.violations] == found


def paused(fenced: bool) -> list[str]:
    """The leader stands still between deciding and writing, while its region's share moves on without it."""
    faults = (
        fault(FaultKind.CRASH, 60_000, "b"),
        Fault(FaultKind.OPERATOR_PAUSE, 64_700, 120_000),
        Fault(FaultKind.ERRORS, 85_000, 400_000, ("c",), 1.0),
    )
    case = scenario(*faults, fleet=replace(FLEET, policy="Shares"), limit_ms=130_000)
    storm = Storm(case)
    storm.clusters.fenced = fenced
    checker = Checker(case, storm.world, storm.clusters)
    pilot = storm.policy
    assert isinstance(pilot, Pilot)
    pilot.act(sky_changed=False)
    while storm.world.now_ms < case.limit_ms:
        storm.step(case.limit_ms)
        checker.watch([], storm.clusters.landed, None)
        storm.clusters.landed.clear()
    return [violation.rule for violation in checker.violations]


def test_without_the_fence_a_late_write_is_found() -> None:
    assert "no stale write is accepted" in paused(fenced=False)


def test_the_fence_refuses_a_late_write() -> None:
    assert paused(fenced=True) == []


def test_a_fleet_that_does_not_come_home_is_found() -> None:
    away = replace(FLEET, clean_after_failed_ms=30_000, bake_ms=10_000)
    case = scenario(fault(FaultKind.EVACUATION, 60_000, "b"), fleet=away, faults_end_ms=70_000)
    assert [violation.rule for violation in play(case).violations] == ["the fleet comes home"]

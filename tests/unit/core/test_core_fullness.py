"""Full regions: what is busy, what is clogged, and what that excuses for how long."""

from fractions import Fraction

import pytest

from leeward.core.fullness import Fullness, excuse, fullness, remember_fullness, saturated
from leeward.core.kinds import Kind, Level, Opinion, Rules
from leeward.core.memory import Memory, RegionMemory
from leeward.core.snapshot import LoadReading, Matrix, ReadyReading, RegionReadings
from leeward.core.spec import ModelSpec, RegionSpec

SPEC = ModelSpec("x", (RegionSpec("a", 50, 2, 8), RegionSpec("b", 50, 2, 8)), scrape_interval_ms=15_000)
RULES = Rules.of(SPEC)
ALL_HOME: Matrix = (("a", (("a", 100), ("b", 0))), ("b", (("a", 0), ("b", 100))))
HALF: Matrix = (("a", (("a", 50), ("b", 50))), ("b", (("a", 0), ("b", 100))))


def test_saturated_needs_a_queue_and_full_slots() -> None:
    def load(running: int, waiting: int) -> bool:
        return saturated(LoadReading(Fraction(9), running, waiting, 0), 100)

    assert load(90, 1)
    assert not load(89, 1)
    assert not load(90, 0)
    assert not saturated(LoadReading(Fraction(9), 0, 1, 0), 0)


@pytest.mark.parametrize(
    ("answered", "entered", "weights", "running", "age_ms", "full_s", "expected"),
    [
        (6, 0, ALL_HOME, 120, 0, 90, Fullness.BUSY),
        (6, 0, ALL_HOME, 120, 0, 0, Fullness.BUSY),
        (5, 5, ALL_HOME, 120, 0, 90, Fullness.CLOGGED),
        (5, 6, ALL_HOME, 120, 0, 90, Fullness.BUSY),
        (5, 11, HALF, 120, 0, 90, Fullness.CLOGGED),
        (5, 12, HALF, 120, 0, 90, Fullness.BUSY),
        (0, 0, ALL_HOME, 120, 0, 0, Fullness.FILLING),
        (5, 0, ALL_HOME, 120, 0, 75, Fullness.FILLING),  # all of 450 requests in 75 s are 6 in a second
        (5, 0, ALL_HOME, 120, 0, 76, Fullness.CLOGGED),
        (1, 0, ALL_HOME, 120, 0, 15, Fullness.FILLING),
        (1, 0, ALL_HOME, 120, 0, 16, Fullness.CLOGGED),
        (8, 8, ALL_HOME, 100, 0, 90, Fullness.NO),
        (8, 8, ALL_HOME, 120, 45_001, 90, Fullness.UNKNOWN),
    ],
)
def test_busy_is_full_with_three_quarters_of_what_was_declared(
    answered: int, entered: int, weights: Matrix, running: int, age_ms: int, full_s: int, expected: Fullness
) -> None:
    load = LoadReading(Fraction(answered), running, 3, age_ms)
    a = RegionReadings("a", ready=ReadyReading(2, 2, 0), load=load, entry_requests_per_second=Fraction(entered))
    memory = Memory({"a": RegionMemory(full_since_ms=1_000_000 - 1000 * full_s)}, weights)
    assert fullness(SPEC, {"a": a, "b": RegionReadings("b")}, memory, RULES, 1_000_000)["a"] is expected


@pytest.mark.parametrize(
    ("seen", "busy_s", "full_since_s"),
    [
        ((Fullness.FILLING, Fullness.FILLING), None, 0),
        ((Fullness.FILLING, Fullness.NO), 5, None),  # it may have been busy, and nothing has shown otherwise
        ((Fullness.FILLING, Fullness.UNKNOWN), 5, 0),
        ((Fullness.FILLING, Fullness.CLOGGED, Fullness.NO), None, None),
        ((Fullness.BUSY, Fullness.BUSY, Fullness.NO), 5, None),
        ((Fullness.NO, Fullness.FILLING), None, 5),
    ],
)
def test_what_was_filling_counts_as_busy_when_it_ends(
    seen: tuple[Fullness, ...], busy_s: int | None, full_since_s: int | None
) -> None:
    past = RegionMemory()
    for tick, full in enumerate(seen):
        past = remember_fullness(past, full, 5_000 * tick)
    assert past.busy_ms == (None if busy_s is None else 1000 * busy_s)
    assert past.full_since_ms == (None if full_since_s is None else 1000 * full_since_s)


SLOW = tuple(Opinion(kind, Level.BAD, Fraction(0), False, "slow") for kind in (Kind.LATENCY, Kind.PROBE))
ERRORS = Opinion(Kind.OUTCOME, Level.BAD, Fraction(0), False, "errors")


@pytest.mark.parametrize(
    ("full", "idle_ms", "left_bad"),
    [
        (Fullness.BUSY, None, ()),
        (Fullness.FILLING, None, ()),
        (Fullness.CLOGGED, None, (Kind.LATENCY, Kind.PROBE)),
        (Fullness.NO, None, (Kind.LATENCY, Kind.PROBE)),
        (Fullness.NO, 105_000, ()),
        (Fullness.NO, 105_001, (Kind.LATENCY, Kind.PROBE)),
        (Fullness.UNKNOWN, 300_000, ()),
        (Fullness.UNKNOWN, 300_001, (Kind.LATENCY, Kind.PROBE)),
    ],
)
def test_slowness_is_excused_while_windows_tell_of_a_busy_time(
    full: Fullness, idle_ms: int | None, left_bad: tuple[Kind, ...]
) -> None:
    past = RegionMemory(busy_ms=None if idle_ms is None else 1_000_000 - idle_ms)
    heard = excuse(SLOW, full, past, 1_000_000, RULES)
    assert tuple(o.kind for o in heard if o.level is Level.BAD) == left_bad


def test_a_queue_alone_is_never_bad() -> None:
    (latency,) = excuse(SLOW[:1], Fullness.CLOGGED, RegionMemory(), 0, RULES)
    assert latency.level is Level.FAIR


def test_nothing_is_excused_beside_errors() -> None:
    assert excuse((*SLOW, ERRORS), Fullness.BUSY, RegionMemory(), 0, RULES) == (*SLOW, ERRORS)


@pytest.mark.parametrize(
    ("ready", "known", "running", "expected"),
    [
        (None, None, 120, Fullness.BUSY),  # nothing is known: as many as there must be
        (ReadyReading(8, 8, 60_000), 4, 240, Fullness.BUSY),
        (ReadyReading(8, 8, 60_000), 4, 120, Fullness.NO),
        (ReadyReading(0, 2, 0), 2, 120, Fullness.NO),
    ],
)
def test_an_api_server_that_does_not_answer_empties_no_region(
    ready: ReadyReading | None, known: int | None, running: int, expected: Fullness
) -> None:
    a = RegionReadings("a", ready=ready, load=LoadReading(Fraction(12), running, 3, 0))
    memory = Memory({"a": RegionMemory(full_since_ms=900_000, ready_known=known)}, ALL_HOME)
    assert fullness(SPEC, {"a": a, "b": RegionReadings("b")}, memory, RULES, 1_000_000)["a"] is expected

"""Signals to opinions, kind by kind."""

from dataclasses import replace
from fractions import Fraction

import pytest
from readings import answers, counts
from world import three_regions

from leeward.core import kinds, responses
from leeward.core.kinds import Level, Rules
from leeward.core.snapshot import Counts, ReadyReading, Tally
from leeward.core.spec import ModelSpec, Objectives

RULES = Rules.of(three_regions())


@pytest.mark.parametrize(
    ("availability", "good", "bad"),
    [
        ("0.995", "0.005", "0.072"),
        ("0.999", "0.001", "0.05"),
        ("0.9", "0.1", "0.5"),
        ("1", "0", "0.05"),
        ("0", "0.5", "0.5"),
        ("-3", "0.5", "0.5"),
    ],
)
def test_bad_is_14_4_budgets_kept_between_5_and_50_percent(availability: str, good: str, bad: str) -> None:
    spec = replace(three_regions(), objectives=Objectives(availability=Fraction(availability)))
    assert Rules.of(spec).errors == kinds.Bounds(Fraction(good), Fraction(bad))


@pytest.mark.parametrize(
    ("bad", "total", "level"),
    [
        (0, 300, Level.GOOD),
        (3, 300, Level.GOOD),
        (5, 300, Level.FAIR),
        (30, 300, Level.FAIR),
        (33, 300, Level.BAD),
        (300, 300, Level.BAD),
        (1, 20, Level.GOOD),  # one bad sample is never more than an accident
        (2, 20, Level.FAIR),
        (5, 20, Level.BAD),
        (19, 19, None),
    ],
)
def test_outcome_by_samples(bad: int, total: int, level: Level | None) -> None:
    one_window = Counts("a", (Tally(30_000, bad, total),), 0)
    opinion = responses.outcome((one_window,), RULES, None)
    assert (opinion and opinion.level) == level


def test_too_few_samples_widen_the_window() -> None:
    opinion = responses.outcome((counts("a", 5, 10),), RULES, None)
    assert opinion is not None
    assert "10 of 20 responses bad in 60 s" in opinion.sentence


@pytest.mark.parametrize(
    ("shorter", "level"),
    [
        ((30_000, 0, 7), Level.BAD),  # too few to say that it is over
        ((30_000, 0, 8), Level.FAIR),
        ((30_000, 1, 8), Level.BAD),
        ((60_000, 0, 19), Level.FAIR),  # right after a time without metrics: the shortest window has no rate yet
        (None, Level.FAIR),
    ],
)
def test_a_long_window_alone_does_not_tell_that_it_goes_on(shorter: tuple[int, int, int] | None, level: Level) -> None:
    tallies = [*([Tally(*shorter)] if shorter else []), Tally(300_000, 68, 683)]
    opinion = responses.outcome((Counts("a", tuple(tallies), 0),), RULES, None)
    assert opinion is not None
    assert opinion.level is level


def test_a_fall_voids_windows_that_reach_back_beyond_it() -> None:
    assert responses.outcome((counts("a", 10, 10),), RULES, reach_back_ms=45_000) is None


def test_two_sensors_that_agree_are_counted() -> None:
    opinion = responses.outcome((counts("a", 60, 300), counts("b", 0, 300), counts("engine", 60, 300)), RULES, None)
    assert opinion is not None
    assert (opinion.level, opinion.bad_sensors, opinion.samples) == (
        Level.BAD,
        2,
        9_000,
    )  # the longest that is bad


def test_score_falls_linearly_and_in_twentieths() -> None:
    levels = [RULES.errors.judge(Tally(30_000, bad, 300)) for bad in (0, 10, 20, 30, 40)]
    scores = [score for _, score in levels]
    assert scores == sorted(scores, reverse=True)
    assert all((20 * score).denominator == 1 for score in scores)


def test_clean_outcome_excludes_five_percent() -> None:
    few = responses.outcome((Counts("a", (Tally(30_000, 0, 30), Tally(60_000, 3, 80)), 0),), RULES, None)
    many = responses.outcome((Counts("a", (Tally(30_000, 0, 300),), 0),), RULES, None)
    assert few is not None and many is not None
    assert (few.level, few.clean) == (Level.GOOD, False)
    assert many.clean


def test_latency_is_bad_from_four_times_what_the_percentile_allows() -> None:
    for slow, level in ((20, Level.GOOD), (40, Level.FAIR), (80, Level.BAD)):
        opinion = responses.latency(counts("engine", slow, 300), RULES, None)
        assert opinion is not None
        assert opinion.level is level


@pytest.mark.parametrize(
    ("tallies", "failing", "level", "clean"),
    [
        ([(30_000, 0, 12), (60_000, 0, 24)], False, Level.GOOD, True),
        ([(30_000, 1, 12), (60_000, 1, 24)], False, Level.GOOD, False),
        ([(30_000, 0, 12), (60_000, 0, 24)], True, Level.FAIR, False),
        ([(30_000, 12, 12), (60_000, 12, 24)], True, Level.BAD, False),
        ([(30_000, 3, 3), (60_000, 6, 6)], True, Level.FAIR, False),  # few probes never say bad
        ([(30_000, 0, 2)], False, Level.GOOD, True),
        ([(30_000, 0, 0)], False, None, None),
    ],
)
def test_probes(tallies: list[tuple[int, int, int]], failing: bool, level: Level | None, clean: bool | None) -> None:
    sensor = Counts("direct", tuple(Tally(*tally) for tally in tallies), 0)
    opinion = responses.probe((sensor,), failing, RULES, None, None)
    assert (opinion and opinion.level, opinion and opinion.clean) == (level, clean)


def test_probes_made_while_the_observer_suspected_itself_do_not_count() -> None:
    sensor = counts("direct", 30, 30)
    assert responses.probe((sensor,), False, RULES, None, trusted_ms=29_000) is None


@pytest.mark.parametrize(
    ("ready", "desired", "minimum", "level"),
    [
        (4, 4, 4, Level.GOOD),
        (4, 12, 4, Level.GOOD),
        (3, 4, 4, Level.FAIR),
        (0, 4, 4, Level.BAD),
        (0, 0, 4, Level.BAD),
        (0, 0, 0, None),
        (0, 3, 0, Level.BAD),
        (1, 1, 4, Level.GOOD),
        (-1, 4, 4, None),
    ],
)
def test_ready(ready: int, desired: int, minimum: int, level: Level | None) -> None:
    opinion = kinds.ready(ReadyReading(ready, desired, 0), minimum, RULES)
    assert (opinion and opinion.level) == level


@pytest.mark.parametrize(
    ("readings", "level", "observers"),
    [
        ([answers("x"), answers("y")], Level.GOOD, 0),
        ([answers("x", 3_000), answers("y", 3_000)], Level.BAD, 2),
        ([answers("x", 3_000), answers("x", 9_000)], Level.BAD, 1),  # one observer, twice
        ([answers("x", 3_000), answers("y", 2_999)], Level.FAIR, 1),  # not yet everywhere
        ([answers("x", 3_000), answers("y", age_ms=4_000)], Level.BAD, 1),  # old news contradicts nothing
        ([answers("x", 3_000), answers("y", 3_000, reached=0)], Level.BAD, 1),  # y is cut off itself
        ([answers("x", 3_000, reached=0)], None, 0),
        ([answers("x", 3_000, reached=0, others=0)], None, 0),  # nobody vouches for it
        ([answers("x", 3_000, age_ms=-1)], None, 0),
        ([answers("x", -5)], None, 0),
        ([answers("x", 3_000, reached=9)], None, 0),
        ([], None, 0),
    ],
)
def test_reach(readings: list, level: Level | None, observers: int) -> None:
    opinion = kinds.reach(tuple(readings), RULES)
    assert (opinion and opinion.level, opinion.bad_sensors if opinion else 0) == (level, observers)


@pytest.mark.parametrize("tally", [Tally(30_000, 5, 3), Tally(30_000, -1, 30), Tally(0, 3, 30), Tally(-30_000, 30, 30)])
def test_absurd_tallies_are_no_readings(tally: Tally) -> None:
    assert responses.outcome((Counts("a", (tally,), 0),), RULES, None) is None


def test_rules_survive_an_absurd_spec() -> None:
    spec = ModelSpec("x", (), objectives=Objectives(ttft_percentile=900), interval_ms=-1, scrape_interval_ms=-1)
    assert Rules.of(spec).stale_ms > 0

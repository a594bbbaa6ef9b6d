"""The world's parts against arithmetic and against the operator's own books."""

from dataclasses import replace
from random import Random
from statistics import fmean

import pytest

from leeward.ports import Outcome
from leeward.sightings import ProbeBook
from leeward.storm.baselines import BASELINES
from leeward.storm.dice import arrivals, share_of
from leeward.storm.figures import measure
from leeward.storm.gauges import Probes, Series
from leeward.storm.liveness import shares_wanted
from leeward.storm.play import sample, watch
from leeward.storm.scenario import Fault, FaultKind, FleetShape, RegionShape, Scenario, Weather
from leeward.storm.trace import Sample
from leeward.storm.world import World, slow_share

WINDOWS = (30_000, 60_000, 300_000, 900_000)
FLEET = FleetShape(tuple(RegionShape(n, s, 4, 8, 6.0) for n, s in (("a", 34), ("b", 33), ("c", 33))))
CALM = Weather(background_errors=0.0, jitter=0.0)
HOME = [[100, 0, 0], [0, 100, 0], [0, 0, 100]]


def world(*faults: Fault, weather: Weather = CALM, fleet: FleetShape = FLEET) -> World:
    made = World(Scenario(3, fleet, faults, weather, 600_000, 600_000))
    made.rows = [list(row) for row in HOME]
    return made


def good_share(of: World, seconds: int) -> float:
    asked, good = of.asked, of.good
    for _ in range(seconds):
        of.step(of.now_ms + 1_000)
    return (of.good - good) / (of.asked - asked)


@pytest.mark.parametrize("mean", [0.3, 3.0, 40.0])
def test_arrivals_have_the_mean_and_spread_of_poisson(mean: float) -> None:
    rng = Random(1)
    drawn = [arrivals(rng, mean) for _ in range(4_000)]
    assert fmean(drawn) == pytest.approx(mean, rel=0.06)
    assert fmean((count - mean) ** 2 for count in drawn) == pytest.approx(mean, rel=0.12)


@pytest.mark.parametrize(("count", "share"), [(5, 0.3), (200, 0.02), (200, 0.4), (7, 0.0), (7, 1.0)])
def test_shares_have_the_mean_of_a_binomial(count: int, share: float) -> None:
    rng = Random(2)
    drawn = [share_of(rng, count, share) for _ in range(4_000)]
    assert fmean(drawn) == pytest.approx(count * share, rel=0.05)
    assert all(0 <= struck <= count for struck in drawn)


def test_slow_answers_are_counted_by_the_log_normal() -> None:
    assert slow_share(1) == 0.01
    assert slow_share(3) == pytest.approx(0.233)
    assert slow_share(5) == pytest.approx(0.5)
    assert slow_share(1, waits_seconds=2.5) == 1
    assert slow_share(1, waits_seconds=1) > slow_share(1)


def test_users_of_a_fleet_that_is_well_get_good_answers() -> None:
    assert good_share(world(), 60) > 0.99


@pytest.mark.parametrize(
    ("kind", "size", "expected"),
    [
        (FaultKind.ERRORS, 0.3, 0.9),
        (FaultKind.CUT_STREAMS, 0.3, 0.9),
        (FaultKind.SLOW, 5.0, 1 - 0.5 / 3),
        (FaultKind.CRASH, 0.0, 2 / 3),
        (FaultKind.SURGE, 10.0, (12 + 16 / 2) / (60 + 12)),  # 16 of 60 are served, after two seconds' wait
    ],
)
def test_a_fault_in_one_of_three_costs_its_share(kind: FaultKind, size: float, expected: float) -> None:
    struck = world(Fault(kind, 0, 600_000, ("b",), size))
    struck.look_up()
    good_share(struck, 10)  # queues fill
    assert good_share(struck, 300) == pytest.approx(expected, abs=0.03)


def test_users_of_a_region_that_is_cut_off_find_another_entry() -> None:
    cut = world(
        Fault(FaultKind.PARTITION, 0, 600_000, ("b",)), fleet=replace(FLEET, requests_per_second_per_replica=10)
    )
    cut.look_up()
    assert good_share(cut, 3) < 0.8
    cut.step(cut.now_ms + 1_000)
    assert good_share(cut, 60) > 0.99
    assert cut.demand == pytest.approx([9.0, 0.0, 9.0])


def test_new_replicas_take_their_time_and_a_crash_takes_them_all() -> None:
    grown = world(weather=replace(CALM, startup_ms=60_000))
    grown.scale(0, 6)
    good_share(grown, 59)
    assert grown.engines[0].ready == 4
    good_share(grown, 2)
    assert grown.engines[0].ready == 6


def test_retries_rescue_what_a_crashed_region_refuses() -> None:
    spread = [[34, 33, 33]] * 3
    shares = []
    for retries in (False, True):
        crashed = world(Fault(FaultKind.CRASH, 0, 600_000, ("b",)), weather=replace(CALM, retries=retries))
        crashed.rows = [list(row) for row in spread]
        crashed.look_up()
        shares.append(good_share(crashed, 60))
    assert shares[0] == pytest.approx(0.67, abs=0.04)
    assert shares[1] > 0.99


def test_increases_are_extrapolated_to_their_window() -> None:
    series = Series()
    for i in range(20):
        series.add(5_000 * i, i, 10 * i)
    found = series.increases(97_000, 97_000, WINDOWS, 5_000)
    assert found[0] == (30_000, 6, 60)
    assert found[1] == (60_000, 12, 120)
    assert found[2][2] == 200  # all there is, and the scrape before it
    assert series.increases(97_000, 52_000, WINDOWS, 5_000) == [
        (60_000, 3, 30),
        (300_000, 11, 110),
        (900_000, 11, 110),
    ]
    assert series.age_ms(97_000, 97_000) == 2_000
    assert series.age_ms(97_000, 52_000) == 47_000
    assert Series().age_ms(1, 1) is None


def test_probes_are_counted_as_the_operator_counts_them() -> None:
    book, kept, rng = ProbeBook(WINDOWS), Probes(), Random(4)
    now = 0
    for _ in range(300):
        now += rng.choice((500, 1_000, 5_000))
        bad = rng.random() < 0.2
        kept.note(now, bad)
        book.note(("n", "m"), "a", "direct", Outcome.BAD if bad else Outcome.GOOD, "", now)
        (theirs,) = book.counts(("n", "m"), "a", now)
        assert [(t.window_ms, t.bad, t.total) for t in theirs.tallies] == kept.windows(now, WINDOWS)
        assert kept.newest_bad() == book.failing(("n", "m"), "a", now, 15_000)


def test_shares_are_wanted_where_there_is_room_for_them() -> None:
    assert shares_wanted(FLEET) == [[100, 0, 0], [0, 100, 0], [0, 0, 100]]
    assert shares_wanted(replace(FLEET, policy="Shares")) == [[34, 33, 33]] * 3
    assert shares_wanted(replace(FLEET, requests_per_second_per_replica=2)) is None


@pytest.mark.parametrize(("policy", "least", "most"), [("ejection", 40, 51), ("dns", 50, 61), ("toleration", 300, 311)])
def test_baselines_leave_a_crashed_region_when_their_kind_does(policy: str, least: float, most: float) -> None:
    crash = Fault(FaultKind.CRASH, 60_000, 460_000, ("b",))
    samples, _ = watch(Scenario(1, FLEET, (crash,), CALM, 460_000, 460_000), BASELINES[policy])
    found = measure(samples, crash, [1])
    assert found.drained_seconds is not None and least <= found.drained_seconds <= most
    assert found.good_again_seconds is not None and abs(found.good_again_seconds - found.drained_seconds) <= 6


def test_figures_of_a_fault_that_is_known() -> None:
    fault = Fault(FaultKind.ERRORS, 10_000, 69_000, ("b",), 1.0)
    samples, good = [], 0.0
    for second in range(70):
        good += 10 if not 10 < second <= 22 else 5
        weight = 50 if second < 20 else 0
        samples.append(Sample(second * 1_000, 10 * (second + 1), good, (0.5, 0.4, 0.5 + second / 100), (50, weight, 0)))
    found = measure(samples, fault, [1])
    assert found.drained_seconds == 10
    assert found.good_again_seconds == 12
    assert found.lost_share == pytest.approx(12 * 5 / 590)
    assert found.peak_survivor == pytest.approx(1.19)


def test_a_sample_leaves_out_what_nobody_uses() -> None:
    cut = world(Fault(FaultKind.PARTITION, 0, 600_000, ("b",)))
    cut.look_up()
    assert sample(cut).weights == (100, 0, 100)

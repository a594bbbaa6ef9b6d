"""Raw verdicts, then what stands over time."""

from dataclasses import replace

import pytest
from readings import NOW, answers, counts, crashed, gray, lost, seen, well
from world import three_regions

from leeward.core.health import Assessment, assess
from leeward.core.memory import Memory, RegionMemory
from leeward.core.settle import settle
from leeward.core.snapshot import LoadReading, ReadyReading, RegionReadings
from leeward.core.verdict import Verdict

SPEC = three_regions()
KNOWN = Memory(regions={n: RegionMemory(been_ready=True) for n in "abc"}, ticks_since_start=9)
BAD_OUTCOME_AT_ENTRY = (counts("a", 60, 300), counts("engine", 0, 300))
BAD_PROBES = (counts("direct", 15, 30), counts("via", 15, 30))
BAD_LATENCY = counts("engine", 200, 300)
FULL = LoadReading(well("a").load.requests_per_second, 4 * 64, 9, 0)  # type: ignore[union-attr]
ONE_DOWN = (answers("op-1", 3_000, 1),)


def first(a: RegionReadings, memory: Memory = KNOWN, **changes: object) -> Assessment:
    """Region a's assessment, b and c being well."""
    return assess(SPEC, seen(a, well("b"), well("c"), **changes), memory, NOW)["a"]


def gone(name: str, probed_ms: int) -> RegionReadings:
    """Crashed, and the newest probe was good, so long ago."""
    probes = (counts("direct", 0, 30, probed_ms), counts("via", 0, 30, probed_ms))
    return replace(crashed(name), probes=probes, probe_failing=False)


@pytest.mark.parametrize(
    ("case", "readings", "verdict", "definitive"),
    [
        ("all good", well("a"), "healthy", False),
        ("cut off", lost("a"), "failed", True),
        ("cut off for less than 3 s", lost("a", 2_999), "unknown", False),
        ("one observer only", RegionReadings("a", reach=ONE_DOWN), "unknown", False),
        ("one observer and a failing probe", RegionReadings("a", reach=ONE_DOWN, probe_failing=True), "failed", True),
        ("one observer and bad outcome", well("a", reach=ONE_DOWN, outcomes=BAD_OUTCOME_AT_ENTRY), "failed", True),
        ("one observer, all else good", well("a", reach=ONE_DOWN), "degraded", False),
        ("one of two observers", well("a", reach=(*ONE_DOWN, answers("op-2"))), "degraded", False),
        ("crashed", crashed("a"), "failed", True),
        ("no replica, but probes succeed", well("a", ready=ReadyReading(0, 4, 0)), "degraded", False),
        ("no replica, nothing else", RegionReadings("a", ready=ReadyReading(0, 4, 0)), "unknown", False),
        ("no replica, responses bad, a probe of late was good", gone("a", probed_ms=10_000), "failed", False),
        ("no replica, responses bad, no probe for two ticks", gone("a", probed_ms=10_001), "failed", True),
        ("errors at entry and engine", gray("a"), "failed", False),
        ("errors at one sensor", well("a", outcomes=BAD_OUTCOME_AT_ENTRY), "degraded", False),
        ("one sensor, bad probes", well("a", outcomes=BAD_OUTCOME_AT_ENTRY, probes=BAD_PROBES), "failed", False),
        ("slow", well("a", latency=BAD_LATENCY), "degraded", False),
        ("slow, and slow probes", well("a", latency=BAD_LATENCY, probes=BAD_PROBES), "failed", False),
        ("slow because full", well("a", latency=BAD_LATENCY, load=FULL), "degraded", False),
        ("slow, full, no replica", well("a", latency=BAD_LATENCY, ready=ReadyReading(0, 4, 0)), "failed", False),
        ("bad probes alone", well("a", probes=BAD_PROBES), "degraded", False),
        ("five percent", gray("a", 5), "degraded", False),
        ("nothing known", RegionReadings("a"), "unknown", False),
        ("one kind", RegionReadings("a", reach=(answers("op-1"),)), "unknown", False),
        ("Prometheus gone", well("a", outcomes=(), latency=None, load=None, metrics_answer=False), "healthy", False),
        (
            "Prometheus and API gone",
            well("a", outcomes=(), latency=None, ready=None, metrics_answer=False, api_answers=False),
            "unknown",
            False,
        ),
        (
            "all stale",
            well(
                "a",
                outcomes=(counts("a", 300, 300, 99_000),),
                latency=None,
                probes=(),
                ready=None,
                reach=(answers("x", 9_000, age_ms=99_000),),
            ),
            "unknown",
            False,
        ),
    ],
)
def test_verdicts(case: str, readings: RegionReadings, verdict: str, definitive: bool) -> None:
    assessed = first(readings)
    assert (assessed.verdict.value, assessed.definitive) == (verdict, definitive), case
    assert assessed.reason


def test_an_observer_that_suspects_itself_knows_nothing() -> None:
    for changes in ({"observer_queries_fail": True}, {}):
        cut = lost("a") if changes else well("a", reach=(answers("op-1", 9_000, reached=0),))
        assessed = assess(SPEC, seen(cut, well("b"), well("c"), **changes), KNOWN, NOW)
        assert {a.verdict for a in assessed.values()} == {Verdict.UNKNOWN}


def test_an_entry_that_calls_everyone_bad_is_not_heard() -> None:
    regions = [well(n, outcomes=(counts("x", 90, 300), counts("engine", 0, 300))) for n in "abc"]
    assessed = assess(SPEC, seen(*regions), KNOWN, NOW)
    assert {a.verdict for a in assessed.values()} == {Verdict.HEALTHY}


def test_a_minute_of_errors_at_one_sensor_suffices_where_others_are_better() -> None:
    past = RegionMemory(been_ready=True, outcome_bad_since_ms=NOW - 60_000, probe_bad_since_ms=NOW - 60_000)
    memory = replace(KNOWN, regions={**KNOWN.regions, "a": past})
    assert first(well("a", outcomes=BAD_OUTCOME_AT_ENTRY), memory).verdict is Verdict.FAILED
    assert first(well("a", probes=BAD_PROBES), memory).verdict is Verdict.FAILED
    alone = assess(SPEC, seen(well("a", probes=BAD_PROBES), *map(RegionReadings, "bc")), memory, NOW)
    assert alone["a"].verdict is Verdict.DEGRADED


def test_a_region_that_never_was_ready_is_starting() -> None:
    fresh = Memory(regions={"a": RegionMemory(first_seen_ms=NOW)})
    assert first(crashed("a"), fresh).verdict is Verdict.UNKNOWN
    late = Memory(regions={"a": RegionMemory(first_seen_ms=NOW - 900_000)})
    assert first(crashed("a"), late).definitive
    assert first(lost("a"), fresh).definitive


def vote(verdict: Verdict, definitive: bool = False) -> Assessment:
    return Assessment("a", verdict, definitive, "because", None, ())


H, D, F, U = Verdict.HEALTHY, Verdict.DEGRADED, Verdict.FAILED, Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("votes", "shown"),
    [
        ([F], [H]),
        ([F, F], [H, F]),
        ([F, H, F], [H, H, F]),
        ([F, H, H, F], [H, H, H, H]),
        ([D], [H]),
        ([D, D], [H, D]),
        ([D, F], [H, D]),
        ([D, F, F], [H, D, F]),
        ([U], [U]),
        ([F, U, F], [H, U, F]),
        ([F, U, U, F], [H, U, U, H]),
        ([U] * 9, [U] * 9),
        ([D, D, U, H], [H, D, U, D]),
        ([F, F, U, H], [H, F, F, F]),
    ],
)
def test_what_stands(votes: list[Verdict], shown: list[Verdict]) -> None:
    region, now, seen_verdicts = RegionMemory(), NOW, []
    for verdict in votes:
        now += 5_000
        region = settle(SPEC, region, vote(verdict), now, 5_000)
        seen_verdicts.append(region.verdict)
    assert seen_verdicts == shown


def test_a_definitive_verdict_does_not_wait() -> None:
    assert settle(SPEC, RegionMemory(), vote(F, definitive=True), NOW, 0).verdict is F


@pytest.mark.parametrize(("before", "clean_s"), [(D, 120), (F, 300)])
def test_clean_time(before: Verdict, clean_s: int) -> None:
    region, ticks = RegionMemory(settled=before, verdict=before), 0
    while region.verdict is before:
        region = settle(SPEC, region, vote(H), NOW, 5_000)
        ticks += 1
    assert (ticks - 1) * 5 == clean_s


def test_unknown_neither_adds_to_clean_time_nor_resets_it() -> None:
    region = RegionMemory(settled=F, verdict=F)
    for verdict in (H, H, H, U, U, H, H):
        region = settle(SPEC, region, vote(verdict), NOW, 5_000)
    assert region.clean_ms == 15_000
    assert settle(SPEC, region, vote(D), NOW, 5_000).clean_ms == 0


def test_the_sentence_stays_while_only_numbers_move() -> None:
    first_tick = settle(SPEC, RegionMemory(), vote(H), NOW, 0)
    again = settle(SPEC, first_tick, replace(vote(H), reason="other numbers"), NOW, 0)
    assert again.reason == first_tick.reason

"""Figures of a scene, from made-up records and samples."""

from dataclasses import replace

import pytest
from rich.console import Console

from localfleet.demo import report
from localfleet.demo.measure import Played, as_before, figures
from localfleet.demo.watch import Sample, Saying, Slots
from localfleet.load.records import Record

BEFORE = {"a": {"a": 50, "b": 50}, "b": {"a": 50, "b": 50}}
DRAINED = {"a": {"a": 100, "b": 0}}
PLAYED = Played(1, "b is gone", "b", True, began=0.0, fault=10.0, healed=70.0, ended=100.0)


def record(t: float, good: bool = True, status: int = 200, total: float = 1.0) -> Record:
    return Record(t=t, scheduled_delay=0.0, entry="a", status=status, total=total, good=good, error="" if good else "x")


def measured(records: list[Record], samples: list[Sample], sayings: list[Saying] | None = None):
    return figures(PLAYED, records, samples, sayings or [], Slots(100, 1))


SAMPLES = [
    Sample(9.0, BEFORE, {"a": 20, "b": 20}),
    Sample(14.0, DRAINED, {"a": 60}),
    Sample(69.0, DRAINED, {"a": 80}),
    Sample(90.0, BEFORE, {"a": 40, "b": 30}),
    Sample(95.0, BEFORE, {"a": 40, "b": 30}),
]


def test_seconds_count_from_the_fault_and_from_the_healing() -> None:
    said = [Saying(13.5, "VerdictChanged", "b", "b is failed: gateway does not answer")]
    found = measured([record(float(t)) for t in range(100)], SAMPLES, said)
    assert (found.detected_seconds, found.drained_seconds, found.failback_seconds) == (3.5, 4.0, 20.0)
    assert (found.peak_survivor_active, found.peak_survivor_percent) == (80, 80.0)
    assert found.wrong_shifts == 0


def test_requests_in_flight_at_the_fault_are_counted_apart() -> None:
    records = [record(9.5, good=False, status=0), record(9.8), record(10.5, good=False, status=503), record(11.0)]
    found = measured(records, SAMPLES)
    assert (found.in_flight_at_fault, found.in_flight_lost) == (2, 1)
    assert (found.requests, found.failed, found.failed_percent) == (2, 1, 50.0)


def test_a_region_without_fault_that_loses_all_weight_is_a_wrong_shift() -> None:
    wrong = [SAMPLES[0], Sample(20.0, {"a": {"a": 0, "b": 100}}, {})]
    assert measured([record(11.0)], wrong).wrong_shifts == 1


def test_what_did_not_happen_has_no_seconds() -> None:
    calm = [Sample(float(t), BEFORE, {}) for t in range(100)]
    found = measured([record(float(t)) for t in range(100)], calm)
    assert (found.detected_seconds, found.drained_seconds, found.failback_seconds) == (None, None, None)
    assert found.weight_changes == 0


def test_refusals_are_told_by_their_longest_stretch() -> None:
    records = [record(t, good=False, status=429) for t in (20.0, 20.5, 21.2, 40.0)]
    found = measured(records, SAMPLES)
    assert (found.refused, found.failed, found.longest_refusal_seconds) == (4, 0, 1.2)


def test_good_again_means_from_then_on() -> None:
    records = [record(10 + n / 10, good=not (n < 200 and n % 10 == 0)) for n in range(600)]
    assert measured(records, SAMPLES).good_again_seconds == 20.0


def test_what_is_bad_until_the_healing_is_not_good_again() -> None:
    records = [record(10 + n / 10, good=n % 10 != 0) for n in range(600)]
    assert measured(records, SAMPLES).good_again_seconds is None


@pytest.mark.parametrize(
    ("rows", "same"),
    [
        ({"a": {"a": 34, "b": 66}}, True),
        ({"a": {"a": 33, "b": 67}}, True),
        ({"a": {"a": 32, "b": 68}}, False),
        ({"a": {"b": 100}}, False),
        ({}, False),
        ({"a": {"a": 34, "b": 66}, "b": {"a": 34, "b": 66}}, False),
    ],
)
def test_rows_are_as_before_up_to_what_is_no_reason_to_write(rows: dict[str, dict[str, int]], same: bool) -> None:
    assert as_before(rows, {"a": {"a": 34, "b": 66}}) is same


def test_ordered_replicas_are_timed_until_all_are_ready() -> None:
    def at(t: float, wanted: int, ready: int) -> Sample:
        return Sample(t, BEFORE, {}, {"a": ready, "b": 0}, {"a": wanted, "b": 6})

    grown = [at(9.0, 6, 6), at(14.0, 8, 6), at(20.0, 8, 7), at(31.0, 8, 8)]
    assert measured([], grown).ready_seconds == 31.0 - PLAYED.fault
    assert measured([], grown[:3]).ready_seconds is None
    assert measured([], SAMPLES).ready_seconds is None


def test_a_region_that_has_grown_admits_more() -> None:
    grown = [Sample(14.0, DRAINED, {"a": 80}, {"a": 2}, {"a": 2})]
    assert measured([], grown).peak_survivor_percent == 40.0


def test_six_scenes_fit_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    found = replace(measured([record(9.0), record(20.0, good=False)], SAMPLES), region="ap-south1")
    Console(width=80).print(report.on_screen([replace(found, scene=number) for number in range(1, 7)]))
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert rows[0] == ["scene", *"123456"]
    assert ["region", *["ap-south1"] * 6] in rows
    assert ["weight", "0", "after,", "s", *["4"] * 6] in rows

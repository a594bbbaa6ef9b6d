"""Arithmetic over records."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localfleet.load.analysis import (
    bins,
    causes,
    failed_share,
    first_good_window,
    in_flight_at,
    percentile,
    percentiles,
)
from localfleet.load.records import Record, read_records


def good(t: float, ttft: float = 0.3, region: str = "west", total: float = 3.0) -> Record:
    return Record(t, 0.0, "a", ["a"], region, "p", 200, stream=True, ttft=ttft, total=total, tokens=9, good=True)


def failed(t: float, region: str = "", total: float = 1.0, error: str = "connect") -> Record:
    return Record(t, 0.0, "a", ["a"], region, total=total, error=error)


def refused(t: float, region: str = "west") -> Record:
    return Record(t, 0.0, "a", ["a"], region, status=429, error="full")


@pytest.mark.parametrize(
    ("record", "cause"),
    [
        (good(0), ""),
        (failed(0), "connect"),
        (failed(0, error="timeout"), "timeout"),
        (failed(0, error="reset"), "reset"),
        (refused(0), "429"),
        (Record(0, 0, "a", status=503, error="no pods"), "503"),
        (Record(0, 0, "a", status=200, truncated=True, error="cut"), "truncated"),
        (Record(0, 0, "a", status=200, truncated=True, error="timeout"), "timeout"),
        (Record(0, 0, "a", status=200, wrong=True, tokens=4), "wrong"),
        (Record(0, 0, "a", status=200), "empty"),
        (Record(0, 0, "a", status=200, stream=True, ttft=9.0, tokens=4), "slow"),
    ],
)
def test_each_record_has_one_cause(record: Record, cause: str) -> None:
    assert record.cause == cause
    assert record.good + record.refused + record.failed == 1


def test_percentiles_are_nearest_ranks() -> None:
    values = [float(value) for value in range(1, 101)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.95) == 95
    assert percentile([], 0.5) is None
    spread = percentiles(reversed(values))
    assert spread is not None and (spread.p99, spread.max) == (99, 100)
    assert percentiles([]) is None


@settings(deadline=None)  # a busy machine is not a wrong result
@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_enough_others_do_not_exceed(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


def test_bins_are_by_region_and_start() -> None:
    records = [good(10.2), good(10.9, ttft=0.5), refused(10.5), failed(11.0, region="west"), failed(11.5)]
    found = bins(records, width=1.0)
    assert list(found) == ["-", "west"]
    first, second = found["west"]
    assert (first.start, first.good, first.failed, first.refused) == (10.0, 2, 0, 1)
    assert (first.ttft_p50, first.ttft_p95) == (0.3, 0.5)
    assert (second.start, second.failed, second.ttft_p50) == (11.0, 1, None)
    assert [one.start for one in found["-"]] == [11.0]
    assert bins([], 1.0) == {}


def test_bins_can_begin_at_an_event() -> None:
    found = bins([good(9.0), good(10.4), good(15.1)], width=5.0, origin=10.3)
    assert [one.start for one in found["west"]] == pytest.approx([5.3, 10.3])
    assert [one.good for one in found["west"]] == [1, 2]


def test_the_first_good_window_begins_after_the_last_failure_that_matters() -> None:
    records = [failed(100 + step) for step in range(10)] + [good(110 + step / 10) for step in range(100)]
    assert first_good_window(records, after=100.0) == 110.0
    assert first_good_window(records, after=112.05) == 112.05
    # Half of the window may fail: it may begin earlier, as soon as half of its requests are good.
    assert first_good_window(records, after=100.0, threshold=0.5) == 106.0


def test_a_window_must_be_covered_to_its_end_and_not_be_empty() -> None:
    assert first_good_window([good(100 + step) for step in range(4)], after=100.0) is None
    assert first_good_window([], after=0.0) is None
    assert first_good_window([good(100.0), good(120.0)], after=105.0) is None


def test_refused_requests_spoil_a_good_window_but_are_not_failed() -> None:
    records = [refused(100.0)] + [good(100 + step / 10) for step in range(1, 100)]
    assert first_good_window(records, after=99.0) == 100.1
    assert failed_share(records, 100.0, 101.0) == 0.0


def test_failed_share_counts_by_start() -> None:
    records = [good(1.0), failed(1.5, total=60.0), good(2.0), failed(3.0)]
    assert failed_share(records, 1.0, 3.0) == pytest.approx(1 / 3)
    assert failed_share(records, 5.0, 9.0) is None


def test_in_flight_is_what_has_started_and_not_ended() -> None:
    records = [good(1.0, total=3.0), good(2.0, total=0.5), failed(3.5, total=1.0)]
    assert [in_flight_at(records, t) for t in (0.5, 1.0, 2.2, 3.7, 4.0, 9.0)] == [0, 1, 2, 2, 1, 0]


def test_causes_are_counted() -> None:
    assert causes([good(0), refused(0), failed(1), failed(2), failed(3, error="reset")]) == {
        "connect": 2,
        "reset": 1,
    }


def test_records_survive_a_file_and_a_line_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    path.write_text(good(1.0).to_line() + refused(2.0).to_line() + '{"t":3', encoding="utf-8")
    assert read_records(path) == [good(1.0), refused(2.0)]

"""Queries and what becomes of their rows."""

from fractions import Fraction

import pytest

from leeward.adapters import promql
from leeward.adapters.prometheus import _counts, _entries, _latency


@pytest.mark.parametrize(
    ("scrape", "expected"), [(5_000, (30_000, 60_000, 300_000, 900_000)), (15_000, (90_000, 300_000, 900_000))]
)
def test_the_shortest_window_is_thirty_seconds_or_six_scrapes(scrape: int, expected: tuple[int, ...]) -> None:
    assert promql.windows_ms(scrape) == expected


@pytest.mark.parametrize(("objective", "edge"), [("2.5", "2.5"), ("2", "2.5"), ("0.3", "0.5"), ("9999", "2560.0")])
def test_an_objective_is_read_at_the_next_edge(objective: str, edge: str) -> None:
    assert promql.ttft_edge(Fraction(objective)) == edge


def line(kpi: str, value: float, **labels: str) -> dict:
    return {"metric": {"kpi": kpi, **labels}, "value": [0, str(value)]}


def test_errors_that_never_happened_count_as_zero_beside_a_total() -> None:
    counts = _counts("engine", [line("age", 2.5), line("total_30000", 41.6)], (30_000,))
    assert counts is not None
    assert [(tally.bad, tally.total) for tally in counts.tallies] == [(0, 42)]
    assert counts.age_ms == 2_500


def test_without_a_total_or_an_age_there_is_no_reading() -> None:
    assert _counts("engine", [line("age", 1)], (30_000,)) is None
    assert _counts("engine", [line("total_30000", 5)], (30_000,)) is None
    assert _counts("engine", [line("age", 1), line("total_30000", float("nan"))], (30_000,)) is None


def test_slow_is_what_is_not_within_the_edge() -> None:
    rows = [
        line("age", 1),
        line("total_30000", 100),
        line("within_30000", 93, le="2.5"),
        line("within_30000", 99, le="5"),
    ]
    counts = _latency(rows, (30_000,), "2.5")
    assert counts is not None
    assert (counts.tallies[0].bad, counts.tallies[0].total) == (7, 100)


def test_an_entry_sees_each_serving_region_of_a_model() -> None:
    cluster = "httproute/models/llama-70b-users/rule/0"
    labels = {"envoy_cluster_name": cluster, "envoy_endpoint_hostname": "eu-west4.region"}
    outcome = [line("age", 1, **labels), line("total_30000", 50, **labels), line("bad_30000", 10, **labels)]
    seen = _entries(outcome, [line("entered", 8, envoy_cluster_name=cluster)], (30_000,))
    entry = seen["models", "llama-70b"]
    assert entry.requests_per_second == 8
    assert (entry.serving["eu-west4"].tallies[0].bad, entry.serving["eu-west4"].tallies[0].total) == (10, 50)

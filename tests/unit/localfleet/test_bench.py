"""The benchmark's table: medians and maxima, and runs in which something never happened."""

from localfleet.bench.__main__ import summary, table


def runs(way: str, good_again: list[float | None]) -> list[dict[str, object]]:
    same = {"scene": 1, "way": way, "failed_percent": 1.0, "refused": 0, "drained_seconds": 2.0}
    return [{**same, "good_again_seconds": value, "peak_survivor_percent": 60.0} for value in good_again]


def test_a_run_that_never_got_good_again_is_the_largest_of_all() -> None:
    rows = {row["way"]: row for row in summary([*runs("a", [1.0, 3.0, None]), *runs("b", [None, None, 2.0])])}
    assert (rows["a"]["good_again_seconds_median"], rows["a"]["good_again_seconds_max"]) == (3.0, None)
    assert (rows["b"]["good_again_seconds_median"], rows["b"]["good_again_seconds_max"]) == (None, None)


def test_the_table_has_a_row_for_each_scene_and_way() -> None:
    lines = table([*runs("a", [1.0, 3.0, 2.0]), *runs("b", [None])]).splitlines()
    assert lines[2] == "| 1 | a | 3 | 1 (1) | 0 (0) | 2 (3) | 2 (2) | 60 (60) |"
    assert "never (never)" in lines[3]

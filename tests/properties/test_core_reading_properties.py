"""Readings, for every input: what is over is not held against a region."""

from hypothesis import given, settings
from hypothesis import strategies as st
from readings import counts, play, settled_fleet, well
from world import short_failback, three_regions

from leeward.core.snapshot import Counts, ReachReading, ReadyReading, Tally
from leeward.core.verdict import Verdict

SPEC = three_regions(failback=short_failback())
MEMORY, WEIGHTS, NEXT = settled_fleet(SPEC)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(600_000, 10**12), min_size=4, max_size=4))
def test_what_was_bad_long_ago_is_no_reading(old: list[int]) -> None:
    rotten = well(
        "b",
        outcomes=(counts("b", 300, 300, old[0]), counts("engine", 300, 300, old[0])),
        latency=counts("engine", 300, 300, old[1]),
        ready=ReadyReading(0, 4, old[2]),
        reach=tuple(ReachReading(o, 60_000, old[3], 2, 2) for o in ("op-1", "op-2")),
    )
    for plan in play(SPEC, MEMORY, WEIGHTS, NEXT, *[(well("a"), rotten, well("c"))] * 3):
        assert plan.regions[1].verdict in (Verdict.HEALTHY, Verdict.UNKNOWN)


@settings(max_examples=40, deadline=None)
@given(st.one_of(st.none(), st.integers(8, 19)), st.integers(20, 10**6), st.integers(20, 10**6))
def test_no_region_falls_for_what_only_long_windows_tell(lately: int | None, bad: int, good: int) -> None:
    """`lately`: responses in the shortest window, none of them bad; None: it has no rate yet."""
    short = () if lately is None else (Tally(30_000, 0, lately),)
    tallies = (*short, Tally(300_000, bad, bad + good), Tally(900_000, bad, bad + good))
    over = well("b", outcomes=(Counts("b", tallies, 0), Counts("engine", tallies, 0)))
    for plan in play(SPEC, MEMORY, WEIGHTS, NEXT, *[(well("a"), over, well("c"))] * 4):
        assert plan.regions[1].verdict is not Verdict.FAILED

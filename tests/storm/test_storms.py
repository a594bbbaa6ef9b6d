"""Two thousand storms, and the seeds that once broke a rule."""

import os

import pytest

from leeward.storm.campaign import run_many, run_one, scenario_of
from leeward.storm.play import play

STORMS = 2_000

MENDED: dict[int, str] = {
    14: "an operator that was cut off at home counted its home as reached, and failed the other region",
    311: "with four regions an observer through an entry was never trusted about a lost region",
    55: "a full region is slow for probes too: LATENCY and PROBE failed it together",
    17: "unknown demand was guessed from the shares of serving",
    834: "after a restart an old record was written over what all clusters held",
    473: "after an old record a crashed region counted as starting",
    501: "a crash of which no probe told was not definitive",
    618: "a region that others had to spare fell for what was over",
    420: "a region that had been full was judged by windows that told of that time",
    418: "a surge filled a region before its answers told of it: it was taken for slow by itself",
    115: "a busy region was no longer excused when its metrics came late",
    617: "where few requests come, a long window told of an outage from which the region had been healed",
    775: "a failed region that a guard kept was held above its capacity, and so never got clean",
    200055: "a surge filled a region before the rates told of it",
    201609: "a region was full from the start, and fell for it",
    200787: "the half of the write budget that ramps leave to others stopped the last steps home",
    201354: "probes were lost before the region crashed: their last answers, all good, spoke against it",
    201960: "an operator without memory that saw one entry took the others' rows for the same, under LocalFirst",
    210510: "a path through a lost entry had no newer probe, and its last, a good one, spoke for a crashed region",
    212868: "the only region in traffic ailed under all the load, and the others waited for its ramp to end",
    35420: "one entry lied of a region in its ramp, and the sum of all entries was believed",
    36583: "an operator that began cut off took a region that users were in for one that was just starting",
    45932: "an entry was lost 2 s before a region, and its last word of that region, a good one, still counted",
    51513: "the first entry's row was read 20 s after the start: the region was taken for one that was just starting",
    55495: "windows reached back into a hang that was over, and the region fell a second time for it",
    56882: "an entry that counted little was not heard when it called a region good, so another lied unnoticed",
    59082: "an operator with an old record did not see that a region was out already: its own entry had not been told",
    71182: "a clean region waited for the ramp of one that could not get well without it, for half an hour",
    71983: "the same after an evacuation, with half of all users refused meanwhile",
    86979: "two entries lied of a third region at once, and the checker blamed the core for believing both",
    96089: "the same, of a region that was the third entry",
    97785: "after two minutes without metrics the only window that told anything told of a fault from before",
    1226: "a dead region kept its weight because all others counted as failed, though they answered",
}
"""Seeds that broke a rule once, and what was wrong."""


def test_two_thousand_storms_break_no_rule() -> None:
    results = list(run_many(range(STORMS), jobs=min(2, os.cpu_count() or 1)))
    assert len(results) == STORMS
    broken = [result for result in results if result.failed]
    assert not broken, "\n".join(
        f"leeward simulate --seed {r.seed}: {r.error or f'{r.violations[0].rule}: {r.violations[0].sentence}'}"
        for r in broken
    )


def test_mended_seeds_stay_mended() -> None:
    results = [run_one(seed) for seed in MENDED]
    assert not [f"{MENDED[r.seed]} (seed {r.seed}): {r.violations}" for r in results if r.failed]


@pytest.mark.parametrize("seed", [5, 12])
def test_the_same_seed_gives_the_same_storm(seed: int) -> None:
    first, second = (play(scenario_of(seed), keep=True) for _ in range(2))
    assert first == second

"""Two thousand storms, the seeds that once broke a rule, and the seeds that still do."""

import os
from collections import Counter

import pytest
from known import KNOWN, Known

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
}
"""Seeds that broke a rule once, and what was wrong."""


def test_two_thousand_storms_break_no_rule() -> None:
    results = list(run_many(range(STORMS), jobs=min(2, os.cpu_count() or 1)))
    assert len(results) == STORMS
    told = Counter(next((k.name for k in KNOWN if k.covers(result)), "") for result in results if result.failed)
    fresh = [result for result in results if result.failed and not any(k.covers(result) for k in KNOWN)]
    print(f"\nknown failures: {dict(told)}")
    assert not fresh, "\n".join(
        f"leeward simulate --seed {r.seed}: {r.error or f'{r.violations[0].rule}: {r.violations[0].sentence}'}"
        for r in fresh
    )


@pytest.mark.parametrize(
    "known", [pytest.param(k, marks=pytest.mark.xfail(reason=k.reason)) for k in KNOWN], ids=lambda k: k.name
)
def test_a_known_failure_is_mended(known: Known) -> None:
    result = run_one(known.seed)
    assert not result.failed or not known.covers(result)


def test_mended_seeds_stay_mended() -> None:
    results = [run_one(seed) for seed in MENDED]
    assert not [f"{MENDED[r.seed]} (seed {r.seed}): {r.violations}" for r in results if r.failed]


@pytest.mark.parametrize("seed", [5, 12])
def test_the_same_seed_gives_the_same_storm(seed: int) -> None:
    first, second = (play(scenario_of(seed), keep=True) for _ in range(2))
    assert first == second

"""How long `leeward plan-capacity` takes for fleets of made-up offers, and what it saves against equal regions."""

import statistics
import time
from dataclasses import dataclass
from random import Random
from typing import Any

from leeward.planning.answer import answer
from leeward.planning.problem import Problem, read

SIZES = ((8, 8, 4), (20, 30, 6))
"""Regions, offers of each region, kinds of accelerators."""


@dataclass(frozen=True, slots=True)
class SolverFigures:
    """Seconds for one answer, the two simpler sizings that it is compared with included."""

    regions: int
    offers: int
    accelerators: int
    runs: int
    median_seconds: float
    most_seconds: float
    proven: int  # answers that are the cheapest for certain
    median_saving_percent: float | None  # against equal regions


def problem_of(regions: int, offers: int, accelerators: int, seed: int) -> Problem:
    """Offers with prices and quotas of their own; half of them spot; two regions share a provider."""
    random = Random(seed)
    kinds = {
        f"type-{i}": {"requestsPerSecond": round(random.uniform(2, 12), 1), "count": 2 ** random.randrange(4)}
        for i in range(accelerators)
    }

    def offer(number: int) -> dict[str, Any]:
        kind = random.choice(sorted(kinds))
        price = round(random.uniform(1, 6) * kinds[kind]["requestsPerSecond"] / kinds[kind]["count"] / 4, 2)
        return {"accelerator": kind, "price": price, "quota": random.randrange(8, 129, 8), "spot": number % 2 == 1}

    rows = [
        {"name": f"region-{i}", "labels": {"provider": f"p{i // 2}"}, "offers": [offer(n) for n in range(offers)]}
        for i in range(regions)
    ]
    demand = 20 * regions
    return read({"demand": demand, "survive": ["region", "provider"], "accelerators": kinds, "regions": rows})


def solved(size: tuple[int, int, int], runs: int) -> SolverFigures:
    """Answer so many problems of one size."""
    taken, savings, proven = [], [], 0
    for seed in range(runs):
        problem = problem_of(*size, seed)
        started = time.perf_counter()
        found = answer(problem, 60.0)
        taken.append(time.perf_counter() - started)
        proven += found.gap_percent == 0
        savings += [peer.saving_percent for peer in found.peers[:1] if peer.saving_percent is not None]
    return SolverFigures(
        *size,
        runs,
        round(statistics.median(taken), 3),
        round(max(taken), 3),
        proven,
        round(statistics.median(savings), 1) if savings else None,
    )

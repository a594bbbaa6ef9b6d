"""Many storms: spread over cores, counted as they come in, and summed up in a table.

A worker is given seeds and gives back small results; a storm that breaks a rule is played again by whoever wants
its transcript, since a seed is all that it takes.
"""

import multiprocessing
import signal
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from leeward.storm.play import Outcome, play
from leeward.storm.scenario import Scenario
from leeward.storm.seeds import storm
from leeward.storm.trace import Violation

CHUNK = 8


@dataclass(frozen=True, slots=True)
class Result:
    """One storm in short. `kinds` are the faults that it had."""

    seed: int
    kinds: tuple[str, ...]
    ended_ms: int
    calm_ms: int | None
    decisions: int
    writes: int
    violations: tuple[Violation, ...]
    error: str = ""

    @property
    def failed(self) -> bool:
        """Did it break a rule, or the program?"""
        return bool(self.violations or self.error)


def scenario_of(seed: int, days: int = 0, fixed: Scenario | None = None) -> Scenario:
    """The storm of a seed; with a fixed scenario, the seed is only its luck."""
    return storm(seed, days) if fixed is None else _reseeded(fixed, seed)


def _reseeded(scenario: Scenario, seed: int) -> Scenario:
    return Scenario(
        seed,
        scenario.fleet,
        scenario.faults,
        scenario.weather,
        scenario.faults_end_ms,
        scenario.limit_ms,
        scenario.until_calm,
    )


def played(scenario: Scenario, keep: bool = False) -> Outcome:
    """Play one storm; a mistake of the program is an outcome too, so that it keeps its seed."""
    try:
        return play(scenario, keep)
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed must be told with it
        return Outcome(scenario.seed, error=f"{type(error).__name__}: {error}")


def run_one(seed: int, days: int = 0, fixed: Scenario | None = None) -> Result:
    """One seed's result."""
    scenario = scenario_of(seed, days, fixed)
    outcome = played(scenario)
    kinds = tuple(sorted({fault.kind.value for fault in scenario.faults}))
    return Result(
        seed,
        kinds,
        outcome.ended_ms,
        outcome.calm_ms,
        outcome.decisions,
        outcome.writes,
        tuple(outcome.violations),
        outcome.error,
    )


def run_many(seeds: Iterable[int], jobs: int, days: int = 0, fixed: Scenario | None = None) -> Iterator[Result]:
    """Results as they come in. Closing the iterator, or Ctrl-C, ends the workers."""
    work = partial(run_one, days=days, fixed=fixed)
    if jobs <= 1:
        yield from map(work, seeds)
        return
    pool = multiprocessing.get_context("spawn").Pool(jobs, _ignore_interrupts)
    try:
        yield from pool.imap_unordered(work, seeds, chunksize=CHUNK)
    finally:
        pool.terminate()
        pool.join()


def _ignore_interrupts() -> None:
    """Ctrl-C is for the parent, which ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclass(frozen=True, slots=True)
class KindRow:
    """One kind of fault in the summary. Seconds from the last fault's end until the fleet was home."""

    kind: str
    storms: int
    broken: int
    home_median: float | None
    home_most: float | None


def by_kind(results: Sequence[Result]) -> list[KindRow]:
    """A row per kind of fault, and one for storms without any."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        for kind in result.kinds or ("nothing",):
            groups.setdefault(kind, []).append(result)
    return [_row(kind, group) for kind, group in sorted(groups.items())]


def _row(kind: str, group: list[Result]) -> KindRow:
    home = [result.calm_ms / 1000 for result in group if result.calm_ms is not None]
    median, most = (statistics.median(home), max(home)) if home else (None, None)
    return KindRow(kind, len(group), sum(result.failed for result in group), median, most)

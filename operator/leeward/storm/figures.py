"""Figures of one fault: how soon its region was empty, how soon users had 99 % again, how full the others got."""

from collections.abc import Sequence
from dataclasses import dataclass

from leeward.storm.scenario import Fault
from leeward.storm.trace import Sample

BIN_MS = 5_000
GOOD = 0.99


@dataclass(frozen=True, slots=True)
class FaultFigures:
    """Seconds from the fault's start; None: not while it lasted. Utilisation is a share of declared capacity."""

    drained_seconds: float | None
    good_again_seconds: float | None
    lost_share: float  # of all requests while it lasted
    peak_survivor: float


def measure(samples: Sequence[Sample], fault: Fault, struck: Sequence[int]) -> FaultFigures:
    """Figures of one fault whose regions have these indices."""
    during = [sample for sample in samples if fault.start_ms <= sample.at_ms <= fault.end_ms]
    asked, good = during[-1].asked - during[0].asked, during[-1].good - during[0].good
    others = [i for i in range(len(during[0].utilization)) if i not in struck]
    return FaultFigures(
        _drained(during, fault, struck),
        _good_again(during, fault),
        1 - good / asked if asked else 0.0,
        max((sample.utilization[i] for sample in during for i in others), default=0.0),
    )


def _drained(during: Sequence[Sample], fault: Fault, struck: Sequence[int]) -> float | None:
    for sample in during:
        if struck and all(sample.weights[i] == 0 for i in struck):
            return (sample.at_ms - fault.start_ms) / 1000
    return None


def _good_again(during: Sequence[Sample], fault: Fault) -> float | None:
    """The end of the last five seconds in which fewer than 99 % were good; 0 if there were none."""
    last_bad, start, end = 0, during[0], during[0]
    for sample in during[1:]:
        end = sample
        if end.at_ms - start.at_ms < BIN_MS:
            continue
        if end.good - start.good < GOOD * (end.asked - start.asked):
            last_bad = end.at_ms - fault.start_ms
        start = end
    never = last_bad >= start.at_ms - fault.start_ms and last_bad > 0
    return None if never else last_bad / 1000

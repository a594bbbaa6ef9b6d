"""Figures of one fault: how soon its region was empty, how soon users had 99 % again, how full the others got."""

from collections.abc import Sequence
from dataclasses import dataclass

from leeward.storm.scenario import Fault
from leeward.storm.trace import Sample

AHEAD_MS = 30_000
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
    """The first moment from which on 99 % are good: in the half minute that follows, and in all that is left."""
    end, ahead = during[-1], 0
    for sample in during:
        while ahead < len(during) - 1 and during[ahead].at_ms - sample.at_ms < AHEAD_MS:
            ahead += 1
        if end.at_ms - sample.at_ms < AHEAD_MS:
            return None
        if _good(sample, during[ahead]) and _good(sample, end):
            return (sample.at_ms - fault.start_ms) / 1000
    return None


def _good(since: Sample, until: Sample) -> bool:
    return until.good - since.good >= GOOD * (until.asked - since.asked)

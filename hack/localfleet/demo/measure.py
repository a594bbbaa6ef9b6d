"""Figures of one scene, from the users' records and the samples: pure functions, times in seconds.

Definitions. A request belongs to the moment it began. Good: complete, 2xx, right content, first token within the
objective. Requests in flight when a link is cut are lost whatever anyone does, so they are counted apart, beside the
bound that rate × duration gives. `None` means that it did not happen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leeward.core.writing import DEAD_BAND
from localfleet.demo.watch import Sample, Saying, Slots
from localfleet.load.records import Record


@dataclass(frozen=True, slots=True)
class Played:
    """When a scene's parts happened (wall clock)."""

    number: int
    title: str
    region: str
    shifts: bool
    began: float
    fault: float
    healed: float
    ended: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What one scene showed. Seconds count from the fault, or from the healing for `failback_seconds`."""

    scene: int
    title: str
    region: str
    detected_seconds: float | None
    drained_seconds: float | None
    good_again_seconds: float | None
    requests: int
    failed: int
    refused: int
    failed_percent: float
    in_flight_at_fault: int
    in_flight_lost: int
    longest_refusal_seconds: float
    peak_survivor_percent: float
    peak_survivor_active: int
    ready_seconds: float | None
    failback_seconds: float | None
    wrong_shifts: int
    weight_changes: int


def figures(
    played: Played,
    records: Sequence[Record],
    samples: Sequence[Sample],
    sayings: Sequence[Saying],
    slots: Slots,
    minute: float = 60.0,
) -> Figures:
    """One scene's figures; `slots` are what a serve listener admits at once."""
    ended = min(played.fault + minute, played.healed)
    after = [record for record in records if played.fault <= record.t < ended]
    flying = [record for record in records if record.t < played.fault < record.t + record.total]
    inside = [sample for sample in samples if played.began <= sample.t <= played.ended]
    failed = sum(record.failed for record in after)
    active = [
        (count, 100 * count / slots.of(sample, name))
        for sample in inside
        if played.fault <= sample.t < played.healed
        for name, count in sample.active.items()
        if name != played.region
    ]
    return Figures(
        scene=played.number,
        title=played.title,
        region=played.region,
        detected_seconds=_detected(played, sayings),
        drained_seconds=_drained(played, inside),
        good_again_seconds=good_for_good(records, played.fault, played.healed),
        requests=len(after),
        failed=failed,
        refused=sum(record.refused for record in after),
        failed_percent=round(100 * failed / len(after), 2) if after else 0.0,
        in_flight_at_fault=len(flying),
        in_flight_lost=sum(record.failed for record in flying),
        longest_refusal_seconds=_longest_refusal(after),
        peak_survivor_percent=round(max((share for _, share in active), default=0.0), 1),
        peak_survivor_active=max((count for count, _ in active), default=0),
        ready_seconds=_grown(played, inside),
        failback_seconds=_failback(played, inside),
        wrong_shifts=_wrong_shifts(played, inside),
        weight_changes=_changes(inside),
    )


def _since(moment: float | None, origin: float) -> float | None:
    return None if moment is None else round(moment - origin, 1)


def _detected(played: Played, sayings: Sequence[Saying]) -> float | None:
    moment = next(
        (
            saying.t
            for saying in sayings
            if saying.t >= played.fault
            and saying.region == played.region
            and saying.kind == "VerdictChanged"
            and " is failed" in saying.sentence
        ),
        None,
    )
    return _since(moment, played.fault)


def _drained(played: Played, samples: Sequence[Sample]) -> float | None:
    """The first moment at which every surviving entry that can be read has no weight for the region."""
    for sample in samples:
        rows = [row for entry, row in sample.weights.items() if entry != played.region]
        if played.fault <= sample.t < played.healed and rows and all(row.get(played.region) == 0 for row in rows):
            return _since(sample.t, played.fault)
    return None


def _grown(played: Played, samples: Sequence[Sample]) -> float | None:
    """Until all replicas are ready that were ordered elsewhere during the fault; None: none were, or too late."""
    before = next((sample.wanted for sample in reversed(samples) if sample.t < played.fault), {})
    during = [sample for sample in samples if played.fault <= sample.t < played.healed]
    most = {name: max((each.wanted.get(name, 0) for each in during), default=0) for name in before}
    grown = {name: count for name, count in most.items() if name != played.region and count > before[name]}
    done = (each.t for each in during if all(each.ready.get(name, 0) >= count for name, count in grown.items()))
    return _since(next(done, None), played.fault) if grown else None


def as_before(rows: Mapping[str, Mapping[str, int]], before: Mapping[str, Mapping[str, int]]) -> bool:
    """The same rows, but for differences that Leeward takes for no reason to write."""
    return rows.keys() == before.keys() and all(
        abs(row.get(name, 0) - weight) < DEAD_BAND
        for entry, row in rows.items()
        for name, weight in before[entry].items()
    )


def _failback(played: Played, samples: Sequence[Sample]) -> float | None:
    """From the healing until every entry holds what it held before the fault; None when none had moved."""
    before = next((sample.weights for sample in reversed(samples) if sample.t < played.fault), None)
    during = [sample for sample in samples if played.fault <= sample.t < played.healed]
    if not before or not any(row != before.get(entry) for sample in during for entry, row in sample.weights.items()):
        return None
    last = None
    for sample in reversed([sample for sample in samples if sample.t >= played.healed]):
        if not as_before(sample.weights, before):
            break
        last = sample.t
    return _since(last, played.healed)


def good_for_good(
    records: Sequence[Record], began: float, ended: float, window: float = 5.0, threshold: float = 0.99
) -> float | None:
    """Seconds from `began` until every window of 5 s before `ended` has 99 % good requests; None: not before it.

    The first such window would flatter: among few errors one comes by chance.
    """
    inside = [record for record in records if began <= record.t < ended]
    start, good_from = began, began
    while start + window <= ended:
        mine = [record.good for record in inside if start <= record.t < start + window]
        if mine and sum(mine) < threshold * len(mine):
            good_from = start + 1.0
        start += 1.0
    return _since(good_from, began) if good_from + window <= ended else None


def _wrong_shifts(played: Played, samples: Sequence[Sample]) -> int:
    """How often a region that had no fault lost all its weight at an entry that can be read."""
    wrong, previous = 0, None
    for sample in samples:
        lost = {
            (entry, name)
            for entry, row in sample.weights.items()
            for name, weight in row.items()
            if weight == 0 and (name != played.region or not played.shifts)
        }
        if previous is not None:
            wrong += len(lost - previous)
        previous = lost
    return wrong


def _changes(samples: Sequence[Sample]) -> int:
    last: dict[str, dict[str, int]] = {}
    changes = 0
    for sample in samples:
        for entry, row in sample.weights.items():
            changes += entry in last and last[entry] != row
            last[entry] = row
    return changes


def _longest_refusal(records: Sequence[Record], gap: float = 1.0) -> float:
    """The longest stretch in which refusals (429) came at most `gap` apart."""
    longest, start, last = 0.0, None, None
    for moment in sorted(record.t for record in records if record.refused):
        if last is None or start is None or moment - last > gap:
            start = moment
        longest, last = max(longest, moment - start), moment
    return round(longest, 1)

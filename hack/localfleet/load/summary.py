"""A load in one JSON object."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

from .analysis import NO_REGION, causes, percentiles, streamed_ttft
from .generator import Load
from .records import Record

Summary = dict[str, object]


def summarize(load: Load) -> Summary:
    """Totals, causes, entries and regions, percentiles in seconds.

    `in_flight_at_end` was running when the last request had been sent; `abandoned` of it never finished.
    """
    records = load.records
    return {
        "started_at": load.started_at,
        "rate": load.settings.rate,
        "seed": load.settings.seed,
        **outcome(records),
        "failed_by_cause": causes(records),
        "in_flight_at_end": load.in_flight_at_end,
        "abandoned": load.abandoned,
        "by_entry": _grouped(records, lambda record: record.entry),
        "by_region": _grouped(records, lambda record: record.region or NO_REGION),
        "ttft_seconds": _spread(streamed_ttft(records)),
        "total_seconds": _spread(record.total for record in records if record.good),
        "scheduled_delay_seconds": _spread(record.scheduled_delay for record in records),
    }


def outcome(records: Sequence[Record]) -> Summary:
    good = sum(record.good for record in records)
    return {
        "finished": len(records),
        "good": good,
        "good_share": good / len(records) if records else None,
        "refused": sum(record.refused for record in records),
        "failed": sum(record.failed for record in records),
    }


def _grouped(records: Iterable[Record], key: Callable[[Record], str]) -> dict[str, Summary]:
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[key(record)].append(record)
    return {name: outcome(group) for name, group in sorted(groups.items())}


def _spread(values: Iterable[float]) -> Summary | None:
    found = percentiles(values)
    return None if found is None else {name: round(value, 4) for name, value in asdict(found).items()}

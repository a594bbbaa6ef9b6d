"""A storm in words: the fleet, then what happened, what Leeward decided and said, and what users had of it."""

from collections.abc import Iterator

from leeward.storm.play import Outcome
from leeward.storm.scenario import KINDS, Fault, FleetShape, Scenario
from leeward.storm.trace import Decided, Sample

USERS_EVERY_MS = 15_000
BAD_ENOUGH = 0.99


def transcript(scenario: Scenario, outcome: Outcome) -> Iterator[str]:
    """Lines of text. The outcome must have been played with `keep`."""
    yield from _fleet(scenario.fleet)
    names = [region.name for region in scenario.fleet.regions]
    lines = [*_faults(scenario.faults, outcome.ended_ms), *_users(outcome.samples)]
    before: Decided | None = None
    for each in outcome.decided:
        lines += [(each.at_ms, 2, text) for text in _decision(names, each, before)]
        before = each
    lines += [(v.at_ms, 3, f"✗ BROKEN: {v.rule}: {v.sentence}") for v in outcome.violations]
    for at_ms, _, text in sorted(lines, key=lambda line: line[:2]):
        yield f"{at_ms / 1000:7.1f} s  {text}"
    yield f"{outcome.ended_ms / 1000:7.1f} s  = {_end(outcome)}"


def _fleet(fleet: FleetShape) -> Iterator[str]:
    yield (
        f"{fleet.policy}, ticks of {fleet.interval_ms / 1000:g} s, scrapes of {fleet.scrape_interval_ms / 1000:g} s, "
        f"availability {fleet.availability * 100:g} %, steps of at most {fleet.max_step} points"
    )
    for region in fleet.regions:
        carries = region.replicas_min * fleet.requests_per_second_per_replica
        yield (
            f"  {region.name}: share {region.share} %, {region.rate:.1f} requests/s enter, "
            f"{region.replicas_min} to {region.replicas_max} replicas, {carries} requests/s at least"
        )


def _faults(faults: tuple[Fault, ...], until_ms: int) -> Iterator[tuple[int, int, str]]:
    for fault in faults:
        where = f" in {', '.join(fault.regions)}" if fault.regions else ""
        size = f" ({fault.size:g} {KINDS[fault.kind].unit})" if KINDS[fault.kind].size else ""
        yield fault.start_ms, 0, f"▲ {fault.kind}{where}{size}"
        if fault.end_ms <= until_ms:
            yield fault.end_ms, 0, f"▼ {fault.kind}{where} ends"


def _decision(names: list[str], each: Decided, before: Decided | None) -> Iterator[str]:
    """Notes; the reason where it is a new one; rows where they were written."""
    yield from (f"  {note}" for note in each.notes)
    if before is None or each.reason != before.reason:
        yield f"  → {each.reason}"
    if each.write or before is None or each.rows != before.rows:
        rows = [f"{name}: {'/'.join(map(str, row))}" for name, row in zip(names, each.rows, strict=False)]
        yield f"    rows {'  '.join(rows)}"


def _users(samples: list[Sample]) -> Iterator[tuple[int, int, str]]:
    """Every quarter of a minute in which fewer than 99 % of the requests were good."""
    start = samples[0] if samples else None
    for sample in samples:
        if start is None or sample.at_ms - start.at_ms < USERS_EVERY_MS:
            continue
        asked, good = sample.asked - start.asked, sample.good - start.good
        if asked and good < BAD_ENOUGH * asked:
            yield sample.at_ms, 1, f"· users: {100 * good / asked:.1f} % of {asked} requests good"
        start = sample


def _end(outcome: Outcome) -> str:
    if outcome.error:
        return outcome.error
    if outcome.violations:
        return f"{len(outcome.violations)} rules broken"
    calm = "" if outcome.calm_ms is None else f", home {outcome.calm_ms / 1000:.0f} s after the last fault"
    return f"every rule was kept in {outcome.decisions} decisions{calm}"

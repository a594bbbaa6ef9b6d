"""A raw verdict is a vote; what stands is decided over time.

failed      definitive at once, otherwise 2 of the last 3 votes; and then until it has been clean long enough
degraded    2 of the last 3 votes below healthy; and then until it has been clean long enough
unknown     shown at once over healthy and degraded, gone at once; neither adds to nor resets clean time
healthy     otherwise

What counts for a region that is healthy again is what came since its clean time began: where few requests come, a
window that is long enough to have its samples would tell once more of the fault that is over.

Clean time is counted between two ticks that were both clean. After failed it is normally counted while the
region has no traffic: OUTCOME has no opinion then, and PROBE, READY and REACH suffice.
"""

from dataclasses import replace

from leeward.core.fullness import remember_fullness
from leeward.core.health import Assessment, burns, shows_ready
from leeward.core.kinds import Kind, Level
from leeward.core.memory import RegionMemory
from leeward.core.spec import ModelSpec
from leeward.core.verdict import Verdict

VOTES, MAJORITY = 3, 2


def settle(spec: ModelSpec, past: RegionMemory, seen: Assessment, now_ms: int, elapsed_ms: int) -> RegionMemory:
    """The region's memory with this tick's vote counted. Phases are not touched."""
    votes = (*past.votes, seen.verdict)[-VOTES:]
    clean_ms = _clean_time(past, seen, elapsed_ms)
    settled = _settled(spec, past.settled, votes, seen, clean_ms)
    shown = settled
    if seen.verdict is Verdict.UNKNOWN and settled is not Verdict.FAILED:
        shown = Verdict.UNKNOWN
    ready = past.been_ready or shows_ready(seen.opinions)
    region = replace(
        remember_fullness(past, seen.fullness, now_ms),
        settled=settled,
        verdict=shown,
        votes=votes,
        clean_ms=clean_ms,
        since_ms=past.since_ms if settled is past.settled else now_ms,
        been_ready=ready,
        fell_ms=now_ms if ready and not past.been_ready and past.votes else past.fell_ms,
        healed_ms=max(0, now_ms - clean_ms) if settled is Verdict.HEALTHY is not past.settled else past.healed_ms,
        outage_ms=now_ms if seen.definitive else past.outage_ms,
        outcome_bad_since_ms=_since(past.outcome_bad_since_ms, seen.level(Kind.OUTCOME) is Level.BAD, now_ms),
        probe_bad_since_ms=_since(past.probe_bad_since_ms, seen.level(Kind.PROBE) is Level.BAD, now_ms),
        burning_since_ms=_since(past.burning_since_ms, any(map(burns, seen.opinions)), now_ms),
        bad_since_ms=_since(past.bad_since_ms, _turned_bad(seen), now_ms),
    )
    return _with_reason(spec, past, region, seen)


def _clean_time(past: RegionMemory, seen: Assessment, elapsed_ms: int) -> int:
    if seen.verdict in (Verdict.FAILED, Verdict.DEGRADED):
        return 0
    was_healthy = bool(past.votes) and past.votes[-1] is Verdict.HEALTHY
    return past.clean_ms + elapsed_ms if seen.clean and was_healthy else past.clean_ms


def _settled(spec: ModelSpec, before: Verdict, votes: tuple[Verdict, ...], seen: Assessment, clean_ms: int) -> Verdict:
    failed = votes.count(Verdict.FAILED)
    if seen.definitive or failed >= MAJORITY:
        return Verdict.FAILED
    clean_after = {
        Verdict.FAILED: spec.failback.clean_after_failed_ms,
        Verdict.DEGRADED: spec.failback.clean_after_degraded_ms,
    }
    healed = seen.clean and clean_ms >= clean_after.get(before, 0)
    if before is Verdict.FAILED and not healed:
        return Verdict.FAILED
    if failed + votes.count(Verdict.DEGRADED) >= MAJORITY and not healed:
        return Verdict.DEGRADED
    return Verdict.HEALTHY if healed or before is Verdict.HEALTHY else before


def _turned_bad(seen: Assessment) -> bool:
    """Errors that burn count: else a fault of many regions would look like one of each while it fades."""
    return seen.verdict is not Verdict.UNKNOWN and any(o.level is Level.BAD or burns(o) for o in seen.opinions)


def _since(before: int | None, holds: bool, now_ms: int) -> int | None:
    if not holds:
        return None
    return now_ms if before is None else before


def _with_reason(spec: ModelSpec, past: RegionMemory, region: RegionMemory, seen: Assessment) -> RegionMemory:
    """The sentence stays while verdict and objections stay: numbers that move each tick would be noise."""
    against = ",".join(f"{o.kind}{int(o.level)}" for o in seen.opinions if o.level is not Level.GOOD)
    key = f"{region.verdict}/{seen.verdict}/{against}"
    if key == past.reason_key:
        return region
    return replace(region, reason=_reason(spec, region, seen), reason_key=key)


def _reason(spec: ModelSpec, region: RegionMemory, seen: Assessment) -> str:
    if region.verdict is seen.verdict:
        return seen.reason
    if seen.verdict in (Verdict.HEALTHY, Verdict.UNKNOWN):
        failed = region.settled is Verdict.FAILED
        owed = spec.failback.clean_after_failed_ms if failed else spec.failback.clean_after_degraded_ms
        return f"kept {region.verdict} until it has been clean for {owed // 1000} s; now: {seen.reason}"
    return f"{seen.verdict} in this tick, not yet in two of three: {seen.reason}"

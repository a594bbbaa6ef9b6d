"""The guards: everything that may stop a plan, in two lists that can be read at a glance.

A guard looks at a situation and returns None or the sentence why not. FALL_GUARDS stand before a region is
taken out of traffic, RETURN_GUARDS before it starts to come back, WRITE_GUARDS before weights are written.
The first that speaks is heard. Definitive outages pass over those guards that protect against mistaken
judgement; nobody passes over a person's freeze, or drains the last region that serves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from leeward.core import capacity
from leeward.core.capacity import shown
from leeward.core.correlation import correlated
from leeward.core.memory import HOUR_MS, in_last_hour, penalty_now
from leeward.core.phases import Phase
from leeward.core.situation import Situation
from leeward.core.spec import FailbackMode, FailoverMode
from leeward.core.verdict import Verdict

RegionGuard = Callable[[Situation, str], str | None]


@dataclass(frozen=True, slots=True)
class Move:
    """What a write would be: the first ever, an emergency, or (by a person's order) an evacuation or a pin."""

    first: bool = False
    emergency: bool = False
    ordered: bool = False
    pinned: bool = False
    ramping: bool = False

    @property
    def unpaced(self) -> bool:
        """Budgets and intervals are for moves of our own that can wait."""
        return self.first or self.emergency or self.pinned


WriteGuard = Callable[[Situation, Move], str | None]


def frozen(s: Situation, _: object) -> str | None:
    """A person's freeze stops everything except recording."""
    return "frozen by a person" if s.spec.frozen else None


def pinned(s: Situation, _: object) -> str | None:
    """A person's weights stay until their time is over, whatever happens."""
    return "weights are pinned by a person" if s.pinned else None


def mode(s: Situation, _: object) -> str | None:
    """Recommend and Off move nothing by themselves."""
    if s.spec.failover is FailoverMode.AUTOMATIC:
        return None
    return f"failover mode is {s.spec.failover.value}"


def starting(s: Situation, name: str) -> str | None:
    """The first ticks after a start only observe; a definitive outage needs to be seen twice."""
    twice = s.memory.region(name).votes[-2:] == (Verdict.FAILED, Verdict.FAILED)
    return None if twice and s.assessments[name].definitive else _observing(s)


def last_region(s: Situation, name: str) -> str | None:
    """Never drain the last region that serves. A dead one serves nobody: others that fail in part are better."""
    others = [other for other in s.spec.region_names if other != name]
    if not s.carries(name) or any(s.serves(other) for other in others):
        return None
    if s.assessments[name].definitive and any(s.limps(other) for other in others):
        return None
    return "no other region is known to serve"


def stranded(s: Situation, name: str) -> str | None:
    """Residency: users who may be served nowhere else keep what still answers."""
    if s.assessments[name].definitive:
        return None
    for entry in s.spec.regions:
        elsewhere = (o for o in s.spec.region_names if o != name and entry.may_send_to(o) and s.serves(o))
        if s.sends(entry.name, name) and entry.may_send_to(name) and not any(elsewhere):
            return f"users who enter at {entry.name} may be served nowhere else"
    return None


def survivors_capacity(s: Situation, name: str) -> str | None:
    """Moving must not lose more than staying, and errors that are few are left only for those with room."""
    seen = s.assessments[name]
    if seen.definitive or not s.carries(name):
        return None
    refused, missing = capacity.without(s.spec, s.memory.regions, s.carried(), name)
    if seen.slow:
        return f"the others lack {shown(missing)} requests/s to carry it" if missing > 0 else None
    wrong = seen.harm * s.carried()[name]
    if refused <= wrong:
        return None
    return f"the others would have to refuse {shown(refused)} requests/s, and {shown(wrong)} go wrong here"


def correlated_fault(s: Situation, name: str) -> str | None:
    """Most regions turned bad together: a shared cause, and no region to flee to."""
    return None if s.assessments[name].definitive or not s.carries(name) else correlated(s)


def advantage(s: Situation, name: str) -> str | None:
    """A region is left only for one that is clearly better."""
    mine = s.assessments[name].score
    if s.assessments[name].definitive or mine is None or not s.carries(name) or better_exists(s, name):
        return None
    return "no other region is clearly better"


def cooldown(s: Situation, name: str) -> str | None:
    """One automatic failover per cooldown, and a few per hour; the next asks a person.

    A definitive outage passes once an hour, and always when it has taken the only region that was active.
    """
    if not s.carries(name) or s.memory.region(name).phase is Phase.RECOVERING:
        return None
    reason = _too_many_failovers(s)
    exempt = not _exemption_used(s) or not _others_active(s, name)
    return None if exempt and s.assessments[name].definitive else reason


def failback_off(s: Situation, name: str) -> str | None:
    """Failback by hand, unless it only ends an evacuation."""
    off = s.spec.failback.mode is FailbackMode.OFF and not s.memory.region(name).ordered
    return "failback mode is Off" if off else None


def mode_of_return(s: Situation, name: str) -> str | None:
    """The mode, except where a person's evacuation has ended."""
    return None if s.memory.region(name).ordered else mode(s, name)


def evacuated(s: Situation, name: str) -> str | None:
    """A person's order is in force."""
    return "evacuated by a person" if name in s.snapshot.evacuated else None


def flapping(s: Situation, name: str) -> str | None:
    """A region that falls again and again has to stay away for longer."""
    region = s.memory.region(name)
    if not region.flapping or penalty_now(region, s.now_ms) < s.spec.guards.flap_penalty_resume:
        return None
    return f"it fell too often; its penalty has to come below {s.spec.guards.flap_penalty_resume}"


def one_at_a_time(s: Situation, name: str) -> str | None:
    """One region comes back at a time, unless those in traffic are too few: then the first may never get well."""
    if s.memory.short or not any(s.memory.region(other).phase is Phase.ACTIVE for other in s.spec.region_names):
        return None
    others = [
        other for other in s.spec.region_names if other != name and s.memory.region(other).phase is Phase.RECOVERING
    ]
    return f"{others[0]} comes back first" if others else None


def correlated_return(s: Situation, _: str) -> str | None:
    """Nobody comes back in the middle of a correlated fault."""
    return correlated(s)


def observing(s: Situation, move: Move | str) -> str | None:
    """The first ticks after a start only observe; first weights and falls that were allowed pass."""
    if isinstance(move, Move) and (move.first or move.emergency):
        return None
    return _observing(s)


def suspicious(s: Situation, _: object) -> str | None:
    """An observer that suspects itself moves nothing."""
    return s.suspicion


def mode_of_write(s: Situation, move: Move) -> str | None:
    """First weights and a person's evacuation are written in every mode."""
    return None if move.first or move.ordered or move.pinned else mode(s, move)


def correlated_write(s: Situation, move: Move) -> str | None:
    """Weights hold still while most regions are bad together."""
    return None if move.unpaced else correlated(s)


def write_budget(s: Situation, move: Move) -> str | None:
    """So many writes an hour. The second half of them is left to ramps, and to one other move in so long a time that
    an hour has half the budget of them: small moves never keep a region out, and never stop for good.
    """
    budget = s.spec.guards.writes_per_hour
    writes = in_last_hour(s.memory.writes, s.now_ms)
    if move.unpaced or len(writes) < (budget if move.ramping else -(-budget // 2)):
        return None
    if len(writes) < budget and s.now_ms - max(writes, default=0) >= 2 * HOUR_MS // budget:
        return None
    return "the write budget of this hour is spent"


def min_interval(s: Situation, move: Move) -> str | None:
    """Time between writes that are no emergency."""
    last = s.memory.last_write_ms
    soon = last is not None and 0 <= s.now_ms - last < s.spec.traffic.min_interval_ms
    return "the last write is too recent" if soon and not move.unpaced else None


FALL_GUARDS: tuple[RegionGuard, ...] = (
    frozen,
    pinned,
    mode,
    starting,
    last_region,
    stranded,
    correlated_fault,
    advantage,
    cooldown,
    survivors_capacity,
)
EVACUATION_GUARDS: tuple[RegionGuard, ...] = (frozen, suspicious, last_region, stranded)
RETURN_GUARDS: tuple[RegionGuard, ...] = (
    frozen,
    pinned,
    mode_of_return,
    failback_off,
    evacuated,
    flapping,
    one_at_a_time,
    observing,
    correlated_return,
)
LAST_RESORT_GUARDS: tuple[RegionGuard, ...] = (frozen, mode_of_return, evacuated, observing)
WRITE_GUARDS: tuple[WriteGuard, ...] = (
    frozen,
    mode_of_write,
    suspicious,
    observing,
    correlated_write,
    write_budget,
    min_interval,
)


def first_objection(guards: tuple[RegionGuard, ...], s: Situation, name: str) -> str | None:
    """The sentence of the first guard that speaks."""
    return next((sentence for guard in guards if (sentence := guard(s, name)) is not None), None)


def write_objection(s: Situation, move: Move) -> str | None:
    """The sentence of the first write guard that speaks."""
    return next((sentence for guard in WRITE_GUARDS if (sentence := guard(s, move)) is not None), None)


def better_exists(s: Situation, name: str) -> bool:
    """Is some serving region better by the advantage?"""
    mine = s.assessments[name].score or Fraction(0)
    others = [other for other in s.spec.region_names if other != name and s.serves(other)]
    scores = [s.assessments[other].score for other in others]
    return any(score is not None and score >= mine + s.spec.guards.advantage for score in scores)


def passes_over_cooldown(s: Situation) -> bool:
    """Would a failover now use the exemption of a definitive outage?"""
    return _too_many_failovers(s) is not None


def _observing(s: Situation) -> str | None:
    if s.memory.ticks_since_start >= s.spec.guards.observe_ticks_after_start:
        return None
    return "first ticks after a start only observe"


def _too_many_failovers(s: Situation) -> str | None:
    limits = s.spec.guards
    recent = in_last_hour(s.memory.failovers, s.now_ms)
    if len(recent) >= limits.failovers_per_hour:
        return f"{len(recent)} failovers in the last hour: a person should look"
    if recent and s.now_ms - recent[-1] < limits.cooldown_ms:
        return f"cooldown: the last failover is less than {limits.cooldown_ms // 1000} s ago"
    return None


def _others_active(s: Situation, name: str) -> bool:
    names = [other for other in s.spec.region_names if other != name and s.serves(other)]
    return any(s.memory.region(other).phase is Phase.ACTIVE for other in names)


def _exemption_used(s: Situation) -> bool:
    used = s.memory.exemption_ms
    return used is not None and s.now_ms - used < HOUR_MS

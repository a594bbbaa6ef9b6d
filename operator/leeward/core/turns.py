"""Turning phases: who leaves traffic this tick, who starts to come back, whose ramp goes on.

A verdict only proposes; the guards decide. What they hold stays in its phase and keeps its weight, and the
sentence is told. Falls come first, then evacuations, then the ways back, so that nobody returns on the
strength of a region that has just left.

The ramp: a step goes on when it has been healthy for the bake since its weight arrived, and has seen enough
requests or good probes. While the fleet is short, a quarter of the bake is enough. It goes bad when the
region fails, or a kind is bad or burns while another region is clearly better. A fall costs a penalty of 1,000, halved
every 15 minutes.
"""

from dataclasses import dataclass, field, replace

from leeward.core import guards
from leeward.core.capacity import ramp_percent, ramp_steps
from leeward.core.correlation import correlated
from leeward.core.health import burns
from leeward.core.kinds import Kind, Level, Rules, fresh
from leeward.core.memory import FALL_PENALTY, KEPT_FAILOVERS, Memory, RegionMemory, penalty_now
from leeward.core.phases import Phase, Trigger, advance
from leeward.core.settle import MAJORITY
from leeward.core.situation import Situation
from leeward.core.spec import FailoverMode
from leeward.core.verdict import Verdict


@dataclass(slots=True)
class Turn:
    """The tick's phases in the making. `held` are falls that a guard stopped, `waiting` returns likewise."""

    regions: dict[str, RegionMemory]
    fell: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)

    def apply(self, s: Situation, name: str, trigger: Trigger, reason: str) -> None:
        """Move one region by the table."""
        region = self.regions[name]
        self.regions[name] = replace(
            region, phase=advance(region.phase, trigger), phase_since_ms=s.now_ms, phase_reason=reason
        )


def turn_phases(s: Situation) -> tuple[Turn, Memory]:
    """This tick's phases, and the memory that holds them."""
    turn = Turn({name: _cooled(s, region) for name, region in s.memory.regions.items()})
    if s.spec.failover is not FailoverMode.OFF:
        _fall(s, turn, [n for n in s.spec.region_names if _has_failed(s, n)], Trigger.FAIL)
    if s.spec.failover is not FailoverMode.OFF and not turn.fell:
        _fall(s, turn, [n for n in s.spec.region_names if _step_went_bad(s, n)], Trigger.BAD_STEP)
    _evacuate(s, turn)
    _ramp(s, turn)
    _start_return(s, turn)
    _last_resort(s, turn)
    return turn, _remember(s, turn)


def _cooled(s: Situation, region: RegionMemory) -> RegionMemory:
    """A flapping region is forgiven once its penalty is low enough."""
    if region.flapping and penalty_now(region, s.now_ms) < s.spec.guards.flap_penalty_resume:
        return replace(region, flapping=False)
    return region


def _has_failed(s: Situation, name: str) -> bool:
    """Failed, and by the votes of now: what a guard has held does not fall after it has come right by itself.

    Two of three do not do when the newest is the one that is better: the guard may let go in just that tick.
    """
    region = s.memory.region(name)
    voted = region.votes[-1:] == (Verdict.FAILED,) and region.votes.count(Verdict.FAILED) >= MAJORITY
    still = s.assessments[name].definitive or voted
    return region.verdict is Verdict.FAILED and still and region.phase is not Phase.DRAINED


def _step_went_bad(s: Situation, name: str) -> bool:
    """Degraded by a kind that is bad, or that burns. One that is merely fair only holds up the bake."""
    region = s.memory.region(name)
    if region.phase is not Phase.RECOVERING or region.verdict is not Verdict.DEGRADED:
        return False
    sick = any(o.level is Level.BAD or burns(o) for o in s.assessments[name].opinions)
    return sick and guards.better_exists(s, name)


def _fall(s: Situation, turn: Turn, names: list[str], trigger: Trigger) -> None:
    for name in sorted(names, key=lambda n: not s.assessments[n].definitive):
        objection = _after_you(s, turn, name) or guards.first_objection(guards.FALL_GUARDS, s, name)
        if objection is not None:
            turn.held[name] = objection
            continue
        bad_step = trigger is Trigger.BAD_STEP
        reason = f"bad ramp step: {s.assessments[name].reason}" if bad_step else s.memory.region(name).reason
        turn.apply(s, name, trigger, reason)
        turn.fell.append(name)
        turn.regions[name] = _penalized(s, turn.regions[name])


def _after_you(s: Situation, turn: Turn, name: str) -> str | None:
    """Guards look at what was before the tick: of falls that are no definitive outages, one a tick."""
    if s.assessments[name].definitive or not turn.fell or not s.carries(name):
        return None
    return f"{turn.fell[0]} leaves first"


def _penalized(s: Situation, region: RegionMemory) -> RegionMemory:
    penalty = penalty_now(region, s.now_ms) + FALL_PENALTY
    return replace(
        region,
        penalty=penalty,
        penalty_at_ms=s.now_ms,
        fell_ms=s.now_ms,
        clean_ms=0,
        step=0,
        ordered=False,
        flapping=region.flapping or penalty >= s.spec.guards.flap_penalty_stop,
    )


def _evacuate(s: Situation, turn: Turn) -> None:
    for name in s.spec.region_names:
        phase = turn.regions[name].phase
        if phase is Phase.DRAINING and _emptied(s, name):
            turn.apply(s, name, Trigger.EMPTIED, "carries no weight any more")
        elif name in s.snapshot.evacuated and phase in (Phase.ACTIVE, Phase.RECOVERING):
            turn.apply(s, name, Trigger.EVACUATE, "evacuated by a person")
            turn.regions[name] = replace(turn.regions[name], ordered=True, step=0)
            turn.left.append(name)


def _emptied(s: Situation, name: str) -> bool:
    read = [row for row in s.rows.values() if row is not None]
    return bool(read) and all(row[name] == 0 for row in read) and not s.spec.frozen


def _ramp(s: Situation, turn: Turn) -> None:
    for name in s.spec.region_names:
        region = turn.regions[name]
        if region.phase is not Phase.RECOVERING:
            continue
        turn.regions[name] = region = _counted(s, name, region)
        if not _baked(s, name, region) or _stopped(s, name):
            continue
        if region.step >= len(ramp_steps(s.spec)) - 1:
            turn.apply(s, name, Trigger.COMPLETE, "the ramp is complete")
            turn.regions[name] = replace(turn.regions[name], step=0, ordered=False)
        else:
            _to_step(s, turn, name, region.step + 1, Trigger.STEP)


def _stopped(s: Situation, name: str) -> bool:
    passing = (guards.frozen, guards.pinned, guards.mode_of_return, guards.observing)
    return guards.first_objection(passing, s, name) is not None or correlated(s) is not None


def _counted(s: Situation, name: str, region: RegionMemory) -> RegionMemory:
    """The step's bake and its requests, from the tick before to this one."""
    if region.verdict is Verdict.HEALTHY and not s.memory.moving:
        region = replace(region, baked_ms=region.baked_ms + s.elapsed_ms)
    load = s.readings[name].load
    if load is None or not fresh(load.age_ms, Rules.of(s.spec).stale_scrape_ms) or load.requests_per_second <= 0:
        return region
    seen = int(load.requests_per_second * s.elapsed_ms)
    return replace(region, step_requests_milli=region.step_requests_milli + seen)


def _baked(s: Situation, name: str, region: RegionMemory) -> bool:
    bake_ms = s.spec.failback.bake_ms // (4 if s.memory.short else 1)
    long_enough = region.baked_ms >= bake_ms and not s.memory.moving
    enough = region.step_requests_milli >= 1000 * s.spec.failback.min_requests
    probed = any(o.kind is Kind.PROBE and o.clean for o in s.assessments[name].opinions)
    return region.verdict is Verdict.HEALTHY and long_enough and (enough or probed)


def _start_return(s: Situation, turn: Turn) -> None:
    ready = [name for name in s.spec.region_names if _may_return(s, turn.regions[name])]
    for name in sorted(ready, key=lambda n: (turn.regions[n].phase_since_ms, n)):
        objection = guards.first_objection(guards.RETURN_GUARDS, s, name)
        if objection is None:
            return _to_step(s, turn, name, 0, Trigger.CLEAN)
        turn.waiting[name] = objection


def _last_resort(s: Situation, turn: Turn) -> None:
    """Nobody serves, and someone who was out answers again: clean time would only prolong the outage."""
    if any(s.serves(name) for name in s.spec.region_names):
        return
    rested = [
        name
        for name, region in turn.regions.items()
        if region.phase is Phase.DRAINED
        and _answers(s, name, region)
        and guards.first_objection(guards.LAST_RESORT_GUARDS, s, name) is None
    ]
    if rested:
        name = min(rested, key=lambda n: (-turn.regions[n].clean_ms, n))
        turn.regions[name] = replace(
            turn.regions[name],
            settled=Verdict.HEALTHY,
            verdict=Verdict.HEALTHY,
            since_ms=s.now_ms,
            reason="answers again, and no other region serves",
        )
        _to_step(s, turn, name, 0, Trigger.CLEAN)


def _answers(s: Situation, name: str, region: RegionMemory) -> bool:
    """Two votes in a row that are neither failed nor unknown, and no failing probe."""
    known = {Verdict.HEALTHY, Verdict.DEGRADED}
    answering = len(region.votes) >= 2 and known.issuperset(region.votes[-2:])
    return answering and s.readings[name].probe_failing is not True


def _may_return(s: Situation, region: RegionMemory) -> bool:
    clean_enough = region.clean_ms >= s.spec.failback.clean_after_failed_ms
    return region.phase is Phase.DRAINED and region.verdict is Verdict.HEALTHY and clean_enough


def _to_step(s: Situation, turn: Turn, name: str, step: int, trigger: Trigger) -> None:
    steps = ramp_steps(s.spec)
    region = replace(turn.regions[name], step=step, step_since_ms=s.now_ms, step_requests_milli=0, baked_ms=0)
    turn.regions[name] = region
    percent = ramp_percent(s.spec, region)
    turn.apply(s, name, trigger, f"ramp step {step + 1} of {len(steps)}: {percent} % of its normal capacity")


def _remember(s: Situation, turn: Turn) -> Memory:
    memory = replace(s.memory, regions=turn.regions)
    was_active = [n for n in turn.fell if s.memory.region(n).phase is Phase.ACTIVE and s.carries(n)]
    if was_active:
        exemption = s.now_ms if guards.passes_over_cooldown(s) else memory.exemption_ms
        failovers = (*memory.failovers, s.now_ms)[-KEPT_FAILOVERS:]
        memory = replace(memory, failovers=failovers, exemption_ms=exemption)
    fault = correlated(s)
    since = s.now_ms if memory.correlated_since_ms is None else memory.correlated_since_ms
    return replace(memory, correlated_since_ms=None if fault is None else since)

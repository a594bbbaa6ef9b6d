"""The decision: one pure function of (spec, snapshot, memory, now).

    assess ──▶ turn phases ──▶ look ahead ──▶ aim ──▶ step ──▶ guard ──▶ plan

Verdicts propose, guards dispose. Everything that is in force is compared with everything that should be, so
that a crash between two ticks costs one repeated tick. A plan that does nothing says why.
"""

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from math import lcm

from leeward.core import capacity, guards, telling, writing
from leeward.core.capacity import Outlook
from leeward.core.demand import entry_demand
from leeward.core.evacuations import admit
from leeward.core.guards import Move
from leeward.core.matrix import Aim, Rows, target_rows
from leeward.core.memory import KEPT_WRITES, Memory, RegionMemory, in_last_hour
from leeward.core.phases import OUT_OF_TRAFFIC
from leeward.core.plan import Note, Plan, RegionPlan
from leeward.core.situation import Situation, survey
from leeward.core.snapshot import Matrix, Snapshot
from leeward.core.spec import FailoverMode, ModelSpec, RegionSpec
from leeward.core.survival import Sizes, survival, wanted_sizes
from leeward.core.turns import Turn, turn_phases
from leeward.core.verdict import Verdict
from leeward.core.weights import round_row
from leeward.core.writing import Proposal


def decide(spec: ModelSpec, snapshot: Snapshot, memory: Memory, now_ms: int) -> Plan:
    """What to do now, and why. Never raises, whatever the readings; never waits, never looks at a clock."""
    situation, refused = admit(survey(spec, snapshot, memory, now_ms))
    turn, remembered = turn_phases(situation)
    outlook = _look_ahead(situation, turn.regions)
    base, target, proposal = _aim_and_step(situation, turn, outlook)
    objection = guards.write_objection(situation, proposal.move) if proposal.reasons else None
    write = bool(proposal.reasons) and objection is None
    rows = proposal.rows if write else base
    remembered, sizes = _after(situation, turn, remembered, outlook, rows, target, write)
    notes, told = _notes(situation, memory, turn, refused, proposal, objection, outlook, rows if write else None)
    proof = survival(spec, turn.regions, outlook.demand)
    return Plan(
        weights=_matrix(spec, rows),
        target=_matrix(spec, target),
        write_weights=write,
        emergency=write and proposal.move.emergency,
        reason=_reason(turn, proposal, objection),
        regions=_region_plans(situation, turn.regions, outlook, rows, target, sizes),
        notes=tuple(notes),
        shortage=outlook.shortage,
        survivable=proof.survives,
        survivable_reason=proof.reason,
        memory=replace(remembered, told=told),
        margins=proof.margins,
        refused=tuple(refused.items()),
    )


def _look_ahead(s: Situation, regions: Mapping[str, RegionMemory]) -> Outlook:
    scores = {name: seen.score for name, seen in s.assessments.items()}
    return capacity.look_ahead(s.spec, regions, scores, entry_demand(s.spec, regions))


def _aim_and_step(s: Situation, turn: Turn, outlook: Outlook) -> tuple[Rows, Rows, Proposal]:
    """What is in force, where it should go, and what would be written now."""
    if writing.is_first(s):
        rows = _first_rows(s, outlook)
        return {}, rows, Proposal(rows, Move(first=True), (), ("first weights",))
    base = writing.rows_in_force(s)
    if base is None:
        return {}, {}, Proposal({}, Move(), (), ())
    pinned = writing.pinned_rows(s, turn)
    target = target_rows(_aim(s, outlook, _held(s, turn), base)) | pinned
    proposal = writing.propose(s, turn, base, target, pinned)
    return base, _would_be(s, turn, outlook, base, target), proposal


def _first_rows(s: Situation, outlook: Outlook) -> Rows:
    """Before anything runs: by minimum replicas, ready or not; by shares alone where there are none."""
    names = s.spec.region_names
    home = {entry: {name: 100 * (name == entry) for name in names} for entry in names}
    usable = {n: cap for n, cap in outlook.usable.items() if n not in s.snapshot.evacuated}
    if not any(usable.values()):
        usable = {n: Fraction(1) for n in names}
    return target_rows(_aim(s, replace(outlook, usable=usable), frozenset(), home))


def _aim(s: Situation, outlook: Outlook, held: frozenset[str], rows: Rows) -> Aim:
    regions = s.spec.regions
    held = _without_last_homes(s, outlook, held, rows)
    failed = [r for r in regions if r.name in held and s.memory.region(r.name).verdict is Verdict.FAILED]
    return Aim(
        s.spec.traffic.policy,
        outlook.usable,
        outlook.demand,
        shares={region.name: region.share for region in regions},
        held=held,
        limits={r.name: capacity.full_capacity(s.spec, r, s.memory.region(r.name)) for r in failed},
        rows=rows,
        allowed=capacity.residency(s.spec),
        distances={region.name: dict(region.distances) for region in regions if region.distances},
    )


def _held(s: Situation, turn: Turn) -> frozenset[str]:
    """Regions that keep what they carry: nothing is known of them, or they failed and were not taken out.

    One that never had a replica has nothing to keep.
    """
    return frozenset(
        name
        for name, region in turn.regions.items()
        if region.phase not in OUT_OF_TRAFFIC
        and region.ready_known != 0
        and (region.verdict in (Verdict.UNKNOWN, Verdict.FAILED) or name in turn.held)
    )


def _without_last_homes(s: Situation, outlook: Outlook, held: frozenset[str], rows: Rows) -> frozenset[str]:
    """What has to leave, and finds nobody free to take it, goes to those that fail in part: better than to the dead."""
    if any(cap > 0 for name, cap in outlook.usable.items() if name not in held):
        return held
    homeless = any(weight for row in rows.values() for name, weight in row.items() if name not in held)
    return frozenset(name for name in held if not (homeless and s.limps(name)))


def _would_be(s: Situation, turn: Turn, outlook: Outlook, base: Rows, target: Rows) -> Rows:
    """In Recommend mode the target shows what Automatic would aim at."""
    if s.spec.failover is not FailoverMode.RECOMMEND or not turn.held:
        return target
    usable = {name: Fraction(0) if name in turn.held else cap for name, cap in outlook.usable.items()}
    return target_rows(_aim(s, replace(outlook, usable=usable), _held(s, turn) - set(turn.held), base))


def _after(
    s: Situation, turn: Turn, memory: Memory, outlook: Outlook, rows: Rows, target: Rows, write: bool
) -> tuple[Memory, dict[str, Sizes]]:
    """Memory after this plan, and the replicas that it wants."""
    sizes = _sizes(s, turn.regions, outlook)
    regions = {name: _sized(m, sizes[name], s.now_ms) for name, m in turn.regions.items()}
    memory = replace(
        memory,
        regions=regions,
        ticks_since_start=memory.ticks_since_start + 1,
        moving=writing.still_moving(turn, s.rows, rows, target),
        short=outlook.shortage > 0,
    )
    if not write:
        return memory, sizes
    writes = (*in_last_hour(memory.writes, s.now_ms), s.now_ms)[-KEPT_WRITES:]
    return replace(memory, weights=_matrix(s.spec, rows), last_write_ms=s.now_ms, writes=writes), sizes


def _sized(region: RegionMemory, sizes: Sizes, now_ms: int) -> RegionMemory:
    if (region.replicas, region.standby) == (sizes.replicas, sizes.standby):
        return region
    return replace(region, replicas=sizes.replicas, standby=sizes.standby, replicas_at_ms=now_ms)


def _sizes(s: Situation, regions: Mapping[str, RegionMemory], outlook: Outlook) -> dict[str, Sizes]:
    if s.spec.frozen:
        return {
            r.name: Sizes(regions[r.name].replicas or r.replicas_min, regions[r.name].standby) for r in s.spec.regions
        }
    return wanted_sizes(s.spec, regions, outlook.demand, s.now_ms)


def _notes(
    s: Situation,
    before: Memory,
    turn: Turn,
    refused: Mapping[str, str],
    proposal: Proposal,
    objection: str | None,
    outlook: Outlook,
    written: Rows | None,
) -> tuple[list[Note], tuple[str, ...]]:
    notes = telling.changes(s, before.regions, turn)
    if written is not None:
        sentence = f"{'; '.join(proposal.reasons)}: {_show(written)}"
        notes.append(Note("WeightsChanged", None, sentence, proposal.move.emergency))
    paced = objection is not None and objection == guards.min_interval(s, proposal.move)
    lasting = telling.standing(s, turn, refused, None if paced else objection, outlook)
    lasting += [
        Note("RouteMissing", entry, f"entry {entry} has no route: it is written", False)
        if s.rows[entry] is None
        else Note("Drift", entry, f"entry {entry} does not hold what was decided: it is written again", True)
        for entry in proposal.drifted
    ]
    new, told = telling.not_yet_told(lasting, before.told)
    return notes + new, told


def _reason(turn: Turn, proposal: Proposal, objection: str | None) -> str:
    if proposal.reasons and objection is None:
        return f"write: {'; '.join(proposal.reasons)}"
    if objection is not None:
        return f"hold: {objection}"
    if turn.held:
        return "hold: " + "; ".join(f"{name}: {why}" for name, why in turn.held.items())
    return "hold: weights are where they should be" if proposal.rows else "hold: no weights are known"


def _region_plans(
    s: Situation,
    regions: Mapping[str, RegionMemory],
    outlook: Outlook,
    rows: Rows,
    target: Rows,
    sizes: Mapping[str, Sizes],
) -> tuple[RegionPlan, ...]:
    now = _column(outlook.demand, rows)
    then = now if rows == target else _column(outlook.demand, target)
    return tuple(
        RegionPlan(
            name=region.name,
            verdict=m.verdict,
            verdict_reason=m.reason,
            phase=m.phase,
            phase_reason=m.phase_reason,
            weight=now.get(region.name, 0),
            target_weight=then.get(region.name, 0),
            capacity=outlook.usable[region.name],
            utilization_percent=_utilization(s, region, m),
            replicas=sizes[region.name].replicas,
            standby=sizes[region.name].standby,
            listed=m.phase not in OUT_OF_TRAFFIC,
        )
        for region, m in ((region, regions[region.name]) for region in s.spec.regions)
    )


def _column(demand: Mapping[str, Fraction], rows: Rows) -> dict[str, int]:
    """Percent of all requests per region: the entries' rows, weighed by their demand."""
    unit = lcm(*(demand[entry].denominator for entry in rows))
    loads = {entry: demand[entry].numerator * (unit // demand[entry].denominator) for entry in rows}
    whole = sum(loads.values())
    if not rows or whole <= 0:
        return {}
    names = next(iter(rows.values()))
    return round_row({n: Fraction(sum(loads[e] * rows[e][n] for e in rows), whole) for n in names})


def _utilization(s: Situation, region: RegionSpec, memory: RegionMemory) -> int | None:
    load = s.readings[region.name].load
    most = capacity.full_capacity(s.spec, region, memory)
    if load is None or load.requests_per_second < 0 or most <= 0:
        return None
    return int(100 * load.requests_per_second / most)


def _matrix(spec: ModelSpec, rows: Rows) -> Matrix:
    names = spec.region_names
    kept = [entry for entry in names if entry in rows]
    return tuple((entry, tuple((name, rows[entry][name]) for name in names)) for entry in kept)


def _show(rows: Rows) -> str:
    shown = {entry: " ".join(f"{name} {weight}" for name, weight in row.items()) for entry, row in rows.items()}
    return " | ".join(f"{entry}: {row}" for entry, row in shown.items())

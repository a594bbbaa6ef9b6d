"""Why a decision is what it is: the readings behind each verdict, the guards that hold, and what changed lately."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from leeward.core.decide import decide
from leeward.core.health import Assessment
from leeward.core.memory import Memory
from leeward.core.phases import Phase
from leeward.core.plan import Note, Plan, RegionPlan
from leeward.core.situation import survey
from leeward.core.snapshot import Matrix
from leeward.core.verdict import Verdict
from leeward.replay.decision import Decision

CHANGES = frozenset({"VerdictChanged", "PhaseChanged", "WeightsChanged"})
"""Notes that tell of a change; all the others tell of something that holds."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one independent kind of reading says of a region. `score` is 1 at best, 0 at worst."""

    kind: str
    level: str
    score: Fraction
    sentence: str


@dataclass(frozen=True, slots=True)
class RegionWhy:
    """One region, after the decision. Weights are percent of all requests, capacity requests per second.

    `verdict_since_ms` is when the settled verdict began, None while unknown stands over it; `verdict_now` is what this
    tick's readings alone would say.
    """

    name: str
    verdict: Verdict
    verdict_since_ms: int | None
    verdict_reason: str
    phase: Phase
    phase_since_ms: int
    phase_reason: str
    weight: int
    target_weight: int
    capacity: Fraction
    utilization_percent: int | None
    replicas: int
    verdict_now: Verdict
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Something that a decision changed, and when."""

    at_ms: int
    kind: str
    region: str | None
    sentence: str
    warning: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """One decision explained. `before` is what the entries held, `guards` are all that hold, told before or not."""

    format: Literal["leeward.dev/explanation"]
    version: Literal[1]
    model: str
    at_ms: int
    observer: str
    reason: str
    emergency: bool
    before: Matrix
    weights: Matrix
    target: Matrix
    shortage: Fraction
    survivable: bool
    survivable_reason: str
    regions: tuple[RegionWhy, ...]
    guards: tuple[Note, ...]
    changes: tuple[Change, ...]


def explain(decision: Decision, plan: Plan, earlier: Sequence[Decision] = (), only: str | None = None) -> Explanation:
    """Explain a decision and its plan. `earlier` are decisions before it, oldest first; `only` names one region."""
    assessments = survey(decision.spec, decision.snapshot, decision.memory, decision.now_ms).assessments
    changes = [change for each in earlier for change in _changes(each.now_ms, each.made)]
    changes += _changes(decision.now_ms, plan)
    return Explanation(
        format="leeward.dev/explanation",
        version=1,
        model=decision.spec.key,
        at_ms=decision.now_ms,
        observer=decision.snapshot.observer,
        reason=plan.reason,
        emergency=plan.emergency,
        before=_before(decision),
        weights=plan.weights,
        target=plan.target,
        shortage=plan.shortage,
        survivable=plan.survivable,
        survivable_reason=plan.survivable_reason,
        regions=tuple(
            _region(line, plan.memory, assessments[line.name]) for line in plan.regions if only in (None, line.name)
        ),
        guards=tuple(note for note in holding(decision) if only is None or note.region in (None, only)),
        changes=tuple(change for change in changes if only is None or change.region in (None, only)),
    )


def holding(decision: Decision) -> tuple[Note, ...]:
    """Every guard and limit that holds in this decision: as if none of them had been told before."""
    untold = replace(decision.memory, told=())
    notes = decide(decision.spec, decision.snapshot, untold, decision.now_ms).notes
    return tuple(note for note in notes if note.kind not in CHANGES)


def _before(decision: Decision) -> Matrix:
    """What each entry held: as it was read, or else as it was last decided."""
    held = dict(decision.memory.weights) | dict(decision.snapshot.weights)
    return tuple((name, held[name]) for name in decision.spec.region_names if name in held)


def _changes(at_ms: int, plan: Plan) -> list[Change]:
    return [Change(at_ms, note.kind, note.region, note.sentence, note.warning) for note in plan.notes]


def _region(line: RegionPlan, memory: Memory, seen: Assessment) -> RegionWhy:
    past = memory.region(line.name)
    return RegionWhy(
        name=line.name,
        verdict=line.verdict,
        verdict_since_ms=past.since_ms if line.verdict is past.settled else None,
        verdict_reason=line.verdict_reason,
        phase=line.phase,
        phase_since_ms=past.phase_since_ms,
        phase_reason=line.phase_reason,
        weight=line.weight,
        target_weight=line.target_weight,
        capacity=line.capacity,
        utilization_percent=line.utilization_percent,
        replicas=line.replicas,
        verdict_now=seen.verdict,
        readings=tuple(Reading(o.kind, o.level.name.lower(), o.score, o.sentence) for o in seen.opinions),
    )

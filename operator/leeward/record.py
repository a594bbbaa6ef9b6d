"""Recording: status, Events, metrics and log, all with the core's own sentences.

The status is quantised: it is written when a decision, a count of replicas or a condition changed, never because a
number moved; numbers that move live in the metrics.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from leeward.adapters.telemetry import Telemetry
from leeward.api.common import GROUP, VERSION, Condition, Resource, condition_of
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.modelstatus import ModelDeploymentStatus, RegionLine, ReplicaCount, ServingWeight, WeightRow
from leeward.api.units import decimal_text
from leeward.core.memory import to_record
from leeward.core.phases import Phase
from leeward.core.plan import Plan, RegionPlan
from leeward.core.verdict import Verdict
from leeward.core.writing import arrived
from leeward.ports import Cluster, KubeObject, PortError

log = structlog.get_logger("record")
Condit = tuple[str, bool | None, str, str]
"""Type, status, reason, message."""


@dataclass
class Recorder:
    """Writes what was decided, once. `dry_run` keeps it to log and metrics."""

    home: Cluster
    telemetry: Telemetry
    dry_run: bool = False
    _written: dict[str, object] = field(default_factory=dict)

    async def record(
        self,
        model: ModelDeployment,
        plan: Plan,
        ready: Mapping[str, int],
        problems: Mapping[str, PortError],
        more: Sequence[Condit | None] = (),
        *,
        shut: bool = False,
        leaving: tuple[str, str] | None = None,
    ) -> None:
        """Tell one model's tick, with `more` conditions if they are known.

        `shut`: no user has been let in yet; `leaving`: why it is not settled, and a message.

        Raises:
            PortError: the home cluster does not take the status; it is written by a later tick.
        """
        self._tell(model, plan)
        self.telemetry.show(model.key, plan, ready)
        if self.dry_run:
            return
        conditions = [*_conditions(plan, ready, problems, shut), *(row for row in more if row)]
        if leaving is not None and not shut:
            conditions = [("Progressing", True, *leaving) if row[0] == "Progressing" else row for row in conditions]
        mark = _mark(plan, ready, conditions, model.metadata.generation)
        if self._written.get(model.key) == mark:
            return
        await self.home.apply_status(_status_body(model, _status(model, plan, ready, conditions)))
        self._written[model.key] = mark
        for note in plan.notes:
            await self._event(model, note.kind, note.sentence, note.warning)

    async def refuse(
        self, kind: str, key: str, problem: PortError, before: ModelDeploymentStatus | None = None
    ) -> None:
        """Tell an object for which nothing can be decided why, once; the rest of its status, `before`, stays."""
        mark = "refused", str(problem)
        if self.dry_run or self._written.get(key) == mark:
            return
        *namespace, name = key.split("/")
        kept = before or ModelDeploymentStatus()
        ready = condition(kept.conditions, ("Ready", False, problem.reason, f"{problem}; {problem.remedy}"), None)
        others = [row for row in kept.conditions if row.type != ready.type]
        body = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": kind,
            "metadata": {"name": name, **({"namespace": namespace[0]} if namespace else {})},
            "status": {**kept.wire(), "conditions": [row.wire() for row in (ready, *others)]},
        }
        try:
            await self.home.apply_status(body)
            self._written[key] = mark
        except PortError as error:
            log.warning("a condition could not be written", kind=kind, key=key, error=str(error), remedy=error.remedy)

    def forget(self, key: str) -> None:
        self._written.pop(key, None)
        self.telemetry.forget(key)

    def _tell(self, model: ModelDeployment, plan: Plan) -> None:
        for note in plan.notes:
            (log.warning if note.warning else log.info)(
                note.sentence, model=model.key, kind=note.kind, region=note.region
            )
        if plan.write_weights:
            log.info(
                "weights",
                model=model.key,
                reason=plan.reason,
                emergency=plan.emergency,
                weights={entry: dict(row) for entry, row in plan.weights},
            )

    async def _event(self, model: ModelDeployment, kind: str, sentence: str, warning: bool) -> None:
        try:
            await self.home.create(event_body(model, kind, sentence, warning))
        except PortError as error:
            log.warning("an Event could not be written", error=str(error))


def event_body(about: Resource, kind: str, sentence: str, warning: bool) -> KubeObject:
    moment = datetime.now(UTC)
    stamp = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata, namespace = about.metadata, about.metadata.namespace
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata.name}.{moment.timestamp():.6f}".replace(".", "-"),
            "namespace": namespace or "default",  # as the API server wants it of what has none
        },
        "involvedObject": {
            "apiVersion": about.api_version,
            "kind": about.kind,
            "name": metadata.name,
            "namespace": namespace,
            "uid": metadata.uid,
        },
        "reason": kind,
        "message": sentence[:1024],
        "type": "Warning" if warning else "Normal",
        "source": {"component": "leeward"},
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }


def _mark(plan: Plan, ready: Mapping[str, int], conditions: list[Condit], generation: int | None) -> object:
    lines = [
        (line.name, line.verdict, line.phase, line.weight, line.target_weight, line.replicas, line.standby)
        for line in plan.regions
    ]
    return (
        generation,
        lines,
        [ready.get(line.name) for line in plan.regions],
        plan.weights,
        tuple(row[:3] for row in conditions),
        json.dumps(to_record(plan.memory)),
    )


def _conditions(plan: Plan, ready: Mapping[str, int], problems: Mapping[str, PortError], shut: bool) -> list[Condit]:
    bad = [line for line in plan.regions if line.verdict in (Verdict.FAILED, Verdict.DEGRADED)]
    short = [line.name for line in plan.regions if ready.get(line.name, 0) < line.replicas]
    rows, target = ({entry: dict(row) for entry, row in matrix} for matrix in (plan.weights, plan.target))
    moving = bool(short) or not arrived(rows, target)
    problem = next(iter(problems.items()), None)
    return [
        (
            "Ready",
            not short and problem is None,
            problem[1].reason if problem else "ReplicasMissing" if short else "AllRegionsReady",
            f"{problem[0]}: {problem[1]}; {problem[1].remedy}"
            if problem
            else f"replicas are missing in {', '.join(short)}"
            if short
            else "every region runs what it should",
        ),
        (
            "TrafficHealthy",
            not plan.shortage,
            "Shortage" if plan.shortage else "DemandCarried",
            f"{decimal_text(plan.shortage)} requests per second more than the regions can carry"
            if plan.shortage
            else f"{', '.join(line.name for line in bad)} not healthy; the others carry the demand"
            if bad
            else "every region is healthy",
        ),
        ("Survivable", plan.survivable, "Proven" if plan.survivable else "NotSurvivable", plan.survivable_reason),
        _progress(plan, shut, moving),
    ]


def _progress(plan: Plan, shut: bool, moving: bool) -> Condit:
    returning = [line for line in plan.regions if line.phase is Phase.RECOVERING]
    if shut:
        return "Progressing", True, "Opening", "users are let in once every region that answers has a ready replica"
    if moving:
        return "Progressing", True, "Moving", plan.reason
    if returning:
        return "Progressing", True, "Returning", "; ".join(f"{line.name}: {line.phase_reason}" for line in returning)
    return "Progressing", False, "Settled", plan.reason


def _status(
    model: ModelDeployment, plan: Plan, ready: Mapping[str, int], conditions: list[Condit]
) -> ModelDeploymentStatus:
    lines = plan.regions
    unwell = [f"{line.name} {line.verdict}" for line in lines if line.verdict is not Verdict.HEALTHY]
    return ModelDeploymentStatus(
        conditions=tuple(condition(model.status.conditions, row, model.metadata.generation) for row in conditions),
        observed_generation=model.metadata.generation,
        ready_replicas=f"{sum(ready.get(line.name, 0) for line in lines)}/{sum(line.replicas for line in lines)}",
        weights_summary=" ".join(f"{line.name} {line.weight}" for line in lines),
        health=", ".join(unwell) or "healthy",
        regions=tuple(_line(line, ready) for line in lines),
        weights=tuple(
            WeightRow(entry=entry, serving=tuple(ServingWeight(region=name, percent=percent) for name, percent in row))
            for entry, row in plan.weights
        ),
        memory=json.dumps(to_record(plan.memory), separators=(",", ":")),
    )


def _line(line: RegionPlan, ready: Mapping[str, int]) -> RegionLine:
    sentence = line.verdict_reason + (f"; {line.phase_reason}" if line.phase_reason else "")
    return RegionLine(
        name=line.name,
        verdict=line.verdict,
        phase=line.phase,
        weight=line.weight,
        target_weight=line.target_weight,
        capacity=decimal_text(line.capacity),
        utilization=line.utilization_percent,
        replicas=ReplicaCount(ready=ready.get(line.name, 0), desired=line.replicas, standby=line.standby),
        reason=sentence,
    )


def condition(before: tuple[Condition, ...], row: Condit, generation: int | None) -> Condition:
    """A condition for a status; its transition time is the old one's while its status stays."""
    kind, holds, reason, message = row
    status = "Unknown" if holds is None else str(holds)
    old = condition_of(before, kind)
    since = (
        old.last_transition_time if old and old.status == status else datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    )
    return Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        observed_generation=generation,
        last_transition_time=since,
    )


def _status_body(model: ModelDeployment, status: ModelDeploymentStatus) -> KubeObject:
    return {
        "apiVersion": model.api_version,
        "kind": model.kind,
        "metadata": {"name": model.metadata.name, "namespace": model.metadata.namespace},
        "status": status.wire(),
    }

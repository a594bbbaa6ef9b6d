"""A fleet at a glance, from what the operator wrote: regions, models, and what asks for a person's eye."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from leeward.api.common import Condition, condition_of
from leeward.api.evacuation import Evacuation
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.modelstatus import RegionLine
from leeward.api.region import Region

ABNORMAL = frozenset(
    {
        *(("Reachable", "False"), ("Reachable", "Unknown"), ("MetricsFresh", "False"), ("Ready", "False")),
        *(("TrafficHealthy", "False"), ("Survivable", "False"), ("NodesReady", "False"), ("InSync", "False")),
        *(("Ordered", "True"), ("Ordered", "False"), ("Autoscaling", "False"), ("CredentialsValid", "False")),
    }
)
"""Conditions, with their status, that a person should know of."""

UNRENEWED_SECONDS = 60
"""A Lease lasts seconds; one that nobody has renewed for so long is held by nobody."""


@dataclass(frozen=True, slots=True)
class Deciding:
    """Who decides. None: there is no such thing here, or the account may not see it.

    `leader` holds the home cluster's Lease ("": nobody), which was renewed `silent_seconds` ago; `replicas` are the
    ready ones of the operator's Deployments.
    """

    leader: str | None = None
    epoch: int | None = None
    silent_seconds: float | None = None
    replicas: int | None = None


@dataclass(frozen=True, slots=True)
class RegionGlance:
    """One Region. None: it was not told yet, or there is nothing to tell."""

    name: str
    ready: str | None
    reachable: str | None
    metrics: str | None
    nodes: int
    accelerators: dict[str, int]
    evacuated: bool


@dataclass(frozen=True, slots=True)
class ModelGlance:
    """One ModelDeployment; `regions` are those of its status."""

    name: str
    health: str
    replicas: str
    survivable: str
    regions: tuple[RegionLine, ...]


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that is not as it should be, or that a person ordered."""

    about: str
    kind: str
    sentence: str
    since: str


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on one page; `leader` and `epoch` as in `Deciding`."""

    leader: str | None
    epoch: int | None
    regions: tuple[RegionGlance, ...]
    models: tuple[ModelGlance, ...]
    incidents: tuple[Incident, ...]


def overview(
    models: Sequence[ModelDeployment],
    regions: Iterable[Region],
    evacuations: Sequence[Evacuation],
    deciding: Deciding,
    now_ms: int,
) -> Overview:
    """What the objects say."""
    ordered = [each for each in evacuations if each.in_force(now_ms)]
    left = {each.spec.region for each in ordered}
    there = sorted(regions, key=lambda each: each.metadata.name)
    return Overview(
        deciding.leader,
        deciding.epoch,
        tuple(_region(each, each.metadata.name in left) for each in there),
        tuple(_model(each) for each in models),
        (
            *_of_operator(deciding),
            *_of_regions(there),
            *_of_orders(ordered),
            *(row for each in models for row in _of_model(each)),
        ),
    )


def _region(region: Region, evacuated: bool) -> RegionGlance:
    rows = region.status.conditions
    capacity = region.status.capacity
    return RegionGlance(
        region.metadata.name,
        _status(rows, "Ready"),
        _status(rows, "Reachable"),
        _status(rows, "MetricsFresh"),
        capacity.nodes if capacity else 0,
        dict(capacity.accelerators) if capacity else {},
        evacuated,
    )


def _model(model: ModelDeployment) -> ModelGlance:
    status = model.status
    survivable = condition_of(status.conditions, "Survivable")
    return ModelGlance(
        model.key,
        status.health or "not told yet",
        status.ready_replicas or "-",
        survivable.message if survivable else "not told yet",
        status.regions,
    )


def _of_operator(seen: Deciding) -> Iterator[Incident]:
    silent, led = seen.silent_seconds or 0.0, bool(seen.leader)
    if led and silent > UNRENEWED_SECONDS:
        led = False
        told = f"{seen.leader} has not renewed this cluster's Lease for {silent:.0f} s"
        yield Incident(
            "operator", "NoLeaderHere", f"{told}: nobody leads, or the leader does not reach this cluster", ""
        )
    elif seen.leader == "":
        yield Incident("operator", "NoLeaderHere", "no replica holds this cluster's Lease", "")
    if seen.replicas == 0:
        rest = f"{seen.leader} leads" if led else "nothing is decided from here, and weights stay as they are"
        yield Incident("operator", "NotRunning", f"its Deployment here has no ready replica: {rest}", "")


def _of_regions(regions: Iterable[Region]) -> Iterator[Incident]:
    for region in regions:
        if not region.status.conditions:
            sentence = "no operator has told of it yet: does one run, and may it read its Secret?"
            yield Incident(f"region {region.metadata.name}", "NotSeen", sentence, "")
        yield from _conditions(f"region {region.metadata.name}", region.status.conditions)


def _of_orders(evacuations: Iterable[Evacuation]) -> Iterator[Incident]:
    for each in evacuations:
        row = condition_of(each.status.conditions, "Evacuated")
        until = f" until {each.spec.expires_at}" if each.spec.expires_at else ""
        sentence = f"ordered by {each.spec.requested_by or 'a person'}{until}: {each.spec.reason}"
        told = f"{sentence}; {row.reason}: {row.message}" if row else sentence
        yield Incident(f"region {each.spec.region}", "Evacuation", told, row.last_transition_time if row else "")


def _of_model(model: ModelDeployment) -> Iterator[Incident]:
    yield from _conditions(model.key, model.status.conditions)
    for line in model.status.regions:
        if line.verdict != "healthy" or line.phase != "active":
            yield Incident(model.key, f"{line.name} {line.verdict}, {line.phase}", line.reason, "")
    if model.status.observed_generation is None or model.status.observed_generation != model.metadata.generation:
        yield Incident(model.key, "NotSeen", "no operator has told of the newest spec yet: does one run?", "")


def _conditions(about: str, rows: Iterable[Condition]) -> Iterator[Incident]:
    for row in rows:
        if (row.type, row.status) in ABNORMAL:
            yield Incident(about, f"{row.type} {row.reason}", row.message, row.last_transition_time)


def _status(rows: tuple[Condition, ...], kind: str) -> str | None:
    found = condition_of(rows, kind)
    return found.status if found else None

"""Recording what is seen of the Regions themselves: conditions and nodes, written only when they change."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from leeward.adapters.certificates import Credential
from leeward.adapters.handshake import CertificateRefused
from leeward.adapters.members import Member
from leeward.adapters.pools.nodes import region_capacity
from leeward.ports import Cluster, PortError
from leeward.record import Condit, condition
from leeward.region_sight import RegionSight

log = structlog.get_logger("record")


@dataclass
class RegionRecorder:
    """Writes each Region's conditions to the home cluster."""

    home: Cluster
    dry_run: bool = False
    _marks: dict[str, object] = field(default_factory=dict)

    async def record(
        self,
        member: Member,
        sight: RegionSight,
        unreadable: PortError | None = None,
        resources: Iterable[str] = (),
    ) -> None:
        """Write one Region's status if a condition or its nodes changed; a failure is tried again by the next tick.

        What an API server says of itself may differ each time, so that its words alone are no change.

        `unreadable` is why the newest form of the Region itself does not count; `resources` are accelerators' names.
        """
        name = member.region.metadata.name
        rows = region_conditions(member, sight.api_error, sight.metrics_error, unreadable)
        rows += credentials_condition(member.credentials, member.listener, time.time_ns() // 1_000_000)
        capacity = None if sight.nodes is None else region_capacity(sight.nodes, resources).wire()
        mark = (member.region.metadata.uid, tuple(row[:3] for row in rows), str(member.problem), capacity)
        if self.dry_run or self._marks.get(name) == mark:
            return
        body = {
            "apiVersion": member.region.api_version,
            "kind": member.region.kind,
            "metadata": {"name": name},
            "status": {
                "conditions": [condition(member.region.status.conditions, row, None).wire() for row in rows],
                "observedGeneration": member.region.metadata.generation,
                **({} if capacity is None else {"capacity": capacity}),
            },
        }
        try:
            await self.home.apply_status(body)
            self._marks[name] = mark
        except PortError as error:
            log.warning("a Region's status could not be written", region=name, error=str(error), remedy=error.remedy)


def region_conditions(
    member: Member,
    api_error: PortError | None,
    metrics_error: PortError | None,
    unreadable: PortError | None = None,
) -> list[Condit]:
    """Reachable, MetricsFresh and Ready of one region; the first problem is Ready's reason."""
    problem = member.problem or api_error or unreadable
    out_of_reach = (member.problem or api_error) if member.cluster is None else api_error
    no_metrics = member.region.spec.prometheus is None
    witness = member.region.spec.gateway is None
    serving = "Ready", "models can be served here"
    well = ("Witness", "it counts for majorities and serves no models") if witness else serving
    return [
        (
            "Reachable",
            out_of_reach is None,
            out_of_reach.reason if out_of_reach else "Answers",
            str(out_of_reach or "the API server answers"),
        ),
        (
            "MetricsFresh",
            None if no_metrics else metrics_error is None,
            "NoPrometheus" if no_metrics else metrics_error.reason if metrics_error else "Answers",
            "no Prometheus is named; probes and readiness judge alone"
            if no_metrics
            else str(metrics_error or "Prometheus answers"),
        ),
        (
            "Ready",
            problem is None,
            problem.reason if problem else well[0],
            f"{problem}; {problem.remedy}" if problem else well[1],
        ),
    ]


def credentials_condition(
    held: Sequence[Credential], listener: Credential | CertificateRefused | None, now_ms: int
) -> list[Condit]:
    """CredentialsValid: there where anything ends that the region is reached with, and false in good time before."""
    if isinstance(listener, CertificateRefused):
        return [("CredentialsValid", False, listener.reason, f"{listener}; {listener.remedy}")]
    shown = [*held, *([listener] if listener else [])]
    first = min(shown, key=lambda each: (not each.life.ends_soon(now_ms), each.life.until_ms), default=None)
    if first is None:
        return []
    end = f"{datetime.fromtimestamp(first.life.until_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    renew = "renew it: leeward join, or what issues it"
    if first.life.until_ms <= now_ms:
        return [("CredentialsValid", False, "Expired", f"the {first.what} ended on {end}; {renew}")]
    if first.life.ends_soon(now_ms):
        return [("CredentialsValid", False, "ExpireSoon", f"the {first.what} ends on {end}; {renew}")]
    return [("CredentialsValid", True, "Valid", f"the {first.what} ends on {end}")]


def credentials_last(member: Member, now_ms: int) -> bool | None:
    """Whether CredentialsValid holds; None where nothing ends."""
    rows = credentials_condition(member.credentials, member.listener, now_ms)
    return rows[0][1] if rows else None

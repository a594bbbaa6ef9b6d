"""Whom to ask: probes and reachability questions of a model, from the Regions' gateways. Pure."""

import ssl
from collections.abc import Mapping

from leeward.adapters.members import Member
from leeward.adapters.objects import host_name
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.units import parse_decimal
from leeward.ports import ModelKey, ProbeTarget


def model_key(model: ModelDeployment) -> ModelKey:
    """Namespace and name."""
    return model.metadata.namespace or "", model.metadata.name


def _url(member: Member, listener: str) -> str | None:
    gateway = member.region.spec.gateway
    if gateway is None or (listener == "serve" and gateway.tls is not None and member.serve_tls is None):
        return None
    scheme = "https" if listener == "serve" and gateway.tls is not None else "http"
    return f"{scheme}://{gateway.address}:{gateway.users_port if listener == 'users' else gateway.serve_port}"


def _target(
    model: ModelDeployment, region: str, url: str, through: str = "", tls: ssl.SSLContext | None = None
) -> ProbeTarget:
    spec = model.spec
    itl = float(parse_decimal(spec.objectives.itl.seconds)) if spec.objectives.itl else 0.1
    limit = float(parse_decimal(spec.objectives.ttft.seconds)) + 4 * itl
    return ProbeTarget(
        model_key(model),
        spec.model.name,
        next(iter(spec.traffic.hostnames), ""),
        region,
        url,
        through,
        limit,
        spec.server.health_path if spec.server else "/health",
        tls,
        host_name(region) if tls else "",
    )


def _serving(model: ModelDeployment, members: Mapping[str, Member]) -> list[str]:
    return [
        entry.name
        for entry in model.spec.regions
        if entry.name in members and members[entry.name].region.spec.gateway is not None
    ]


def targets(model: ModelDeployment, members: Mapping[str, Member]) -> list[ProbeTarget]:
    """Two probes per region: straight, and through the next region's entry."""
    return _paths(model, members, 1)


def reach_targets(model: ModelDeployment | None, members: Mapping[str, Member]) -> list[ProbeTarget]:
    """Every region straight, and through two other regions' entries."""
    return _paths(model, members, 2) if model is not None else []


def _paths(model: ModelDeployment, members: Mapping[str, Member], entries: int) -> list[ProbeTarget]:
    """Every region straight, and through as many other regions' entries, the next ones in the model's order."""
    names = _serving(model, members)
    found = []
    for index, name in enumerate(names):
        direct = _url(members[name], "serve")
        if direct is not None:
            found.append(_target(model, name, direct, tls=members[name].serve_tls))
        for step in range(1, min(1 + entries, len(names))):
            through = names[(index + step) % len(names)]
            entry = _url(members[through], "users")
            if entry is not None:
                found.append(_target(model, name, entry, through))
    return found

"""The routes of a model in one region's cluster (Gateway API and Envoy Gateway), rendered and read back.

Every Gateway has two listeners. On `users` a route weighs one Backend per region, its own included; each Backend is
that region's `serve` listener, whose route knows local pods only. So nothing is weighed twice and nothing can loop:
a gateway that forwards to another's users listener does both. A third route lets a probe ask one region by name.

The users route is one Envoy cluster with a locality per region, hence retries and ejection work across regions;
a filter on a single backend would split it, so there is none. Ejection and active checks answer "does this host
connect and are there pods"; sickness and capacity are the operator's, so 5xx never eject. A full region answers 429
(an override of the overflow's 503), counts as alive for the active check, and is not retried unless asked.

Weight 0 has no safety net in Envoy. A region that gets nothing but is well is listed as a spare (a fallback Backend
with weight 1: idle until every other is down); a failed or drained one is listed nowhere.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from leeward.adapters import policies
from leeward.adapters.objects import (
    AUTHORITIES,
    BACKEND,
    CONFIG_MAP,
    MANAGED_BY,
    POLICY,
    PROBE_HEADER,
    ROUTE,
    SERVED_HEADER,
    SERVICE,
    host_name,
    owned,
)
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.core.snapshot import Row
from leeward.ports import KubeObject


@dataclass(frozen=True, slots=True)
class Names:
    """Names of a model's routes and backends."""

    model: str

    @property
    def users(self) -> str:
        return f"{self.model}-users"

    @property
    def serve(self) -> str:
        return f"{self.model}-serve"

    @property
    def probe(self) -> str:
        return f"{self.model}-probe"

    def backend(self, region: str) -> str:
        return f"{self.model}-{region}"

    def spare(self, region: str) -> str:
        return f"{self.model}-{region}-spare"


def serve_objects(model: ModelDeployment, region: Region, ready_replicas: int) -> list[KubeObject]:
    """The serving side of a region: local pods only. Made everywhere before users are let in anywhere."""
    names = Names(model.metadata.name)
    service = {"group": "", "kind": SERVICE.kind, "name": model.metadata.name, "port": model.spec.port}
    matches = [_prefix("/v1"), {"path": {"type": "Exact", "value": policies.health_path(model)}}]
    rule = {
        "matches": matches,
        "backendRefs": [_weighted(service, 1)],
        "timeouts": {"request": "0s"},
        "filters": [
            {
                "type": "ResponseHeaderModifier",
                "responseHeaderModifier": {"set": [{"name": SERVED_HEADER, "value": region.metadata.name}]},
            }
        ],
    }
    return [
        owned(model, ROUTE, names.serve, _route(model, region, "serve", [rule])),
        owned(model, POLICY, names.serve, policies.serve_policy(model, names.serve, ready_replicas)),
    ]


def entry_objects(model: ModelDeployment, entry: Region, regions: list[Region]) -> list[KubeObject]:
    """The entry side of a region, all but the users route itself."""
    names = Names(model.metadata.name)
    backing = [body for region in regions for body in backends(model, region)]
    probes = [_probe_rule(names, region) for region in regions]
    return [
        *backing,
        owned(model, POLICY, names.users, policies.users_policy(model, names.users)),
        owned(model, POLICY, names.probe, policies.probe_policy(names.probe)),
        owned(model, ROUTE, names.probe, _route(model, entry, "users", probes)),
    ]


def users_route(model: ModelDeployment, entry: Region, row: Row, unlisted: frozenset[str]) -> KubeObject:
    """Where an entry's users go, in percent: all that an emergency has to write."""
    names = Names(model.metadata.name)
    rule = {
        "matches": [_prefix("/v1")],
        "backendRefs": _references(names, row, unlisted),
        "timeouts": {"request": "0s"},
    }
    return owned(model, ROUTE, names.users, _route(model, entry, "users", [rule]))


def read_row(route: KubeObject | None, model: str, region_names: tuple[str, ...]) -> Row | None:
    """The weights that a users route holds, in percent and in the order of `region_names`; None when unreadable."""
    if route is None:
        return None
    names = Names(model)
    rules = route.get("spec", {}).get("rules", [])
    found = {
        reference["name"]: int(reference.get("weight", 1))
        for rule in rules
        for reference in rule.get("backendRefs", [])
    }
    weights = {region: found.get(names.backend(region), 0) for region in region_names}
    total = sum(weights.values())
    if total != 100:
        return None
    return tuple((region, weights[region]) for region in region_names)


def accepted(route: KubeObject | None) -> bool:
    """Has a gateway taken this version of the route and resolved what it refers to?"""
    if route is None:
        return False
    generation = route["metadata"].get("generation")
    parents = route.get("status", {}).get("parents", [])
    good = {
        (row["type"], row["status"])
        for parent in parents
        for row in parent.get("conditions", [])
        if row.get("observedGeneration") == generation
    }
    return {("Accepted", "True"), ("ResolvedRefs", "True")} <= good


def covers(model: ModelDeployment, route: KubeObject) -> bool:
    """Would nobody miss a route of somebody else's: are all of its host names the model's?"""
    hosts, ours = (route.get("spec") or {}).get("hostnames") or [], model.spec.traffic.hostnames
    return set(hosts) <= set(ours) if hosts else not ours


def _references(names: Names, row: Row, unlisted: frozenset[str]) -> list[KubeObject]:
    references = []
    for region, percent in row:
        if region in unlisted:
            continue
        name = names.backend(region) if percent else names.spare(region)
        backend = {"group": "gateway.envoyproxy.io", "kind": BACKEND.kind, "name": name}
        references.append(_weighted(backend, percent or 1))
    return references


def _weighted(reference: KubeObject, weight: int) -> KubeObject:
    return reference | {"weight": weight}


def backends(model: ModelDeployment, region: Region) -> list[KubeObject]:
    """A region as an entry's routes name it: to be weighed, and as a spare."""
    names, gateway = Names(model.metadata.name), region.spec.gateway
    if gateway is None:
        return []
    host = {"address": gateway.address, "port": gateway.serve_port}
    kind = "ip" if _is_ip(gateway.address) else "fqdn"
    endpoint = {
        "hostname": host_name(region.metadata.name),
        kind: host if kind == "ip" else {"hostname": gateway.address, "port": gateway.serve_port},
    }
    spec: KubeObject = {"type": "Endpoints", "appProtocols": ["gateway.envoyproxy.io/h2c"], "endpoints": [endpoint]}
    if gateway.tls is not None:
        trusted = {"group": "", "kind": CONFIG_MAP.kind, "name": AUTHORITIES}
        spec["tls"] = {"caCertificateRefs": [trusted], "sni": host_name(region.metadata.name)}
    return [
        owned(model, BACKEND, names.backend(region.metadata.name), spec),
        owned(model, BACKEND, names.spare(region.metadata.name), spec | {"fallback": True}),
    ]


def authorities(model: ModelDeployment, regions: Iterable[Region]) -> list[KubeObject]:
    """By whom an entry believes that it talks to a region: each is held to its own name, so one list does for all.

    `regions` are all of the fleet, so that every model in a namespace wants the same.
    """
    secured = [region.spec.gateway.tls for region in regions if region.spec.gateway and region.spec.gateway.tls]
    if not secured:
        return []
    told = sorted({each.ca_certificates.strip() for each in secured})
    metadata = {"name": AUTHORITIES, "namespace": model.metadata.namespace, "labels": {MANAGED_BY: "leeward"}}
    content = {"ca.crt": "\n".join(told) + "\n"}
    return [{"apiVersion": CONFIG_MAP.api_version, "kind": CONFIG_MAP.kind, "metadata": metadata, "data": content}]


def _is_ip(address: str) -> bool:
    return all(part.isdigit() for part in address.split(".")) or ":" in address


def _prefix(path: str) -> KubeObject:
    return {"path": {"type": "PathPrefix", "value": path}}


def _probe_rule(names: Names, region: Region) -> KubeObject:
    backend = {"group": "gateway.envoyproxy.io", "kind": BACKEND.kind, "name": names.backend(region.metadata.name)}
    header = [{"type": "Exact", "name": PROBE_HEADER, "value": region.metadata.name}]
    return {
        "matches": [_prefix("/v1") | {"headers": header}],
        "backendRefs": [_weighted(backend, 1)],
        "timeouts": {"request": "0s"},
    }


def _route(model: ModelDeployment, region: Region, side: str, rules: list[KubeObject]) -> KubeObject:
    gateway = region.spec.gateway
    assert gateway is not None, "a region without a gateway has no routes"
    listener = gateway.users_listener if side == "users" else gateway.serve_listener
    parent = {
        "group": "gateway.networking.k8s.io",
        "kind": "Gateway",
        "name": gateway.name,
        "namespace": gateway.namespace,
        "sectionName": listener,
    }
    return {"parentRefs": [parent], "hostnames": list(model.spec.traffic.hostnames), "rules": rules}

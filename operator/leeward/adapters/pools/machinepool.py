"""Cluster API MachinePools (cluster.x-k8s.io/v1beta2), each with an infrastructure object of its own.

The infrastructure object holds machine type, spot, labels, taints and bounds; what differs between its kinds stands in
one table. Owner of the size: the cloud's autoscaler within the bounds; the annotation `replicas-managed-by` then tells
Cluster API that `replicas` is not its own, and we do not write it. With sizeOwner Leeward `replicas` is ours.
"""

from collections.abc import Callable
from dataclasses import dataclass

from leeward.adapters.pools.machines import machine
from leeward.adapters.pools.port import (
    POOL_LABEL,
    Ask,
    Claim,
    Pool,
    PoolObject,
    Range,
    SettingsMissing,
    by_condition,
    merged,
    spelled,
)
from leeward.api.pools import NodePools
from leeward.ports import Kind, KubeObject

MIXES_CAPACITY = False
MACHINE_POOL = Kind("cluster.x-k8s.io/v1beta2", "MachinePool")
_MANAGED_BY = {"cluster.x-k8s.io/replicas-managed-by": "external-autoscaler"}
_AWS_EFFECTS = {"NoSchedule": "no-schedule", "PreferNoSchedule": "prefer-no-schedule", "NoExecute": "no-execute"}


@dataclass(frozen=True, slots=True)
class Infrastructure:
    """A kind of infrastructure object: its cloud, and its spec for a name, machine type and range of nodes."""

    kind: Kind
    cloud: str
    spec: Callable[[Ask, str, str, Range], KubeObject]


def _aws(ask: Ask, name: str, machine_type: str, nodes: Range) -> KubeObject:
    return {
        "instanceType": machine_type,
        "amiType": ask.pools.provider_spec.get("amiType", "AL2023_x86_64_NVIDIA"),
        "capacityType": "spot" if ask.spot else "onDemand",
        "scaling": {"minSize": nodes.least, "maxSize": nodes.most},
        "labels": ask.node_labels(name),
        "taints": spelled(ask.taints, _AWS_EFFECTS),
    }


def _gcp(ask: Ask, name: str, machine_type: str, nodes: Range) -> KubeObject:
    """There is no field for accelerators, so only machine types that have them built in will do; the table's do.
    GKE counts the bounds per zone."""
    zones = max(1, len(ask.pools.provider_spec.get("nodeLocations", ())))
    least, most = -(-nodes.least // zones), -(-nodes.most // zones)
    bounds = {"enableAutoscaling": True, "minCount": least, "maxCount": most}
    return {
        "machineType": machine_type,
        "spot": ask.spot,
        "scaling": {"enableAutoscaling": False} if ask.fixed else bounds,
        "kubernetesLabels": ask.node_labels(name),
        "kubernetesTaints": [taint.wire() for taint in ask.taints],
    }


_GROUP = "infrastructure.cluster.x-k8s.io"
INFRASTRUCTURES = {
    each.kind.kind: each
    for each in (
        Infrastructure(Kind(f"{_GROUP}/v1beta2", "AWSManagedMachinePool"), "aws", _aws),
        Infrastructure(Kind(f"{_GROUP}/v1beta1", "GCPManagedMachinePool"), "gcp", _gcp),
    )
}


def kinds(pools: NodePools) -> tuple[Kind, ...]:
    """The MachinePool takes its infrastructure object with it; without settings, every kind that there may be."""
    chosen = pools.cluster_api.infrastructure_kind if pools.cluster_api else None
    rows = [INFRASTRUCTURES[chosen]] if chosen else list(INFRASTRUCTURES.values())
    return (MACHINE_POOL, *(row.kind for row in rows))


def pool(ask: Ask) -> Pool:
    """The infrastructure object, and the MachinePool that refers to it."""
    settings = ask.pools.cluster_api
    if settings is None or settings.infrastructure_kind is None:
        raise SettingsMissing("provider machine-pool needs clusterApi with infrastructureKind")
    kind = INFRASTRUCTURES[settings.infrastructure_kind]
    chosen = machine(ask, kind.cloud)
    name = ask.name(
        ask.region.metadata.name, settings.cluster_name, kind.kind.kind, chosen.type, ask.pools.provider_spec
    )
    nodes = ask.nodes(chosen.accelerators)
    beside = merged(ask.pools.provider_spec, kind.spec(ask, name, chosen.type, nodes))
    spec: KubeObject = {
        "clusterName": settings.cluster_name,
        "template": {
            "spec": {
                "clusterName": settings.cluster_name,
                "bootstrap": {"dataSecretName": ""},
                "infrastructureRef": {"apiGroup": _GROUP, "kind": kind.kind.kind, "name": name},
            }
        },
    }
    if settings.version:
        spec["template"]["spec"]["version"] = settings.version
    body = ask.body(MACHINE_POOL, name, spec, None if ask.fixed else _MANAGED_BY)
    made = (
        PoolObject(ask.body(kind.kind, name, beside)),
        PoolObject(body, {"spec": {"replicas": nodes.now}} if ask.fixed else {}, keep_size=ask.fixed),
    )
    return Pool(name, made, {POOL_LABEL: (name,)}, ask.taints)


def claim(live: KubeObject) -> Claim:
    status = live.get("status") or {}
    return by_condition(
        live, "Available", f", {status.get('readyReplicas', 0)} of {status.get('replicas', 0)} machines ready"
    )

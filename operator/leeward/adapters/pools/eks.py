"""EKS node groups by AWS Controllers for Kubernetes (eks.services.k8s.aws/v1alpha1 Nodegroup).

Owner of the size: the group's autoscaler, between minSize and maxSize. The annotation `desired-size-managed-by` keeps
the controller from setting desiredSize back, which is written once, at the start. With sizeOwner Leeward the
annotation is absent and desiredSize is ours. The API server refuses to change machine, image, role and subnets, and
EKS the kind of capacity, so all of them are part of the name.
"""

from leeward.adapters.pools.machines import machine
from leeward.adapters.pools.port import (
    POOL_LABEL,
    SHOUTED,
    Ask,
    Claim,
    Pool,
    PoolObject,
    SettingsMissing,
    by_condition,
    merged,
    spelled,
)
from leeward.api.pools import NodePools
from leeward.ports import Kind, KubeObject

MIXES_CAPACITY = False
NODE_GROUP = Kind("eks.services.k8s.aws/v1alpha1", "Nodegroup")
_MANAGED_BY = {"eks.services.k8s.aws/desired-size-managed-by": "external-autoscaler"}


def kinds(pools: NodePools) -> tuple[Kind, ...]:
    return (NODE_GROUP,)


def pool(ask: Ask) -> Pool:
    """A Nodegroup of one machine type."""
    settings = ask.pools.eks
    if settings is None:
        raise SettingsMissing("provider eks needs eks.clusterName, eks.nodeRole and eks.subnets")
    chosen = machine(ask, "aws")
    subnets = sorted(settings.subnets)
    name = ask.name(
        ask.region.metadata.name,
        settings.cluster_name,
        settings.node_role,
        subnets,
        settings.ami_type,
        chosen.type,
        ask.pools.provider_spec,
    )
    nodes = ask.nodes(chosen.accelerators)
    spec = {
        "name": name,
        "clusterName": settings.cluster_name,
        "nodeRole": settings.node_role,
        "subnets": subnets,
        "amiType": settings.ami_type,
        "instanceTypes": [chosen.type],
        "capacityType": "SPOT" if ask.spot else "ON_DEMAND",
        "scalingConfig": {"minSize": nodes.least, "maxSize": nodes.most},
        "labels": ask.node_labels(name),
        "taints": spelled(ask.taints, SHOUTED),
    }
    body = ask.body(NODE_GROUP, name, merged(ask.pools.provider_spec, spec), None if ask.fixed else _MANAGED_BY)
    size = {"scalingConfig": {"desiredSize": nodes.now if ask.fixed else nodes.least}}
    return Pool(name, (PoolObject(body, {"spec": size}, keep_size=ask.fixed),), {POOL_LABEL: (name,)}, ask.taints)


def claim(live: KubeObject) -> Claim:
    """Ready when it is synced and ACTIVE; health issues tell of missing capacity."""
    status = live.get("status") or {}
    issues = [str(issue.get("code")) for issue in (status.get("health") or {}).get("issues") or [] if issue.get("code")]
    state = status.get("status") or "no state yet"
    synced = by_condition(live, "ACK.ResourceSynced", f", {state}" + (f": {', '.join(issues)}" if issues else ""))
    ready = None if synced.ready is None else synced.ready and state == "ACTIVE"
    return Claim(ready, synced.sentence)

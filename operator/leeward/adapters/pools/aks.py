"""AKS agent pools by Azure Service Operator (containerservice.azure.com ManagedClustersAgentPool).

Owner of the size: AKS' autoscaler, between minCount and maxCount. `count` must be there when the pool is made, and must
repeat what the status says from then on: the number that stands there is sent with every change. With sizeOwner
Leeward `count` is ours. The name in Azure has 12 characters at most, so it is made from the digest alone. AKS taints
spot pools by itself; the pods tolerate that.
"""

from leeward.adapters.pools.machines import machine
from leeward.adapters.pools.port import POOL_LABEL, Ask, Claim, Pool, PoolObject, SettingsMissing, by_condition, merged
from leeward.api.pools import AksPools, NodePools, Taint
from leeward.ports import Kind, KubeObject

MIXES_CAPACITY = False
SPOT_TAINT = Taint(key="kubernetes.azure.com/scalesetpriority", value="spot")
_DEFAULT_VERSION = AksPools(cluster="any").version


def kinds(pools: NodePools) -> tuple[Kind, ...]:
    return (_kind(pools.aks.version if pools.aks else _DEFAULT_VERSION),)


def _kind(version: str) -> Kind:
    return Kind(f"containerservice.azure.com/{version}", "ManagedClustersAgentPool")


def _owner(cluster: str) -> KubeObject:
    return {"armId": cluster} if cluster.startswith("/") else {"name": cluster}


def pool(ask: Ask) -> Pool:
    """A user pool of one machine type."""
    settings = ask.pools.aks
    if settings is None:
        raise SettingsMissing("provider aks needs aks.cluster")
    chosen = machine(ask, "azure")
    specifics = ask.region.metadata.name, settings.cluster, chosen.type, ask.pools.provider_spec
    name = ask.name(*specifics)
    nodes = ask.nodes(chosen.accelerators)
    spec: KubeObject = {
        "azureName": f"lw{ask.digest(*specifics)}",
        "owner": _owner(settings.cluster),
        "mode": "User",
        "osType": "Linux",
        "vmSize": chosen.type,
        "scaleSetPriority": "Spot" if ask.spot else "Regular",
        "enableAutoScaling": not ask.fixed,
        "nodeLabels": ask.node_labels(name),
        "nodeTaints": [f"{taint.key}={taint.value}:{taint.effect}" for taint in ask.taints],
    }
    if ask.spot:
        spec |= {"scaleSetEvictionPolicy": "Delete", "spotMaxPrice": -1}
    if not ask.fixed:
        spec |= {"minCount": nodes.least, "maxCount": nodes.most}
    body = ask.body(_kind(settings.version), name, merged(ask.pools.provider_spec, spec))
    size = {"spec": {"count": nodes.now if ask.fixed else nodes.least}}
    tolerated = (*ask.taints, SPOT_TAINT) if ask.spot else ask.taints
    return Pool(name, (PoolObject(body, size, keep_size=ask.fixed, mirrors="count"),), {POOL_LABEL: (name,)}, tolerated)


def claim(live: KubeObject) -> Claim:
    status = live.get("status") or {}
    said = [f"{status[key]}" for key in ("provisioningState",) if status.get(key)]
    said += [f"{status['count']} nodes wanted"] if status.get("count") is not None else []
    return by_condition(live, "Ready", "".join(f", {each}" for each in said))

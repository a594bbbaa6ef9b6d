"""GKE node pools by Config Connector (container.cnrm.cloud.google.com/v1beta1 ContainerNodePool).

Owner of the size: GKE's autoscaler, bounded for the whole pool (`total…NodeCount`); `initialNodeCount` is written
once, counts per zone, and cannot change. With sizeOwner Leeward it is `nodeCount`, per zone too, and no autoscaling.
Machine, spot and accelerators cannot change either, which the API server does not know: only the controller fails.
The status holds no count of nodes. `state-into-spec: absent` keeps the controller's defaults out of the spec.
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
NODE_POOL = Kind("container.cnrm.cloud.google.com/v1beta1", "ContainerNodePool")
_NAME_LENGTH = 40


def kinds(pools: NodePools) -> tuple[Kind, ...]:
    return (NODE_POOL,)


def _cluster(text: str) -> KubeObject:
    return {"external": text} if "/" in text else {"name": text}


def pool(ask: Ask) -> Pool:
    """A ContainerNodePool; its name in GKE is shorter than the object's."""
    settings = ask.pools.gke
    if settings is None:
        raise SettingsMissing("provider gke needs gke.cluster and gke.location")
    chosen = machine(ask, "gcp")
    zones = sorted(settings.node_locations)
    specifics = (
        ask.region.metadata.name,
        settings.cluster,
        settings.location,
        zones,
        chosen.type,
        ask.pools.provider_spec,
    )
    name = ask.name(*specifics)
    nodes = ask.nodes(chosen.accelerators)
    per_zone = max(1, len(zones))
    spec: KubeObject = {
        "clusterRef": _cluster(settings.cluster),
        "location": settings.location,
        "resourceID": f"{ask.model.metadata.name[: _NAME_LENGTH - 9].rstrip('-')}-{ask.digest(*specifics)}",
        "nodeConfig": {
            "machineType": chosen.type,
            "spot": ask.spot,
            "guestAccelerator": [
                {
                    "type": chosen.accelerator,
                    "count": chosen.accelerators,
                    "gpuDriverInstallationConfig": {"gpuDriverVersion": "DEFAULT"},
                }
            ],
            "labels": ask.node_labels(name),
            "taint": spelled(ask.taints, SHOUTED),
        },
    }
    if zones:
        spec["nodeLocations"] = zones
    if not ask.fixed:
        spec["autoscaling"] = {
            "totalMinNodeCount": nodes.least,
            "totalMaxNodeCount": nodes.most,
            "locationPolicy": "ANY",
        }
    size = {"nodeCount": -(-nodes.now // per_zone)} if ask.fixed else {"initialNodeCount": -(-nodes.least // per_zone)}
    body = ask.body(
        NODE_POOL, name, merged(ask.pools.provider_spec, spec), {"cnrm.cloud.google.com/state-into-spec": "absent"}
    )
    made = PoolObject(body, {"spec": size}, keep_size=ask.fixed)
    return Pool(name, (made,), {POOL_LABEL: (name,)}, ask.taints)


def claim(live: KubeObject) -> Claim:
    return by_condition(live, "Ready")

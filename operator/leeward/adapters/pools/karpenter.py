"""Karpenter NodePools (karpenter.sh/v1), one per model and region.

Type, count and capacity types are identity: they are hashed into the pool's name, so a change makes another pool
instead of replacing nodes under running pods. Karpenter owns the size; we write the limit. A pool that is Ready is
not capacity: nodes with allocatable accelerators are.
"""

import hashlib
import json

from leeward.adapters.objects import MODEL_LABEL, NODE_POOL, owned
from leeward.adapters.pools import static
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.ports import KubeObject

POOL_LABEL = "leeward.dev/pool"


def pool_name(model: ModelDeployment, region: Region) -> str:
    """`<namespace>-<model>-<identity>`, at most 63 characters; NodePools are cluster-scoped."""
    accelerator, pools = model.spec.accelerator, region.spec.node_pools
    identity = json.dumps(
        [
            accelerator.type,
            accelerator.count,
            accelerator.resource_name,
            sorted(pools.capacity_types),
            _requirements(model, region),
        ]
    )
    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    return f"{model.metadata.namespace}-{model.metadata.name}"[:54].rstrip("-") + f"-{digest}"


def _requirements(model: ModelDeployment, region: Region) -> list[KubeObject]:
    return [
        {"key": key, "operator": "In", "values": sorted(values)}
        for key, values in sorted(static.node_labels(model, region).items())
    ]


def node_labels(model: ModelDeployment, region: Region) -> dict[str, list[str]]:
    """Pods go to this pool's own nodes."""
    return {POOL_LABEL: [pool_name(model, region)]}


def pool_objects(model: ModelDeployment, region: Region, max_replicas: int) -> list[KubeObject]:
    """A NodePool that may hold `max_replicas` replicas, each with its accelerators on one node."""
    accelerator, pools = model.spec.accelerator, region.spec.node_pools
    assert pools.node_class_ref is not None, "the API server refuses provider karpenter without nodeClassRef"
    name = pool_name(model, region)
    capacity = {"key": "karpenter.sh/capacity-type", "operator": "In", "values": list(pools.capacity_types)}
    template = {
        "metadata": {"labels": {POOL_LABEL: name, MODEL_LABEL: model.metadata.name}},
        "spec": {
            "nodeClassRef": pools.node_class_ref.wire(),
            "expireAfter": "Never",
            "taints": [{"key": accelerator.resource_name, "value": "present", "effect": "NoSchedule"}],
            "requirements": [capacity, *_requirements(model, region)],
        },
    }
    return [
        owned(
            model,
            NODE_POOL,
            name,
            {
                "template": template,
                "limits": {accelerator.resource_name: str(max_replicas * accelerator.count)},
                "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "10m"},
            },
        )
    ]

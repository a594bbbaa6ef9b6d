"""GPU node pools, one module per kind behind one table."""

from collections.abc import Callable

from leeward.adapters.pools import karpenter, static
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.ports import KubeObject

PoolObjects = Callable[[ModelDeployment, Region, int], list[KubeObject]]
NodeLabels = Callable[[ModelDeployment, Region], dict[str, list[str]]]

KINDS: dict[str, tuple[PoolObjects, NodeLabels]] = {
    "karpenter": (karpenter.pool_objects, karpenter.node_labels),
    "static": (static.pool_objects, static.node_labels),
}
"""Provider → (objects of the pool for a model of so many replicas at most, labels of its nodes)."""


def pool_objects(model: ModelDeployment, region: Region, max_replicas: int) -> list[KubeObject]:
    """The objects that make the region's nodes for this model."""
    return KINDS[region.spec.node_pools.provider][0](model, region, max_replicas)


def node_labels(model: ModelDeployment, region: Region) -> dict[str, list[str]]:
    """Labels, with the values allowed, that nodes for this model carry."""
    return KINDS[region.spec.node_pools.provider][1](model, region)

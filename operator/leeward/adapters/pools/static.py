"""Nodes that others made: Leeward writes no pool and only chooses among them by labels."""

from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.ports import KubeObject


def pool_objects(model: ModelDeployment, region: Region, max_replicas: int) -> list[KubeObject]:
    return []


def node_labels(model: ModelDeployment, region: Region) -> dict[str, list[str]]:
    """The labels that the Region lists for the accelerator type, or its one label with the type's own name."""
    pools, wanted = region.spec.node_pools, model.spec.accelerator.type
    listed = next((row.node_labels for row in pools.accelerators if row.type == wanted), None)
    if listed is not None:
        return {key: list(values) for key, values in listed.items()}
    return {pools.accelerator_label: [wanted]} if pools.accelerator_label else {}

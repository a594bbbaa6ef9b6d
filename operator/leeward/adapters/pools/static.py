"""Nodes that others made: Leeward writes no pool and only chooses among them by labels."""

from leeward.adapters.pools.port import Ask, Claim, Pool
from leeward.api.pools import NodePools
from leeward.ports import Kind, KubeObject

MIXES_CAPACITY = True


def kinds(pools: NodePools) -> tuple[Kind, ...]:
    return ()


def chosen_labels(ask: Ask) -> dict[str, tuple[str, ...]]:
    """The labels that the Region lists for the accelerator type, or its one label with the type's own name."""
    pools, wanted = ask.pools, ask.model.spec.accelerator.type
    listed = next((row.node_labels for row in pools.accelerators if row.type == wanted and row.node_labels), None)
    if listed is not None:
        return {key: tuple(values) for key, values in listed.items()}
    return {pools.accelerator_label: (wanted,)} if pools.accelerator_label else {}


def pool(ask: Ask) -> Pool:
    """No objects; the nodes that carry the labels."""
    return Pool("", (), chosen_labels(ask), ask.taints)


def claim(live: KubeObject) -> Claim:
    return Claim(None, "")

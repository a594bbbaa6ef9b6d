"""Racks as node pools: an imagined `RackClaim` (rack.example.com/v1) asks a data centre's own controller for machines.

A module with these four names is a whole plug-in. It translates and does nothing else: no I/O, no clock, the same
answer for the same ask. Its settings come from the Region's `providerSpec`.
"""

from leeward.adapters.pools.port import POOL_LABEL, Ask, Claim, Pool, PoolObject, SettingsMissing, by_condition
from leeward.api.pools import NodePools
from leeward.ports import Kind, KubeObject

MIXES_CAPACITY = False
RACK_CLAIM = Kind("rack.example.com/v1", "RackClaim")


def kinds(pools: NodePools) -> tuple[Kind, ...]:
    """Leeward looks for these when it removes a model, and needs rights for them in the member cluster."""
    return (RACK_CLAIM,)


def pool(ask: Ask) -> Pool:
    """A claim for machines. Everything that cannot change in place belongs into the name."""
    hall, per_machine = ask.pools.provider_spec.get("hall"), ask.pools.provider_spec.get("acceleratorsPerMachine", 8)
    if not hall:
        raise SettingsMissing("provider rack.example.com needs providerSpec.hall")
    name = ask.name(ask.region.metadata.name, hall, per_machine)
    machines = ask.nodes(per_machine)
    spec: KubeObject = {
        "hall": hall,
        "accelerator": ask.model.spec.accelerator.type,
        "minimum": machines.least,
        "maximum": machines.most,
        "labels": ask.node_labels(name),
        "taints": [taint.wire() for taint in ask.taints],
    }
    # The size stands apart: with sizeOwner Autoscaler it is a start value, with Leeward it is kept.
    size = {"spec": {"machines": machines.now if ask.fixed else machines.least}}
    made = PoolObject(ask.body(RACK_CLAIM, name, spec), size, keep_size=ask.fixed)
    return Pool(name, (made,), {POOL_LABEL: (name,)}, ask.taints)


def claim(live: KubeObject) -> Claim:
    """For messages only: capacity is what Ready nodes offer."""
    return by_condition(live, "Granted")

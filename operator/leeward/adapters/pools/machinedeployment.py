"""Cluster API MachineDeployments (cluster.x-k8s.io/v1beta2), made from an administrator's templates.

Owner of the size: cluster-autoscaler, told by two annotations; `replicas` is then never written, since Cluster API
puts it between them. With sizeOwner Leeward there are no annotations and `replicas` is ours. Only labels of a few
domains reach nodes, so the pool's label is in node.cluster.x-k8s.io. The template says machine type and spot, so the
template's name is part of the pool's.
"""

from leeward.adapters.pools.port import (
    Ask,
    Claim,
    Pool,
    PoolObject,
    SettingsMissing,
    UnknownAccelerator,
    by_condition,
    merged,
)
from leeward.api.pools import MachineTemplate, NodePools, ObjectRef
from leeward.ports import Kind, KubeObject

MIXES_CAPACITY = False
MACHINE_DEPLOYMENT = Kind("cluster.x-k8s.io/v1beta2", "MachineDeployment")
NODE_LABEL = "node.cluster.x-k8s.io/leeward-pool"
_BOUND = "cluster.x-k8s.io/cluster-api-autoscaler-node-group-{}-size"
_CAPACITY = "capacity.cluster-autoscaler.kubernetes.io/gpu-{}"


def kinds(pools: NodePools) -> tuple[Kind, ...]:
    return (MACHINE_DEPLOYMENT,)


def reference(found: ObjectRef) -> KubeObject:
    """An object reference as v1beta2 writes it."""
    return {"apiGroup": found.group, "kind": found.kind, "name": found.name}


def _template(ask: Ask, templates: tuple[MachineTemplate, ...]) -> MachineTemplate:
    wanted, capacity = ask.model.spec.accelerator, ask.capacity_types[0]
    found = next((row for row in templates if (row.accelerator, row.capacity_type) == (wanted.type, capacity)), None)
    if found is None:
        raise UnknownAccelerator(f"clusterApi.templates has no template for {wanted.type}, {capacity}")
    if found.accelerators_per_node < wanted.count:
        raise UnknownAccelerator(
            f"a replica needs {wanted.count} {wanted.type} on one node, and machines of template "
            f"{found.infrastructure.name} have {found.accelerators_per_node}"
        )
    return found


def pool(ask: Ask) -> Pool:
    """A MachineDeployment whose machines come from the template for this accelerator and kind of capacity."""
    settings = ask.pools.cluster_api
    if settings is None or settings.bootstrap is None:
        raise SettingsMissing("provider machine-deployment needs clusterApi with bootstrap and templates")
    template = _template(ask, settings.templates)
    name = ask.name(
        ask.region.metadata.name,
        settings.cluster_name,
        template.infrastructure.wire(),
        settings.bootstrap.wire(),
        ask.pools.provider_spec,
    )
    nodes = ask.nodes(template.accelerators_per_node)
    machine: KubeObject = {
        "clusterName": settings.cluster_name,
        "bootstrap": {"configRef": reference(settings.bootstrap)},
        "infrastructureRef": reference(template.infrastructure),
        "taints": [{**taint.wire(), "propagation": "Always"} for taint in ask.taints],
    }
    if settings.version:
        machine["version"] = settings.version
    spec = {
        "clusterName": settings.cluster_name,
        "selector": {"matchLabels": {NODE_LABEL: name}},
        "template": {"metadata": {"labels": ask.node_labels(name, NODE_LABEL)}, "spec": machine},
    }
    annotations = {
        _CAPACITY.format("type"): ask.model.spec.accelerator.resource_name,
        _CAPACITY.format("count"): str(template.accelerators_per_node),
        _BOUND.format("min"): str(nodes.least),
        _BOUND.format("max"): str(nodes.most),
    }
    body = ask.body(MACHINE_DEPLOYMENT, name, merged(ask.pools.provider_spec, spec), None if ask.fixed else annotations)
    made = PoolObject(body, {"spec": {"replicas": nodes.now}} if ask.fixed else {}, keep_size=ask.fixed)
    return Pool(name, (made,), {NODE_LABEL: (name,)}, ask.taints)


def claim(live: KubeObject) -> Claim:
    status = live.get("status") or {}
    return by_condition(
        live, "Available", f", {status.get('readyReplicas', 0)} of {status.get('replicas', 0)} machines ready"
    )

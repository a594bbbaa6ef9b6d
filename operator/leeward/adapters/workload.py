"""A model's pods in one region: Deployment, Service and PodDisruptionBudget, and placeholders that keep nodes warm.

A placeholder is a pod that does nothing, has the accelerators of a replica and a priority below every pod's: a new
replica takes its place at once, and its node is there. It is of the model's own image, so that the node has that, too.
"""

from collections.abc import Sequence

from leeward.adapters.objects import (
    COMPONENT_LABEL,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    MODEL_LABEL,
    MODEL_SERVER,
    REVISION_LABEL,
    SERVICE,
    STANDBY,
    owned,
    owner_labels,
)
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.pools import Taint
from leeward.api.region import Region
from leeward.ports import KubeObject

_MODEL_SERVER = {COMPONENT_LABEL: MODEL_SERVER}
STANDBY_PRIORITY = "leeward-standby"
"""The PriorityClass of config/member.yaml."""


def workload_objects(
    model: ModelDeployment,
    region: Region,
    node_labels: dict[str, list[str]],
    taints: Sequence[Taint] = (),
) -> list[KubeObject]:
    """Deployment, Service and PodDisruptionBudget; `node_labels` choose the nodes, whose `taints` the pods tolerate.

    The Deployment comes first and without `spec.replicas`, which has an owner of its own.
    """
    name = model.metadata.name
    return [
        owned(
            model,
            DEPLOYMENT,
            name,
            {
                "selector": {"matchLabels": _selector(model)},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                "template": _pod_template(model, region, node_labels, taints),
            },
            _MODEL_SERVER,
        ),
        _service(model, name),
        _disruption_budget(model, name),
    ]


def _selector(model: ModelDeployment) -> dict[str, str]:
    return {MODEL_LABEL: model.metadata.name, **_MODEL_SERVER}


def _service(model: ModelDeployment, name: str) -> KubeObject:
    port = {"name": "http", "port": model.spec.port, "targetPort": model.spec.port, "protocol": "TCP"}
    return owned(model, SERVICE, name, {"selector": _selector(model), "ports": [port]})


def _disruption_budget(model: ModelDeployment, name: str) -> KubeObject:
    return owned(model, DISRUPTION_BUDGET, name, {"maxUnavailable": 1, "selector": {"matchLabels": _selector(model)}})


def standby_name(model: ModelDeployment) -> str:
    """Name of the placeholders' Deployment."""
    return f"{model.metadata.name}-standby"


def standby_object(
    model: ModelDeployment, replicas: int, node_labels: dict[str, list[str]], taints: Sequence[Taint] = ()
) -> KubeObject:
    """The placeholders' Deployment: `replicas` of them keep that many replicas' nodes."""
    labels = {**owner_labels(model), COMPONENT_LABEL: STANDBY}
    given = (model.spec.template or {"spec": _server_pod(model)})["spec"]
    image = given["containers"][0].get("image", "")
    pod = _placed(
        model,
        {
            "containers": [{"name": "placeholder", "image": image, "command": ["sleep", "infinity"]}],
            **{key: given[key] for key in ("imagePullSecrets", "tolerations", "affinity") if key in given},
            "priorityClassName": STANDBY_PRIORITY,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "topologySpreadConstraints": [],
        },
        node_labels,
        taints,
    )
    return owned(
        model,
        DEPLOYMENT,
        standby_name(model),
        {
            "replicas": replicas,
            "selector": {"matchLabels": {MODEL_LABEL: model.metadata.name, COMPONENT_LABEL: STANDBY}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
        {COMPONENT_LABEL: STANDBY},
    )


def placed_as(wanted: list[KubeObject], live: KubeObject) -> list[KubeObject]:
    """The wanted objects, with the Deployment's pods placed on the same nodes as those of `live`."""
    there = live["spec"]["template"]["spec"]
    for body in (body for body in wanted if body["kind"] == DEPLOYMENT.kind):
        pods = body["spec"]["template"]["spec"]
        for field in ("affinity", "tolerations"):
            pods.pop(field, None)
            if field in there:
                pods[field] = there[field]
    return wanted


def _pod_template(
    model: ModelDeployment, region: Region, node_labels: dict[str, list[str]], taints: Sequence[Taint]
) -> KubeObject:
    given = dict(model.spec.template or {"spec": _server_pod(model)})
    metadata = dict(given.get("metadata") or {})
    revision = {REVISION_LABEL: model.spec.model.revision} if model.spec.model.revision else {}
    labels = {
        **metadata.get("labels", {}),
        **owner_labels(model),
        **_MODEL_SERVER,
        **revision,
        "leeward.dev/region": region.metadata.name,
    }
    return {"metadata": {**metadata, "labels": labels}, "spec": _placed(model, given["spec"], node_labels, taints)}


def _server_pod(model: ModelDeployment) -> KubeObject:
    server = model.spec.server
    assert server is not None, "the API server refuses a ModelDeployment with neither server nor template"
    check = {"httpGet": {"path": server.health_path, "port": server.port}}
    container: KubeObject = {
        "name": "server",
        "image": server.image,
        "args": list(server.args),
        "ports": [{"name": "http", "containerPort": server.port, "protocol": "TCP"}],
        "env": [variable.wire() for variable in server.env],
        "startupProbe": {**check, "periodSeconds": 5, "failureThreshold": max(1, server.startup_seconds // 5)},
        "readinessProbe": {**check, "periodSeconds": 2, "failureThreshold": 2, "timeoutSeconds": 2},
    }
    if server.resources:
        container["resources"] = server.resources.wire()
    return {"containers": [container], "terminationGracePeriodSeconds": 60}


def _placed(
    model: ModelDeployment, spec: KubeObject, node_labels: dict[str, list[str]], taints: Sequence[Taint]
) -> KubeObject:
    """The pod's spec with accelerators, affinity, tolerations and spread added, each unless the team gave its own."""
    accelerator = model.spec.accelerator
    placed = dict(spec)
    first, *others = placed["containers"]
    resources = dict(first.get("resources") or {})
    limits = {**resources.get("limits", {}), accelerator.resource_name: str(accelerator.count)}
    placed["containers"] = [{**first, "resources": {**resources, "limits": limits}}, *others]
    if node_labels and "affinity" not in placed:
        wanted = [{"key": key, "operator": "In", "values": values} for key, values in sorted(node_labels.items())]
        placed["affinity"] = {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": wanted}]}
            }
        }
    own = {"key": accelerator.resource_name, "operator": "Exists", "effect": "NoSchedule"}
    others = [
        {"key": taint.key, "operator": "Exists", "effect": taint.effect}
        for taint in taints
        if taint.effect != "PreferNoSchedule" and (taint.key, taint.effect) != (own["key"], own["effect"])
    ]
    placed["tolerations"] = [*placed.get("tolerations", []), own, *others]
    placed.setdefault(
        "topologySpreadConstraints",
        [
            {
                "maxSkew": 1,
                "topologyKey": key,
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": _selector(model)},
            }
            for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
        ],
    )
    return placed

"""What all objects that Leeward writes share: names, labels, and whether a live object already is as wanted."""

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import repeat

from leeward.api.common import GROUP, VERSION
from leeward.api.modeldeployment import ModelDeployment
from leeward.ports import Kind, KubeObject, Ref

MODEL_LABEL = "leeward.dev/model"
NAMESPACE_LABEL = "leeward.dev/namespace"
REVISION_LABEL = "leeward.dev/revision"
MANAGED_BY = "app.kubernetes.io/managed-by"
COMPONENT_LABEL = "app.kubernetes.io/component"

OPERATOR_LABELS = {"app.kubernetes.io/name": "leeward"}
"""Labels of the operator's own Deployment, by the chart and by config/."""
MODEL_SERVER, STANDBY = "model-server", "standby"
"""Values of the component label: pods that serve, and pods that keep nodes for them."""

EPOCH = "leeward.dev/epoch"
"""Annotation: the term in which an object was written, or a lease taken."""
ORIGIN, ADOPTIONS, AGREED = "leeward.dev/origin", "leeward.dev/adoptions", "leeward.dev/agreed"
"""Annotations of Leeward's own objects where several clusters hold them: the cluster where a person changes it (`*`:
all, by Git), how often a person moved that, and the spec that counts (core/origins.py)."""

ADOPT = "leeward.dev/adopt"
"""Label by which a person gives a route of theirs up, to the model that it names."""
PROBE_HEADER = "x-leeward-region"
"""Request header by which a probe on the users listener names the region that shall answer."""
SERVED_HEADER = "x-served-region"
"""Response header that tells which region served."""
HOST_SUFFIX = ".region"
"""Ends a region's host name."""

MODELS = Kind(f"{GROUP}/{VERSION}", "ModelDeployment")
REGIONS = Kind(f"{GROUP}/{VERSION}", "Region", namespaced=False)
EVACUATIONS = Kind(f"{GROUP}/{VERSION}", "Evacuation", namespaced=False)
CONFIG_MAP = Kind("v1", "ConfigMap")
AUTHORITIES = "leeward-authorities"
"""The ConfigMap in a model's namespace that says whom gateways believe. Others may use it, so it is never removed."""
BACKEND = Kind("gateway.envoyproxy.io/v1alpha1", "Backend")
POLICY = Kind("gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy")
ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute")
GATEWAY = Kind("gateway.networking.k8s.io/v1", "Gateway")
SERVICE = Kind("v1", "Service")
DEPLOYMENT = Kind("apps/v1", "Deployment")
DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget")
AUTOSCALER = Kind("autoscaling/v2", "HorizontalPodAutoscaler")
SCALED_OBJECT = Kind("keda.sh/v1alpha1", "ScaledObject")
NODE_POOL = Kind("karpenter.sh/v1", "NodePool", namespaced=False)
NODE = Kind("v1", "Node", namespaced=False)
POD = Kind("v1", "Pod")
EVENT = Kind("v1", "Event")
REVIEW = Kind("authentication.k8s.io/v1", "SelfSubjectReview", namespaced=False)

OWNED_KINDS: tuple[Kind, ...] = (
    ROUTE,
    POLICY,
    BACKEND,
    SERVICE,
    DISRUPTION_BUDGET,
    AUTOSCALER,
    SCALED_OBJECT,
    DEPLOYMENT,
    NODE_POOL,
)
"""Everything that a model can own in a cluster, in the order in which it is removed: routes before pods."""

OPTIONAL_KINDS = (AUTOSCALER, SCALED_OBJECT)
"""Those of them that many models never own: a cluster that does not let us see them holds none of ours."""


def host_name(region: str) -> str:
    """What certificates and Envoy's statistics call a region: it must have two segments."""
    return region + HOST_SUFFIX


def owner_labels(model: ModelDeployment) -> dict[str, str]:
    """Labels by which a model's objects are found again."""
    return {MANAGED_BY: "leeward", MODEL_LABEL: model.metadata.name, NAMESPACE_LABEL: model.metadata.namespace or ""}


def labels_of(namespace: str, name: str) -> dict[str, str]:
    """The same labels, from a model's name alone."""
    return {MANAGED_BY: "leeward", MODEL_LABEL: name, NAMESPACE_LABEL: namespace}


def owned(
    model: ModelDeployment, kind: Kind, name: str, spec: KubeObject, more_labels: dict[str, str] | None = None
) -> KubeObject:
    """An object of ours with its labels; namespaced kinds live in the model's namespace."""
    metadata: KubeObject = {"name": name, "labels": owner_labels(model) | (more_labels or {})}
    if kind.namespaced:
        metadata["namespace"] = model.metadata.namespace
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}


def ref_of(body: KubeObject) -> Ref:
    """The reference of an object's own apiVersion, kind and metadata."""
    metadata = body["metadata"]
    namespace = metadata.get("namespace", "")
    return Ref(Kind(body["apiVersion"], body["kind"], bool(namespace)), namespace, metadata["name"])


AMOUNTS = ("requests", "limits", "sizeLimit")
"""Fields of pods whose values are amounts."""


def differs(wanted: object, live: object, amounts: Sequence[str] = AMOUNTS) -> bool:
    """Is anything that is wanted missing or different in what is there? Fields that only `live` has are its own.

    An empty list or mapping that is wanted equals an absent one, since API servers drop them. The fields `amounts` are
    compared as numbers, since API servers write them in their own way: 16 as "16", 0.5 as 500m, 1024Mi as 1Gi.
    """
    if isinstance(wanted, dict):
        there = live if isinstance(live, dict) else {}
        return any(
            _amounts_differ(value, there.get(key)) if key in amounts else differs(value, there.get(key), amounts)
            for key, value in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        found = live if isinstance(live, list) else []
        return len(wanted) != len(found) or any(map(differs, wanted, found, repeat(amounts)))
    return wanted != live


_UNITS = {"m": Fraction(1, 1000), "": Fraction(1)}
_UNITS |= {letter: Fraction(1000) ** power for power, letter in enumerate("kMGTPE", 1)}
_UNITS |= {f"{letter}i": Fraction(1024) ** power for power, letter in enumerate("KMGTPE", 1)}


def _amounts_differ(wanted: object, live: object) -> bool:
    if isinstance(wanted, dict):
        there = live if isinstance(live, dict) else {}
        return any(_amounts_differ(value, there.get(key)) for key, value in wanted.items())
    return wanted != live and (amount(wanted) is None or amount(wanted) != amount(live))


def amount(written: object) -> Fraction | None:
    """A Kubernetes quantity as a number; None for what is none."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)", str(written))
    return Fraction(found[1]) * _UNITS[found[2]] if found and found[2] in _UNITS else None

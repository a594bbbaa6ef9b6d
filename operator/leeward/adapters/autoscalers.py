"""A model's autoscaler in one region: the object that Leeward writes, and what is read from it.

Leeward owns two numbers of it: the floor is what the plan wants, the ceiling what the region may run at most. Between
them the autoscaler is free, and what it scales by is the model's own.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from leeward.adapters.objects import AMOUNTS, AUTOSCALER, DEPLOYMENT, SCALED_OBJECT, differs, owned, owner_labels
from leeward.api.modeldeployment import ModelDeployment
from leeward.ports import Kind, KubeObject, PortError, Ref

MADE = "leeward.dev/autoscaler"
"""Annotation of a Deployment: the kind of the autoscaler that Leeward made for it, so that no other is looked for."""

KINDS = {kind.kind: kind for kind in (AUTOSCALER, SCALED_OBJECT)}


class ScaledByOthers(PortError):
    """The model has no autoscaling, and somebody scales its Deployment all the same."""

    reason = "ScaledByOthers"
    remedy = "remove it, or describe it in spec.autoscaling of the model and remove it then"


class NotScaling(PortError):
    """An autoscaler is there and says that it cannot do its work; floors are kept all the same."""

    reason = "NotScaling"
    remedy = "mend what serves its metrics, or spec.autoscaling of the model"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Replicas of a region: the fewest and the most that an autoscaler may choose."""

    floor: int
    ceiling: int


def kind_of(model: ModelDeployment) -> Kind | None:
    """The kind of the model's autoscalers; None: Leeward alone sizes it."""
    return None if model.spec.autoscaling is None else KINDS[model.spec.autoscaling.provider]


def ref(kind: Kind, model: ModelDeployment) -> Ref:
    """Where the model's autoscaler is: beside its Deployment, under the same name."""
    return Ref(kind, model.metadata.namespace or "", model.metadata.name)


def autoscaler(model: ModelDeployment, bounds: Bounds) -> KubeObject | None:
    """The model's autoscaler as it shall be in one region; None: it has none.

    A HorizontalPodAutoscaler's floor is never 0: at 0 replicas it sleeps. (The API refuses `replicas.min: 0` with it.)
    """
    wanted = model.spec.autoscaling
    if wanted is None:
        return None
    name, target = model.metadata.name, {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind}
    if KINDS[wanted.provider] is SCALED_OBJECT:
        given = dict(wanted.provider_spec or {})
        spec = {
            **given,
            # Else KEDA, when the object is removed, goes back to the number that it found when it came.
            "advanced": {**(given.get("advanced") or {}), "restoreToOriginalReplicaCount": False},
            "scaleTargetRef": {**target, "name": name},
            "minReplicaCount": bounds.floor,
            "maxReplicaCount": max(bounds.floor, bounds.ceiling, 1),
            "triggers": list(wanted.triggers),
        }
        return owned(model, SCALED_OBJECT, name, spec)
    floor = max(1, bounds.floor)
    spec = {
        "scaleTargetRef": {**target, "name": name},
        "minReplicas": floor,
        "maxReplicas": max(floor, bounds.ceiling),
        "metrics": list(wanted.metrics),
        **({"behavior": wanted.behavior} if wanted.behavior else {}),
    }
    return owned(model, AUTOSCALER, name, spec)


def strays(wanted: KubeObject, live: KubeObject) -> bool:
    """Is a live autoscaler other than wanted? Targets are amounts, which API servers write in their own way."""
    labels = {"labels": wanted["metadata"]["labels"]}
    return differs({"spec": wanted["spec"], "metadata": labels}, live, (*AMOUNTS, "value", "averageValue"))


def is_ours(model: ModelDeployment, live: KubeObject) -> bool:
    """Did Leeward make this object for this model?"""
    return not differs(owner_labels(model), live["metadata"].get("labels"))


_VITAL = frozenset({"AbleToScale", "ScalingActive", "Ready"})
"""Conditions of both kinds that tell whether they work; others (ScalingLimited, Active, Fallback) are everyday life."""


def trouble(live: KubeObject) -> NotScaling | None:
    """What an autoscaler says itself that it cannot do; None: it works, or has said nothing yet."""
    for row in (live.get("status") or {}).get("conditions") or ():
        if row.get("type") in _VITAL and row.get("status") == "False":
            told = ": ".join(str(row[key]) for key in ("type", "reason", "message") if row.get(key))
            return NotScaling(f"{live['kind']} {live['metadata']['name']} says {told.replace(': ', '=False: ', 1)}")
    return None


def rival(model: ModelDeployment, found: Iterable[KubeObject]) -> ScaledByOthers | None:
    """Somebody else's autoscaler of the model's Deployment, if one is among those found."""
    for body in found:
        target = body["spec"].get("scaleTargetRef") or {}
        if (target.get("kind"), target.get("name")) == (DEPLOYMENT.kind, model.metadata.name):
            return ScaledByOthers(
                f"{AUTOSCALER.kind} {body['metadata']['name']} scales Deployment {target['name']} too"
            )
    return None

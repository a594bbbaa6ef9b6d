"""The one port behind which every kind of node pool stands, in Leeward's terms.

An `Ask` is what a model needs of a region: accelerators, kind of capacity, how many replicas. A kind answers with a
`Pool`: the provider's objects, and how the pool's nodes are told from others. It is a pure translation. What the
pool says of itself becomes a `Claim`, for messages only: capacity is Ready nodes with allocatable accelerators.

The size stands apart from the rest of an object, because it may have another owner. With an autoscaler the bounds
are ours, and `size` is no more than a start value, written once. Without one, `size` is kept as it is here.

A module is enough to be a kind: a constant and three functions. Plug-ins are found by the entry point group
`leeward.pools`; the entry point's name is the provider's name, and must have a dot.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from leeward.adapters.objects import MODEL_LABEL, owner_labels
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.pools import NodePools, Taint
from leeward.api.region import Region
from leeward.ports import Kind, KubeObject, PortError

POOL_LABEL = "leeward.dev/pool"
REGION_LABEL = "leeward.dev/region"
NAME_LENGTH = 63


class UnknownAccelerator(PortError):
    """Nobody said on which machines this type is to be had."""

    reason = "UnknownAccelerator"
    remedy = "list the type with machine and acceleratorsPerNode under spec.nodePools.accelerators of the Region"


class UnknownProvider(PortError):
    """No kind of pool has this name, or its plug-in cannot be loaded."""

    reason = "UnknownProvider"
    remedy = "install the plug-in where the operator runs, or change spec.nodePools.provider of the Region"


class PluginFailed(PortError):
    """A plug-in did not do its part."""

    reason = "PluginFailed"
    remedy = "mend the plug-in, or change spec.nodePools.provider of the Region"


class SettingsMissing(PortError):
    """The Region lacks what this provider needs."""

    reason = "SettingsMissing"
    remedy = "complete spec.nodePools of the Region"


@dataclass(frozen=True, slots=True)
class Range:
    """A number with its bounds: of replicas or of nodes."""

    least: int
    now: int
    most: int


@dataclass(frozen=True, slots=True)
class Ask:
    """What one model needs of one region's pools: `capacity_types` in one pool, `replicas` with the surge included."""

    model: ModelDeployment
    region: Region
    capacity_types: tuple[str, ...]
    replicas: Range

    @property
    def pools(self) -> NodePools:
        return self.region.spec.node_pools

    @property
    def fixed(self) -> bool:
        """Leeward owns the number of nodes."""
        return self.pools.size_owner == "Leeward"

    @property
    def spot(self) -> bool:
        return "spot" in self.capacity_types

    @property
    def taints(self) -> tuple[Taint, ...]:
        """The accelerator's own taint and the Region's."""
        own = Taint(key=self.model.spec.accelerator.resource_name, value="present")
        return own, *(taint for taint in self.pools.taints if (taint.key, taint.effect) != (own.key, own.effect))

    def nodes(self, accelerators_per_node: int) -> Range:
        """Nodes for the replicas; a replica's accelerators are all on one node."""
        fit = max(1, accelerators_per_node // self.model.spec.accelerator.count)
        return Range(*(-(-count // fit) for count in (self.replicas.least, self.replicas.now, self.replicas.most)))

    def digest(self, *specifics: object) -> str:
        """Eight hex digits of the pool's identity: accelerators, kind of capacity, and the kind's own `specifics`."""
        accelerator = self.model.spec.accelerator
        identity = [
            accelerator.type,
            accelerator.count,
            accelerator.resource_name,
            sorted(self.capacity_types),
            *specifics,
        ]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]

    def name(self, *specifics: object) -> str:
        """`<namespace>-<model>-<digest>`, at most 63 characters: pools of all namespaces may share one."""
        metadata = self.model.metadata
        readable = f"{metadata.namespace}-{metadata.name}"[: NAME_LENGTH - 9].rstrip("-.")
        return f"{readable}-{self.digest(*specifics)}"

    def node_labels(self, name: str, pool_label: str = POOL_LABEL) -> dict[str, str]:
        """Labels that the pool's nodes shall carry."""
        return {**self.pools.labels, pool_label: name, MODEL_LABEL: self.model.metadata.name}

    def body(self, kind: Kind, name: str, spec: KubeObject, annotations: Mapping[str, str] | None = None) -> KubeObject:
        """An object of the pool with its labels."""
        labels = {**owner_labels(self.model), REGION_LABEL: self.region.metadata.name}
        metadata: KubeObject = {"name": name, "labels": labels}
        if kind.namespaced:
            metadata["namespace"] = self.pools.namespace or self.model.metadata.namespace
        if annotations:
            metadata["annotations"] = dict(annotations)
        return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}


@dataclass(frozen=True, slots=True)
class PoolObject:
    """One object. `body` has everything but the size; `size` holds its fields alone, to be merged in.

    `keep_size` tells whether Leeward owns the size; if not, `size` is written once, when the object is made. `mirrors`
    names a field of the status that the size has to repeat then, where a provider sets the number back otherwise.
    """

    body: KubeObject
    size: KubeObject = field(default_factory=dict)
    keep_size: bool = False
    mirrors: str = ""

    def size_for(self, live: KubeObject) -> KubeObject:
        """The size fields as they shall be, given the object as it is."""
        if self.keep_size:
            return self.size
        seen = (live.get("status") or {}).get(self.mirrors) if self.mirrors else None
        return _taken(self.size, live) if seen is None else _filled(self.size, seen)


def _taken(fields: KubeObject, live: KubeObject) -> KubeObject:
    """The same fields with the values that they have in `live`; those that it lacks are left out."""
    return {
        key: _taken(value, live[key]) if isinstance(value, dict) else live[key]
        for key, value in fields.items()
        if key in live
    }


def _filled(fields: KubeObject, value: object) -> KubeObject:
    return {key: _filled(below, value) if isinstance(below, dict) else value for key, below in fields.items()}


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool as it shall be: the labels by which its nodes are found, the taints that pods tolerate, and its objects.

    They are made in this order; the last one is the pool itself, whose claim is read. `keeps_nodes`: its bounds or its
    size keep nodes that nobody uses yet; where they do not, placeholder pods have to.
    """

    name: str
    objects: tuple[PoolObject, ...]
    node_labels: Mapping[str, tuple[str, ...]]
    taints: tuple[Taint, ...]
    keeps_nodes: bool = True


@dataclass(frozen=True, slots=True)
class Claim:
    """What a pool says of itself. `ready` None: it says nothing. `sentence` for people."""

    ready: bool | None
    sentence: str


class PoolKind(Protocol):
    """A kind of pool. `MIXES_CAPACITY`: one pool may buy several kinds of capacity."""

    @property
    def MIXES_CAPACITY(self) -> bool: ...  # noqa: N802 - a module's constant

    def kinds(self, pools: NodePools) -> tuple[Kind, ...]:
        """Kinds of the objects, in the order in which they are removed."""
        ...

    def pool(self, ask: Ask) -> Pool:
        """The pool. Raises PortError when the Region or the model must be fixed."""
        ...

    def claim(self, live: KubeObject) -> Claim:
        """What the pool's main object says of itself."""
        ...


SHOUTED = {"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE"}
"""Effects of taints as GKE's and EKS' own APIs spell them."""


def spelled(taints: Iterable[Taint], effects: Mapping[str, str]) -> list[KubeObject]:
    """Taints with their effects spelt as a provider spells them."""
    return [{"key": taint.key, "value": taint.value, "effect": effects[taint.effect]} for taint in taints]


def merged(under: KubeObject, over: KubeObject) -> KubeObject:
    """`over` laid upon `under`, mapping by mapping; lists and values of `over` win."""
    laid = dict(under)
    for key, value in over.items():
        below = laid.get(key)
        laid[key] = merged(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return laid


def by_condition(live: KubeObject, kind: str, also: str = "") -> Claim:
    """A claim from one condition of the object, with `also` after it."""
    rows = (live.get("status") or {}).get("conditions") or []
    row = next((each for each in rows if each.get("type") == kind), None)
    name = f"{live['kind']} {live['metadata']['name']}"
    if row is None:
        return Claim(None, f"{name} says nothing yet{also}")
    why = ": ".join(str(row[key]) for key in ("reason", "message") if row.get(key))
    return Claim(row.get("status") == "True", f"{name} is {kind}={row.get('status')} ({why or 'no reason'}){also}")

"""Which kinds of pools there are: Leeward's own, and plug-ins found by entry point when the operator starts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points

from leeward.adapters.pools import aks, eks, gke, karpenter, machinedeployment, machinepool, static
from leeward.adapters.pools.port import (
    Ask,
    Claim,
    PluginFailed,
    Pool,
    PoolKind,
    Range,
    UnknownProvider,
)
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.pools import NodePools
from leeward.api.region import Region
from leeward.ports import Kind, KubeObject, PortError

GROUP = "leeward.pools"
BUILT_IN: Mapping[str, PoolKind] = {
    "karpenter": karpenter,
    "machine-deployment": machinedeployment,
    "machine-pool": machinepool,
    "gke": gke,
    "eks": eks,
    "aks": aks,
    "static": static,
}


@dataclass(frozen=True, slots=True)
class PoolKinds:
    """Kinds of pool objects: all that there may be, and those that some Region uses now."""

    known: tuple[Kind, ...] = ()
    used: tuple[Kind, ...] = ()


@dataclass(frozen=True, slots=True)
class Registry:
    """Kinds by the provider's name; `broken` has the plug-ins that could not be loaded, and why."""

    kinds: Mapping[str, PoolKind] = field(default_factory=lambda: BUILT_IN)
    broken: Mapping[str, str] = field(default_factory=dict)

    def kind(self, provider: str) -> PoolKind:
        """Raises UnknownProvider."""
        if provider in self.broken:
            raise UnknownProvider(f"the plug-in {provider} cannot be loaded: {self.broken[provider]}")
        if provider not in self.kinds:
            raise UnknownProvider(f"there is no kind of node pools named {provider}")
        return self.kinds[provider]

    def pools(self, model: ModelDeployment, region: Region, replicas: Range) -> tuple[Pool, ...]:
        """The pools of a model in a region: one, or one for each kind of capacity. The first has the minimum size.

        Raises:
            PortError: the Region or the model must be fixed, or a plug-in failed.
        """
        provider, capacity = region.spec.node_pools.provider, region.spec.node_pools.capacity_types
        kind = self.kind(provider)
        parts = (capacity,) if kind.MIXES_CAPACITY else tuple((each,) for each in capacity)
        none = Range(0, 0, replicas.most)
        asks = [Ask(model, region, part, none if index else replicas) for index, part in enumerate(parts)]
        try:
            return tuple(kind.pool(ask) for ask in asks)
        except PortError:
            raise
        except Exception as error:
            raise PluginFailed(f"provider {provider} made no pool: {type(error).__name__}: {error}") from error

    def claim(self, provider: str, live: KubeObject) -> Claim:
        """What a live object says of itself. Never raises: it is for messages."""
        try:
            return self.kind(provider).claim(live)
        except Exception as error:  # noqa: BLE001 - a message is no reason to stop
            return Claim(None, f"what provider {provider} reports cannot be read: {type(error).__name__}: {error}")

    def object_kinds(self, regions: Iterable[Region]) -> PoolKinds:
        """Kinds of the objects that any provider may have written, those of these Regions' providers first."""
        used: dict[Kind, None] = {}
        for region in regions:
            kind = self.kinds.get(region.spec.node_pools.provider)
            used |= dict.fromkeys(kind.kinds(region.spec.node_pools) if kind else ())
        others = (kind for each in self.kinds.values() for kind in each.kinds(NodePools()))
        return PoolKinds(tuple(dict.fromkeys((*used, *others))), tuple(used))


def load() -> Registry:
    """Leeward's own kinds and every plug-in that is installed. A plug-in that fails is remembered with its reason."""
    kinds, broken = dict(BUILT_IN), dict[str, str]()
    for point in entry_points(group=GROUP):
        if "." not in point.name:
            broken[point.name] = "its name has no dot, and names without one are Leeward's own"
            continue
        try:
            kinds[point.name] = _checked(point.load())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the plug-in's, and told in a condition
            broken[point.name] = f"{type(error).__name__}: {error}"
    return Registry(kinds, {name: why for name, why in broken.items() if name not in BUILT_IN})


def _checked(found: PoolKind) -> PoolKind:
    missing = [name for name in ("MIXES_CAPACITY", "kinds", "pool", "claim") if not hasattr(found, name)]
    if missing:
        raise PluginFailed(f"it lacks {', '.join(missing)}")
    return found

"""Removing a model from every cluster, or from one that it leaves, also from those that are out of reach right now.

A finalizer keeps the ModelDeployment until every reachable cluster is clean. What an unreachable one still holds is
written to a durable record first (ConfigMap `leeward-owed` in the operator's namespace: region → models), so the
deletion of the object is not held up, and it is cleaned when the cluster answers again.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from leeward.adapters.objects import CONFIG_MAP, MODELS, OPTIONAL_KINDS, OWNED_KINDS, ROUTE, labels_of
from leeward.adapters.pools import PoolKinds
from leeward.api.modeldeployment import ModelDeployment
from leeward.ports import Cluster, Denied, KindMissing, KubeObject, ModelKey, PortError, Ref, Unreachable
from leeward.record_decisions import DecisionLog

FINALIZER = "leeward.dev/cleanup"
OWED = "leeward-owed"

log = structlog.get_logger("cleanup")


async def hold(home: Cluster, model: ModelDeployment) -> None:
    """Put our finalizer on a model, once, before anything is made for it."""
    if FINALIZER not in model.metadata.finalizers:
        await home.patch(
            _ref(model),
            {
                "metadata": {
                    "finalizers": [*model.metadata.finalizers, FINALIZER],
                    "resourceVersion": model.metadata.resource_version,
                }
            },
        )


def _ref(model: ModelDeployment) -> Ref:
    return Ref(MODELS, model.metadata.namespace or "", model.metadata.name)


@dataclass
class Debts:
    """What is owed to which region: the durable record, and its copy here."""

    home: Cluster
    namespace: str
    pools: PoolKinds = field(default_factory=PoolKinds)
    owed: dict[str, set[ModelKey]] = field(default_factory=dict)
    loaded: bool = False
    release: Callable[[ModelDeployment], None] | None = None  # told of a clean model whose finalizer is another's
    _loading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _paying: asyncio.Lock = field(default_factory=asyncio.Lock)
    _saving: asyncio.Lock = field(default_factory=asyncio.Lock)  # or an older record could arrive last

    async def _load(self) -> None:
        """Read the record after a start, and when another replica may have written it."""
        async with self._loading:
            if self.loaded:
                return
            found = await self.home.read(Ref(CONFIG_MAP, self.namespace, OWED))
            rows = {region: json.loads(text) for region, text in ((found or {}).get("data") or {}).items()}
            self.owed = {region: {(row[0], row[1]) for row in keys} for region, keys in rows.items() if keys}
            self.loaded = True

    async def add(self, region: str, key: ModelKey) -> None:
        """Record that a region still holds a model's objects. What cannot be recorded is not owed."""
        await self._load()
        if key not in self.owed.get(region, set()):
            self.owed.setdefault(region, set()).add(key)
            try:
                await self._save()
            except PortError:
                self.owed[region].discard(key)
                raise

    async def pay(self, clusters: Mapping[str, Cluster | None], wanted: Callable[[str, ModelKey], bool]) -> None:
        """Clean the regions that answer again. What is `wanted` in a region anew is not owed there any more."""
        async with self._paying:
            await self._load()
            for region in sorted(self.owed):
                cluster = clusters.get(region)
                for key in sorted(self.owed[region]):
                    if wanted(region, key) or (cluster is not None and await _gone(cluster, region, key, self.pools)):
                        self.owed[region].discard(key)
                        await self._save()
                if not self.owed[region]:
                    del self.owed[region]

    async def _save(self) -> None:
        async with self._saving:
            record: KubeObject = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": OWED, "namespace": self.namespace},
                "data": {region: json.dumps(sorted(keys)) for region, keys in self.owed.items() if keys},
            }
            await self.home.apply(record)


async def _gone(cluster: Cluster, region: str, key: ModelKey, pools: PoolKinds) -> bool:
    try:
        gone = await remove(cluster, key, pools)
    except PortError:
        return False
    if gone:
        log.info("cleaned what was owed", region=region, model="/".join(key))
    return gone


async def remove_everywhere(
    model: ModelDeployment, clusters: Mapping[str, Cluster | None], debts: Debts, decisions: DecisionLog
) -> bool:
    """Remove a model that is being deleted, from every region; None stands for one that is out of reach, and is owed.

    True when its finalizer is off, or whoever takes it off has been told.

    Raises:
        PortError: the home cluster does not answer; the next tick tries again.
    """
    key = (model.metadata.namespace or "", model.metadata.name)
    clean = True
    for region, cluster in clusters.items():
        try:
            if cluster is None:
                raise Unreachable(f"{region} does not answer")
            clean &= await remove(cluster, key, debts.pools)
        except PortError as error:
            await debts.add(region, key)
            log.warning(
                "a region is out of reach; its part of the deletion is owed",
                region=region,
                model=model.key,
                error=str(error),
            )
    if clean:
        await decisions.drop(key)
    if clean and debts.release is not None:
        debts.release(model)
    elif clean and FINALIZER in model.metadata.finalizers:
        rest = [name for name in model.metadata.finalizers if name != FINALIZER]
        await debts.home.patch(_ref(model), {"metadata": {"finalizers": rest}})
    return clean


async def remove(cluster: Cluster, key: ModelKey, pools: PoolKinds) -> bool:
    """Delete all of a model's objects from a cluster, routes before pods before pools. True when nothing was left.

    Raises:
        PortError: the cluster could not be asked; what is left is owed.
    """
    left = 0
    for kind in dict.fromkeys((*OWNED_KINDS, *pools.known)):
        try:
            found = await cluster.find(kind, labels=labels_of(*key))
        except KindMissing:
            continue
        except Denied:
            if kind in OPTIONAL_KINDS or (kind in pools.known and kind not in pools.used):
                continue  # nobody uses it, so the rights may be left out
            raise
        for body in found:
            metadata = body["metadata"]
            left += 1
            if not metadata.get("deletionTimestamp"):
                await cluster.delete(Ref(kind, metadata.get("namespace", ""), metadata["name"]), uid=metadata["uid"])
        if kind is ROUTE and found:
            await asyncio.sleep(0.5)  # let the gateways see that the routes are gone before the pods go
    return left == 0

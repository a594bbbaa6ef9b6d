"""A cluster that only a leader writes to: every write carries the epoch of its term, and no term means no write.

The check here is the polite half; a paused leader passes it and wakes up later. The other half is the API server's: the
policy of config/fence.yaml refuses what carries an epoch that is over. A deletion carries none, so the object is bumped
to the epoch first (which the fence may refuse) and deleted as exactly that version.
"""

from collections.abc import Callable, Mapping, Sequence

from leeward.adapters.objects import CONFIG_MAP, EPOCH
from leeward.ports import Cluster, Denied, Kind, KubeObject, NotLeading, Ref

FENCE = "leeward-fence"


class FencedCluster:
    """`inner` with every write stamped; `term` gives the epoch that this replica leads with, 0 when it does not."""

    def __init__(self, inner: Cluster, term: Callable[[], int]) -> None:
        self.inner = inner
        self._term = term

    async def read(self, ref: Ref) -> KubeObject | None:
        return await self.inner.read(ref)

    async def find(
        self,
        kind: Kind,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Sequence[KubeObject]:
        return await self.inner.find(kind, namespace, labels, fields)

    async def apply(self, body: KubeObject, *, dry_run: bool = False, writer: str = "") -> KubeObject:
        return await self.inner.apply(self._stamped(body), dry_run=dry_run, writer=writer)

    async def apply_status(self, body: KubeObject, *, writer: str = "") -> KubeObject:
        stamped = {**body, "status": {**body["status"], "epoch": self._epoch()}}
        return await self.inner.apply_status(stamped, writer=writer)

    async def create(self, body: KubeObject) -> KubeObject:
        return await self.inner.create(self._stamped(body))

    async def patch(self, ref: Ref, patch: KubeObject, *, subresource: str = "") -> KubeObject | None:
        if subresource == "status":
            stamped = {**patch, "status": {**patch["status"], "epoch": self._epoch()}}
        else:
            stamped = self._stamped({**patch, "metadata": patch.get("metadata") or {}})
        return await self.inner.patch(ref, stamped, subresource=subresource)

    async def delete(self, ref: Ref, *, uid: str = "", version: str = "") -> bool:
        only = {key: value for key, value in (("uid", uid), ("resourceVersion", version)) if value}
        bumped = await self.patch(ref, {"metadata": only})
        if bumped is None:
            return False
        found = bumped["metadata"]
        return await self.inner.delete(ref, uid=found["uid"], version=found["resourceVersion"])

    async def close(self) -> None:
        await self.inner.close()

    def _epoch(self) -> int:
        epoch = self._term()
        if not epoch:
            raise NotLeading("this replica does not lead")
        return epoch

    def _stamped(self, body: KubeObject) -> KubeObject:
        metadata = body["metadata"]
        annotations = {**(metadata.get("annotations") or {}), EPOCH: str(self._epoch())}
        return {**body, "metadata": {**metadata, "annotations": annotations}}


async def raise_fence(cluster: Cluster, namespace: str, epoch: int) -> int:
    """Raise a cluster's fence to `epoch`; returns where it stands then, which is higher if a later term was there.

    Raises:
        PortError: the cluster does not answer, or refuses.
    """
    found = await cluster.read(Ref(CONFIG_MAP, namespace, FENCE))
    stands = ((found or {}).get("data") or {}).get("epoch", "0")
    if stands.isdecimal() and int(stands) >= epoch:
        return int(stands)
    applied = await cluster.apply({**_config_map(namespace, FENCE), "data": {"epoch": str(epoch)}})
    return int(applied["data"]["epoch"])


async def is_in_force(cluster: Cluster, namespace: str, epoch: int) -> bool:
    """Does the API server refuse the epoch before? Asked by a dry run, which stores nothing."""
    body = _config_map(namespace, f"{FENCE}-check")
    body["metadata"]["annotations"] = {EPOCH: str(epoch - 1)}
    try:
        await cluster.apply(body, dry_run=True)
    except Denied:
        return True
    return False


def _config_map(namespace: str, name: str) -> KubeObject:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}}

"""One cluster's Lease as the election sees it: read, and written only if nobody else wrote in between.

The Lease is an ordinary one (coordination.k8s.io), so `kubectl get lease` shows who leads; the epoch is an annotation.
Its times are for people: no replica ever compares them with its own clock.
"""

from datetime import UTC, datetime

from leeward.adapters.objects import EPOCH
from leeward.core.election import Lease
from leeward.ports import Cluster, Conflict, Kind, KubeObject, Ref

LEASE = Kind("coordination.k8s.io/v1", "Lease")
NAME = "leeward"


async def read(cluster: Cluster, namespace: str) -> Lease:
    """What the Lease says; an absent one is free.

    Raises:
        PortError: the cluster does not answer, or refuses.
    """
    return (await shown(cluster, namespace))[0]


async def shown(cluster: Cluster, namespace: str) -> tuple[Lease, float | None]:
    """The same for people: also when it was renewed, in seconds since 1970 by the clock of who did.

    Raises:
        PortError: the cluster does not answer, or refuses.
    """
    found = await cluster.read(Ref(LEASE, namespace, NAME)) or {}
    try:
        renewed = datetime.fromisoformat((found.get("spec") or {})["renewTime"]).timestamp()
    except (LookupError, ValueError, TypeError):
        renewed = None
    return _lease(found), renewed


async def put(cluster: Cluster, namespace: str, wanted: Lease, length_ms: int) -> Lease | None:
    """Write it if it still has `wanted.version`; None when it has not.

    Raises:
        PortError: the cluster does not answer, or refuses; the write may have been taken all the same.
    """
    body = _body(wanted, length_ms)
    try:
        if wanted.version:
            patched = await cluster.patch(Ref(LEASE, namespace, NAME), body)
            return _lease(patched) if patched is not None else None
        named = {**body["metadata"], "name": NAME, "namespace": namespace}
        return _lease(await cluster.create({**body, "metadata": named}))
    except Conflict:
        return None


def _body(wanted: Lease, length_ms: int) -> KubeObject:
    metadata: KubeObject = {"annotations": {EPOCH: str(wanted.epoch)}}
    if wanted.version:
        metadata["resourceVersion"] = wanted.version
    return {
        "apiVersion": LEASE.api_version,
        "kind": LEASE.kind,
        "metadata": metadata,
        "spec": {
            "holderIdentity": wanted.holder,
            "leaseDurationSeconds": max(1, round(length_ms / 1000)),
            "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    }


def _lease(found: KubeObject) -> Lease:
    metadata = found.get("metadata") or {}
    epoch = (metadata.get("annotations") or {}).get(EPOCH, "0")
    return Lease(
        (found.get("spec") or {}).get("holderIdentity") or "",
        int(epoch) if epoch.isdecimal() else 0,
        metadata.get("resourceVersion", ""),
    )

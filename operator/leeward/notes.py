"""What Leeward notes on its own objects, and the records of deletions: read from what API servers hold, and written.

On an object: where its origin is, how often that was moved, and the spec that was agreed last, in full, so that a copy
can be put back when nobody else is there to ask. A deletion is a key of one ConfigMap in every control cluster.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from leeward.adapters.objects import ADOPTIONS, AGREED, CONFIG_MAP, EVACUATIONS, MODELS, ORIGIN, REGIONS
from leeward.api.units import moment_ms
from leeward.cleanup import FINALIZER
from leeward.core.origins import Agreed, Deletion, Held, Revision, Ruling
from leeward.ports import Cluster, Conflict, Kind, KubeObject, Ref
from leeward.store import KINDS as RESOURCES
from leeward.store import key_of

KINDS: dict[str, Kind] = {kind.kind: kind for kind in (REGIONS, EVACUATIONS, MODELS)}
"""What is held in every control cluster."""
DELETIONS = "leeward-deletions"
ObjectKey = tuple[str, str]
"""Kind, and `namespace/name` or the name alone."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A spec as an API server holds it, and as this version reads it, with every default filled in."""

    raw: KubeObject
    plain: KubeObject

    @property
    def digest(self) -> str:
        """Equal for specs that mean the same."""
        return hashlib.sha256(json.dumps(self.plain, sort_keys=True).encode()).hexdigest()


def spec_of(kind: str, raw: KubeObject) -> Spec:
    """A spec that cannot be read stands as it is."""
    model = RESOURCES[kind]
    try:
        read = model.read({"kind": kind, "metadata": {"name": "any"}, "spec": raw})
    except ValidationError:
        return Spec(raw, raw)
    return Spec(raw, dict(read.model_dump(mode="json", by_alias=True, exclude_none=True)["spec"]))


def read_held(document: KubeObject) -> tuple[Held, dict[str, Spec]]:
    """One cluster's object for the core, and the specs that it holds or notes, by digest."""
    metadata, kind = document["metadata"], document["kind"]
    annotations = metadata.get("annotations") or {}
    live = spec_of(kind, document.get("spec") or {})
    specs = {live.digest: live}
    agreed = None
    if noted := _noted(kind, annotations.get(AGREED, "")):
        agreed, spec = noted
        specs[agreed.spec] = spec
    adoptions = annotations.get(ADOPTIONS, "0")
    deleted = metadata.get("deletionTimestamp")
    return Held(
        live.digest,
        origin=annotations.get(ORIGIN, ""),
        adoptions=int(adoptions) if adoptions.isdecimal() else 0,
        agreed=agreed,
        labels=frozenset((metadata.get("labels") or {}).items()),
        finalizer=FINALIZER in (metadata.get("finalizers") or ()),
        created_ms=moment_ms(metadata["creationTimestamp"]),
        deleted_ms=moment_ms(deleted) if deleted else None,
    ), specs


def _noted(kind: str, text: str) -> tuple[Agreed, Spec] | None:
    """An annotation that cannot be read was not written by Leeward, and notes nothing."""
    try:
        found = json.loads(text)
        spec = spec_of(kind, dict(found["spec"]))
        return Agreed(_revision(found["revision"]), spec.digest), spec
    except (ValueError, LookupError, TypeError):
        return None


def annotations_for(ruling: Ruling, spec: Spec) -> dict[str, str | None]:
    """What an object has to note."""
    assert ruling.agreed is not None, "nothing is agreed that could be noted"
    noted = {"revision": _shown(ruling.agreed.revision), "spec": spec.raw}
    return {
        ORIGIN: ruling.origin,
        ADOPTIONS: str(ruling.adoptions) if ruling.adoptions else None,
        AGREED: json.dumps(noted, sort_keys=True, separators=(",", ":")),
    }


def ref_to(key: ObjectKey) -> Ref:
    """The object of this key in any cluster."""
    namespace, _, name = key[1].rpartition("/")
    return Ref(KINDS[key[0]], namespace, name)


def whole(kind: Kind, item: KubeObject) -> KubeObject:
    """An item of a list, which carries no kind of its own."""
    return {**item, "kind": kind.kind, "apiVersion": kind.api_version}


def keyed(documents: Iterable[KubeObject]) -> dict[ObjectKey, KubeObject]:
    """Objects by kind and key."""
    return {(each["kind"], key_of(each)): each for each in documents}


async def read_records(cluster: Cluster, namespace: str) -> dict[ObjectKey, Deletion]:
    """The records of deletions that a cluster holds; what cannot be read is none.

    Raises:
        PortError: the cluster does not answer, or refuses.
    """
    found = await cluster.read(Ref(CONFIG_MAP, namespace, DELETIONS))
    records = {}
    for text in ((found or {}).get("data") or {}).values():
        try:
            row = json.loads(text)
            key = str(row["kind"]), str(row["key"])
            records[key] = Deletion(moment_ms(row["deleted"]), _revision(row["revision"]))
        except (ValueError, LookupError, TypeError):
            continue
    return records


async def write_records(cluster: Cluster, namespace: str, records: Mapping[ObjectKey, Deletion | None]) -> None:
    """Add records of deletions; None removes one.

    Raises:
        PortError: the cluster does not answer, or refuses.
    """
    rows = {_name(key): _row(key, each) if each else None for key, each in records.items()}
    ref = Ref(CONFIG_MAP, namespace, DELETIONS)
    if await cluster.patch(ref, {"data": rows}) is None:
        body: KubeObject = {
            "apiVersion": CONFIG_MAP.api_version,
            "kind": CONFIG_MAP.kind,
            "metadata": {"name": DELETIONS, "namespace": namespace},
            "data": {name: row for name, row in rows.items() if row},
        }
        try:
            await cluster.create(body)
        except Conflict:
            await cluster.patch(ref, {"data": rows})


def _name(key: ObjectKey) -> str:
    readable = f"{key[0]}.{key[1]}".replace("/", ".")
    return f"{readable[:200]}.{hashlib.sha256('/'.join(key).encode()).hexdigest()[:8]}"


def _row(key: ObjectKey, record: Deletion) -> str:
    moment = shown_moment(record.deleted_ms)
    return json.dumps({"kind": key[0], "key": key[1], "deleted": moment, "revision": _shown(record.revision)})


def shown_moment(moment_ms_: int) -> str:
    """A time as API servers write it, to the second."""
    return datetime.fromtimestamp(moment_ms_ // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _revision(text: str) -> Revision:
    epoch, _, number = text.partition(".")
    return Revision(int(epoch), int(number))


def _shown(revision: Revision) -> str:
    return f"{revision.epoch}.{revision.number}"

"""What every control cluster holds of our own objects, and what counts of it: the store gets that, and nothing else.

The own cluster is watched, all others are listed every few seconds, by every replica, so that whoever leads next
decides on the same. A cluster that has not answered lately is left out: it is neither with nor without an object.
Regions tell how clusters are reached, so until a majority has answered, the own cluster's are believed.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from leeward.adapters.objects import MODELS, REGIONS
from leeward.api.orders import ANNOTATIONS
from leeward.cleanup import FINALIZER
from leeward.core.origins import Deletion, Held, Ruling, View, rule
from leeward.notes import KINDS, ObjectKey, Spec, keyed, read_held, read_records, shown_moment, whole
from leeward.ports import Cluster, KubeObject, PortError
from leeward.store import Store, key_of
from leeward.waiting import first_of

_EVERY_SECONDS = 2.0
_ANSWER_SECONDS = 5.0
_FRESH_SECONDS = 10.0

log = structlog.get_logger("holdings")


@dataclass
class Holdings:
    """Views of all clusters. `clusters` are those that are connected, the own one among them."""

    store: Store
    region: str
    namespace: str
    clusters: Callable[[], Mapping[str, Cluster]]
    epoch: Callable[[], int] = lambda: 0
    wait_seconds: float = 6.0  # before a fresh object is copied: Git may apply it to the next cluster in a moment
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    rulings: dict[ObjectKey, Ruling] = field(default_factory=dict)
    specs: dict[str, Spec] = field(default_factory=dict)
    records: dict[str, dict[ObjectKey, Deletion]] = field(default_factory=dict)  # of deletions, by cluster
    _seen: dict[str, dict[ObjectKey, KubeObject]] = field(default_factory=dict)
    _answered: dict[str, float] = field(default_factory=dict)
    _listed: set[str] = field(default_factory=set)  # kinds, in the own cluster
    _since: dict[ObjectKey, float] = field(default_factory=dict)  # when a fresh object was first seen
    _put: dict[ObjectKey, KubeObject] = field(default_factory=dict)
    _read: dict[tuple[str, str], tuple[Held, dict[str, Spec]]] = field(default_factory=dict)  # by uid and version
    _busy: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    # What the watch of the own cluster tells (intake.py).

    def put(self, document: KubeObject) -> None:
        """An object of the own cluster is there, or has changed."""
        self.wrote(self.region, (document["kind"], key_of(document)), document)

    def drop(self, document: KubeObject) -> None:
        """An object of the own cluster is gone."""
        self.wrote(self.region, (document["kind"], key_of(document)), None)

    def keep_only(self, kind: str, keys: set[str]) -> None:
        """The own cluster has no other objects of the kind."""
        mine = self._seen.setdefault(self.region, {})
        self._seen[self.region] = {key: each for key, each in mine.items() if key[0] != kind or key[1] in keys}
        self._listed.add(kind)
        self.rule_all()
        if self.complete:
            self.store.listed |= KINDS.keys()

    @property
    def complete(self) -> bool:
        """Has the own cluster been listed?"""
        return self._listed >= KINDS.keys()

    # All others.

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. A cluster that does not answer holds up nobody."""
        while not stop.is_set():
            self.ask()
            await first_of(stop, seconds=_EVERY_SECONDS)
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)

    def ask(self) -> list[asyncio.Task[None]]:
        """Ask every cluster that does not owe an answer; the questions under way."""
        for name, cluster in self.clusters().items():
            busy = self._busy.get(name)
            if busy is None or busy.done():
                self._busy[name] = asyncio.create_task(self._ask(name, cluster))
        return list(self._busy.values())

    async def _ask(self, name: str, cluster: Cluster) -> None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                self.records[name] = await read_records(cluster, self.namespace)
                if name != self.region:
                    found = [whole(kind, each) for kind in KINDS.values() for each in await cluster.find(kind)]
                    self._seen[name] = keyed(found)
        except (PortError, TimeoutError) as error:
            log.debug("a cluster's objects could not be listed", cluster=name, error=str(error))
        else:
            self._answered[name] = time.monotonic()
        self.rule_all()

    def wrote(self, cluster: str, key: ObjectKey, document: KubeObject | None) -> None:
        """An object is known to be as `document` in a cluster now, or absent."""
        seen = self._seen.setdefault(cluster, {})
        seen.pop(key, None)
        if document is not None:
            seen[key] = document
        self._rule(key)

    def held(self, key: ObjectKey) -> dict[str, KubeObject]:
        """The object in each cluster that answers and has it."""
        return {name: self._seen[name][key] for name in self._answering() if key in self._seen.get(name, {})}

    def names(self) -> tuple[str, ...]:
        """All control clusters, whether they answer or not."""
        return tuple(sorted({self.region, *self.store.regions}))

    def rule_all(self) -> None:
        """Decide anew on everything that is seen or on record anywhere."""
        current = {(each["metadata"]["uid"], each["metadata"]["resourceVersion"]) for each in self._everything()}
        self._read = {mark: read for mark, read in self._read.items() if mark in current}
        keys = {key for seen in self._seen.values() for key in seen} | self._put.keys()
        keys |= {key for records in self.records.values() for key in records}
        for key in sorted(keys):
            self._rule(key)
        self.rulings = {key: ruling for key, ruling in self.rulings.items() if key in keys}
        self.specs = {digest: spec for _, specs in self._read.values() for digest, spec in specs.items()} | {
            digest: self.specs[digest]
            for ruling in self.rulings.values()
            if ruling.agreed and (digest := ruling.agreed.spec) in self.specs
        }

    def _everything(self) -> list[KubeObject]:
        return [document for seen in self._seen.values() for document in seen.values()]

    def _answering(self) -> tuple[str, ...]:
        """Clusters that have answered lately; the own one once it has been listed."""
        now = time.monotonic()
        fresh = (name for name in self.names() if now - self._answered.get(name, -_FRESH_SECONDS) < _FRESH_SECONDS)
        return tuple(name for name in fresh if name != self.region or self.complete)

    def _rule(self, key: ObjectKey) -> None:
        view = self.view(key)
        ruling = rule(view, self.epoch())
        if self.rulings.get(key) != ruling:
            self.rulings[key] = ruling
            self.changed.set()
        self._fill(key, ruling, self.held(key), all_answer=len(view.held) == len(view.clusters))

    def view(self, key: ObjectKey) -> View:
        """What is seen of one object now."""
        documents = self.held(key)
        held = {name: self._held(documents[name]) if name in documents else None for name in self._answering()}
        fresh = any(each is not None and each.fresh for each in held.values())
        since = self._since.setdefault(key, time.monotonic()) if fresh else self._since.pop(key, 0.0)
        deletions = {name: self.records[name][key] for name in held if key in self.records.get(name, {})}
        return View(self.names(), held, deletions, time.monotonic() - since >= self.wait_seconds)

    def _held(self, document: KubeObject) -> Held:
        mark = document["metadata"]["uid"], document["metadata"]["resourceVersion"]
        if mark not in self._read:
            self._read[mark] = read_held(document)
            self.specs |= self._read[mark][1]
        return self._read[mark][0]

    def _fill(self, key: ObjectKey, ruling: Ruling, documents: dict[str, KubeObject], *, all_answer: bool) -> None:
        """Tell the store what counts; what nobody can tell just now stays as it is there."""
        mine = self._seen.get(self.region, {}).get(key)
        cleans = key[0] == MODELS.kind and bool(documents)  # a model goes once its parts are gone (cleanup.py)
        if (ruling.gone and not cleans) or (not documents and all_answer):
            if before := self._put.pop(key, None):
                self.store.drop(before)
        elif ruling.gone or ruling.agreed is not None:
            self._hand_over(key, self._counting(key, ruling, documents))
        elif key[0] == REGIONS.kind and key not in self._put and mine is not None:
            self._hand_over(key, mine)

    def _hand_over(self, key: ObjectKey, document: KubeObject) -> None:
        if self._put.get(key) != document:
            self._put[key] = document
            self.store.put(document)

    def _counting(self, key: ObjectKey, ruling: Ruling, documents: dict[str, KubeObject]) -> KubeObject:
        """The object as it counts, with the own cluster's identity and status where that has it."""
        order = [self.region, ruling.origin, *sorted(documents)]
        base = next(documents[name] for name in order if name in documents)
        source = documents.get(ruling.origin, base)
        everywhere = [seen[key] for name in (*order, *sorted(self._seen)) if key in (seen := self._seen.get(name, {}))]
        orders = {
            name: text
            for name in ANNOTATIONS
            for text in [each["metadata"]["annotations"][name] for each in everywhere if name in _annotations(each)][:1]
        }
        own = {name: text for name, text in _annotations(base).items() if name not in ANNOTATIONS}
        metadata = {**base["metadata"], "annotations": own | orders, "finalizers": [FINALIZER]}
        metadata |= {"labels": source["metadata"].get("labels") or {}}
        metadata.pop("deletionTimestamp", None)
        if ruling.gone and ruling.deletion:
            metadata["deletionTimestamp"] = shown_moment(ruling.deletion.deleted_ms)
        spec = self.specs[ruling.agreed.spec].raw if ruling.agreed else base["spec"]
        return {**base, "metadata": metadata, "spec": spec}


def _annotations(document: KubeObject) -> dict[str, str]:
    return document["metadata"].get("annotations") or {}

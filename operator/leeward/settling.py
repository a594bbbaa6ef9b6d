"""Bringing our own objects in line in all control clusters: what only the leader does, with what holdings.py has seen.

Every write names the version that it was decided on, so what a person writes meanwhile is never written over. A cluster
that refuses, or does not answer, holds up no other; only the origin's own note comes before its copies.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import structlog

from leeward.adapters.objects import MODELS
from leeward.api.common import Condition, condition_of
from leeward.api.modeldeployment import ModelDeployment
from leeward.cleanup import FINALIZER
from leeward.core.differences import differences, merge_patch
from leeward.core.origins import EVERYWHERE, Act, Ruling
from leeward.holdings import Holdings
from leeward.insync import condition_in, shown
from leeward.notes import ObjectKey, annotations_for, ref_to, spec_of, write_records
from leeward.ports import Cluster, Conflict, KubeObject, NotLeading, PortError
from leeward.record import condition, event_body
from leeward.store import KINDS as RESOURCES
from leeward.waiting import first_of

WRITER = "leeward-objects"
_EVERY_SECONDS = 1.0
_KEPT_MS = 30 * 24 * 3_600_000
_Retell = Callable[[Cluster, tuple[str, str, str]], Awaitable[None]]

log = structlog.get_logger("settling")


@dataclass
class Settling:
    """The leader's part. `clusters` are fenced; `retell` brings the newest status to an object that was made anew."""

    holdings: Holdings
    namespace: str
    clusters: Callable[[], Mapping[str, Cluster]]
    retell: _Retell
    clean: set[ObjectKey] = field(default_factory=set)  # models that are gone but for their objects
    failed: dict[ObjectKey, dict[str, str]] = field(default_factory=dict)

    def release(self, model: ModelDeployment) -> None:
        """Nothing of a deleted model is left in any cluster that answers: its objects may go."""
        self.clean.add((model.kind, model.key))

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set."""
        while not stop.is_set():
            self.holdings.changed.clear()
            if self.holdings.epoch():
                await self.settle_all()
            await first_of(stop, self.holdings.changed, seconds=_EVERY_SECONDS)

    async def settle_all(self) -> None:
        """One write at most for each object and cluster."""
        await asyncio.gather(*(self._guarded(key) for key in list(self.holdings.rulings)))

    async def _guarded(self, key: ObjectKey) -> None:
        try:
            await self._settle(key)
        except Exception:
            log.exception("an object could not be brought in line; it is tried again", object="/".join(key))

    async def _settle(self, key: ObjectKey) -> None:
        ruling, clusters = self.holdings.rulings[key], self.clusters()
        if ruling.deletion is not None:
            await self._record(key, ruling, clusters)
        wanted = {name for name, _ in ruling.writes}  # none in a cluster that answers no more
        self.failed[key] = {name: why for name, why in self.failed.get(key, {}).items() if name in wanted}
        for name, act in ruling.writes:
            if (name, act) not in self.holdings.rulings[key].writes:
                continue  # seen otherwise since: what was absent, for example, may be there by now
            if act is Act.REMOVE and key[0] == MODELS.kind and key not in self.clean:
                continue
            done = name in clusters and await self._tried(key, name, act, clusters[name])
            if name == ruling.origin and not done:
                break  # copies never run ahead of what they are copies of
        there = self.holdings.held(key)
        if not there or not ruling.gone:
            self.clean.discard(key)
        if not ruling.gone:
            await asyncio.gather(*(self._tell(key, name, clusters[name]) for name in there if name in clusters))

    async def _tried(self, key: ObjectKey, name: str, act: Act, cluster: Cluster) -> bool:
        """One write; False when it has to be tried again, and why is kept for the condition."""
        failed = self.failed[key]
        try:
            await self._act(key, name, act, cluster)
        except (Conflict, NotLeading) as error:
            log.debug("a write waits", cluster=name, object="/".join(key), act=act, error=str(error))
            return False
        except PortError as error:
            if failed.get(name) != str(error):
                log.warning("an object is not brought in line", cluster=name, object="/".join(key), error=str(error))
            failed[name] = str(error)
            return False
        failed.pop(name, None)
        return True

    async def _record(self, key: ObjectKey, ruling: Ruling, clusters: Mapping[str, Cluster]) -> None:
        """Write a deletion's record where it is missing; drop it once it is old and nobody can come back with it."""
        deletion = ruling.deletion
        assert deletion is not None
        answering = self.holdings.view(key).held
        over = time.time_ns() // 1_000_000 - deletion.deleted_ms > _KEPT_MS
        if over and len(answering) == len(self.holdings.names()) and not self.holdings.held(key):
            deletion = None
        for name in answering:
            records = self.holdings.records.setdefault(name, {})
            if records.get(key) == deletion or name not in clusters:
                continue
            try:
                await write_records(clusters[name], self.namespace, {key: deletion})
            except PortError as error:
                log.info("a deletion is not on record yet", cluster=name, object="/".join(key), error=str(error))
                continue
            records.pop(key, None)
            if deletion is not None:
                records[key] = deletion
                log.info("a deletion is on record", cluster=name, object="/".join(key))
        self.holdings.rule_all()

    async def _act(self, key: ObjectKey, name: str, act: Act, cluster: Cluster) -> None:
        document = self.holdings.held(key).get(name)
        if document is None:
            if act is Act.COPY:
                await self._make(key, name, cluster)
            return
        if act in (Act.RELEASE, Act.REMOVE):
            await self._let_go(key, name, cluster, document)
            return
        ruling, metadata = self.holdings.rulings[key], document["metadata"]
        ours = [*(metadata.get("finalizers") or ())]
        changes: KubeObject = {"resourceVersion": metadata["resourceVersion"]}
        if name == ruling.origin or ruling.origin == EVERYWHERE:
            changes["finalizers"] = ours if FINALIZER in ours else [*ours, FINALIZER]
        patch: KubeObject = {"metadata": changes}
        if act in (Act.NOTE, Act.COPY) and ruling.agreed:
            changes["annotations"] = annotations_for(ruling, self.holdings.specs[ruling.agreed.spec])
        if act is Act.COPY and ruling.agreed:
            patch["spec"] = merge_patch(self.holdings.specs[ruling.agreed.spec].raw, document["spec"])
            changes["labels"] = self._labels(key)
        was = self.holdings.view(key).held.get(name)
        self.holdings.wrote(name, key, await cluster.patch(ref_to(key), patch))
        if act is Act.COPY and was is not None and was.agreed == ruling.agreed:
            await self._tell_put_back(key, ruling, was.spec, cluster, document)

    async def _make(self, key: ObjectKey, name: str, cluster: Cluster) -> None:
        ruling, ref = self.holdings.rulings[key], ref_to(key)
        if ruling.agreed is None:
            return
        spec = self.holdings.specs[ruling.agreed.spec]
        notes = {each: text for each, text in annotations_for(ruling, spec).items() if text is not None}
        metadata: KubeObject = {"name": ref.name, "annotations": notes, "labels": self._labels(key)}
        if ref.namespace:
            metadata["namespace"] = ref.namespace
        if name == ruling.origin or ruling.origin == EVERYWHERE:
            metadata["finalizers"] = [FINALIZER]
        body = {"apiVersion": ref.kind.api_version, "kind": ref.kind.kind, "metadata": metadata, "spec": spec.raw}
        made = await cluster.apply(body, writer=WRITER)
        log.info("copied", cluster=name, object="/".join(key), origin=ruling.origin)
        await self.retell_quietly(cluster, key)
        self.holdings.wrote(name, key, made)

    async def retell_quietly(self, cluster: Cluster, key: ObjectKey) -> None:
        """The status of what was made anew; it comes with its next change where that fails now."""
        ref = ref_to(key)
        try:
            await self.retell(cluster, (ref.kind.kind, ref.namespace, ref.name))
        except PortError as error:
            log.info("a status waits for its next change", object="/".join(key), error=str(error))

    async def _let_go(self, key: ObjectKey, name: str, cluster: Cluster, document: KubeObject) -> None:
        """Take our finalizer off and delete: exactly this object, in this version."""
        metadata, ref = document["metadata"], ref_to(key)
        rest = [each for each in metadata.get("finalizers") or () if each != FINALIZER]
        if rest != (metadata.get("finalizers") or []):
            changes = {"finalizers": rest, "resourceVersion": metadata["resourceVersion"]}
            patched = await cluster.patch(ref, {"metadata": changes})
            metadata = patched["metadata"] if patched else metadata
        if not metadata.get("deletionTimestamp"):
            await cluster.delete(ref, uid=metadata["uid"], version=metadata["resourceVersion"])
        log.info("let go", cluster=name, object="/".join(key))
        if not rest:
            self.holdings.wrote(name, key, None)

    def _labels(self, key: ObjectKey) -> dict[str, str]:
        documents, ruling = self.holdings.held(key), self.holdings.rulings[key]
        source = documents.get(ruling.origin) or next(iter(documents.values()))
        return dict(source["metadata"].get("labels") or {})

    async def _tell_put_back(
        self, key: ObjectKey, ruling: Ruling, was: str, cluster: Cluster, before: KubeObject
    ) -> None:
        """An Event on a copy that somebody edited; one that only lagged behind notes another spec and is not told."""
        if ruling.agreed is None or was == ruling.agreed.spec:
            return
        edited = spec_of(key[0], before["spec"]).plain
        found = shown(differences(self.holdings.specs[ruling.agreed.spec].plain, edited))
        sentence = f"an edit of this copy was put back ({found}): change it in {ruling.origin}, its origin"
        log.warning(sentence, object="/".join(key))
        await cluster.create(event_body(RESOURCES[key[0]].read(before), "CopyPutBack", sentence, True))

    async def _tell(self, key: ObjectKey, name: str, cluster: Cluster) -> None:
        """Write the condition InSync onto one cluster's object if it says something else."""
        ruling, view = self.holdings.rulings[key], self.holdings.view(key)
        document = self.holdings.held(key).get(name)
        if document is None or (ruling.agreed is None and not ruling.undecided):
            return
        row = condition_in(name, ruling, view, self.holdings.specs, self.failed.get(key, {}))
        status = document.get("status") or {}
        rows = tuple(Condition.model_validate(each) for each in status.get("conditions") or ())
        old = condition_of(rows, row[0])
        made = condition(rows, row, None)
        if old is not None and (old.status, old.reason, old.message) == (made.status, made.reason, made.message):
            return
        ref = ref_to(key)
        metadata = {"name": ref.name, **({"namespace": ref.namespace} if ref.namespace else {})}
        body = {"apiVersion": ref.kind.api_version, "kind": ref.kind.kind, "metadata": metadata}
        try:
            taken = await cluster.apply_status({**body, "status": {"conditions": [made.wire()]}}, writer=WRITER)
        except PortError as error:
            log.debug("a condition waits", cluster=name, object="/".join(key), error=str(error))
            return
        self.holdings.wrote(name, key, taken)

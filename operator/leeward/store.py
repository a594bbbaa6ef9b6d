"""What the home cluster's Leeward objects say now: fed by the intake, read by every tick.

An object that cannot be read keeps its place with the reason, so that its error can be told and nothing else stops.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import structlog
from pydantic import ValidationError

from leeward.api.common import Resource, first_problem
from leeward.api.evacuation import Evacuation
from leeward.api.modeldeployment import ModelDeployment, RegionEntry
from leeward.api.orders import ANNOTATIONS
from leeward.api.region import Region
from leeward.api.serving import DEFAULT_RESOURCE
from leeward.ports import KubeObject, PortError

KINDS: dict[str, type[Resource]] = {kind.KIND: kind for kind in (ModelDeployment, Region, Evacuation)}

log = structlog.get_logger("store")


class Unreadable(PortError):
    """One of our own objects does not fit the models of this version."""

    reason = "Unreadable"
    remedy = "mend the object, or install the CRDs of this version of Leeward; until then its last readable form counts"


@dataclass
class Store:
    """Newest known objects by key, and a flag that something changed."""

    models: dict[str, ModelDeployment] = field(default_factory=dict)
    regions: dict[str, Region] = field(default_factory=dict)
    evacuations: dict[str, Evacuation] = field(default_factory=dict)
    unreadable: dict[tuple[str, str], Unreadable] = field(default_factory=dict)  # by kind and key
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    listed: set[str] = field(default_factory=set)
    leaving: dict[str, tuple[RegionEntry, ...]] = field(default_factory=dict)  # see leaving.py

    def served(self) -> dict[str, ModelDeployment]:
        """The same as `alive`, each also with the regions that it leaves."""
        return {key: with_entries(model, self.leaving.get(key, ())) for key, model in self.alive().items()}

    def alive(self) -> dict[str, ModelDeployment]:
        """Models that are not being deleted, by key."""
        return {key: model for key, model in self.models.items() if not model.metadata.deletion_timestamp}

    def resources(self) -> set[str]:
        """Names under which nodes offer the models' accelerators."""
        return {DEFAULT_RESOURCE, *(model.spec.accelerator.resource_name for model in self.models.values())}

    def put(self, document: KubeObject) -> None:
        """Take in an object as the API server sent it. A change of status alone wakes nobody."""
        known, kind, key = self._known[document["kind"]], KINDS[document["kind"]], key_of(document)
        try:
            read = kind.read(document)
        except ValidationError as error:
            self._cannot_read(document["kind"], key, error)
            return
        self.unreadable.pop((document["kind"], key), None)
        before = known.get(key)
        known[key] = read
        if before is None or _wanted(before) != _wanted(read):
            self.changed.set()

    def drop(self, document: KubeObject) -> None:
        """Forget an object that is gone."""
        key = key_of(document)
        self._known[document["kind"]].pop(key, None)
        self.unreadable.pop((document["kind"], key), None)
        self.changed.set()

    def reads(self, kind: str, key: str) -> bool:
        """Was there ever a form of the object that could be read?"""
        return key in self._known[kind]

    @property
    def complete(self) -> bool:
        """Has every kind been listed?"""
        return self.listed >= KINDS.keys()

    @property
    def _known(self) -> dict[str, dict[str, Any]]:
        """Objects by kind and key."""
        return {
            ModelDeployment.KIND: self.models,
            Region.KIND: self.regions,
            Evacuation.KIND: self.evacuations,
        }

    def _cannot_read(self, kind: str, key: str, error: ValidationError) -> None:
        problem = Unreadable(first_problem(error))
        if str(self.unreadable.get((kind, key))) != str(problem):
            log.error("an object cannot be read", kind=kind, key=key, error=str(problem), remedy=problem.remedy)
            self.changed.set()
        self.unreadable[kind, key] = problem

    def keep_only(self, kind: str, keys: set[str]) -> None:
        """Forget objects of a kind that a fresh list does not have: a watch can miss a deletion."""
        known = self._known[kind]
        gone = set(known) - keys
        for key in gone:
            del known[key]
        self.unreadable = {each: why for each, why in self.unreadable.items() if each[0] != kind or each[1] in keys}
        self.listed.add(kind)
        if gone:
            self.changed.set()


def with_entries(model: ModelDeployment, entries: Iterable[RegionEntry]) -> ModelDeployment:
    """The model as if its spec named these regions, too."""
    regions = (*model.spec.regions, *entries)
    return model.model_copy(update={"spec": model.spec.model_copy(update={"regions": regions})})


def key_of(document: KubeObject) -> str:
    """`namespace/name`, or the name alone for cluster-scoped kinds."""
    metadata = document["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


def _wanted(read: Resource) -> tuple[object, ...]:
    orders = tuple(read.metadata.annotations.get(name) for name in ANNOTATIONS)
    return read.metadata.generation, read.metadata.deletion_timestamp, read.metadata.uid, orders

"""Which form of an object counts where many clusters hold it, and what has to be written so that all hold the same.

An object has one origin, the cluster where a person applied it first; all others hold copies, and a copy that is
edited is put back. Where Git applies it to several clusters (origin `*`), the spec that a majority of all clusters
holds counts. What was agreed last is noted on every object, with a revision that only grows, so it stays in force when
the origin is lost or no majority agrees. Whoever sees fewer than a majority of the clusters changes nothing.

A deletion is a record in a majority of the clusters, made from an object that a person deletes at its origin (where
Git applies: in a majority) and that a finalizer keeps until then. What was noted before a record is stale, wherever it
turns up again; a new object, applied later and noted nowhere, is not. Absence deletes nothing, and a cluster that does
not answer is not one without the object. Specs are digests here. Times are whole milliseconds.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

EVERYWHERE = "*"
"""Origin of what Git applies to several clusters."""


@dataclass(frozen=True, slots=True, order=True)
class Revision:
    """Grows with every change that is agreed: the leader's epoch, and a number within it."""

    epoch: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Agreed:
    """A spec that counts, since `revision`."""

    revision: Revision
    spec: str


@dataclass(frozen=True, slots=True)
class Held:
    """One cluster's object. `agreed` is what it notes; `origin` is empty on what Leeward has not noted yet."""

    spec: str
    origin: str = ""
    adoptions: int = 0  # how often the origin was moved by a person
    agreed: Agreed | None = None
    labels: frozenset[tuple[str, str]] = frozenset()
    finalizer: bool = False
    created_ms: int = 0
    deleted_ms: int | None = None  # a person deletes it, since then

    @property
    def fresh(self) -> bool:
        """Applied by a person or Git, and not noted yet."""
        return self.agreed is None and not self.adoptions and self.origin in ("", EVERYWHERE)


@dataclass(frozen=True, slots=True)
class Deletion:
    """The record of one: what has this revision or a lower one is stale, and so is what is older and has none."""

    deleted_ms: int
    revision: Revision

    def covers(self, held: Held) -> bool:
        """Is this object one of those that were deleted?"""
        if held.deleted_ms is not None and held.deleted_ms <= self.deleted_ms:
            return True
        if held.agreed is not None:
            return held.agreed.revision <= self.revision
        return held.created_ms < self.deleted_ms


@dataclass(frozen=True, slots=True)
class View:
    """What is seen of one object. `held` has a row for each cluster that answers, None where it is absent."""

    clusters: tuple[str, ...]
    held: Mapping[str, Held | None]
    deletions: Mapping[str, Deletion] = field(default_factory=dict)  # the record, by cluster that has one
    waited: bool = True  # fresh objects were seen for long enough: Git may have applied the others by now

    @property
    def majority(self) -> int:
        """More than half of all clusters, whether they answer or not."""
        return len(self.clusters) // 2 + 1

    @property
    def enough(self) -> bool:
        """Does a majority answer?"""
        return len(self.held) >= self.majority


class Act(StrEnum):
    """What to do with one cluster's object."""

    HOLD = "hold"  # add the finalizer, so that a deletion is seen
    NOTE = "note"  # note origin and agreed spec on it; its own spec is left alone
    COPY = "copy"  # write the agreed spec into it, or make it
    RELEASE = "release"  # stale, or a copy that somebody deletes: let it go, it is made again
    REMOVE = "remove"  # delete it: a deletion is on record


@dataclass(frozen=True, slots=True)
class Ruling:
    """What counts. `agreed` None: nothing that is seen here does."""

    origin: str = ""
    adoptions: int = 0
    agreed: Agreed | None = None
    deletion: Deletion | None = None  # shall stand in every cluster
    gone: bool = False  # it stands in a majority, and nothing newer is there
    writes: tuple[tuple[str, Act], ...] = ()  # by cluster, in this order
    differ: tuple[str, ...] = ()  # clusters whose spec is another one than the agreed one
    undecided: bool = False  # Git applies different specs, and none of them to a majority


def rule(view: View, epoch: int) -> Ruling:
    """What counts of one object, and what the leader of `epoch` has to write for it."""
    past = max(view.deletions.values(), key=lambda each: (each.revision, each.deleted_ms), default=None)
    alive = {name: each for name, each in view.held.items() if each is not None and not (past and past.covers(each))}
    adoptions, origin = _origin(view, alive)
    newest = max((each.agreed for each in alive.values() if each.agreed), key=lambda each: each.revision, default=None)
    asked = _asked(view, alive, origin)
    if asked is not None and view.enough:
        return Ruling(origin, adoptions, newest, Deletion(asked, _latest(view, epoch)))
    if not alive:
        recorded = past is not None and list(view.deletions.values()).count(past) >= view.majority
        removals = tuple((name, Act.REMOVE) for name, each in sorted(view.held.items()) if each and recorded)
        return Ruling(deletion=past, gone=recorded, writes=removals)
    proposed = _proposed(view, alive, origin, newest)
    agreed = newest
    if proposed is not None and (newest is None or newest.spec != proposed):
        agreed = Agreed(_next(view, epoch), proposed)
    found = Ruling(origin, adoptions, agreed, past, undecided=origin == EVERYWHERE and proposed is None)
    if agreed is None:
        return found
    differ = tuple(sorted(name for name, each in alive.items() if each.spec != agreed.spec))
    writes = _writes(view, alive, found, agreed, proposed) if view.enough else ()
    return Ruling(origin, adoptions, agreed, past, writes=writes, differ=differ, undecided=found.undecided)


def _origin(view: View, alive: Mapping[str, Held]) -> tuple[int, str]:
    """Who may change the object. The last that was moved by a person, else the one that is noted, else who has it."""
    noted = [(each.adoptions, each.origin or name) for name, each in alive.items() if not each.fresh]
    declared = any(each.fresh and each.origin == EVERYWHERE for each in alive.values())
    last = max((adoptions for adoptions, _ in noted), default=0)
    names = {name for adoptions, name in noted if adoptions == last}
    if EVERYWHERE in names or declared:
        return last, EVERYWHERE
    if names:
        return last, min(names, key=lambda name: (name not in view.clusters, name))
    return 0, next(iter(alive), "") if len(alive) < 2 else EVERYWHERE


def _asked(view: View, alive: Mapping[str, Held], origin: str) -> int | None:
    """Since when the object is to be deleted, if those who may say so do."""
    times = [
        each.deleted_ms
        for name, each in alive.items()
        if each.deleted_ms is not None and (origin == EVERYWHERE or name == origin)
    ]
    needed = view.majority if origin == EVERYWHERE else 1
    return max(times) if len(times) >= needed else None


def _proposed(view: View, alive: Mapping[str, Held], origin: str, newest: Agreed | None) -> str | None:
    """The spec that those who may change it want now; None: they do not say, so the last agreed one stays."""
    if not view.enough:
        return None
    if origin == EVERYWHERE:
        votes = Counter(each.spec for each in alive.values() if each.deleted_ms is None)
        return next((spec for spec, count in votes.items() if count >= view.majority), None)
    source = alive.get(origin)
    if source is None or source.deleted_ms is not None or _rolled_back(source, newest):
        return None
    return source.spec


def _rolled_back(source: Held, newest: Agreed | None) -> bool:
    """Nobody edited it: it says what it notes, and that is not the newest. Its cluster was away, or was restored."""
    noted = source.agreed
    return noted is not None and newest is not None and noted.revision < newest.revision and source.spec == noted.spec


def _latest(view: View, epoch: int) -> Revision:
    """The highest revision of all that is seen."""
    noted = [each.agreed.revision for each in view.held.values() if each and each.agreed]
    return max([*noted, *(each.revision for each in view.deletions.values())], default=Revision(epoch, 1))


def _next(view: View, epoch: int) -> Revision:
    seen = any(each and each.agreed for each in view.held.values()) or view.deletions
    latest = _latest(view, epoch) if seen else Revision(epoch, 0)
    return Revision(epoch, 1) if epoch > latest.epoch else Revision(latest.epoch, latest.number + 1)


def _writes(
    view: View, alive: Mapping[str, Held], found: Ruling, agreed: Agreed, proposed: str | None
) -> tuple[tuple[str, Act], ...]:
    """What each cluster that answers lacks; the origin's note first, so that it never lags behind its copies."""
    labels = alive[found.origin].labels if found.origin in alive else frozenset()
    acts: list[tuple[str, Act]] = []
    for name in sorted(view.held, key=lambda each: (each != found.origin, each)):
        mine = alive.get(name)
        votes = found.origin in (EVERYWHERE, name)
        act: Act | None
        if mine is None:
            act = Act.COPY if view.held[name] is None else Act.RELEASE  # what is stale goes first, its status with it
        elif votes and not (proposed is None and name == found.origin):
            act = _vote(mine, found, agreed, view.waited)
        else:
            act = _copy(mine, found, agreed, labels)
        if act is not None:
            acts.append((name, act))
    fresh = found.origin in alive and alive[found.origin].fresh
    return tuple(each for each in acts if each[1] is Act.HOLD) if fresh and not view.waited else tuple(acts)


def _vote(mine: Held, found: Ruling, agreed: Agreed, waited: bool) -> Act | None:
    """What an object lacks whose spec is a person's or Git's."""
    if mine.deleted_ms is not None:
        return None  # few delete it: it stays until they are a majority
    if not mine.finalizer:
        return Act.HOLD
    noted = (mine.origin, mine.adoptions, mine.agreed) == (found.origin, found.adoptions, agreed)
    return None if noted or (mine.fresh and not waited) else Act.NOTE


def _copy(mine: Held, found: Ruling, agreed: Agreed, labels: frozenset[tuple[str, str]]) -> Act | None:
    if mine.deleted_ms is not None:
        return Act.RELEASE
    same = (mine.spec, mine.origin, mine.adoptions, mine.agreed) == (
        agreed.spec,
        found.origin,
        found.adoptions,
        agreed,
    )
    return None if same and labels <= mine.labels else Act.COPY

"""What must hold whatever happens, checked on what API servers logged and users noted: values in, evidence out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from localfleet.chaos.audit import FENCE, LEASE, Write

_OF_ELECTIONS = (("leases", LEASE), ("configmaps", FENCE))
RULES = {
    "one writer": "all writes of an epoch come from one replica",
    "epochs grow": "no cluster takes a write of an earlier epoch after one of a later, not even after a restore",
    "fence first": "no cluster takes a write of an epoch before its fence stands there",
    "weights": "the weights of every route sum to 100 at every time",
    "no early return": "a region that failed gets no weight back before it is healed",
    "users": "nobody notices what breaks no region",
    "way back": "all is as before, some time after everything is healed",
}


@dataclass(frozen=True, slots=True)
class Broken:
    """Evidence that one of `RULES` did not hold."""

    rule: str
    t: float
    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A time in which a region could not serve: seconds since 1970."""

    region: str
    began: float
    healed: float


@dataclass(frozen=True, slots=True)
class Restore:
    """A cluster's state was replaced, at `t`, by what it had been at the moment `of`."""

    cluster: str
    t: float
    of: float


def writers(writes: Iterable[Write]) -> list[Broken]:
    """Rule `one writer`."""
    first: dict[int, Write] = {}
    broken = []
    for write in sorted(filter(_in_term, writes), key=lambda each: each.t):
        assert write.epoch is not None
        before = first.setdefault(write.epoch, write)
        if before.source != write.source:
            what = f"{write.name} of epoch {write.epoch} by {write.source}; {before.name} was by {before.source}"
            broken.append(Broken("one writer", write.t, write.cluster, what))
    return broken


def epochs(writes: Sequence[Write], restores: Sequence[Restore] = ()) -> list[Broken]:
    """Rules `epochs grow` and `fence first`, for the writes of one cluster in the order of its log."""
    broken: list[Broken] = []
    highest = fence = 0
    ahead = sorted(restores, key=lambda each: each.t)
    for write in writes:
        while ahead and ahead[0].t <= write.t:
            fence = _fence_at(writes, ahead.pop(0).of)
        if write.taken and write.fence is not None:
            fence = write.fence
        if not _in_term(write):
            continue
        assert write.epoch is not None
        told = f"{write.resource} {write.name} of epoch {write.epoch}"
        if write.epoch < highest:
            broken.append(Broken("epochs grow", write.t, write.cluster, f"{told} after one of {highest}"))
        if write.epoch > fence:
            broken.append(Broken("fence first", write.t, write.cluster, f"{told} while the fence stood at {fence}"))
        highest = max(highest, write.epoch)
    return broken


def _fence_at(writes: Sequence[Write], moment: float) -> int:
    """What the fence said at a moment."""
    told = [write.fence for write in writes if write.taken and write.fence is not None and write.t <= moment]
    return told[-1] if told else 0


def weights(writes: Iterable[Write]) -> list[Broken]:
    """Rule `weights`."""
    return [
        Broken("weights", write.t, write.cluster, f"{write.name}: {dict(write.weights)}")
        for write in writes
        if write.taken and write.weights is not None and sum(write.weights.values()) != 100
    ]


def returns(writes: Sequence[Write], failures: Iterable[Failure]) -> list[Broken]:
    """Rule `no early return`, at every entry but the failed one's own."""
    broken = []
    for failure in failures:
        left: set[tuple[str, str]] = set()  # cluster and route
        for write in writes:
            if not (failure.began <= write.t < failure.healed) or write.weights is None or not write.taken:
                continue
            place, weight = (write.cluster, write.name), write.weights.get(failure.region, 0)
            if write.cluster == failure.region:
                continue
            if not weight:
                left.add(place)
            elif place in left:
                what = f"{write.name} gives {failure.region} {weight} %, which had failed and was not healed"
                broken.append(Broken("no early return", write.t, write.cluster, what))
    return broken


def refused(writes: Iterable[Write]) -> dict[str, int]:
    """How many writes the fence has refused, by the replica that sent them."""
    return dict(Counter(write.source for write in writes if write.ours and write.fenced))


def all_rules(
    writes: Mapping[str, Sequence[Write]], failures: Sequence[Failure], restores: Sequence[Restore]
) -> list[Broken]:
    """Every rule about writes; `writes` by cluster, in the order of their logs."""
    everything = [write for each in writes.values() for write in each]
    found = writers(everything) + weights(everything)
    for name, each in writes.items():
        found += epochs(each, [restore for restore in restores if restore.cluster == name]) + returns(each, failures)
    return sorted(found, key=lambda broken: broken.t)


def _in_term(write: Write) -> bool:
    """Did a leader write this in its term? The Leases and the fence are how it becomes one."""
    about = write.resource, write.name.rpartition("/")[2]
    return write.ours and write.taken and write.epoch is not None and about not in _OF_ELECTIONS

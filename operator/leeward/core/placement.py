"""Who carries what enters where: every entry's demand poured into the regions that may serve it.

Home first: an entry keeps what its own region can carry. Then all entries pour at once, each into the nearest
of its regions that still have room, in proportion to their shares; a region that is full is closed, and
pouring goes on. Without distances all regions are equally near, and this is water-filling:
x_r = min(room_r, θ·share_r) for one level θ. Spill-only regions (share 0) come last, and are filled in
proportion to their room.

With residency an entry may be left over while regions that it may not use have room. Then what others have
put into its regions is moved on, along shortest augmenting paths (Edmonds and Karp, JACM 19, 1972), so that
nothing is left over while any division would place it.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

Loads = dict[str, dict[str, Fraction]]
"""Entry × serving: requests per second."""

FAR = 10**9


@dataclass(frozen=True, slots=True)
class Ways:
    """Where each entry may send, and how near that is. An entry that is not named may send everywhere."""

    shares: Mapping[str, int]
    allowed: Mapping[str, frozenset[str]]
    distances: Mapping[str, Mapping[str, int]]

    def may(self, entry: str, serving: str) -> bool:
        return entry not in self.allowed or serving in self.allowed[entry]

    def nearest(self, entry: str, names: Iterable[str]) -> list[str]:
        """The nearest of the regions, all of them if equally near; spill-only ones only when nobody else is left."""
        reachable = [(self._rank(entry, name), name) for name in names if self.may(entry, name)]
        best = min((rank for rank, _ in reachable), default=None)
        return [name for rank, name in reachable if rank == best]

    def _rank(self, entry: str, serving: str) -> tuple[bool, int]:
        return self.shares.get(serving, 0) <= 0, self.distances.get(entry, {}).get(serving, FAR)


def place(
    demand: Mapping[str, Fraction], room: Mapping[str, Fraction], ways: Ways, home_first: bool = False
) -> tuple[Loads, dict[str, Fraction]]:
    """Loads per entry and region, none above its room in total, and what each entry has left over."""
    left = {entry: max(Fraction(0), wanted) for entry, wanted in demand.items()}
    open_room = {name: cap for name, cap in room.items() if cap > 0}
    loads: Loads = {entry: dict.fromkeys(room, Fraction(0)) for entry in demand}
    for entry in left if home_first else ():
        if entry in open_room and ways.may(entry, entry):
            loads[entry][entry] = kept = min(left[entry], open_room[entry])
            left[entry] -= kept
            open_room[entry] -= kept
    open_room = {name: cap for name, cap in open_room.items() if cap > 0}
    while flows := {entry: flow for entry in left if (flow := _flow(entry, left[entry], open_room, ways))}:
        part = _until_one_is_full(flows, open_room)
        for entry, flow in flows.items():
            for name, amount in flow.items():
                loads[entry][name] += part * amount
                left[entry] -= part * amount
                open_room[name] -= part * amount
        open_room = {name: cap for name, cap in open_room.items() if cap > 0}
    if ways.allowed:
        for entry in sorted(name for name in left if left[name] > 0):
            left[entry] = _make_room(entry, left[entry], loads, open_room, ways)
    return loads, left


def _flow(entry: str, left: Fraction, room: Mapping[str, Fraction], ways: Ways) -> dict[str, Fraction]:
    """Where all that is left would go, if there were room enough."""
    names = ways.nearest(entry, room) if left > 0 else []
    weights = {name: Fraction(max(0, ways.shares.get(name, 0))) for name in names}
    if not any(weights.values()):
        weights = {name: room[name] for name in names}
    whole = sum(weights.values(), Fraction(0))
    return {name: left * weight / whole for name, weight in weights.items()}


def _until_one_is_full(flows: Mapping[str, Mapping[str, Fraction]], room: Mapping[str, Fraction]) -> Fraction:
    """The part of the flows that can be poured before the first region is full; 1 if none will be."""
    inflow = {name: sum((flow.get(name, Fraction(0)) for flow in flows.values()), Fraction(0)) for name in room}
    return min([Fraction(1), *(room[name] / amount for name, amount in inflow.items() if amount > 0)])


def _make_room(entry: str, left: Fraction, loads: Loads, room: dict[str, Fraction], ways: Ways) -> Fraction:
    """Place what is left by moving others on, in place; returns what nobody can make room for."""
    while left > 0 and (path := _augmenting_path(entry, loads, room, ways)):
        last = path[-1][1]
        amount = min(left, room[last], *(loads[other][before] for (_, before), (other, _) in pairwise(path)))
        loads[entry][path[0][1]] += amount
        for (_, before), (other, after) in pairwise(path):
            loads[other][before] -= amount
            loads[other][after] += amount
        room[last] -= amount
        left -= amount
    return left


def _augmenting_path(
    entry: str, loads: Loads, room: Mapping[str, Fraction], ways: Ways
) -> list[tuple[str, str]] | None:
    """[(entry, r0), (e1, r1), …]: entry goes to r0, e1 moves from r0 to r1, …, and the last has room."""
    names = sorted(loads[entry])
    paths = {name: [(entry, name)] for name in names if ways.may(entry, name)}
    waiting = deque(paths)
    while waiting:
        name = waiting.popleft()
        if room.get(name, 0) > 0:
            return paths[name]
        for other in sorted(loads):
            if loads[other][name] > 0:
                for after in names:
                    if after not in paths and ways.may(other, after):
                        paths[after] = [*paths[name], (other, after)]
                        waiting.append(after)
    return None

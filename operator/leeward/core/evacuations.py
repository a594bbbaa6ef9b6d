"""Evacuations: which of a person's orders may go on, and why the others may not.

An order that is refused changes nothing: the region serves on, and counts as one that others may flee to. It is asked
again in every tick, and goes on by itself once the others can carry its load. What has begun is not taken back.
"""

from dataclasses import replace
from fractions import Fraction

from leeward.core import capacity, guards
from leeward.core.capacity import shown
from leeward.core.phases import OUT_OF_TRAFFIC
from leeward.core.situation import Situation

ANOTHER_FIRST = "another region leaves first"


def admit(s: Situation) -> tuple[Situation, dict[str, str]]:
    """The situation with only those evacuations that may go on, and the objection to each of the others."""
    begun = tuple(n for n in s.snapshot.evacuated if s.memory.region(n).phase in OUT_OF_TRAFFIC)
    asked = [n for n in s.spec.region_names if n in s.snapshot.evacuated and n not in begun]
    admitted, refused = _with(s, begun), dict[str, str]()
    for name in asked:
        started = len(admitted.snapshot.evacuated) > len(begun)
        objection = ANOTHER_FIRST if started else _objection(admitted, name)
        if objection is None:
            admitted = _with(admitted, (*begun, name))
        else:
            refused[name] = objection
    return admitted, refused


def _objection(s: Situation, name: str) -> str | None:
    return guards.first_objection(guards.EVACUATION_GUARDS, s, name) or _without_room(s, name)


def _without_room(s: Situation, name: str) -> str | None:
    """What the others cannot carry at 90 %; those that are unknown or failed do not count."""
    if name in s.snapshot.forced or not s.carries(name):
        return None
    nothing = dict.fromkeys(s.spec.region_names, Fraction(0))
    lacking = capacity.without(s.spec, s.memory.regions, nothing, name)[1]
    return f"the others lack {shown(lacking)} requests/s to carry it" if lacking > 0 else None


def _with(s: Situation, evacuated: tuple[str, ...]) -> Situation:
    return replace(s, snapshot=replace(s.snapshot, evacuated=evacuated))

"""Where a region is on its way out of and back into traffic: one table.

    active ──fail──▶ drained ──clean──▶ recovering ──step──▶ … ──complete──▶ active

A failed region is drained at once; a person's evacuation passes through draining until the clusters show
that it carries nothing. The only way back is the ramp, so no verdict, however good, jumps the queue. What is
not in the table is illegal: it raises and changes nothing.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Phase(StrEnum):
    """Active carries its share; draining and drained carry none; recovering carries its ramp step."""

    ACTIVE = "active"
    DRAINING = "draining"
    DRAINED = "drained"
    RECOVERING = "recovering"


class Trigger(StrEnum):
    """What moves a region from phase to phase."""

    FAIL = "fail"  # verdict failed, and no guard held it
    EVACUATE = "evacuate"  # a person's order
    EMPTIED = "emptied"  # every row that could be read shows weight 0
    CLEAN = "clean"  # good for long enough, nothing forbids the way back
    STEP = "step"  # a ramp step has baked
    COMPLETE = "complete"  # the last ramp step has baked
    BAD_STEP = "bad step"  # a ramp step went bad


class IllegalTransitionError(ValueError):
    """The table has no such row."""


TABLE: Mapping[tuple[Phase, Trigger], Phase] = MappingProxyType(
    {
        (Phase.ACTIVE, Trigger.FAIL): Phase.DRAINED,
        (Phase.ACTIVE, Trigger.EVACUATE): Phase.DRAINING,
        (Phase.DRAINING, Trigger.FAIL): Phase.DRAINED,
        (Phase.DRAINING, Trigger.EMPTIED): Phase.DRAINED,
        (Phase.DRAINED, Trigger.CLEAN): Phase.RECOVERING,
        (Phase.RECOVERING, Trigger.STEP): Phase.RECOVERING,
        (Phase.RECOVERING, Trigger.COMPLETE): Phase.ACTIVE,
        (Phase.RECOVERING, Trigger.FAIL): Phase.DRAINED,
        (Phase.RECOVERING, Trigger.BAD_STEP): Phase.DRAINED,
        (Phase.RECOVERING, Trigger.EVACUATE): Phase.DRAINING,
    }
)

OUT_OF_TRAFFIC = frozenset({Phase.DRAINING, Phase.DRAINED})


def advance(phase: Phase, trigger: Trigger) -> Phase:
    """The phase after a trigger; raises IllegalTransitionError where the table has no row."""
    try:
        return TABLE[phase, trigger]
    except KeyError:
        raise IllegalTransitionError(f"{phase} has no way out by {trigger}") from None


def diagram() -> str:
    """The table as a mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.ACTIVE}"]
    lines += [f"    {before} --> {after}: {trigger}" for (before, trigger), after in TABLE.items()]
    return "\n".join(lines) + "\n"

"""What is remembered of one model between ticks, beside the core's memory. All of it may be lost in a restart."""

import asyncio
import json
import time
from dataclasses import dataclass, field

from leeward.api.modeldeployment import ModelDeployment
from leeward.core.memory import Memory, from_record
from leeward.elasticity import Sizing
from leeward.ports import PortError
from leeward.provision import Placement


@dataclass
class Known:
    """One model."""

    memory: Memory
    applied: object = None  # what `ensure` last brought in line, None: do it again
    serving: bool = False  # users have been let in
    led: bool = False  # this replica acted in the last tick
    sizing: Sizing = field(default_factory=Sizing)
    ensuring: "asyncio.Task[None] | None" = None
    failed: dict[str, PortError] = field(default_factory=dict)
    placed: dict[str, Placement] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # evacuations that may not go on, and why
    scaled: dict[str, PortError | None] = field(default_factory=dict)  # what is wrong with autoscalers, by region
    written: list[str] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    @property
    def idle(self) -> bool:
        """Is nothing being brought in line just now?"""
        return self.ensuring is None or self.ensuring.done()


def recalled(model: ModelDeployment) -> Known:
    """What a replica begins with."""
    return Known(recorded(model))


def recorded(model: ModelDeployment) -> Memory:
    """What the status kept of the core's memory; what cannot be read counts as nothing."""
    try:
        return from_record(json.loads(model.status.memory) if model.status.memory else None)
    except (ValueError, RecursionError):
        return Memory()

"""What is remembered of one model between ticks, beside the core's memory. All of it may be lost in a restart."""

import asyncio
import time
from dataclasses import dataclass, field

from leeward.core.memory import Memory
from leeward.elasticity import Sizing
from leeward.ports import PortError
from leeward.provision import Placement


@dataclass
class Known:
    """One model."""

    memory: Memory
    applied: object = None  # what `ensure` last brought in line, None: do it again
    serving: bool = False  # users have been let in
    sizing: Sizing = field(default_factory=Sizing)
    ensuring: "asyncio.Task[None] | None" = None
    ordering: "asyncio.Task[None] | None" = None
    failed: dict[str, PortError] = field(default_factory=dict)
    placed: dict[str, Placement] = field(default_factory=dict)
    scaled: dict[str, PortError | None] = field(default_factory=dict)  # what is wrong with autoscalers, by region
    written: list[str] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    @staticmethod
    def idle(task: "asyncio.Task[None] | None") -> bool:
        """Is nothing of this under way?"""
        return task is None or task.done()

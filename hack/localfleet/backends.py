"""What a fleet can be made of, and what each command of `hack/fleet` does on it: one module each, one table.

A backend is chosen by `up` and remembered in the fleet's layout, so that later commands find it again.
"""

from pathlib import Path
from typing import Any, Protocol

from rich.table import Table

from localfleet import layout, namespaces
from localfleet.kind import backend as kind
from localfleet.layout import Fleet, RegionHost


class Backend(Protocol):
    """The commands. Failures are FleetError, LookupError or TimeoutError with a message that names the remedy."""

    def tools(self) -> dict[str, Path]:
        """The programs it needs, by name: found, or built."""

    def up(self, fleet: Fleet) -> int:
        """Bring a fleet up, or leave nothing behind; an exit status."""

    def down(self, name: str) -> bool:
        """Take a fleet down, whatever state it is in. True when there was one."""

    def enter(self, fleet: Fleet) -> int | None:
        """Run this command line again where the fleet can be reached and return its status; None: it is here."""

    def status(self, fleet: Fleet) -> Table:
        """A row per region."""

    def logs(self, fleet: Fleet, region: RegionHost) -> list[str]:
        """What has a log in a region."""

    def log_command(self, fleet: Fleet, region: RegionHost, name: str, follow: bool, lines: int) -> list[str]:
        """The command line that shows one log."""

    def kill(self, fleet: Fleet, region: RegionHost, how: str) -> None:
        """Break a region in one of the ways of `faults.HOW`."""

    def degrade(self, fleet: Fleet, region: RegionHost, faults: dict[str, Any], pods: list[str]) -> None:
        """Make model servers misbehave: these pods, or all; shares are 0 to 1. Replaces earlier faults."""

    def heal(self, fleet: Fleet, region: RegionHost) -> list[str]:
        """Undo every fault; what was started again."""

    def limit(self, fleet: Fleet, region: RegionHost, key: str, machines: int | None) -> dict[str, int]:
        """Let the region's provider have so many machines of a type (None: any number); the limits in force then."""

    def execute(self, fleet: Fleet, host: str, command: list[str]) -> int:
        """Run a command on the users' host, or on a region's; its exit status."""


BACKENDS: dict[str, Backend] = {layout.NAMESPACES: namespaces, layout.KIND: kind}


def of(name: str) -> Backend:
    """The backend of a fleet by the fleet's name; of one that is not up, the default."""
    try:
        return BACKENDS[layout.load(name).backend]
    except LookupError:
        return BACKENDS[layout.NAMESPACES]

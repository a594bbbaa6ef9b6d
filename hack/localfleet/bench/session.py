"""What every benchmark on a fleet does around its runs: a fleet of its own, and an end when somebody interrupts."""

import asyncio
import signal
import sys
from collections.abc import Sequence

from leeward.waiting import first_of
from localfleet import cli, layout, sandbox


def on_own_fleet(name: str, module: str, arguments: Sequence[str]) -> int:
    """Bring a fleet up, run a module inside it, and take the fleet down again; returns the module's exit status."""
    cli.main(["--name", name, "--backend", layout.NAMESPACES, "up"], standalone_mode=False)
    try:
        return sandbox.run_inside(name, [sys.executable, "-m", module, *arguments])
    finally:
        cli.main(["--name", name, "down"], standalone_mode=False)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Ctrl-C sets `stop`; what runs then ends by itself."""
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait. Raises CancelledError once `stop` is set."""
    await first_of(stop, seconds=seconds)
    if stop.is_set():
        raise asyncio.CancelledError

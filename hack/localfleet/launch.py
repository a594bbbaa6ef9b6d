"""Starting, finding and stopping the programs of a region, by process id and only our own.

Each program's command line and id are kept in `<region>/run/<component>.json`, so that `heal` starts again exactly
what `kill` stopped. Everything here runs inside the fleet's namespaces.
"""

import json
import os
import signal
import subprocess
from dataclasses import asdict
from pathlib import Path

from localfleet.components import Component
from localfleet.layout import RegionHost
from localfleet.network import in_host


def _record(region: RegionHost, name: str) -> Path:
    return region.folder / "run" / f"{name}.json"


def _line(component: Component) -> list[str]:
    rooted = ["chroot", str(component.root)] if component.root else []
    return in_host(component.host, [*rooted, *component.command])


def start(region: RegionHost, component: Component) -> None:
    """Start a program in the background; its output goes to its log, its id to its record."""
    log = region.log(component.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            _line(component),
            env=os.environ | component.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    child.returncode = 0  # it outlives us on purpose; without this Python warns that it is still running
    stored = asdict(component) | {"root": str(component.root) if component.root else None, "pid": child.pid}
    _record(region, component.name).parent.mkdir(parents=True, exist_ok=True)
    _record(region, component.name).write_text(json.dumps(stored))


def _stored(region: RegionHost, name: str) -> tuple[Component, int]:
    record = json.loads(_record(region, name).read_text())
    pid = record.pop("pid")
    root = record.pop("root")
    return Component(
        record["name"], record["host"], tuple(record["command"]), record["environment"], Path(root) if root else None
    ), pid


def names(region: RegionHost) -> list[str]:
    """Components that were ever started in a region, in the order of their start."""
    records = sorted((region.folder / "run").glob("*.json"), key=lambda path: path.stat().st_ctime_ns)
    return [path.stem for path in records]


def state(region: RegionHost, name: str) -> str:
    """`running`, `stopped` (by SIGSTOP), or `ended`."""
    try:
        stat = Path(f"/proc/{_stored(region, name)[1]}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "ended"
    return {"T": "stopped", "Z": "ended", "X": "ended"}.get(stat, "running")


def send(region: RegionHost, name: str, number: signal.Signals) -> None:
    """Send a signal to one component, if it runs."""
    if state(region, name) != "ended":
        os.kill(_stored(region, name)[1], number)


def revive(region: RegionHost, name: str) -> bool:
    """Start a component again as it was when it has ended, let it go on when it was stopped. True when it acted."""
    found = state(region, name)
    if found == "stopped":
        send(region, name, signal.SIGCONT)
    elif found == "ended":
        start(region, _stored(region, name)[0])
    return found != "running"


def remove(region: RegionHost, name: str) -> None:
    """End a component for good: nothing starts it again."""
    send(region, name, signal.SIGKILL)
    _record(region, name).unlink()


def resident_bytes(region: RegionHost, name: str) -> int:
    """Resident memory of a component in bytes, 0 when it does not run."""
    try:
        pages = int(Path(f"/proc/{_stored(region, name)[1]}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")

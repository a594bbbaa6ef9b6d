"""The fleet's own world: one process that holds a PID, a mount and a network namespace.

Everything a fleet starts lives below that holder, so the kernel itself cleans up: when the holder is gone, so is
every process, mount, link and network namespace of the fleet, whatever crashed before. As root the namespaces are
made directly; an ordinary user gets them inside a user namespace. Two fleets never see each other.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from localfleet.errors import FleetError
from localfleet.layout import MARK, fleets_folder

_INSIDE = "LEEWARD_FLEET_INSIDE"
_HOLDER = """
import os, signal
for ignored in (signal.SIGINT, signal.SIGHUP):
    signal.signal(ignored, signal.SIG_IGN)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
signal.signal(signal.SIGCHLD, lambda *_: None)
while True:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    signal.pause()
"""


class SandboxError(FleetError):
    """The namespaces cannot be had; the message says what to allow."""


def inside() -> bool:
    """Is this process already in the fleet's namespaces?"""
    return _INSIDE in os.environ


def _user_namespace() -> bool:
    return os.geteuid() != 0


def _flags(user: bool) -> list[str]:
    return ["--net", "--mount", "--pid", *(["--user"] if user else [])]


def _check_tools() -> None:
    missing = [name for name in ("unshare", "nsenter", "ip", "chroot") if not shutil.which(name, path=_path())]
    if missing:
        raise SandboxError(f"{', '.join(missing)} not found: install util-linux, iproute2 and coreutils")


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def holder(name: str) -> int | None:
    """The holder's process id as the machine sees it, found by its mark, or None."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError):
            continue
        if f"{MARK}_HOLDER={name}".encode() in environment and _is_unshare(parent):
            return int(folder.name)
    return None


def _is_unshare(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "unshare"
    except OSError:
        return False


def create(name: str) -> int:
    """Make the namespaces of a fleet and return the holder's process id.

    Raises:
        SandboxError: namespaces are not allowed here, or the fleet is up already.
    """
    _check_tools()
    if holder(name) is not None:
        raise SandboxError(f"fleet {name!r} is up already: `hack/fleet --name {name} down` removes it")
    user = _user_namespace()
    command = [
        "unshare",
        *_flags(user),
        *(["--map-root-user"] if user else []),
        "--fork",
        "--kill-child",
        "--mount-proc",
        sys.executable,
        "-c",
        _HOLDER,
    ]
    started = subprocess.Popen(
        command,
        env=os.environ | {f"{MARK}_HOLDER": name, "PATH": _path()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    try:
        return _await_holder(name, started, user)
    except BaseException:
        started.kill()  # and with it its child, which may not even have a name yet
        raise


def _await_holder(name: str, started: "subprocess.Popen[str]", user: bool) -> int:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if started.poll() is not None:
            said = started.stderr.read().strip() if started.stderr else ""
            hint = (
                (
                    "allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces > 0, "
                    "kernel.apparmor_restrict_unprivileged_userns=0) or run as root"
                )
                if user
                else "run on a machine whose kernel allows network, mount and PID namespaces"
            )
            raise SandboxError(f"the kernel refused the fleet's namespaces ({said}): {hint}")
        if (pid := holder(name)) is not None:
            return pid
        time.sleep(0.05)
    raise SandboxError("the fleet's namespaces did not come up within 10 s")


def enter_command(pid: int, command: list[str]) -> list[str]:
    """The command line that runs `command` inside the namespaces of holder `pid`."""
    user = ["--user", "--preserve-credentials"] if _user_namespace() else []
    return ["nsenter", "--target", str(pid), *user, "--net", "--mount", "--pid", f"--wdns={Path.cwd()}", *command]


def enter_environment(name: str) -> dict[str, str]:
    """Environment of everything that runs inside: marked, and with proxies of the outside left out."""
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    return kept | {MARK: name, _INSIDE: "1", "PATH": _path()}


def run_inside(name: str, command: list[str]) -> int:
    """Run a command inside a fleet in the foreground and return its exit status; Ctrl-C reaches it.

    Raises:
        SandboxError: the fleet is not up.
    """
    pid = holder(name)
    if pid is None:
        raise SandboxError(f"fleet {name!r} is not up: start it with `hack/fleet --name {name} up`")
    child = subprocess.Popen(enter_command(pid, command), env=enter_environment(name))
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    terminate = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    try:
        return child.wait()
    finally:
        signal.signal(signal.SIGINT, previous)
        signal.signal(signal.SIGTERM, terminate)


def destroy(name: str) -> bool:
    """End a fleet: its holder with all that lives below it, and its folder. True when there was one."""
    pid = holder(name)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
        _await_end(pid)
    folder = fleets_folder() / name
    existed = folder.exists()
    shutil.rmtree(folder, ignore_errors=True)
    return pid is not None or existed


def _await_end(pid: int, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)

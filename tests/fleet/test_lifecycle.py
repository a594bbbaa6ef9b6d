"""Fleets come up beside others and go without a trace, also when somebody interrupts or kills them.

The fleets of these tests live inside the one that runs the tests, so even a failure here leaves nothing behind.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localfleet import sandbox
from localfleet.layout import MARK, REPOSITORY, fleets_folder

TOOL = REPOSITORY / "hack" / "fleet"


def outside() -> dict[str, str]:
    """The environment of somebody who is not inside a fleet."""
    return {key: value for key, value in os.environ.items() if not key.startswith((MARK, "KUBECONFIG"))}


def tool(name: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [TOOL, "--name", name, *arguments],
        env=outside(),
        text=True,
        capture_output=True,
        timeout=180,
        check=False,
    )


def running(name: str) -> list[str]:
    """Command lines of everything that carries the fleet's mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            marks = (folder / "environ").read_bytes().split(b"\0")
            if f"{MARK}={name}".encode() in marks or f"{MARK}_HOLDER={name}".encode() in marks:
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def leaves_nothing(name: str) -> None:
    deadline = time.monotonic() + 5
    while running(name) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running(name) == []
    assert not (fleets_folder() / name).exists()
    assert name not in Path("/proc/mounts").read_text()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    chosen = f"side-{os.getpid()}"
    yield chosen
    tool(chosen, "down")


def test_a_second_fleet_runs_beside_this_one_and_goes_without_a_trace(name: str) -> None:
    came = tool(name, "up", "--region", "alone")
    assert came.returncode == 0, came.stdout + came.stderr
    assert "11 running" in tool(name, "status").stdout
    told = tool(name, "exec", "--", "sh", "-c", "grep server: $KUBECONFIG").stdout
    assert told.split() == ["server:", "https://10.77.1.1:6443"]
    again = tool(name, "up", "--region", "alone")
    assert again.returncode != 0
    assert f"hack/fleet --name {name} down" in again.stdout + again.stderr
    assert "is down" in tool(name, "down").stdout
    leaves_nothing(name)


def test_a_fleet_whose_holder_was_killed_can_be_taken_down_and_come_up_again(name: str) -> None:
    assert tool(name, "up", "--region", "alone").returncode == 0
    pid = sandbox.holder(name)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while running(name) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running(name) == []
    assert "is down" in tool(name, "down").stdout
    leaves_nothing(name)


@pytest.mark.parametrize("seconds", [1.0, 6.0])
def test_ctrl_c_while_a_fleet_comes_up_takes_it_down_again(name: str, seconds: float) -> None:
    coming = subprocess.Popen(
        ["env", "--default-signal=INT", TOOL, "--name", name, "up", "--region", "alone"],  # a shell's & ignores it
        env=outside(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    time.sleep(seconds)
    os.killpg(coming.pid, signal.SIGINT)
    said, _ = coming.communicate(timeout=60)
    assert coming.returncode != 0, said
    leaves_nothing(name)

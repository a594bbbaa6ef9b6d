"""`hack/fleet --backend kind` on a machine that cannot have it: the messages, and what a fleet remembers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from localfleet import backends, cli, cli_faults, cli_view, layout
from localfleet.layout import KIND, NAMESPACES, Fleet

assert cli_faults and cli_view, "they register their commands"
ROOT = Path(__file__).resolve().parents[3]
NO_ENGINE = "unix:///nonexistent/docker.sock"


def environment(state: Path, **more: str) -> dict[str, str]:
    """A state folder of its own, and an engine that is not there."""
    return {"XDG_STATE_HOME": str(state), "HOME": str(state), "DOCKER_HOST": NO_ENGINE, "COLUMNS": "200", **more}


def fleet(state: Path, *arguments: str, **more: str) -> Result:
    """The command line, in this process."""
    return CliRunner().invoke(cli.main, ["--name", "kind-test", *arguments], env=environment(state, **more))


def program(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same as a program of its own, for commands that replace it."""
    python_path = os.pathsep.join(str(ROOT / part) for part in ("hack", "operator"))
    given = environment(state, PYTHONPATH=python_path, PATH=os.environ["PATH"])
    line = [sys.executable, "-m", "localfleet", "--name", "kind-test", *arguments]
    return subprocess.run(line, env=given, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", ["up", "tools"])
def test_missing_programs_are_named_all_at_once(tmp_path: Path, command: str) -> None:
    done = fleet(tmp_path, "--backend", "kind", command, PATH="")
    assert done.exit_code == 1
    for name in ("docker", "kind", "kubectl"):
        assert f"{name} is not on PATH: install it" in done.stderr
    assert "Without --backend kind a fleet needs no Docker." in done.stderr
    assert not list(tmp_path.glob("leeward/**/fleet.json"))


def test_the_backend_can_come_from_the_environment(tmp_path: Path) -> None:
    assert "kind is not on PATH" in fleet(tmp_path, "tools", PATH="", LEEWARD_FLEET_BACKEND="kind").stderr


def test_an_engine_that_does_not_answer_is_told_with_its_own_words(tmp_path: Path) -> None:
    if not shutil.which("docker"):
        pytest.skip("no docker client on this machine")
    done = fleet(tmp_path, "--backend", "kind", "up")
    assert done.exit_code == 1
    assert "Docker's engine does not answer: start it, or set DOCKER_HOST or `docker context`." in done.stderr
    assert NO_ENGINE in done.stderr  # the real client's own sentence names where it looked


def test_help_says_that_kind_is_not_run_by_our_checks(tmp_path: Path) -> None:
    said = " ".join(fleet(tmp_path, "--help").stdout.split())
    assert "it is covered by unit tests only" in said


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    found = Fleet("kind-test", ("west", "east"), backend=KIND, addresses=("172.18.0.2", "172.18.0.3"))
    found.save()
    return found


def test_a_fleet_remembers_what_it_is_made_of(saved: Fleet) -> None:
    assert layout.load("kind-test") == saved
    assert backends.of("kind-test") is backends.BACKENDS[KIND]
    assert [(row.address, row.users_port) for row in saved.regions] == [("172.18.0.2", 80), ("172.18.0.3", 80)]


def test_a_fleet_of_before_there_were_backends_can_still_be_taken_down(saved: Fleet) -> None:
    path = saved.folder / "fleet.json"
    stored = json.loads(path.read_text())
    del stored["backend"], stored["addresses"]
    path.write_text(json.dumps(stored))
    assert layout.load("kind-test").backend == NAMESPACES


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("logs", "west"),
        ("kill", "west", "--how", "crash"),
        ("degrade", "west", "--errors", "20%"),
        ("heal",),
        ("down",),
    ],
)
def test_later_commands_find_the_backend_and_say_what_is_missing(
    saved: Fleet, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = fleet(tmp_path, *arguments, PATH="")
    assert done.exit_code == 1 and done.stderr.startswith("Error: ") and "Traceback" not in done.stderr
    assert any(f"{name}" in done.stderr for name in ("docker", "kind", "kubectl"))
    assert saved.is_saved


def test_a_command_for_a_region_needs_docker(saved: Fleet, tmp_path: Path) -> None:
    done = fleet(tmp_path, "exec", "--host", "west", "true", PATH="/nonexistent")
    assert done.exit_code == 1 and "docker: No such file" in done.stderr


def test_a_command_for_the_users_runs_on_this_machine(saved: Fleet, tmp_path: Path) -> None:
    done = program(tmp_path, "exec", "--", "sh", "-c", "echo here; exit 3")
    assert (done.stdout, done.returncode) == ("here\n", 3)


def test_the_load_generator_runs_on_this_machine(saved: Fleet, tmp_path: Path) -> None:
    wrong = ("--hostname", "h", "--model", "m", "--duration", "1", "--rate", "-1")
    done = program(tmp_path, "load", *wrong)
    assert done.returncode == 2 and "--rate" in done.stderr
    assert "--entry" in program(tmp_path, "load", "--help-load").stdout


def test_a_fleet_of_another_backend_is_not_overwritten(saved: Fleet, tmp_path: Path) -> None:
    done = fleet(tmp_path, "--backend", NAMESPACES, "up")
    assert done.exit_code == 1 and "is up already, with another backend" in done.stderr
    assert layout.load("kind-test") == saved


def test_kubeconfigs_are_found_without_docker(saved: Fleet, tmp_path: Path) -> None:
    done = fleet(tmp_path, "kubeconfig", "east", "--operator", PATH="")
    assert Path(done.stdout.strip()) == saved.region("east").folder / "kubeconfig-operator"

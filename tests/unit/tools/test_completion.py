"""Help and completion: every command has an example, and names come from the cluster or not at all."""

import sys
from pathlib import Path

import pytest
from apiserver import ApiServer
from click.testing import CliRunner
from recorded import leeward

from leeward.cli import main
from leeward.cli.kubectl import complete

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("command", sorted({"decide", "what-if", "explain", "completion", "run"}))
def test_every_command_has_help_with_an_example(command: str) -> None:
    told = leeward(command, "--help").stdout
    assert "Example" in told
    assert f"leeward {command}" in told.split("Example", 1)[1]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_their_variable(shell: str) -> None:
    assert f"_LEEWARD_COMPLETE={shell}_complete" in leeward("completion", shell).stdout


@pytest.mark.parametrize(
    ("words", "proposed"),
    [
        (["fr"], ["freeze\tStop all changes of MODEL: weights,...", ":4"]),
        (["explain", "mod"], ["models/llama-70b", ":4"]),
        (["decide", ""], [":0"]),
        (["explain", "absent"], [":4"]),
    ],
)
def test_kubectl_is_told_what_it_can_propose(
    home: ApiServer, words: list[str], proposed: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(home.kubeconfig))
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-leeward", *words])
    complete()
    assert capsys.readouterr().out.splitlines() == proposed


def completed(line: str, kubeconfig: Path) -> list[str]:
    """What bash would propose at the end of a line."""
    words = line.split(" ")
    env = {
        "_LEEWARD_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "KUBECONFIG": str(kubeconfig),
    }
    result = CliRunner().invoke(main, [], env=env, prog_name="leeward", complete_var="_LEEWARD_COMPLETE")
    assert result.stderr == ""
    return [entry.partition(",")[2] for entry in result.stdout.splitlines() if entry]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("leeward ex", ["explain"]),
        ("leeward explain ", ["models/llama-70b"]),
        ("leeward explain -n models ll", ["llama-70b"]),
        ("leeward explain llama-70b --region e", ["eu-west4"]),
        ("leeward what-if --lose provider=", ["provider=aws", "provider=gcp"]),
        ("leeward what-if --lose us", ["us-east1"]),
    ],
)
def test_names_are_completed_from_the_cluster(home: ApiServer, line: str, names: list[str]) -> None:
    assert completed(line, home.kubeconfig) == names


def test_without_a_cluster_nothing_is_proposed_and_nothing_said(home: ApiServer, tmp_path: Path) -> None:
    assert completed("leeward explain ", tmp_path / "absent") == []
    home.refuse = 500
    assert completed("leeward explain ", home.kubeconfig) == []

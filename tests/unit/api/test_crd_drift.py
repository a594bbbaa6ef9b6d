"""crds/ holds what the models say, and hack/generate-crds tells when it does not."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from leeward.api.crd import crds, rendered

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "hack" / "generate-crds"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_committed_crds_have_not_drifted() -> None:
    assert {path.name: path.read_text("utf-8") for path in (ROOT / "crds").glob("*.yaml")} == rendered()


@pytest.mark.parametrize("name", rendered())
def test_rendered_text_says_what_was_generated(name: str) -> None:
    assert yaml.safe_load(rendered()[name]) == crds()[name]


def test_check_is_quiet_without_drift(tmp_path: Path) -> None:
    assert run("--folder", str(tmp_path)).returncode == 0
    checked = run("--check", "--folder", str(tmp_path))
    assert (checked.returncode, checked.stdout) == (0, "")


def test_check_shows_drift_and_writes_nothing(tmp_path: Path) -> None:
    run("--folder", str(tmp_path))
    stale = tmp_path / "leeward.dev_regions.yaml"
    stale.write_text(stale.read_text("utf-8").replace("scope: Cluster", "scope: Namespaced"), "utf-8")
    (tmp_path / "leeward.dev_gone.yaml").write_text("a: b\n", "utf-8")
    before = stale.read_text("utf-8")
    checked = run("--check", "--folder", str(tmp_path))
    assert checked.returncode == 1
    assert "-  scope: Namespaced\n+  scope: Cluster\n" in checked.stdout
    assert "-a: b" in checked.stdout
    assert "run hack/generate-crds" in checked.stderr
    assert stale.read_text("utf-8") == before


def test_writing_removes_what_is_no_longer_generated(tmp_path: Path) -> None:
    (tmp_path / "leeward.dev_gone.yaml").write_text("a: b\n", "utf-8")
    assert run("--folder", str(tmp_path)).returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == set(rendered())

"""hack/generate-charts: nothing has drifted, drift is seen, and a right without a reason is refused."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from charts import ROOT


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "hack/generate-charts"
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("charts", "config", "crds", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def test_nothing_has_drifted() -> None:
    checked = run("--check")
    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.parametrize(
    ("path", "old", "new", "where"),
    [
        (
            "config/home.yaml",
            "verbs: [create]",
            "verbs: [create, patch]",
            "charts/leeward/files/rbac/home-cluster.yaml",
        ),
        ("config/member.yaml", "A model's routes", "Routes", "docs/install.md"),
        ("charts/leeward/values.yaml", "dryRun: false", "dryRun: true", "charts/leeward/README.md"),
        ("crds/leeward.dev_regions.yaml", "scope: Cluster", "scope: Namespaced", "charts/leeward/files/crds"),
        ("charts/leeward-member/README.md", "| `token.create`", "| `token.make`", "charts/leeward-member/README.md"),
    ],
)
def test_drift_is_shown_and_mended(root: Path, path: str, old: str, new: str, where: str) -> None:
    text = (root / path).read_text("utf-8")
    assert old in text
    (root / path).write_text(text.replace(old, new), "utf-8")
    checked = run("--check", "--root", str(root))
    assert checked.returncode == 1
    assert where in checked.stdout and "run hack/generate-charts" in checked.stderr
    assert run("--root", str(root)).returncode == 0
    assert run("--check", "--root", str(root)).returncode == 0


def test_what_is_no_longer_generated_goes(root: Path) -> None:
    left = root / "charts/leeward/files/crds/leeward.dev_gone.yaml"
    left.write_text("a: b\n", "utf-8")
    assert "leeward.dev_gone.yaml is not generated any more" in run("--check", "--root", str(root)).stdout
    run("--root", str(root))
    assert not left.exists()


@pytest.mark.parametrize(
    ("path", "comment", "sentence"),
    [
        ("config/home.yaml", "# Says what it sees and decides\n", "a comment above it"),
        (
            "charts/leeward/values.yaml",
            "  # Decide and tell, but write nothing.\n",
            "operator.dryRun in values.yaml has no comment",
        ),
    ],
)
def test_a_reason_may_not_be_missing(root: Path, path: str, comment: str, sentence: str) -> None:
    text = (root / path).read_text("utf-8")
    assert comment in text
    (root / path).write_text(text.replace(comment, ""), "utf-8")
    refused = run("--check", "--root", str(root))
    assert refused.returncode == 1 and sentence in refused.stderr

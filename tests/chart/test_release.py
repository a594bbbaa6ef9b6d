"""`hack/release` on a tag of a clone: what it builds, that it can be built again, and what it refuses."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from charts import Helm

from localfleet import sandbox

pytestmark = pytest.mark.skipif(
    sandbox.inside(), reason="fetches what builds a release, and a fleet has no way out: `make test` runs it before one"
)

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
AUTHOR = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.com"}
COMMITTER = {"GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.com"}


def git(folder: Path, *arguments: str) -> str:
    environment = os.environ | AUTHOR | COMMITTER
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, env=environment).stdout


def release(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"IMAGE": "no"}
    return subprocess.run(
        [str(folder / "hack" / "release")], capture_output=True, text=True, check=False, env=environment, timeout=300
    )


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, helm: Helm) -> Path:
    """The work tree as the one commit of another repository, with a changelog of the version; no tag yet."""
    folder = tmp_path_factory.mktemp("release") / "clone"
    for name in git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    (folder / ".venv").symlink_to(ROOT / ".venv")
    log = folder / "CHANGELOG.md"
    log.write_text(log.read_text().replace("## [Unreleased]", f"## [Unreleased]\n\n## [{VERSION}] - 2026-11-27", 1))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "a release")
    return folder


def test_a_release_needs_its_tag(clone: Path) -> None:
    result = release(clone)
    assert (result.returncode, result.stderr) == (1, f"release: HEAD has no tag v{VERSION}: git tag -a v{VERSION}\n")


@pytest.fixture(scope="module")
def built(clone: Path) -> dict[str, bytes]:
    """What was built, by name."""
    git(clone, "tag", "--annotate", f"v{VERSION}", "--message", "a release")
    result = release(clone)
    assert result.returncode == 0, result.stderr
    return {path.name: path.read_bytes() for path in (clone / "dist").iterdir()}


def test_it_has_all_parts_and_their_checksums(built: dict[str, bytes]) -> None:
    assert set(built) == {
        f"leeward-{VERSION}.tar.gz",
        f"leeward-{VERSION}-py3-none-any.whl",
        f"leeward-{VERSION}.cdx.json",
        f"leeward-{VERSION}.tgz",
        f"leeward-member-{VERSION}.tgz",
        f"leeward-crds-{VERSION}.yaml",
        "SHA256SUMS",
    }
    sums = dict(line.split()[::-1] for line in built["SHA256SUMS"].decode().splitlines())
    assert sums == {name: hashlib.sha256(text).hexdigest() for name, text in built.items() if name != "SHA256SUMS"}


def test_the_bill_of_materials_names_every_package_that_runs(built: dict[str, bytes]) -> None:
    bill = json.loads(built[f"leeward-{VERSION}.cdx.json"])
    named = {(each["name"].lower(), each["version"]) for each in bill["components"]}
    locked = re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / "requirements" / "run.txt").read_text(), re.MULTILINE)
    assert named == set(locked)
    assert (bill["metadata"]["component"]["name"], bill["metadata"]["component"]["version"]) == ("leeward", VERSION)


def test_wheel_sdist_and_chart_hold_what_they_have_to(clone: Path, built: dict[str, bytes]) -> None:
    wheel = zipfile.ZipFile(clone / "dist" / f"leeward-{VERSION}-py3-none-any.whl").namelist()
    assert {"leeward/__main__.py", "leeward/cli/rights/member.yaml"} <= set(wheel)
    with tarfile.open(clone / "dist" / f"leeward-{VERSION}.tar.gz") as source:
        assert f"leeward-{VERSION}/crds/leeward.dev_regions.yaml" in source.getnames()
    with tarfile.open(clone / "dist" / f"leeward-{VERSION}.tgz") as chart:
        assert "leeward/files/crds/leeward.dev_regions.yaml" in chart.getnames()


def test_it_can_be_built_again(clone: Path, built: dict[str, bytes]) -> None:
    assert release(clone).returncode == 0
    for name in (f"leeward-{VERSION}.tar.gz", f"leeward-{VERSION}-py3-none-any.whl", f"leeward-{VERSION}.cdx.json"):
        assert (clone / "dist" / name).read_bytes() == built[name], name


def test_a_changed_work_tree_is_refused(clone: Path, built: dict[str, bytes]) -> None:
    (clone / "forgotten").touch()
    result = release(clone)
    (clone / "forgotten").unlink()
    assert result.returncode == 1
    assert "has changes that the tag does not" in result.stderr

"""hack/audit: what it finds in a list of known faults, and what it says when it has none."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
RANGE = [{"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "2.0"}, {"last_affected": "2.9"}]


def audit(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "hack/audit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def advisory(**fields: object) -> dict[str, object]:
    affected = {
        "package": {"ecosystem": "PyPI", "name": "Some.Package"},
        "ranges": [{"type": "GIT", "events": [{"introduced": "abc"}]}, {"type": "ECOSYSTEM", "events": RANGE}],
        "versions": ["1.10"],
    }
    return {"id": "PYSEC-1", "modified": "2026-01-02T03:04:05Z", "aliases": ["CVE-1"], "affected": [affected]} | fields


@pytest.fixture
def database(tmp_path: Path) -> Path:
    folder = tmp_path / "database"
    folder.mkdir()
    return folder


def locks(tmp_path: Path, *lines: str) -> Path:
    (tmp_path / "run.txt").write_text("".join(f"{line} \\\n    --hash=sha256:0\n" for line in lines))
    return tmp_path


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("1.1.9", True),
        ("1.2rc1", True),
        ("1.2", False),
        ("1.10", True),
        ("2.0", True),
        ("2.9", True),
        ("2.9.1", False),
    ],
)
def test_versions_are_compared_as_osv_defines_it(tmp_path: Path, database: Path, version: str, affected: bool) -> None:
    (database / "a.json").write_text(json.dumps(advisory()))
    seen = audit(database, "--requirements", locks(tmp_path, "other==1.0", f"some-package=={version}"))
    assert seen.returncode == int(affected)
    assert (f"some-package {version} (run.txt): PYSEC-1, CVE-1" in seen.stdout) is affected
    assert f"2 packages, 1 advisories, the newest of 2026-01-02: {int(affected)} found" in seen.stdout


def test_yaml_withdrawn_and_other_ecosystems(tmp_path: Path, database: Path) -> None:
    (database / "a.yaml").write_text(json.dumps(advisory(withdrawn="2026-01-03T00:00:00Z")))
    elsewhere = {"package": {"ecosystem": "npm", "name": "some-package"}, "versions": ["1.0"]}
    (database / "b.yaml").write_text(json.dumps(advisory(id="PYSEC-2", affected=[elsewhere])))
    where = locks(tmp_path, "some-package==1.0")
    assert audit(database, "--requirements", where).returncode == 0
    (database / "c.yaml").write_text(
        "id: PYSEC-3\nmodified: 2020-01-01T00:00:00Z\naffected:\n"
        "- package: {ecosystem: PyPI, name: some_package}\n  versions:\n  - 1.0\n"
    )
    seen = audit(database, "--requirements", where)
    assert (seen.returncode, seen.stdout.splitlines()[0]) == (1, "some-package 1.0 (run.txt): PYSEC-3")


def test_an_old_list_is_told(database: Path) -> None:
    (database / "a.json").write_text(json.dumps(advisory(modified="2020-01-01T00:00:00Z")))
    seen = audit(database)
    assert seen.returncode == 0
    assert "days old; get a newer one" in seen.stderr


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "no advisory in"),
        ("{}", "no advisory in"),
        ("{", "a.json cannot be read: "),
        (json.dumps(advisory()).replace("2.9", "two"), "names what is no version: "),
    ],
)
def test_without_a_list_nothing_is_said_to_be_well(tmp_path: Path, database: Path, content: str, told: str) -> None:
    if content is not None:
        (database / "a.json").write_text(content)
    seen = audit(database, "--requirements", locks(tmp_path, "some-package==9"))
    assert (seen.returncode, seen.stdout) == (2, "")
    assert told in seen.stderr

"""Charts as tests use them: rendered by the pinned helm, and read as objects."""

import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHARTS = ROOT / "charts"
IMAGE = "image.repository=registry.example.com/leeward"
EVERYTHING = (
    "quorum.region=us-east1",
    "podDisruptionBudget.enabled=true",
    "networkPolicy.restrictEgress=true",
    "serviceMonitor.enabled=true",
    "prometheusRule.enabled=true",
    "dashboard.enabled=true",
)
Document = dict[str, Any]


@dataclass(frozen=True)
class Helm:
    """The pinned helm."""

    path: Path

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run it; with `check`, a failure of helm is one of the test."""
        found = subprocess.run([self.path, *arguments], capture_output=True, text=True, check=False, timeout=120)
        assert not check or found.returncode == 0, f"helm {' '.join(arguments)}:\n{found.stderr}"
        return found

    @cache  # noqa: B019 - one helm for the whole run
    def render(self, chart: str, *settings: str, name: str = "") -> list[Document]:
        """The objects of a chart in the namespace leeward-system; the release has the name of its chart, or `name`."""
        given = [f"--set={setting}" for setting in ((IMAGE,) if chart == "leeward" else ()) + settings]
        text = self("template", name or chart, str(CHARTS / chart), "--namespace=leeward-system", *given).stdout
        return [found for found in yaml.safe_load_all(text) if found]


def documents(path: Path) -> list[Document]:
    """The objects of a YAML file."""
    return [found for found in yaml.safe_load_all(path.read_text("utf-8")) if found]


def only(found: list[Document], kind: str) -> Document:
    """The one object of a kind."""
    (one,) = (document for document in found if document["kind"] == kind)
    return one

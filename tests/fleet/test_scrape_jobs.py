"""examples/prometheus.yaml finds what Leeward reads: Prometheus' own discovery, asked what it would scrape."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from seen import KEY, Run

from leeward.adapters.objects import POD, labels_of
from localfleet import tools
from localfleet.demo.stage import Stage
from localfleet.layout import ENVOY_LABELS, ENVOY_NAMESPACE, ENVOY_STATS_PORT, REPOSITORY

pytestmark = pytest.mark.usefixtures("served")


@pytest.fixture
def promtool() -> Path:
    tool = next(tool for tool in tools.TEST_TOOLS if tool.name == "promtool")
    return tools.find(tool) or pytest.skip("promtool is not built yet: run `make tools`")


def scraped(promtool: Path, stage: Stage, job: str, folder: Path) -> list[dict[str, str]]:
    """The labels of a job's targets in the home cluster."""
    told: dict[str, Any] = yaml.safe_load((REPOSITORY / "examples" / "prometheus.yaml").read_text("utf-8"))
    for each in told["scrape_configs"]:
        (pods,) = each["kubernetes_sd_configs"]
        pods["kubeconfig_file"] = str(stage.fleet.regions[0].kubeconfig)
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(told))
    command = [promtool, "check", "service-discovery", "--timeout=5s", folder / "prometheus.yaml", job]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [row["labels"] for row in json.loads(found.stdout) if row.get("labels")]


def test_engines_are_found_with_the_names_that_queries_ask_for(
    stage: Stage, run: Run, promtool: Path, tmp_path: Path
) -> None:
    pods = run(stage.home.find(POD, KEY[0], labels_of(*KEY)))
    seen = {(row["namespace"], row["pod"], row["llm_model"]) for row in scraped(promtool, stage, "models", tmp_path)}
    assert len(pods) == 6
    assert seen == {(KEY[0], pod["metadata"]["name"], KEY[1]) for pod in pods}


def test_the_gateways_are_found_where_they_tell_their_statistics(
    stage: Stage, run: Run, promtool: Path, tmp_path: Path
) -> None:
    pods = run(stage.home.find(POD, ENVOY_NAMESPACE, ENVOY_LABELS))
    rows = scraped(promtool, stage, "envoy", tmp_path)
    assert pods
    assert {row["__address__"] for row in rows} == {f"{pod['status']['podIP']}:{ENVOY_STATS_PORT}" for pod in pods}
    assert {row["__metrics_path__"] for row in rows} == {"/stats/prometheus"}

"""examples/prometheus.yaml finds what Leeward reads: Prometheus' own discovery, asked what it would scrape."""

import json
import subprocess
from pathlib import Path

import pytest
from seen import KEY, Run

from leeward.adapters.objects import POD, labels_of
from localfleet.demo.stage import Stage
from localfleet.layout import ENVOY_LABELS, ENVOY_NAMESPACE, ENVOY_STATS_PORT
from localfleet.recipes import prometheus_configuration

pytestmark = pytest.mark.usefixtures("served")


def scraped(promtool: Path, stage: Stage, job: str, folder: Path) -> list[dict[str, str]]:
    """The labels of a job's targets in the home cluster."""
    home = stage.fleet.regions[0]
    pods = {"kubernetes_sd_configs": [{"role": "pod", "kubeconfig_file": str(home.kubeconfig)}]}
    (folder / "prometheus.yaml").write_text(prometheus_configuration(home, {job: pods}))
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

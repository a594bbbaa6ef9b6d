"""Alerts and dashboard name metrics and labels that the operator has, and alerts fire when they say they do."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from charts import CHARTS, ROOT, documents
from prometheus_client.metrics import MetricWrapperBase

from leeward.adapters.telemetry import Telemetry

FILES = CHARTS / "leeward/files"
(ALERTS,) = documents(FILES / "alerts.yaml")
DASHBOARD = json.loads((FILES / "dashboard.json").read_text("utf-8"))

EXPRESSIONS = {
    **{rule["alert"]: rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]},
    **{
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    },
    "variable model": DASHBOARD["templating"]["list"][1]["query"]["query"],
}
LEGENDS = {
    f"{panel['title']} {target['refId']}": (target["expr"], re.findall(r"{{(\w+)}}", target["legendFormat"]))
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
}
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
ADDED = {"instance", "le"}  # labels that a scrape or a histogram adds


def known() -> dict[str, set[str]]:
    """Every series of the operator, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in vars(Telemetry()).values():
        if isinstance(metric, MetricWrapperBase):
            for suffix in SUFFIXES[metric._type]:
                found[metric._name.removesuffix("_total") + suffix] = set(metric._labelnames) | ADDED
    return found


def series(expression: str) -> set[str]:
    return set(re.findall(r"\bleeward_\w+", expression))


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_series_and_their_labels_exist(where: str) -> None:
    expression, have = EXPRESSIONS[where], known()
    named = series(expression)
    assert named and named <= set(have), named - set(have)
    for name, matchers in re.findall(r"\b(leeward_\w+){([^}]*)}", expression):
        assert set(re.findall(r"(\w+)\s*[=!]", matchers)) <= have[name], expression
    common = set.intersection(*(have[name] for name in named))
    grouped = {label for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in re.findall(r"\w+", labels)}
    assert grouped <= common, expression


@pytest.mark.parametrize("where", LEGENDS)
def test_legends_use_labels_that_are_left(where: str) -> None:
    expression, used = LEGENDS[where]
    left = re.search(r"\bby \(([^)]*)\)", expression)
    have = set(re.findall(r"\w+", left[1])) if left else set.union(*(known()[name] for name in series(expression)))
    assert set(used) <= have


@pytest.mark.parametrize("name", sorted(known()))
def test_what_is_measured_is_shown(name: str) -> None:
    """A metric that neither an alert nor the dashboard uses would be found by nobody; one series of each is enough."""
    base = re.sub(r"_(bucket|count|sum)$", "", name)
    assert any(used.startswith(base) for expression in EXPRESSIONS.values() for used in series(expression))


def test_panels_do_not_overlap() -> None:
    taken = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken)) and max(x for x, _ in taken) < 24


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "--lint-fatal", FILES / "alerts.yaml"),
        ("test", "rules", Path(__file__).with_name("alerts_test.yaml")),
        ("check", "config", "--lint-fatal", ROOT / "examples/prometheus.yaml"),
    ],
    ids=["alerts", "alerts that fire", "scrape jobs"],
)
def test_rules_and_jobs_are_what_prometheus_takes(promtool: Path, arguments: tuple[str | Path, ...]) -> None:
    found = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_alert_is_seen_to_fire() -> None:
    (cases,) = documents(Path(__file__).with_name("alerts_test.yaml"))
    fired = {row["alertname"] for case in cases["tests"] for row in case["alert_rule_test"] if row.get("exp_alerts")}
    quiet = {
        row["alertname"] for case in cases["tests"] for row in case["alert_rule_test"] if not row.get("exp_alerts")
    }
    names = {rule["alert"] for group in ALERTS["groups"] for rule in group["rules"]}
    assert (fired, quiet) == (names, names)


@pytest.mark.parametrize(
    "alert", [rule for group in ALERTS["groups"] for rule in group["rules"]], ids=lambda rule: rule["alert"]
)
def test_every_alert_says_what_and_why(alert: dict) -> None:
    assert set(alert["annotations"]) == {"summary", "description"}
    assert alert["labels"]["severity"] in ("warning", "critical")

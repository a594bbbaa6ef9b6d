"""Every value does something, is told in the schema, and is refused with a sentence when it is wrong."""

import json
import tomllib
from collections.abc import Iterator

import pytest
import yaml
from charts import CHARTS, EVERYTHING, IMAGE, ROOT, Document, Helm

# A value that differs from the default, for each; a new one without a line here fails below.
OTHER = {
    "leeward": {
        "image.repository": "other.example.com/leeward",
        "image.tag": "1.2.3",
        "image.digest": "sha256:" + "0" * 64,
        "image.pullPolicy": "Always",
        "image.pullSecrets[0].name": "registry",
        "operator.intervalSeconds": "3",
        "operator.scrapeIntervalSeconds": "30",
        "operator.keepDecisions": "0",
        "operator.dryRun": "true",
        "operator.logFormat": "console",
        "operator.allowExec": "{aws}",
        "quorum.region": "eu-west4",
        "crds.install": "false",
        "rbac.create": "false",
        "priorityClass.create": "false",
        "rbac.people": "false",
        "rbac.secretNames": "{eu-west4-kubeconfig}",
        "serviceAccount.create": "false",
        "serviceAccount.name": "other",
        "serviceAccount.annotations.a": "b",
        "resources.limits.memory": "1Gi",
        "pod.labels.a": "b",
        "pod.annotations.a": "b",
        "pod.priorityClassName": "high",
        "pod.nodeSelector.a": "b",
        "pod.tolerations[0].operator": "Exists",
        "pod.affinity.nodeAffinity.a": "b",
        "service.annotations.a": "b",
        "podDisruptionBudget.enabled": "false",
        "networkPolicy.enabled": "false",
        "networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.a": "b",
        "networkPolicy.restrictEgress": "false",
        "serviceMonitor.enabled": "false",
        "serviceMonitor.labels.a": "b",
        "serviceMonitor.interval": "5s",
        "prometheusRule.enabled": "false",
        "prometheusRule.labels.a": "b",
        "dashboard.enabled": "false",
        "dashboard.labels.a": "b",
    },
    "leeward-member": {"serviceAccount.name": "other", "priorityClass.create": "false", "token.create": "true"},
}
ALL_ON = {"leeward": EVERYTHING, "leeward-member": ()}

WRONG = [  # setting, what the refusal says of it
    ("image.repository=", "image.repository is empty: no image of Leeward is published yet"),
    ("image.repository=a/b@sha256:1", "at '/image/repository'"),
    ("image.digest=1234", "at '/image/digest'"),
    ("image.pullPolicy=Sometimes", "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'"),
    ("operator.intervalSeconds=0", "at '/operator/intervalSeconds': minimum: got 0, want 1"),
    ("operator.intervalSeconds=5s", "at '/operator/intervalSeconds': got string, want integer"),
    ("operator.replicas=3", "at '/operator': additional properties 'replicas' not allowed"),
    ("networkpolicy.enabled=false", "additional properties 'networkpolicy' not allowed"),
    ("quorum.region=EU", "at '/quorum/region': 'EU' does not match pattern"),
    ("crds.install=perhaps", "at '/crds/install': got string, want boolean"),
    ("rbac.secretNames={Eu_West}", "at '/rbac/secretNames/0': 'Eu_West' does not match pattern"),
    ("serviceMonitor.interval=15", "at '/serviceMonitor/interval': got number, want string"),
]


def leaves(tree: object, path: str = "") -> Iterator[str]:
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path


@pytest.mark.parametrize("chart", OTHER)
def test_every_value_has_another_to_try(chart: str) -> None:
    values = leaves(yaml.safe_load((CHARTS / chart / "values.yaml").read_text("utf-8")))
    untried = {
        value
        for value in values
        if not any(f"{other}.".startswith((f"{value}.", f"{value}[")) for other in OTHER[chart])
        and not value.startswith(("resources.", "dashboard.labels."))
    }
    assert not untried


@pytest.mark.parametrize(("chart", "value"), [(chart, value) for chart, rows in OTHER.items() for value in rows])
def test_every_value_changes_what_is_installed(helm: Helm, chart: str, value: str) -> None:
    before = helm.render(chart, *ALL_ON[chart])
    assert helm.render(chart, *ALL_ON[chart], f"{value}={OTHER[chart][value]}") != before


FLEET = str(CHARTS / "leeward/values-fleet.yaml")


@pytest.mark.parametrize("chart", OTHER)
def test_the_schema_knows_every_default_and_nothing_else(chart: str) -> None:
    """The keys of values.yaml and of the schema are the same, at every level that the schema describes."""

    def compare(schema: Document, values: Document, path: str) -> None:
        assert schema["additionalProperties"] is False, path
        assert set(schema["properties"]) - {"global"} - set(values) <= {"claims"}, path
        for key, value in values.items():
            inner = schema["properties"][key]
            if "properties" in inner:
                compare(inner, value, f"{path}/{key}")

    schema = json.loads((CHARTS / chart / "values.schema.json").read_text("utf-8"))
    compare(schema, yaml.safe_load((CHARTS / chart / "values.yaml").read_text("utf-8")), "")


@pytest.mark.parametrize(("setting", "sentence"), WRONG)
def test_a_wrong_value_is_refused_with_a_sentence(helm: Helm, setting: str, sentence: str) -> None:
    found = helm("template", "leeward", str(CHARTS / "leeward"), f"--set={IMAGE}", f"--set={setting}", check=False)
    assert found.returncode != 0
    assert sentence in found.stderr


@pytest.mark.parametrize(
    ("chart", "arguments"),
    [
        ("leeward", ("--set", IMAGE)),
        ("leeward", ("--set", IMAGE, "--values", str(CHARTS / "leeward/values-single.yaml"))),
        ("leeward", ("--set", f"{IMAGE},quorum.region=eu-west4", "--values", FLEET)),
        ("leeward", ("--set", ",".join((IMAGE, *EVERYTHING)))),
        ("leeward-member", ()),
        ("leeward-member", ("--set", "token.create=true")),
    ],
)
def test_charts_are_without_fault_to_helm(helm: Helm, chart: str, arguments: tuple[str, ...]) -> None:
    helm("lint", "--strict", str(CHARTS / chart), *arguments)


def test_the_set_for_a_fleet_wants_the_name_of_the_region(helm: Helm) -> None:
    found = helm("template", "leeward", str(CHARTS / "leeward"), f"--set={IMAGE}", f"--values={FLEET}", check=False)
    assert found.returncode != 0
    assert "/quorum/region" in found.stderr and "NAME-OF-THIS-CLUSTERS-REGION" in found.stderr


@pytest.mark.parametrize("chart", OTHER)
def test_charts_and_package_have_one_version(chart: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    about = yaml.safe_load((CHARTS / chart / "Chart.yaml").read_text("utf-8"))
    assert (about["version"], about["appVersion"]) == (version, version)

"""What the charts render: a pod that cannot do harm, names that cannot collide, options that the operator has."""

import re

import pytest
import yaml
from charts import EVERYTHING, ROOT, Helm, documents, only

from leeward.cli.run import run

POLICY = "ValidatingAdmissionPolicy"
CLUSTER_SCOPED = {
    *("ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "PriorityClass"),
    *(POLICY, f"{POLICY}Binding"),
}


def test_the_pod_is_restricted(helm: Helm) -> None:
    """tests/fleet/test_chart.py asks an API server; this says what it is that must not get lost."""
    pod = only(helm.render("leeward"), "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)


def test_there_is_never_a_second_operator(helm: Helm) -> None:
    spec = only(helm.render("leeward"), "Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


@pytest.mark.parametrize("settings", [(), ("operator.dryRun=true", "operator.allowExec={aws,gcloud}")])
def test_the_operator_takes_the_arguments(helm: Helm, settings: tuple[str, ...]) -> None:
    pod = only(helm.render("leeward", *settings), "Deployment")["spec"]["template"]["spec"]
    command, *arguments = pod["containers"][0]["args"]
    assert command == run.name
    parsed = run.make_context("leeward run", arguments, auto_envvar_prefix=None).params
    assert (parsed["interval"], parsed["scrape_interval"], parsed["dry_run"]) == (5.0, 15.0, bool(settings))
    assert parsed["allow_exec"] == (("aws", "gcloud") if settings else ())
    named = {variable["name"] for variable in pod["containers"][0]["env"]}
    assert named == {"POD_NAME", "POD_NAMESPACE"}, "what leeward/cli/run.py reads"


def test_one_of_several_replicas_is_told_so(helm: Helm) -> None:
    pod = only(helm.render("leeward", "quorum.region=eu-west4"), "Deployment")["spec"]["template"]["spec"]
    parsed = run.make_context("leeward run", pod["containers"][0]["args"][1:], auto_envvar_prefix=None).params
    assert (parsed["quorum"], parsed["region"]) == (True, "eu-west4")


def test_the_fence_is_that_of_config_and_stops_this_release(helm: Helm) -> None:
    written = {row["metadata"]["name"] + row["kind"]: row["spec"] for row in documents(ROOT / "config/fence.yaml")}
    same = helm.render("leeward", "quorum.region=a")
    assert {row["metadata"]["name"] + row["kind"]: row["spec"] for row in same if POLICY in row["kind"]} == written
    settings = "quorum.region=a", "serviceAccount.name=other"
    blue = [row for row in helm.render("leeward", *settings, name="blue") if POLICY in row["kind"]]
    users = [each["expression"] for row in blue for each in row["spec"].get("matchConditions", ())]
    assert "request.userInfo.username == 'system:serviceaccount:leeward-system:other'" in users
    assert {row["spec"].get("policyName", row["metadata"]["name"]) for row in blue} == {
        "blue-leeward-fence",
        "blue-leeward-fence-rises",
    }
    assert not [row for row in helm.render("leeward") if POLICY in row["kind"]]


def test_the_port_is_the_one_that_is_listened_on(helm: Helm) -> None:
    found = helm.render("leeward", *EVERYTHING)
    (container,) = only(found, "Deployment")["spec"]["template"]["spec"]["containers"]
    default = next(option.default for option in run.params if option.name == "listen")
    assert [str(port["containerPort"]) for port in container["ports"]] == [str(default).rpartition(":")[2]]
    name = container["ports"][0]["name"]
    assert only(found, "Service")["spec"]["ports"][0]["targetPort"] == name
    assert only(found, "ServiceMonitor")["spec"]["endpoints"][0]["port"] == name
    assert only(found, "NetworkPolicy")["spec"]["ingress"][0]["ports"][0]["port"] == name
    assert {container[f"{probe}Probe"]["httpGet"]["port"] for probe in ("startup", "liveness", "readiness")} == {name}


def test_everything_has_its_namespace_and_the_name_of_its_release(helm: Helm) -> None:
    for document in helm.render("leeward", *EVERYTHING, name="blue"):
        kind, metadata = document["kind"], document["metadata"]
        assert metadata.get("namespace") == (None if kind in CLUSTER_SCOPED else "leeward-system"), kind
        fixed = kind in ("CustomResourceDefinition", "PriorityClass")  # pods and objects name these
        assert fixed or metadata["name"].startswith("blue-leeward"), kind
        assert metadata["labels"]["app.kubernetes.io/instance"] == "blue"


def test_selectors_find_the_pod_and_no_other(helm: Helm) -> None:
    found = helm.render("leeward", *EVERYTHING, "pod.labels.app\\.kubernetes\\.io/name=other")
    deployment = only(found, "Deployment")["spec"]
    labels, selector = deployment["template"]["metadata"]["labels"], deployment["selector"]["matchLabels"]
    assert selector.items() <= labels.items()
    assert only(found, "Service")["spec"]["selector"] == selector
    assert only(found, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == selector
    assert only(found, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == selector


def test_crds_are_ours_and_outlive_the_release(helm: Helm) -> None:
    rendered = [found for found in helm.render("leeward") if found["kind"] == "CustomResourceDefinition"]
    ours = [found for path in sorted((ROOT / "crds").glob("*.yaml")) for found in documents(path)]
    assert [found["spec"] for found in rendered] == [found["spec"] for found in ours]
    assert all(found["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for found in rendered)


def test_a_digest_decides_over_a_tag(helm: Helm) -> None:
    digest = "sha256:" + "a" * 64
    for settings, suffix in (
        ((), ":0.1.0"),
        (("image.tag=x",), ":x"),
        (("image.tag=x", f"image.digest={digest}"), f"@{digest}"),
    ):
        pod = only(helm.render("leeward", *settings), "Deployment")["spec"]["template"]["spec"]
        assert pod["containers"][0]["image"] == f"registry.example.com/leeward{suffix}"


def test_uninstalling_is_told_at_the_install(helm: Helm) -> None:
    notes = (ROOT / "charts/leeward/templates/NOTES.txt").read_text("utf-8")
    for path in ("examples/regions.yaml", "examples/modeldeployment.yaml"):
        assert path in notes and (ROOT / path).exists()
    names = {found["metadata"]["name"] for path in (ROOT / "crds").glob("*.yaml") for found in documents(path)}
    assert names == set(re.findall(r"\w+\.leeward\.dev", notes))


def test_the_rule_file_is_the_body_of_the_rule(helm: Helm) -> None:
    rule = only(helm.render("leeward", *EVERYTHING), "PrometheusRule")
    assert rule["spec"] == yaml.safe_load((ROOT / "charts/leeward/files/alerts.yaml").read_text("utf-8"))

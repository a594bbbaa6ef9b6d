"""The charts on a real API server: installed, upgraded, rolled back and removed by the pinned helm.

Everything is in a namespace of its own that enforces the restricted Pod Security Standard. The CRDs of the installed
copy are those of another group, so that the fleet's own are left alone.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, cast

import pytest
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from localfleet import gitops

ROOT = Path(__file__).resolve().parents[2]
MEMBER = ROOT / "config/member.yaml"
NAMESPACE, RELEASE, NAME = "chart-test", "chart-test", "chart-test-leeward"
GROUP = "leeward.test"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
SETTINGS = ("--set=image.repository=registry.example.com/leeward",)
Document = dict[str, Any]
Helm = Callable[..., str]


class Cluster(Protocol):
    """What the fixture `api` gives."""

    kubeconfig: Path


@pytest.fixture(scope="module")
def connection(api: Cluster) -> Iterator[Any]:
    made: Any = config.new_client_from_config(str(api.kubeconfig))  # type: ignore[no-untyped-call]
    yield made
    made.close()


@pytest.fixture(scope="module")
def helm(api: Cluster, helm_binary: Path) -> Helm:
    def run(*arguments: str) -> str:
        command = [helm_binary, *arguments, f"--kubeconfig={api.kubeconfig}", f"--namespace={NAMESPACE}"]
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert found.returncode == 0, f"helm {' '.join(arguments)}:\n{found.stderr}"
        return found.stdout

    return run


@pytest.fixture(scope="module")
def crds(connection: Any) -> client.ApiextensionsV1Api:
    return client.ApiextensionsV1Api(connection)


@pytest.fixture(scope="module")
def namespace(connection: Any) -> Iterator[str]:
    """An empty, restricted namespace."""
    core = client.CoreV1Api(connection)
    core.create_namespace({"metadata": {"name": NAMESPACE, "labels": RESTRICTED}})
    yield NAMESPACE
    core.delete_namespace(NAMESPACE)
    wait(lambda: not core.list_namespace(field_selector=f"metadata.name={NAMESPACE}").items)


@pytest.fixture
def no_class(connection: Any) -> Iterator[None]:
    """A cluster without the PriorityClass that config/member.yaml has made in this one."""
    scheduling = client.SchedulingV1Api(connection)
    made = next(row for row in yaml.safe_load_all(MEMBER.read_text()) if row["kind"] == "PriorityClass")
    scheduling.delete_priority_class(made["metadata"]["name"])
    yield
    scheduling.create_priority_class(made)


@pytest.fixture
def release(helm: Helm, namespace: str, no_class: None, crds: client.ApiextensionsV1Api) -> Iterator[str]:
    """The name for a release in it; what a test leaves of one, and of its CRDs, goes."""
    yield RELEASE
    helm("uninstall", RELEASE, "--ignore-not-found", "--wait")
    for crd in cast(Any, crds.list_custom_resource_definition()).items:
        if crd.spec.group == GROUP:
            crds.delete_custom_resource_definition(crd.metadata.name)


def wait(holds: Callable[[], bool]) -> None:
    """Ask again until it holds, for a minute at most."""
    for _ in range(300):
        if holds():
            return
        time.sleep(0.2)
    raise AssertionError("it did not hold within 60 s")


def copy_of(folder: Path, version: str, columns: int) -> Path:
    """The chart as a release with that version; its CRDs are of a test's group and show only the first few columns."""
    target = folder / f"leeward-{version}"
    shutil.copytree(ROOT / "charts/leeward", target)
    about = target / "Chart.yaml"
    about.write_text(about.read_text().replace("ersion: 0.1.0", f"ersion: {version}"))
    for path in (target / "files/crds").glob("*.yaml"):
        crd = yaml.safe_load(path.read_text().replace("leeward.dev", GROUP))
        crd["spec"]["versions"][0]["additionalPrinterColumns"] = crd["spec"]["versions"][0]["additionalPrinterColumns"][
            :columns
        ]
        path.write_text(yaml.safe_dump(crd))
    return target


def columns_of(crds: client.ApiextensionsV1Api) -> int:
    read: Any = crds.read_custom_resource_definition(f"regions.{GROUP}")
    return len(read.spec.versions[0].additional_printer_columns)


def version_of(connection: Any) -> str:
    """The version of the operator whose pod the Deployment wants."""
    read: Any = client.AppsV1Api(connection).read_namespaced_deployment(NAME, NAMESPACE)
    return read.spec.template.spec.containers[0].image.rpartition(":")[2]


def test_a_release_comes_changes_goes_back_and_leaves_what_is_served(
    helm: Helm, connection: Any, crds: client.ApiextensionsV1Api, release: str, tmp_path: Path
) -> None:
    first, second = copy_of(tmp_path, "0.1.0", columns=1), copy_of(tmp_path, "0.2.0", columns=2)
    told = helm("install", release, str(first), *SETTINGS)
    assert "Before you uninstall" in told
    assert (version_of(connection), columns_of(crds)) == ("0.1.0", 1)

    region = {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "Region",
        "metadata": {"name": "somewhere"},
        "spec": {"cluster": {"local": {}}},
    }
    objects = client.CustomObjectsApi(connection)
    wait(lambda: f"regions.{GROUP}" in established(crds))
    objects.create_cluster_custom_object(GROUP, "v1alpha1", "regions", region)

    helm("upgrade", release, str(second), *SETTINGS)
    assert (version_of(connection), columns_of(crds)) == ("0.2.0", 2), "helm itself would have left the CRD as it was"

    helm("rollback", release, "1")
    assert (version_of(connection), columns_of(crds)) == ("0.1.0", 1)

    helm("uninstall", release, "--wait")
    left: Any = client.AppsV1Api(connection).list_namespaced_deployment(NAMESPACE)
    assert left.items == []
    assert objects.get_cluster_custom_object(GROUP, "v1alpha1", "regions", "somewhere")["spec"]["cluster"] == {
        "local": {}
    }

    helm("install", release, str(second), *SETTINGS)
    assert (version_of(connection), columns_of(crds)) == ("0.2.0", 2), "a release takes over the CRDs that one left"


def test_the_pod_is_admitted_where_the_restricted_standard_is_enforced(
    helm: Helm, connection: Any, namespace: str
) -> None:
    """By the API server's own admission; a pod that runs as it likes is refused at the same place."""
    rendered = yaml.safe_load_all(helm("template", RELEASE, str(ROOT / "charts/leeward"), *SETTINGS))
    deployment = next(found for found in rendered if found and found["kind"] == "Deployment")
    pod = {"metadata": {"name": "operator"}, "spec": dict(deployment["spec"]["template"]["spec"])}
    core = client.CoreV1Api(connection)
    core.create_namespaced_service_account(namespace, {"metadata": {"name": NAME}})
    core.create_namespaced_pod(namespace, pod, dry_run="All")
    del pod["spec"]["securityContext"]
    with pytest.raises(ApiException) as refused:
        core.create_namespaced_pod(namespace, pod, dry_run="All")
    assert "violates PodSecurity" in json.loads(refused.value.body)["message"]


def test_the_notes_make_a_kubeconfig_that_may_what_config_says_and_no_more(
    helm: Helm, release: str, api: Cluster, tmp_path: Path
) -> None:
    """The commands that the member chart prints are run as they are; the API server says what came of them."""
    shutil.which("kubectl") or pytest.skip("kubectl is not on PATH")
    told = (
        helm("install", release, str(ROOT / "charts/leeward-member")).split("NOTES:")[1].split("In the home cluster")[0]
    )
    commands = [line.strip() for line in told.splitlines() if line.startswith("  ")]
    admin = yaml.safe_load(api.kubeconfig.read_text())
    named = (
        f"--tls-server-name={admin['clusters'][0]['cluster']['tls-server-name']}"  # the fleet's own way to be trusted
    )
    commands.append(f"kubectl --kubeconfig member.kubeconfig config set-cluster member {named}")
    environment = os.environ | {"KUBECONFIG": str(api.kubeconfig)}
    script = "\n".join(("set -euo pipefail", *commands))
    subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, check=True, timeout=60)

    made: Any = config.new_client_from_config(str(tmp_path / "member.kubeconfig"))  # type: ignore[no-untyped-call]
    with made as member:
        review = client.AuthorizationV1Api(member)

        def may(verb: str, group: str, resource: str) -> bool:
            attributes = {"verb": verb, "group": group, "resource": resource, "namespace": "models"}
            answered: Any = review.create_self_subject_access_review({"spec": {"resourceAttributes": attributes}})
            return bool(answered.status.allowed)

        assert may("patch", "gateway.networking.k8s.io", "httproutes")
        assert may("delete", "apps", "deployments")
        assert not may("get", "", "secrets")
        assert not may("create", "", "pods")
        assert not may("patch", "leeward.dev", "modeldeployments")


def established(crds: client.ApiextensionsV1Api) -> set[str]:
    """Names of the CRDs whose kinds are served."""
    return {
        each.metadata.name
        for each in cast(Any, crds.list_custom_resource_definition()).items
        for condition in each.status.conditions or ()
        if (condition.type, condition.status) == ("Established", "True")
    }


@pytest.fixture(scope="module")
def foreign_kinds(connection: Any, crds: client.ApiextensionsV1Api) -> Iterator[None]:
    """The kinds that examples/ and the chart have of other projects, for as long as the tests of this file run."""
    found = [yaml.safe_load(path.read_text()) for path in gitops.crds()]
    for crd in found:
        crd["metadata"].pop("labels", None)  # cert-manager's are a template of its chart's
        crds.create_custom_resource_definition(crd)
    names = {crd["metadata"]["name"] for crd in found}
    wait(lambda: names <= established(crds))
    yield
    for name in names:
        crds.delete_custom_resource_definition(name)


EXAMPLES = [
    pytest.param(document, id=f"{path.stem} {document['kind']} {document['metadata']['name']}")
    for path in (*sorted((ROOT / "examples/gitops").glob("*.yaml")), ROOT / "examples/certificate.yaml")
    for document in yaml.safe_load_all(path.read_text())
]


@pytest.mark.usefixtures("foreign_kinds")
@pytest.mark.parametrize("document", EXAMPLES)
def test_examples_of_other_projects_kinds_are_valid(connection: Any, namespace: str, document: Document) -> None:
    """By a strict dry run, against the CRDs of the pinned versions."""
    check(connection, namespace, document)


@pytest.mark.usefixtures("foreign_kinds")
@pytest.mark.parametrize("kind", ["ServiceMonitor", "PrometheusRule"])
def test_what_the_prometheus_operator_reads_is_valid(connection: Any, helm: Helm, namespace: str, kind: str) -> None:
    single = ROOT / "charts/leeward/values-single.yaml"
    rendered = helm("template", RELEASE, str(ROOT / "charts/leeward"), *SETTINGS, f"--values={single}")
    check(
        connection, namespace, next(found for found in yaml.safe_load_all(rendered) if found and found["kind"] == kind)
    )


def check(connection: Any, namespace: str, document: Document) -> None:
    """Have the object accepted, and refused once there is a field in it that nobody knows."""
    group, version = document["apiVersion"].split("/")
    body = document | {"metadata": document["metadata"] | {"namespace": namespace}}
    plural = f"{document['kind'].lower()}s".replace("ys", "ies")
    create = client.CustomObjectsApi(connection).create_namespaced_custom_object
    create(group, version, namespace, plural, body, dry_run="All", field_validation="Strict")
    broken = body | {"spec": body["spec"] | {"nobodyKnowsThis": 1}}
    with pytest.raises(ApiException, match="nobodyKnowsThis"):
        create(group, version, namespace, plural, broken, dry_run="All", field_validation="Strict")


def test_kustomize_applies(api: Cluster) -> None:
    """`kubectl apply -k config` is accepted as a whole, by a dry run on the server; the namespace is there already."""
    kubectl = shutil.which("kubectl") or pytest.skip("kubectl is not on PATH")
    command = [kubectl, f"--kubeconfig={api.kubeconfig}", "apply", "--server-side", "--force-conflicts"]
    found = subprocess.run(
        [*command, "--dry-run=server", "--validate=strict", "-k", str(ROOT / "config")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("serverside-applied (server dry run)") == len(found.stdout.splitlines()) > 10

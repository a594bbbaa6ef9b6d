"""What the API server itself accepts and refuses: each refusal has to name the fix."""

import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from leeward.adapters.objects import differs
from leeward.api.common import GROUP, VERSION
from leeward.api.crd import crds
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMESPACE = "default"
MODELS = (NAMESPACE, "modeldeployments")
AUTOSCALERS = ("horizontalpodautoscaler", "scaledobject")
GONE = "<remove this field>"
Document = dict[str, Any]


class Cluster(Protocol):
    """What the fixture `api` gives."""

    kubeconfig: Path


class Server:
    """One region's API server with Leeward's CRDs, asked as strictly as kubectl asks."""

    def __init__(self, kubeconfig: Path) -> None:
        connection: Any = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]
        self.objects: Any = client.CustomObjectsApi(connection)
        self.definitions = client.ApiextensionsV1Api(connection)

    def install(self, crd: Document) -> None:
        """Apply a CRD and wait until it is served."""
        name = crd["metadata"]["name"]
        self.definitions.patch_custom_resource_definition(
            name, crd, field_manager="test-crds", force=True, _content_type="application/apply-patch+yaml"
        )
        for _ in range(100):
            read = self.definitions.read_custom_resource_definition(name)
            conditions = read.status.conditions if read.status else None
            if any(each.type == "Established" and each.status == "True" for each in conditions or []):
                return
            time.sleep(0.1)
        raise AssertionError(f"{name} was not established within 10 s")

    def create(self, document: Document, *, dry_run: bool = True) -> Document:
        """Create an object, by default without keeping it."""
        options = {"field_validation": "Strict"} | ({"dry_run": "All"} if dry_run else {})
        if document["kind"] == "Region":
            create = self.objects.create_cluster_custom_object
            place: tuple[str, ...] = ("regions",)
        else:
            create, place = self.objects.create_namespaced_custom_object, MODELS
        made: Document = create(GROUP, VERSION, *place, document, **options)
        return made

    def replace(self, document: Document, *, status: bool = False) -> Document:
        """Replace a ModelDeployment, or only its status."""
        suffix = "_status" if status else ""
        put = getattr(self.objects, f"replace_namespaced_custom_object{suffix}")
        name = document["metadata"]["name"]
        made: Document = put(GROUP, VERSION, *MODELS, name, document, field_validation="Strict")
        return made

    def delete(self, name: str) -> None:
        """Delete a ModelDeployment."""
        self.objects.delete_namespaced_custom_object(GROUP, VERSION, *MODELS, name)


@pytest.fixture(scope="module")
def server(api: Cluster) -> Server:
    """The API server, with the CRDs as the models describe them now."""
    made = Server(api.kubeconfig)
    for crd in crds().values():
        made.install(crd)
    return made


def model_document(file: str = "modeldeployment") -> Document:
    """An example model, to be spoilt, in the namespace of these tests."""
    document: Document = yaml.safe_load((EXAMPLES / f"{file}.yaml").read_text("utf-8"))
    document["metadata"] = {"name": "crd-test", "namespace": NAMESPACE}
    return document


def region_documents() -> list[Document]:
    """The example regions, one for each provider of node pools at the end."""
    files = (EXAMPLES / "regions.yaml", *sorted((EXAMPLES / "pools").glob("*.yaml")))
    return [document for path in files for document in yaml.safe_load_all(path.read_text("utf-8"))]


def region_document() -> Document:
    """An example region that is reached by kubeconfig, to be spoilt."""
    document = copy.deepcopy(region_documents()[1])
    document["metadata"]["name"] = "crd-test"
    return document


def spoil(document: Document, path: str, value: Any) -> Document:
    """`document` with the value at a dotted path (digits index lists) replaced, or removed."""
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
    node: Any = document
    for part in parents:
        node = node[part] if isinstance(part, int) else node.setdefault(part, {})
    if value == GONE:
        del node[last]
    else:
        node[last] = value
    return document


def message_of(refusal: ApiException) -> str:
    return str(json.loads(refusal.body or "{}")["message"])


ENTRY = {"name": "us-east1", "share": 50, "replicas": {"min": 1, "max": 2}}
TEMPLATE = {"spec": {"containers": [{"name": "server", "image": "example.com/server:1"}]}}

HPA: Document = {"metrics": [{"type": "Pods", "pods": {"metric": {"name": "m"}}}]}
KEDA: Document = {"provider": "ScaledObject", "triggers": [{"type": "cron", "metadata": {}}]}
COLD = {
    "model": {"name": "m"},
    "template": TEMPLATE,
    "accelerator": {"type": "l4"},
    "regions": [{"name": "a", "share": 1, "replicas": {"min": 0, "max": 1}}],
    "autoscaling": HPA,
}

BAD_MODELS: list[tuple[str, Any, str]] = [
    ("spec.regions", GONE, "spec.regions: Invalid value: name at least one region"),
    ("spec.regions", [], "name at least one region in regions, such as {name: us-east1"),
    ("spec.regions", [ENTRY, ENTRY], 'spec.regions[1]: Duplicate value: {"name":"us-east1"}'),
    ("spec.regions", [ENTRY | {"share": 0}], "give at least one region a share above 0"),
    ("spec.regions", [ENTRY | {"name": f"r{n}"} for n in range(17)], "must have at most 16 items"),
    ("spec.regions.0.name", "US East", "spec.regions[0].name"),
    ("spec.regions.0.share", 101, "less than or equal to 100"),
    ("spec.regions.0.share", GONE, "spec.regions[0].share: Required value"),
    ("spec.regions.0.replicas", {"min": 5, "max": 2}, "lower min or raise max"),
    ("spec.regions.0.weight", 5, 'unknown field "spec.regions[0].weight"'),
    ("spec.objectives.ttft", {"percentile": 100, "seconds": "1"}, "percentile must lie between 1 and 99"),
    ("spec.objectives.itl", {"percentile": 0, "seconds": "1"}, "percentile must lie between 1 and 99"),
    ("spec.objectives.ttft", {"percentile": 95, "seconds": "0"}, "write a decimal number above 0 in quotes"),
    ("spec.objectives.availability", "100", "above 0 and below 100"),
    ("spec.objectives.availability", "0", "above 0 and below 100"),
    ("spec.objectives.availability", "0.0", "above 0 and below 100"),
    ("spec.objectives.availability", "99,5", 'such as "99.5"'),
    ("spec.objectives.availability", "-1", 'such as "99.5"'),
    ("spec.objectives.availability", 99.5, 'must be of type string: "number"'),
    ("spec.objectives.avalability", "99", 'unknown field "spec.objectives.avalability"'),
    ("spec.server", GONE, "set server (an image and its arguments) or template"),
    ("spec.template", TEMPLATE, "server and template exclude each other: remove one of them"),
    ("spec.server.image", GONE, "spec.server.image: Required value"),
    ("spec.server.engine", "vlm", 'supported values: "vllm", "sglang"'),
    ("spec.server.healthPath", "health", "spec.server.healthPath"),
    ("spec.server.env", [{"name": "A", "value": "1"}] * 2, "spec.server.env[1]: Duplicate value"),
    ("spec.server.env.0.value", "x", "value and valueFrom exclude each other"),
    ("spec.server.env.0.valueFrom", {}, "set exactly one of secretKeyRef, configMapKeyRef and fieldRef"),
    ("spec.server.resources.requests.memory", "200 GB", "spec.server.resources.requests.memory"),
    ("spec.accelerator.count", 0, "greater than or equal to 1"),
    ("spec.accelerator", GONE, "spec.accelerator: Required value"),
    ("spec.capacity.requestsPerSecondPerReplica", "0", "write a decimal number above 0 in quotes"),
    ("spec.capacity.targetUtilization", 120, "less than or equal to 100"),
    ("spec.traffic.hostnames", ["https://llama.example.com"], "spec.traffic.hostnames[0]"),
    ("spec.traffic.hostnames", ["a.example.com", "a.example.com"], "Duplicate value"),
    ("spec.traffic.minInterval", "10 seconds", "such as 90s, 2m or 1h30m"),
    ("spec.traffic.policy", "Nearest", 'supported values: "LocalFirst", "Shares"'),
    ("spec.failback.bake", "30m1h", "such as 90s, 2m or 1h30m"),
    ("spec.failback.steps", [50, 5, 100], "steps must rise and end at 100"),
    ("spec.failback.steps", [5, 50], "steps must rise and end at 100"),
    ("spec.failback.steps", [], "at least 1 items"),
    ("spec.failback.flapPenaltyResume", 2000, "flapPenaltyResume must be below flapPenaltyStop"),
    ("spec.failover.mode", "On", 'supported values: "Automatic", "Recommend", "Off"'),
    ("spec.model.name", "", "spec.model.name"),
    ("spec.autoscaling", {}, "HorizontalPodAutoscaler needs metrics: list at least one MetricSpec"),
    ("spec.autoscaling", {"metrics": []}, "HorizontalPodAutoscaler needs metrics: list at least one MetricSpec"),
    ("spec.autoscaling", {"provider": "ScaledObject"}, "ScaledObject needs triggers: list at least one of KEDA's"),
    ("spec.autoscaling", HPA | {"triggers": [{}]}, "triggers and providerSpec are for KEDA: remove them"),
    ("spec.autoscaling", HPA | {"providerSpec": {}}, "triggers and providerSpec are for KEDA: remove them"),
    ("spec.autoscaling", KEDA | {"behavior": {}}, "providerSpec.advanced.horizontalPodAutoscalerConfig"),
    ("spec.autoscaling", HPA | {"provider": "VerticalPodAutoscaler"}, 'supported values: "HorizontalPodAutoscaler"'),
    ("spec", COLD, "set replicas.min of every region to 1 or more, or use provider ScaledObject"),
    ("metadata.name", "llama.70b", "choose a shorter name"),
    ("metadata.name", "l" * 41, "choose a shorter name"),
]

EKS: Document = {
    "provider": "eks",
    "eks": {"clusterName": "c", "nodeRole": "arn:aws:iam::111122223333:role/n", "subnets": ["subnet-1"]},
}
GKE: Document = {"provider": "gke", "gke": {"cluster": "c", "location": "europe-west4"}}
KARPENTER: Document = {
    "provider": "karpenter",
    "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "gpu"},
}
TWO_OWNED: Document = {"sizeOwner": "Leeward", "capacityTypes": ["on-demand", "spot"]}

PEM, REFERENCE = "-----BEGIN CERTIFICATE-----", {"name": "a", "namespace": "b"}
BAD_REGIONS: list[tuple[str, Any, str]] = [
    ("spec.cluster", GONE, "say how to reach the cluster: set cluster.local"),
    ("spec.cluster", {}, "say how to reach the cluster: set cluster.local"),
    ("spec.cluster.local", {}, "keep one of local, kubeconfigSecretRef and clusterProfileRef"),
    (
        "spec.cluster.clusterProfileRef",
        {"name": "a", "namespace": "b"},
        "keep one of local, kubeconfigSecretRef",
    ),
    ("spec.cluster.kubeconfigSecretRef.namespace", GONE, "kubeconfigSecretRef.namespace: Required value"),
    ("spec.cluster.kubeConfig", {}, 'unknown field "spec.cluster.kubeConfig"'),
    ("spec.gateway.address", "http://us-east1.example.com", "without scheme, port or path"),
    ("spec.gateway.address", "us-east1.example.com:80", "without scheme, port or path"),
    ("spec.gateway.address", "169.254.169.254", "must not be link-local"),
    ("spec.gateway.servePort", 80, "usersPort and servePort must differ"),
    ("spec.gateway.serveListener", "users", "must name two different listeners"),
    ("spec.gateway.tls", {"caCertificates": PEM}, "clientSecretRef: Required value"),
    ("spec.gateway.tls", {"caCertificates": "x", "clientSecretRef": REFERENCE}, "must be certificates as PEM"),
    (
        "spec.gateway.tls",
        {"caCertificates": f"{PEM}-----BEGIN PRIVATE KEY-----", "clientSecretRef": REFERENCE},
        "certificates as PEM, and no key",
    ),
    ("spec.gateway.usersPort", 70000, "less than or equal to 65535"),
    ("spec.prometheus.url", "prometheus.example.com", "spec.prometheus.url"),
    ("spec.prometheus", {"url": "http://p.example.com", "tls": {}}, "use an https url or remove tls"),
    ("spec.prometheus.tls.insecureSkipVerify", True, "unknown field"),
    ("spec.nodePools.provider", "karpenter", "provider karpenter needs nodeClassRef"),
    ("spec.nodePools.provider", "karpentr", "provider must be one of karpenter, machine-deployment, machine-pool"),
    ("spec.nodePools.provider", "machine-deployment", "needs clusterApi with clusterName, bootstrap and templates"),
    ("spec.nodePools.provider", "machine-pool", "needs clusterApi with clusterName and infrastructureKind"),
    ("spec.nodePools.provider", "gke", "provider gke needs gke: name the cluster and its location"),
    ("spec.nodePools.provider", "eks", "provider eks needs eks: name the cluster, the nodes' role"),
    ("spec.nodePools.provider", "aks", "provider aks needs aks: name the cluster"),
    ("spec.nodePools", EKS | {"capacityTypes": ["reserved"]}, "capacityTypes reserved is known to karpenter only"),
    ("spec.nodePools", EKS | TWO_OWNED, "so capacityTypes must name exactly one kind of capacity"),
    ("spec.nodePools", {**GKE, "sizeOwner": "Leeward"}, "needs gke.nodeLocations: GKE counts nodes per zone"),
    ("spec.nodePools", {"managedIn": "management"}, "remove it with providers karpenter and static"),
    ("spec.nodePools", {**KARPENTER, "managedIn": "management"}, "remove it with providers karpenter and static"),
    ("spec.nodePools.accelerators", [{"type": "a", "machine": "m"}], "say with acceleratorsPerNode how many"),
    ("spec.nodePools.accelerators", [{"type": "a"}], "say something of these nodes: nodeLabels"),
    ("spec.nodePools.taints", [{"key": "a", "effect": "NO_SCHEDULE"}], "taints[0].effect"),
    ("spec.nodePools.sizeOwner", "Nobody", 'supported values: "Autoscaler", "Leeward"'),
    ("spec.nodePools", {"provider": "aks", "aks": {"cluster": "c", "version": "2025-08-01"}}, "aks.version"),
    ("spec.nodePools.capacityTypes", ["spot", "spot"], "Duplicate value"),
    ("spec.failureDomains", {"Region": "a"}, "not None or Region"),
    ("spec.failureDomains", {"k" * 64: "a"}, "63 characters at most"),
    ("metadata.name", "us.east1", "choose a shorter name"),
]


@pytest.mark.parametrize(("path", "value", "fragment"), BAD_MODELS)
def test_bad_model_is_refused_with_the_fix(server: Server, path: str, value: Any, fragment: str) -> None:
    with pytest.raises(ApiException) as refusal:
        server.create(spoil(model_document(), path, value))
    assert fragment in message_of(refusal.value)


@pytest.mark.parametrize(("path", "value", "fragment"), BAD_REGIONS)
def test_bad_region_is_refused_with_the_fix(server: Server, path: str, value: Any, fragment: str) -> None:
    with pytest.raises(ApiException) as refusal:
        server.create(spoil(region_document(), path, value))
    assert fragment in message_of(refusal.value)


GOOD_POOLS: list[Document] = [
    EKS | {"managedIn": "management", "namespace": "fleet"},
    {"provider": "rack.example.com", "managedIn": "management", "providerSpec": {"rows": [1, {"deep": True}]}},
    GKE | {"providerSpec": {"management": {"autoUpgrade": False}}},
]


@pytest.mark.parametrize("pools", GOOD_POOLS, ids=lambda each: str(each["provider"]))
def test_good_node_pools_are_accepted_and_kept_whole(server: Server, pools: Document) -> None:
    made = server.create(spoil(region_document(), "spec.nodePools", pools))["spec"]["nodePools"]
    assert not differs(pools, made)


@pytest.mark.parametrize("document", region_documents(), ids=lambda each: str(each["metadata"]["name"]))
def test_example_region_is_accepted_and_read(server: Server, document: Document) -> None:
    document = copy.deepcopy(document)
    document["metadata"]["name"] += "-crd-test"  # the fleet may hold the example itself
    assert Region.read(server.create(document)).spec == Region.read(document).spec


@pytest.mark.parametrize("file", ["modeldeployment", *(f"autoscaling/{kind}" for kind in AUTOSCALERS)])
def test_example_model_is_accepted_and_read(server: Server, file: str) -> None:
    document = model_document(file)
    assert ModelDeployment.read(server.create(document)).spec == ModelDeployment.read(document).spec


GOOD_MODELS: list[tuple[str, Any]] = [
    ("spec.regions", [ENTRY | {"name": f"r{n}"} for n in range(16)]),
    ("spec.regions", [ENTRY | {"share": 100}]),
    ("spec.objectives.availability", "99.999"),
    ("spec.objectives.availability", "0.5"),
    ("spec.failback.bake", "1h30m"),
    ("spec.failback.steps", [100]),
    ("spec.failover.cooldown", "0s"),
    ("spec.traffic.hostnames", ["*.models.example.com"]),
    ("spec.redundancy.survive", "provider"),
    ("spec.freeze", True),
    ("spec.autoscaling", HPA),
    ("spec", COLD | {"autoscaling": KEDA}),
]


@pytest.mark.parametrize(("path", "value"), GOOD_MODELS)
def test_good_model_is_accepted(server: Server, path: str, value: Any) -> None:
    assert server.create(spoil(model_document(), path, value))["kind"] == "ModelDeployment"


@pytest.mark.parametrize("address", ["10.77.1.1", "2001:db8::1", "us-east1.models.example.com"])
def test_gateway_address_may_be_ip_or_name(server: Server, address: str) -> None:
    assert server.create(spoil(region_document(), "spec.gateway.address", address))["kind"] == "Region"


def test_pod_template_is_kept_whole(server: Server) -> None:
    document = spoil(model_document(), "spec.server", GONE)
    volume = {"name": "shm", "emptyDir": {"medium": "Memory"}}
    document["spec"]["template"] = {"metadata": {}, "spec": {**TEMPLATE["spec"], "volumes": [volume]}}
    assert server.create(document)["spec"]["template"] == document["spec"]["template"]


def test_pod_template_needs_a_container(server: Server) -> None:
    document = spoil(model_document(), "spec.server", GONE)
    document["spec"]["template"] = {"spec": {"containers": []}}
    with pytest.raises(ApiException) as refusal:
        server.create(document)
    assert "spec.template.spec.containers" in message_of(refusal.value)


def test_server_fills_the_same_defaults_as_the_models(server: Server) -> None:
    document = model_document()
    document["spec"] = yaml.safe_load(
        "{model: {name: m}, server: {image: i}, accelerator: {type: l4}, "
        "regions: [{name: a, share: 1, replicas: {max: 1}}]}"
    )
    assert server.create(document)["spec"] == without_empty(ModelDeployment.read(document).spec.wire())


def without_empty(part: Document) -> Document:
    """`part` without the lists and maps that are empty: the API server does not fill those in."""
    trimmed = {name: without_empty(value) if isinstance(value, dict) else value for name, value in part.items()}
    return {name: value for name, value in trimmed.items() if value not in ([], {})}


@pytest.fixture
def stored(server: Server) -> Iterator[Document]:
    """A model that is really stored, for what only updates show."""
    made = server.create(model_document(), dry_run=False)
    yield made
    server.delete("crd-test")


def test_model_name_cannot_change(server: Server, stored: Document) -> None:
    with pytest.raises(ApiException) as refusal:
        server.replace(spoil(copy.deepcopy(stored), "spec.model.name", "another/model"))
    assert "model.name cannot change: create another ModelDeployment" in message_of(refusal.value)


def test_other_fields_can_change(server: Server, stored: Document) -> None:
    changed = spoil(copy.deepcopy(stored), "spec.model.revision", "2026-11")
    changed = spoil(changed, "spec.accelerator.type", "nvidia-h200")
    changed["spec"]["regions"].pop()
    assert server.replace(changed)["metadata"]["generation"] == 2


STATUS = """
observedGeneration: 1
conditions:
- {type: Ready, status: "True", reason: AllReady, message: all are ready, observedGeneration: 1,
   lastTransitionTime: "2026-11-24T05:00:00Z"}
readyReplicas: 6/6
weightsSummary: us-east1 50 eu-west4 50
health: healthy
regions:
- {name: us-east1, verdict: healthy, phase: active, weight: 50, targetWeight: 50, capacity: "12.5",
   utilization: 40, replicas: {ready: 3, desired: 3, standby: 1}, reason: every reading is good}
weights:
- {entry: us-east1, serving: [{region: us-east1, percent: 100}]}
memory: '{"epoch":1}'
"""


def test_status_is_a_subresource_and_keeps_every_field(server: Server, stored: Document) -> None:
    status = yaml.safe_load(STATUS)
    kept = server.replace(stored | {"status": status}, status=True)
    assert kept["status"] == status == ModelDeployment.read(kept).status.wire()
    assert kept["metadata"]["generation"] == 1

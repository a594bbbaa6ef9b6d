"""Every kind of node pool on a real API server with the real CRDs: schema, CEL, field ownership, moves, rights."""

import asyncio
import copy
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml
from cases import CASES, GCP, REPLICAS, model, region
from poolworld import NAMESPACE, Body, crds, install, missing, node, play, pod
from seen import Run

from leeward import apply
from leeward.adapters.clusters import KubernetesCluster, from_file, from_kubeconfig
from leeward.adapters.members import Member
from leeward.adapters.objects import DEPLOYMENT, NODE, POD, differs, labels_of
from leeward.adapters.pools import Pool, PoolKinds, Range, Registry
from leeward.adapters.pools.nodes import node_seen
from leeward.adapters.pools.port import POOL_LABEL, merged
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.core.phases import Phase
from leeward.core.plan import RegionPlan
from leeward.core.verdict import Verdict
from leeward.ports import Denied, Invalid, Kind, KubeObject, Ref
from leeward.provision import SIZE_WRITER, Placement, Provider, nodes_condition, order
from localfleet.bootstrap import REPOSITORY, apply_all, documents

Change = dict[str, Any]


class Api(Protocol):
    """What the fixture `api` gives."""

    kubeconfig: Path


@pytest.fixture(scope="module")
def server(api: Api, loop: asyncio.AbstractEventLoop) -> Iterator[KubernetesCluster]:
    """The API server with every CRD of pools at hand; those that were not there before are removed again."""
    run = loop.run_until_complete
    cluster = run(from_file("home", api.kubeconfig, deadline_seconds=20.0))
    new = run(install(cluster, list(crds().values())))
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": NAMESPACE}}
    run(apply_all(cluster, [account]))
    yield cluster
    for ref in new:
        run(cluster.delete(ref))
    run(cluster.close())


def here(read: ModelDeployment | Region) -> Any:
    """A model or Region that keeps its objects in the tests' namespace."""
    document = read.wire()
    if isinstance(read, ModelDeployment):
        document["metadata"]["namespace"] = NAMESPACE
        return ModelDeployment.read(document)
    document["spec"]["nodePools"] |= {"namespace": NAMESPACE}
    document["spec"]["nodePools"].pop("managedIn", None)
    return Region.read(document)


MODEL: ModelDeployment = here(model())


def wanted(case: str, change: Change | None = None, replicas: Range = REPLICAS) -> tuple[Pool, ...]:
    """A case's pools; skips the test, with the reason, where their CRD is not at hand."""
    example, base = CASES[case]
    place: Region = here(region(example, merged(base, change or {})))
    for kind in Registry().object_kinds([place]).used:
        if why := missing(kind):
            pytest.skip(why)
    return Registry().pools(MODEL, place, replicas)


def ordered(server: KubernetesCluster, run: Run, pools: tuple[Pool, ...]) -> tuple[list[Body], list[str]]:
    """All objects ordered; what they are then, and what was written."""
    written: list[str] = []
    return [run(order(server, made, written)) for pool in pools for made in pool.objects], written


def ref_of(body: Body) -> Ref:
    metadata = body["metadata"]
    return Ref(
        Kind(body["apiVersion"], body["kind"], "namespace" in metadata), metadata.get("namespace", ""), metadata["name"]
    )


def at(body: Body, path: str) -> Any:
    found: Any = body
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


@pytest.fixture(autouse=True)
def tidy(request: pytest.FixtureRequest, run: Run) -> Iterator[None]:
    """Leaves no pool, node or pod behind."""
    yield
    if "server" not in request.fixturenames:
        return
    server = request.getfixturevalue("server")
    run(apply.remove(server, (NAMESPACE, MODEL.metadata.name), PoolKinds(Registry().object_kinds([]).known)))
    for name in ("pools-new", "pools-old"):
        run(server.delete(Ref(NODE, "", name)))
        run(server.delete(Ref(POD, NAMESPACE, name)))


@pytest.mark.parametrize("case", CASES)
def test_the_api_server_takes_every_object_and_keeps_every_field(
    server: KubernetesCluster, run: Run, case: str
) -> None:
    pools = wanted(case)
    live, _ = ordered(server, run, pools)
    for made, body in zip([made for pool in pools for made in pool.objects], live, strict=True):
        assert not differs(merged(made.body, made.size), body)


@pytest.mark.parametrize("case", CASES)
def test_ordering_twice_writes_once(server: KubernetesCluster, run: Run, case: str) -> None:
    pools = wanted(case)
    _, first = ordered(server, run, pools)
    _, again = ordered(server, run, pools)
    assert first
    assert again == []


@pytest.mark.parametrize("case", CASES)
def test_each_writer_owns_its_part_and_nothing_else(server: KubernetesCluster, run: Run, case: str) -> None:
    pools = wanted(case)
    for made, body in zip(
        [made for pool in pools for made in pool.objects], ordered(server, run, pools)[0], strict=True
    ):
        owners = {row["manager"]: row["fieldsV1"] for row in body["metadata"]["managedFields"]}
        assert set(owners) == ({"leeward", SIZE_WRITER} if made.size else {"leeward"})
        if made.size:
            assert set(owners[SIZE_WRITER]) == {"f:spec"}


SIZES = [
    # case, where the number stands, bounds that then change
    ("machine-deployment", "spec.replicas", "spec.replicas"),
    ("machine-pool", "spec.replicas", "spec.replicas"),
    ("eks", "spec.scalingConfig.desiredSize", "spec.scalingConfig.maxSize"),
    ("gke", "spec.nodeCount", "spec.autoscaling.totalMaxNodeCount"),
    ("aks", "spec.count", "spec.maxCount"),
]


@pytest.mark.parametrize(("case", "size", "bound"), SIZES, ids=[row[0] for row in SIZES])
def test_an_autoscalers_number_survives_a_change_of_bounds(
    server: KubernetesCluster, run: Run, case: str, size: str, bound: str
) -> None:
    live = ordered(server, run, wanted(case))[0][-1]
    keys = size.split(".")
    patch: Any = 6
    for key in reversed(keys):
        patch = {key: patch}
    run(server.patch(ref_of(live), patch))
    after, written = ordered(server, run, wanted(case, replicas=Range(3, 3, 21)))
    assert written or bound == size
    assert at(after[-1], size) == 6
    assert bound == size or at(after[-1], bound) != at(live, bound)


@pytest.mark.parametrize(
    ("case", "size", "count"),
    [
        ("karpenter-static", "spec.replicas", 3),
        ("machine-deployment-fixed", "spec.replicas", 3),
        ("machine-pool-fixed", "spec.replicas", 3),
        ("eks-fixed-spot", "spec.scalingConfig.desiredSize", 3),
        ("gke-fixed", "spec.nodeCount", 2),
        ("aks-fixed", "spec.count", 3),
    ],
)
def test_a_number_that_is_ours_is_put_back(
    server: KubernetesCluster, run: Run, case: str, size: str, count: int
) -> None:
    live = ordered(server, run, wanted(case))[0][-1]
    assert at(live, size) == count
    patch: Any = 9
    for key in reversed(size.split(".")):
        patch = {key: patch}
    run(server.patch(ref_of(live), patch))
    after, written = ordered(server, run, wanted(case))
    assert at(after[-1], size) == count
    assert [line.split()[-1] for line in written] == ["(size)"]


OWNERS = [
    ("machine-deployment", "spec.replicas", "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size"),
    ("eks", "spec.scalingConfig.desiredSize", "eks.services.k8s.aws/desired-size-managed-by"),
]


@pytest.mark.parametrize(("case", "size", "annotation"), OWNERS, ids=[row[0] for row in OWNERS])
def test_the_size_changes_its_owner_without_a_jump(
    server: KubernetesCluster, run: Run, case: str, size: str, annotation: str
) -> None:
    plain = {"capacityTypes": ["on-demand"]}
    by_us = ordered(server, run, wanted(case, plain | {"sizeOwner": "Leeward"}))[0][-1]
    assert at(by_us, size) == 3
    assert annotation not in (by_us["metadata"].get("annotations") or {})
    handed, _ = ordered(server, run, wanted(case, plain))
    assert at(handed[-1], size) == 3
    assert annotation in handed[-1]["metadata"]["annotations"]
    back, _ = ordered(server, run, wanted(case, plain | {"sizeOwner": "Leeward"}, Range(2, 5, 13)))
    assert at(back[-1], size) == 5
    assert annotation not in (back[-1]["metadata"].get("annotations") or {})


def test_gke_gives_up_the_fixed_number_when_its_autoscaler_takes_over(server: KubernetesCluster, run: Run) -> None:
    fixed = wanted("gke-fixed")
    assert at(ordered(server, run, fixed)[0][0], "spec.nodeCount") == 2
    after = ordered(server, run, wanted("gke", {"capacityTypes": ["on-demand"]}))[0][0]
    assert after["metadata"]["name"] == fixed[0].name
    assert at(after, "spec.nodeCount") is None
    assert at(after, "spec.autoscaling.totalMaxNodeCount") == 13


def test_a_crash_between_two_writes_is_mended(server: KubernetesCluster, run: Run) -> None:
    made = wanted("eks")[0].objects[0]
    run(server.apply(merged(made.body, made.size), writer=SIZE_WRITER))
    live, _ = ordered(server, run, wanted("eks"))
    owners = {row["manager"]: row["fieldsV1"] for row in live[0]["metadata"]["managedFields"]}
    assert set(owners[SIZE_WRITER]) == {"f:spec"}
    assert at(live[0], "spec.scalingConfig.desiredSize") == 2


def test_a_pool_that_was_edited_by_hand_is_as_wanted_again(server: KubernetesCluster, run: Run) -> None:
    live = ordered(server, run, wanted("machine-deployment-fixed"))[0][0]
    run(server.patch(ref_of(live), {"spec": {"template": {"spec": {"version": "v1.0.0"}}}}))
    after, _ = ordered(server, run, wanted("machine-deployment-fixed"))
    assert at(after[0], "spec.template.spec.version") == "v1.37.2"


def test_what_eks_cannot_change_is_refused_in_place_so_it_makes_another_group(
    server: KubernetesCluster, run: Run
) -> None:
    live = ordered(server, run, wanted("eks"))[0][0]
    with pytest.raises(Invalid):
        run(server.patch(ref_of(live), {"spec": {"instanceTypes": ["p5en.48xlarge"]}}))
    other = ordered(server, run, wanted("eks", {"eks": {"subnets": ["subnet-new"]}}))[0][0]
    assert other["metadata"]["name"] != live["metadata"]["name"]


def test_a_static_karpenter_pool_cannot_become_a_dynamic_one_so_it_is_another(
    server: KubernetesCluster, run: Run
) -> None:
    live = ordered(server, run, wanted("karpenter-static"))[0][0]
    with pytest.raises(Invalid, match="replicas"):
        run(server.patch(ref_of(live), {"spec": {"replicas": None}}))
    dynamic = ordered(server, run, wanted("karpenter", {"capacityTypes": ["on-demand"]}))[0][0]
    assert dynamic["metadata"]["name"] != live["metadata"]["name"]


# --- From pools to pods: conditions and moves -------------------------------------------------------------------------


def provider(server: KubernetesCluster, case: str, change: Change | None = None) -> Provider:
    """Two Regions on this API server: `case`, and the one that a move comes from."""
    example, base = CASES[case]
    place: Region = here(region(example, merged(base, change or {})))
    return Provider(Registry(), {place.metadata.name: Member(place, server)})


def placed(run: Run, found: Provider, replicas: int = 0) -> Placement:
    name = next(iter(found.members))
    placement: Placement = run(found.provide(MODEL, name, replicas))[0]
    return placement


def deployment(server: KubernetesCluster, run: Run) -> None:
    """The model's Deployment, scaled to nothing: pods are made by the tests, so no controller gets in the way."""
    pods = {"metadata": {"labels": {"app": "none"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec: KubeObject = {"replicas": 0, "selector": {"matchLabels": {"app": "none"}}, "template": pods}
    metadata = {
        "name": MODEL.metadata.name,
        "namespace": NAMESPACE,
        "labels": labels_of(NAMESPACE, MODEL.metadata.name),
    }
    made = run(server.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}))
    run(
        play(
            server,
            Ref(DEPLOYMENT, NAMESPACE, MODEL.metadata.name),
            {"observedGeneration": made["metadata"]["generation"]},
        )
    )


def test_a_move_keeps_the_old_pool_until_its_pods_are_gone(server: KubernetesCluster, run: Run) -> None:
    labels = {"leeward.dev/model": MODEL.metadata.name}
    deployment(server, run)
    before = placed(run, provider(server, "machine-pool"))
    old = before.pools[0].name
    run(node(server, "pools-old", {POOL_LABEL: old}, 8))
    run(pod(server, "pools-old", "pools-old", labels))
    after = placed(run, provider(server, "machine-pool", {"capacityTypes": ["on-demand"]}))
    new = after.pools[0].name
    assert new != old
    assert "stays until the pods have moved: 1 of 1 pods are not on it" in after.move
    run(node(server, "pools-new", {POOL_LABEL: new}, 8))
    run(pod(server, "pools-new", "pools-new", labels))
    run(server.delete(Ref(POD, NAMESPACE, "pools-old")))
    assert (
        "is removed: all pods run on the new pool"
        in placed(run, provider(server, "machine-pool", {"capacityTypes": ["on-demand"]})).move
    )
    for made in before.pools[0].objects:
        assert run(server.read(ref_of(made.body))) is None
    for made in after.pools[0].objects:
        assert run(server.read(ref_of(made.body))) is not None
    assert placed(run, provider(server, "machine-pool", {"capacityTypes": ["on-demand"]})).move == ""


def test_a_move_to_another_provider_finds_the_old_pool(server: KubernetesCluster, run: Run) -> None:
    deployment(server, run)
    old = placed(run, provider(server, "karpenter")).pools[0]
    assert "is removed" in placed(run, provider(server, "machine-pool")).move
    assert run(server.read(ref_of(old.objects[0].body))) is None


def line(name: str, replicas: int) -> RegionPlan:
    """A region's line of a plan; only its name and replicas matter here."""
    return RegionPlan(
        name, Verdict.HEALTHY, "", Phase.ACTIVE, "", 100, 100, Fraction(1), None, replicas=replicas, listed=True
    )


def test_a_pools_own_claim_is_no_capacity(server: KubernetesCluster, run: Run) -> None:
    found = provider(server, "machine-deployment-fixed")
    name, pool = next(iter(found.members)), placed(run, found, 2).pools[0]
    status = {
        "conditions": [
            {
                "type": "Available",
                "status": "True",
                "reason": "Available",
                "message": "fine",
                "lastTransitionTime": "2026-11-24T00:00:00Z",
            }
        ],
        "replicas": 2,
        "readyReplicas": 2,
    }
    run(play(server, ref_of(pool.objects[0].body), status))
    placement = placed(run, found, 2)

    def told() -> tuple[str, bool | None, str, str]:
        nodes = [node_seen(body) for body in run(server.find(NODE))]
        return nodes_condition(MODEL, [line(name, 2)], {name: placement}, {name: nodes})

    _, holds, reason, message = told()
    assert (holds, reason) == (False, "NodesMissing")
    assert "0 Ready nodes with 0 nvidia.com/gpu carry 0 of 2 replicas" in message
    assert "2 of 2 machines ready" in message
    labels = {key: values[0] for key, values in pool.node_labels.items()}
    run(node(server, "pools-old", labels, 8))
    run(node(server, "pools-new", labels, 8, ready=False))
    assert "1 Ready nodes with 8 nvidia.com/gpu carry 1 of 2 replicas" in told()[3]
    run(node(server, "pools-new", labels, 8))
    assert told()[1:3] == (True, "NodesReady")


# --- What is missing or forbidden ---


def test_a_missing_crd_is_told_and_pods_keep_their_place(server: KubernetesCluster, run: Run) -> None:
    deployment(server, run)
    placement = placed(run, provider(server, "aks-fixed", {"aks": {"version": "v1api20190101"}}))
    assert placement.error is not None
    assert placement.error.reason == "KindMissing"
    assert "ManagedClustersAgentPool (containerservice.azure.com/v1api20190101)" in str(placement.error)
    assert placement.deployment is not None


def test_an_unknown_accelerator_is_told_and_nothing_is_written(server: KubernetesCluster, run: Run) -> None:
    document = copy.deepcopy(MODEL.wire())
    document["spec"]["accelerator"]["type"] = "mystery"
    found = provider(server, "machine-pool")
    name = next(iter(found.members))
    placement, written = run(found.provide(ModelDeployment.read(document), name, 1))
    assert placement.error.reason == "UnknownAccelerator"
    assert written == []


async def account(server: KubernetesCluster, kubeconfig: Path, name: str, rules: list[Any]) -> KubernetesCluster:
    """A connection with a ServiceAccount's rights."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}
    group = "rbac.authorization.k8s.io/v1"
    await apply_all(
        server,
        [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}},
            {"apiVersion": group, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
            {
                "apiVersion": group,
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "roleRef": role,
                "subjects": [subject],
            },
        ],
    )
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}
    token = await server.post(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{name}/token", asked)
    config = yaml.safe_load(kubeconfig.read_text("utf-8"))
    config["users"][0]["user"] = {"token": token["status"]["token"]}
    return await from_kubeconfig(name, yaml.safe_dump(config), deadline_seconds=20.0)


def member_rules() -> list[Any]:
    role = next(body for body in documents(REPOSITORY / "config" / "member.yaml") if body["kind"] == "ClusterRole")
    return list(role["rules"])


@pytest.fixture(params=["all", "machine-pool only"])
def limited(
    request: pytest.FixtureRequest, server: KubernetesCluster, run: Run, api: Api
) -> Iterator[KubernetesCluster]:
    """config/member.yaml as it is, and without the lines of providers that are not used."""
    unused = ("karpenter", "cnrm", "eks", "containerservice")
    rules = [
        rule for rule in member_rules() if request.param == "all" or not any(u in rule["apiGroups"][0] for u in unused)
    ]
    assert len(rules) == len(member_rules()) - (0 if request.param == "all" else len(unused))
    found = run(account(server, api.kubeconfig, "pools-limited", rules))
    yield found
    run(found.close())
    for kind in ("ClusterRole", "ClusterRoleBinding"):
        run(server.delete(Ref(Kind("rbac.authorization.k8s.io/v1", kind, namespaced=False), "", "pools-limited")))


def test_the_operators_rights_suffice_and_those_of_other_providers_may_be_left_out(
    server: KubernetesCluster, run: Run, limited: KubernetesCluster
) -> None:
    deployment(server, run)
    before = provider(limited, "machine-pool")
    placed(run, before)
    assert "is removed" in placed(run, provider(limited, "machine-pool", {"capacityTypes": ["on-demand"]})).move
    kinds = Registry().object_kinds([member.region for member in before.members.values()])
    key = NAMESPACE, MODEL.metadata.name
    run(server.delete(Ref(DEPLOYMENT, *key)))
    try:
        for _ in range(5):
            gone = run(apply.remove(limited, key, kinds))
    except Denied as error:  # Karpenter is one of the kinds that are always looked for
        pytest.fail(str(error))
    assert gone


def test_gcps_machine_pool_is_counted_per_zone(server: KubernetesCluster, run: Run) -> None:
    live = ordered(server, run, wanted("machine-pool-gcp"))[0][0]
    zones = len(GCP["providerSpec"]["nodeLocations"])
    assert at(live, "spec.scaling.maxCount") == -(-REPLICAS.most // zones)

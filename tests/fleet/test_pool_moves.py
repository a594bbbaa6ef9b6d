"""From pools to pods on a real API server: moves, what counts as capacity, what is missing, and rights."""

import copy
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from cases import CASES, region
from conftest import Api
from poolworld import MODEL, NAMESPACE, Change, here, node, play, pod
from seen import Run

from leeward import apply, cleanup
from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.kubeconfigs import from_kubeconfig
from leeward.adapters.members import Member
from leeward.adapters.objects import DEPLOYMENT, NODE, POD, labels_of, ref_of
from leeward.adapters.pools import Registry
from leeward.adapters.pools.nodes import node_seen
from leeward.adapters.pools.port import POOL_LABEL, UnknownProvider, merged
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.core.phases import Phase
from leeward.core.plan import RegionPlan
from leeward.core.verdict import Verdict
from leeward.ports import Denied, Kind, KubeObject, Ref
from leeward.provision import Placement, Provider, nodes_condition
from localfleet.bootstrap import apply_all, documents
from localfleet.layout import REPOSITORY


def provider(pool_server: KubernetesCluster, case: str, change: Change | None = None) -> Provider:
    """A Region on this API server whose pools are those of `case`, with `change` laid over them."""
    example, base = CASES[case]
    place: Region = here(region(example, merged(base, change or {})))
    return Provider(Registry(), {place.metadata.name: Member(place, pool_server)})


def wanted(name: str, replicas: int) -> RegionPlan:
    """The plan's line for a region that is well."""
    return RegionPlan(name, Verdict.HEALTHY, "", Phase.ACTIVE, "", 100, 100, Fraction(1), None, replicas, True)


def placed(run: Run, found: Provider, replicas: int = 0) -> Placement:
    name = next(iter(found.members))
    placement: Placement = run(found.provide(MODEL, wanted(name, replicas)))[0]
    return placement


def deployment(pool_server: KubernetesCluster, run: Run) -> None:
    """The model's Deployment, scaled to nothing: pods are made by the tests, so no controller gets in the way."""
    pods = {"metadata": {"labels": {"app": "none"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec: KubeObject = {"replicas": 0, "selector": {"matchLabels": {"app": "none"}}, "template": pods}
    metadata = {
        "name": MODEL.metadata.name,
        "namespace": NAMESPACE,
        "labels": labels_of(NAMESPACE, MODEL.metadata.name),
    }
    made = run(pool_server.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}))
    run(
        play(
            pool_server,
            Ref(DEPLOYMENT, NAMESPACE, MODEL.metadata.name),
            {"observedGeneration": made["metadata"]["generation"]},
        )
    )


def test_a_move_keeps_the_old_pool_until_its_pods_are_gone(pool_server: KubernetesCluster, run: Run) -> None:
    labels = {"leeward.dev/model": MODEL.metadata.name, "app.kubernetes.io/component": "model-server"}
    deployment(pool_server, run)
    before = placed(run, provider(pool_server, "machine-pool"))
    old = before.pools[0].name
    run(node(pool_server, "pools-old", {POOL_LABEL: old}, 8))
    run(pod(pool_server, "pools-old", "pools-old", labels))
    after = placed(run, provider(pool_server, "machine-pool", {"capacityTypes": ["on-demand"]}))
    new = after.pools[0].name
    assert new != old
    assert "stays until the pods have moved: 1 of 1 pods are not on it" in after.move
    run(node(pool_server, "pools-new", {POOL_LABEL: new}, 8))
    run(pod(pool_server, "pools-new", "pools-new", labels))
    run(pool_server.delete(Ref(POD, NAMESPACE, "pools-old")))
    assert (
        "is removed: all pods run on the new pool"
        in placed(run, provider(pool_server, "machine-pool", {"capacityTypes": ["on-demand"]})).move
    )
    for made in before.pools[0].objects:
        assert run(pool_server.read(ref_of(made.body))) is None
    for made in after.pools[0].objects:
        assert run(pool_server.read(ref_of(made.body))) is not None
    assert placed(run, provider(pool_server, "machine-pool", {"capacityTypes": ["on-demand"]})).move == ""


def test_a_move_to_another_provider_finds_the_old_pool(pool_server: KubernetesCluster, run: Run) -> None:
    deployment(pool_server, run)
    old = placed(run, provider(pool_server, "karpenter")).pools[0]
    assert "is removed" in placed(run, provider(pool_server, "machine-pool")).move
    assert run(pool_server.read(ref_of(old.objects[0].body))) is None


def line(name: str, replicas: int) -> RegionPlan:
    """A region's line of a plan; only its name and replicas matter here."""
    return RegionPlan(
        name, Verdict.HEALTHY, "", Phase.ACTIVE, "", 100, 100, Fraction(1), None, replicas=replicas, listed=True
    )


def test_a_pools_own_claim_is_no_capacity(pool_server: KubernetesCluster, run: Run) -> None:
    found = provider(pool_server, "machine-deployment-fixed")
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
    run(play(pool_server, ref_of(pool.objects[0].body), status))
    placement = placed(run, found, 2)

    def told() -> tuple[str, bool | None, str, str]:
        nodes = [node_seen(body) for body in run(pool_server.find(NODE))]
        return nodes_condition(MODEL, [line(name, 2)], {name: placement}, {name: nodes})

    _, holds, reason, message = told()
    assert (holds, reason) == (False, "NodesMissing")
    assert "0 Ready nodes with 0 nvidia.com/gpu carry 0 of 2 replicas" in message
    assert "2 of 2 machines ready" in message
    labels = {key: values[0] for key, values in pool.node_labels.items()}
    run(node(pool_server, "pools-old", labels, 8))
    run(node(pool_server, "pools-new", labels, 0))  # no device plugin yet
    assert "8 nvidia.com/gpu carry 1 of 2 replicas" in told()[3]
    run(node(pool_server, "pools-new", labels, 8))
    assert told()[1:3] == (True, "NodesReady")


# --- What is missing or forbidden ---


def test_a_missing_crd_is_told_and_pods_keep_their_place(pool_server: KubernetesCluster, run: Run) -> None:
    deployment(pool_server, run)
    placement = placed(run, provider(pool_server, "aks-fixed", {"aks": {"version": "v1api20190101"}}))
    assert placement.error is not None
    assert placement.error.reason == "KindMissing"
    assert "ManagedClustersAgentPool (containerservice.azure.com/v1api20190101)" in str(placement.error)
    assert placement.deployment is not None


def test_an_unknown_accelerator_is_told_and_nothing_is_written(pool_server: KubernetesCluster, run: Run) -> None:
    document = copy.deepcopy(MODEL.wire())
    document["spec"]["accelerator"]["type"] = "mystery"
    found = provider(pool_server, "machine-pool")
    name = next(iter(found.members))
    placement, written = run(found.provide(ModelDeployment.read(document), wanted(name, 1)))
    assert placement.error.reason == "UnknownAccelerator"
    assert written == []


async def account(pool_server: KubernetesCluster, kubeconfig: Path, name: str, rules: list[Any]) -> KubernetesCluster:
    """A connection with a ServiceAccount's rights."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    subject = {"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}
    group = "rbac.authorization.k8s.io/v1"
    await apply_all(
        pool_server,
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
    token = await pool_server.post(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{name}/token", asked)
    config = yaml.safe_load(kubeconfig.read_text("utf-8"))
    config["users"][0]["user"] = {"token": token["status"]["token"]}
    return await from_kubeconfig(name, yaml.safe_dump(config), deadline_seconds=20.0)


def member_rules() -> list[Any]:
    role = next(body for body in documents(REPOSITORY / "config" / "member.yaml") if body["kind"] == "ClusterRole")
    return list(role["rules"])


@pytest.fixture(params=["all", "machine-pool only"])
def limited(
    request: pytest.FixtureRequest, pool_server: KubernetesCluster, run: Run, api: Api
) -> Iterator[KubernetesCluster]:
    """config/member.yaml as it is, and without the lines of providers that are not used."""
    unused = ("karpenter", "cnrm", "eks", "containerservice")
    rules = [
        rule for rule in member_rules() if request.param == "all" or not any(u in rule["apiGroups"][0] for u in unused)
    ]
    assert len(rules) == len(member_rules()) - (0 if request.param == "all" else len(unused))
    found = run(account(pool_server, api.kubeconfig, "pools-limited", rules))
    yield found
    run(found.close())
    for kind in ("ClusterRole", "ClusterRoleBinding"):
        run(pool_server.delete(Ref(Kind("rbac.authorization.k8s.io/v1", kind, namespaced=False), "", "pools-limited")))
    run(pool_server.delete(Ref(Kind("v1", "ServiceAccount"), NAMESPACE, "pools-limited")))


def test_the_operators_rights_suffice_and_those_of_other_providers_may_be_left_out(
    pool_server: KubernetesCluster, run: Run, limited: KubernetesCluster
) -> None:
    deployment(pool_server, run)
    before = provider(limited, "machine-pool")
    placed(run, before)
    assert "is removed" in placed(run, provider(limited, "machine-pool", {"capacityTypes": ["on-demand"]})).move
    kinds = Registry().object_kinds([member.region for member in before.members.values()])
    key = NAMESPACE, MODEL.metadata.name
    run(pool_server.delete(Ref(DEPLOYMENT, *key)))
    try:
        for _ in range(5):
            gone = run(cleanup.remove(limited, key, kinds))
    except Denied as error:  # Karpenter is one of the kinds that are always looked for
        pytest.fail(str(error))
    assert gone


def test_pods_that_exist_keep_their_place_when_no_pool_is_to_be_had(pool_server: KubernetesCluster, run: Run) -> None:
    """A mistake in a Region must not move pods to nodes that never come."""
    pods = ordered_pods(pool_server, run, {}, 0)
    run(apply_all(pool_server, [pods]))
    kept = ordered_pods(pool_server, run, {"provider": "rack.example.com"}, 3)
    spec = kept["spec"]["template"]["spec"]
    assert spec["affinity"] == pods["spec"]["template"]["spec"]["affinity"]
    assert spec["tolerations"] == pods["spec"]["template"]["spec"]["tolerations"]


def test_without_pools_and_pods_nothing_is_placed(pool_server: KubernetesCluster, run: Run) -> None:
    with pytest.raises(UnknownProvider, match="no kind of node pools named"):
        ordered_pods(pool_server, run, {"provider": "rack.example.com"}, 3)


def ordered_pods(server: KubernetesCluster, run: Run, change: Change, replicas: int) -> KubeObject:
    """The model's Deployment as `apply` would write it."""
    found = provider(server, "machine-pool", change)
    task: Any = SimpleNamespace(model=MODEL, members=found.members, registry=found.registry)
    objects = run(apply._placed_pods(task, wanted(next(iter(found.members)), replicas), apply.Outcomes()))
    deployed: KubeObject = next(body for body in objects if body["kind"] == "Deployment")
    return deployed


def test_pools_may_be_held_by_another_regions_cluster(pool_server: KubernetesCluster, run: Run) -> None:
    found = provider(pool_server, "machine-pool")
    name, member = next(iter(found.members.items()))
    document = member.region.wire()
    document["spec"]["nodePools"]["managedIn"] = "management"
    apart = Member(Region.read(document), pool_server)
    absent = placed(run, Provider(Registry(), {name: apart}))
    assert absent.error is not None
    assert str(absent.error) == "managedIn names Region management, which is not there or cannot be reached"
    held = placed(run, Provider(Registry(), {name: apart, "management": Member(member.region, pool_server)}))
    assert held.error is None
    assert run(pool_server.read(ref_of(held.pools[0].objects[-1].body))) is not None

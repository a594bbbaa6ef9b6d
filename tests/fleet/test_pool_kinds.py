"""Every kind of node pool on a real API server with the real CRDs: schema, CEL, and who owns which field."""

from typing import Any

import pytest
from cases import CASES, GCP, REPLICAS
from poolworld import at, ordered, wanted
from seen import Run

from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.objects import differs, ref_of
from leeward.adapters.pools import Range
from leeward.adapters.pools.port import merged
from leeward.ports import Invalid
from leeward.provision import SIZE_WRITER


@pytest.mark.parametrize("case", CASES)
def test_the_api_server_takes_every_object_and_keeps_every_field(
    pool_server: KubernetesCluster, run: Run, case: str
) -> None:
    pools = wanted(case)
    live, _ = ordered(pool_server, run, pools)
    for made, body in zip([made for pool in pools for made in pool.objects], live, strict=True):
        assert not differs(merged(made.body, made.size), body)


@pytest.mark.parametrize("case", CASES)
def test_ordering_twice_writes_once(pool_server: KubernetesCluster, run: Run, case: str) -> None:
    pools = wanted(case)
    _, first = ordered(pool_server, run, pools)
    _, again = ordered(pool_server, run, pools)
    assert first
    assert again == []


@pytest.mark.parametrize("case", CASES)
def test_each_writer_owns_its_part_and_nothing_else(pool_server: KubernetesCluster, run: Run, case: str) -> None:
    pools = wanted(case)
    for made, body in zip(
        [made for pool in pools for made in pool.objects], ordered(pool_server, run, pools)[0], strict=True
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
    pool_server: KubernetesCluster, run: Run, case: str, size: str, bound: str
) -> None:
    live = ordered(pool_server, run, wanted(case))[0][-1]
    keys = size.split(".")
    patch: Any = 6
    for key in reversed(keys):
        patch = {key: patch}
    run(pool_server.patch(ref_of(live), patch))
    after, written = ordered(pool_server, run, wanted(case, replicas=Range(3, 3, 21)))
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
    pool_server: KubernetesCluster, run: Run, case: str, size: str, count: int
) -> None:
    live = ordered(pool_server, run, wanted(case))[0][-1]
    assert at(live, size) == count
    patch: Any = 9
    for key in reversed(size.split(".")):
        patch = {key: patch}
    run(pool_server.patch(ref_of(live), patch))
    after, written = ordered(pool_server, run, wanted(case))
    assert at(after[-1], size) == count
    assert [line.split()[-1] for line in written] == ["(size)"]


OWNERS = [
    ("machine-deployment", "spec.replicas", "cluster.x-k8s.io/cluster-api-autoscaler-node-group-max-size"),
    ("eks", "spec.scalingConfig.desiredSize", "eks.services.k8s.aws/desired-size-managed-by"),
]


@pytest.mark.parametrize(("case", "size", "annotation"), OWNERS, ids=[row[0] for row in OWNERS])
def test_the_size_changes_its_owner_without_a_jump(
    pool_server: KubernetesCluster, run: Run, case: str, size: str, annotation: str
) -> None:
    plain = {"capacityTypes": ["on-demand"]}
    by_us = ordered(pool_server, run, wanted(case, plain | {"sizeOwner": "Leeward"}))[0][-1]
    assert at(by_us, size) == 3
    assert annotation not in (by_us["metadata"].get("annotations") or {})
    handed, _ = ordered(pool_server, run, wanted(case, plain))
    assert at(handed[-1], size) == 3
    assert annotation in handed[-1]["metadata"]["annotations"]
    back, _ = ordered(pool_server, run, wanted(case, plain | {"sizeOwner": "Leeward"}, Range(2, 5, 13)))
    assert at(back[-1], size) == 5
    assert annotation not in (back[-1]["metadata"].get("annotations") or {})


def test_gke_gives_up_the_fixed_number_when_its_autoscaler_takes_over(pool_server: KubernetesCluster, run: Run) -> None:
    fixed = wanted("gke-fixed")
    assert at(ordered(pool_server, run, fixed)[0][0], "spec.nodeCount") == 2
    after = ordered(pool_server, run, wanted("gke", {"capacityTypes": ["on-demand"]}))[0][0]
    assert after["metadata"]["name"] == fixed[0].name
    assert at(after, "spec.nodeCount") is None
    assert at(after, "spec.autoscaling.totalMaxNodeCount") == 13


def test_a_crash_between_two_writes_is_mended(pool_server: KubernetesCluster, run: Run) -> None:
    made = wanted("eks")[0].objects[0]
    run(pool_server.apply(merged(made.body, made.size), writer=SIZE_WRITER))
    live, _ = ordered(pool_server, run, wanted("eks"))
    owners = {row["manager"]: row["fieldsV1"] for row in live[0]["metadata"]["managedFields"]}
    assert set(owners[SIZE_WRITER]) == {"f:spec"}
    assert at(live[0], "spec.scalingConfig.desiredSize") == 2


def test_a_pool_that_was_edited_by_hand_is_as_wanted_again(pool_server: KubernetesCluster, run: Run) -> None:
    live = ordered(pool_server, run, wanted("machine-deployment-fixed"))[0][0]
    run(pool_server.patch(ref_of(live), {"spec": {"template": {"spec": {"version": "v1.0.0"}}}}))
    after, _ = ordered(pool_server, run, wanted("machine-deployment-fixed"))
    assert at(after[0], "spec.template.spec.version") == "v1.37.2"


def test_what_eks_cannot_change_is_refused_in_place_so_it_makes_another_group(
    pool_server: KubernetesCluster, run: Run
) -> None:
    live = ordered(pool_server, run, wanted("eks"))[0][0]
    with pytest.raises(Invalid):
        run(pool_server.patch(ref_of(live), {"spec": {"instanceTypes": ["p5en.48xlarge"]}}))
    other = ordered(pool_server, run, wanted("eks", {"eks": {"subnets": ["subnet-new"]}}))[0][0]
    assert other["metadata"]["name"] != live["metadata"]["name"]


def test_a_static_karpenter_pool_cannot_become_a_dynamic_one_so_it_is_another(
    pool_server: KubernetesCluster, run: Run
) -> None:
    live = ordered(pool_server, run, wanted("karpenter-static"))[0][0]
    with pytest.raises(Invalid, match="replicas"):
        run(pool_server.patch(ref_of(live), {"spec": {"replicas": None}}))
    dynamic = ordered(pool_server, run, wanted("karpenter", {"capacityTypes": ["on-demand"]}))[0][0]
    assert dynamic["metadata"]["name"] != live["metadata"]["name"]


def test_gcps_machine_pool_is_counted_per_zone(pool_server: KubernetesCluster, run: Run) -> None:
    live = ordered(pool_server, run, wanted("machine-pool-gcp"))[0][0]
    zones = len(GCP["providerSpec"]["nodeLocations"])
    assert at(live, "spec.scaling.maxCount") == -(-REPLICAS.most // zones)

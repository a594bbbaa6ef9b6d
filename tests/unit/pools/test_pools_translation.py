"""What holds for every kind: names, sizes, machines, and messages that name the fix."""

import re

import pytest
from cases import CASES, REPLICAS, model, pools, region

from leeward.adapters.pools import Range, Registry
from leeward.adapters.pools.machines import MACHINES, machine
from leeward.adapters.pools.port import Ask, UnknownAccelerator, UnknownProvider, by_condition, merged
from leeward.adapters.pools.registry import BUILT_IN
from leeward.api.pools import PROVIDERS

NAME = re.compile(r"models-llama-70b-[0-9a-f]{8}")
BY_AUTOSCALER = [case for case in CASES if "fixed" not in case and "static" not in case]


def names(case: str) -> list[str]:
    return [pool.name for pool in pools(case)]


def test_every_provider_of_the_api_is_a_kind() -> None:
    assert set(PROVIDERS) == set(BUILT_IN)


@pytest.mark.parametrize("case", CASES)
def test_pools_have_readable_names_of_their_own(case: str) -> None:
    assert all(NAME.fullmatch(name) for name in names(case))
    assert len(set(names(case))) == len(names(case))


@pytest.mark.parametrize("case", CASES)
def test_replicas_are_no_identity(case: str) -> None:
    assert [pool.name for pool in pools(case, Range(5, 9, 20))] == names(case)


@pytest.mark.parametrize(
    ("example", "change"),
    [
        ("karpenter", {"capacityTypes": ["spot"]}),
        ("karpenter", {"accelerators": [{"type": "nvidia-h100-80gb", "nodeLabels": {"a": ["b"]}}]}),
        ("karpenter", {"sizeOwner": "Leeward", "capacityTypes": ["on-demand"]}),
        ("machine-deployment", {"clusterApi": {"bootstrap": {"name": "another"}}}),
        ("machine-pool", {"providerSpec": {"diskSize": 600}}),
        ("gke", {"gke": {"nodeLocations": ["europe-west4-a"]}}),
        ("eks", {"eks": {"subnets": ["subnet-other"]}}),
        ("eks", {"eks": {"amiType": "BOTTLEROCKET_x86_64_NVIDIA"}}),
        ("aks", {"accelerators": []}),
    ],
)
def test_what_cannot_change_in_place_makes_another_pool(example: str, change: dict) -> None:
    before = Registry().pools(model(), region(example), REPLICAS)
    after = Registry().pools(model(), region(example, change), REPLICAS)
    assert not {pool.name for pool in before} & {pool.name for pool in after}


@pytest.mark.parametrize("example", ["karpenter", "machine-pool", "gke", "eks", "aks"])
def test_another_number_of_accelerators_makes_another_pool(example: str) -> None:
    before, after = (Registry().pools(model(count=count), region(example), REPLICAS) for count in (8, 4))
    assert before[0].name != after[0].name


def test_more_taints_and_labels_change_a_pool_in_place() -> None:
    change = {"labels": {"a": "b"}, "taints": [{"key": "x", "value": "y", "effect": "NoExecute"}]}
    assert Registry().pools(model(), region("gke", change), REPLICAS)[0].name == names("gke")[0]


def test_a_name_that_was_given_by_an_earlier_version_stays() -> None:
    """Another name would move every model on the day of the upgrade."""
    found = Registry().pools(model(), region("karpenter", {"capacityTypes": ["on-demand"]}), REPLICAS)
    assert found[0].name == "models-llama-70b-0fb8d442"


def test_karpenters_labels_come_from_the_table_where_the_region_lists_none() -> None:
    found = Registry().pools(model(), region("karpenter", {"accelerators": []}), REPLICAS)
    listed = Registry().pools(model(), region("karpenter"), REPLICAS)
    assert found[0].name == listed[0].name


@pytest.mark.parametrize(
    ("count", "per_node", "nodes"),
    [(8, 8, Range(2, 3, 13)), (4, 8, Range(1, 2, 7)), (1, 8, Range(1, 1, 2)), (3, 8, Range(1, 2, 7))],
)
def test_a_replica_is_on_one_node(count: int, per_node: int, nodes: Range) -> None:
    assert Ask(model(count=count), region("eks"), ("on-demand",), REPLICAS).nodes(per_node) == nodes


def test_the_minimum_is_of_the_first_kind_of_capacity_only() -> None:
    bounds = [pool.objects[0].body["spec"]["autoscaling"] for pool in pools("gke")]
    assert [(row["totalMinNodeCount"], row["totalMaxNodeCount"]) for row in bounds] == [(2, 13), (0, 13)]


@pytest.mark.parametrize(("count", "expected"), [(1, "p5.4xlarge"), (2, "p5.48xlarge"), (8, "p5.48xlarge")])
def test_the_smallest_machine_that_fits_is_chosen(count: int, expected: str) -> None:
    assert machine(Ask(model(count=count), region("eks"), ("on-demand",), REPLICAS), "aws").type == expected


@pytest.mark.parametrize("cloud", MACHINES)
def test_the_table_is_sorted_and_has_no_machine_twice(cloud: str) -> None:
    rows = MACHINES[cloud]
    assert all([count for count, _ in row] == sorted({count for count, _ in row}) for row in rows.values())
    types = [kind for row in rows.values() for _, kind in row]
    assert len(types) == len(set(types))


@pytest.mark.parametrize(
    ("accelerator", "change", "fragment"),
    [
        ({"type": "mystery"}, {}, "no machine of aws is known for accelerator type mystery; known: nvidia-a100-40gb"),
        ({"count": 16}, {}, "no machine of aws has 16 nvidia-h100-80gb; the largest has 8"),
        (
            {"count": 8},
            {"accelerators": [{"type": "nvidia-h100-80gb", "machine": "p5.4xlarge", "acceleratorsPerNode": 1}]},
            "a replica needs 8 nvidia-h100-80gb on one node, and p5.4xlarge has 1",
        ),
    ],
)
def test_an_accelerator_that_is_not_to_be_had_names_the_fix(accelerator: dict, change: dict, fragment: str) -> None:
    with pytest.raises(UnknownAccelerator) as refusal:
        Registry().pools(model(**accelerator), region("eks", change), REPLICAS)
    assert fragment in str(refusal.value)
    assert "spec.nodePools.accelerators" in refusal.value.remedy


def test_a_provider_that_nobody_knows_names_the_fix() -> None:
    with pytest.raises(UnknownProvider, match=r"no kind of node pools named rack\.example\.com"):
        Registry().pools(model(), region("eks", {"provider": "rack.example.com"}), REPLICAS)


EKS_STATUS = {
    "conditions": [{"type": "ACK.ResourceSynced", "status": "True"}],
    "status": "DEGRADED",
    "health": {"issues": [{"code": "InsufficientInstanceCapacity"}]},
}
READY = {"conditions": [{"type": "Ready", "status": "False", "reason": "UpdateFailed", "message": "quota"}]}
CLAIMS = [
    ("eks", "Nodegroup", EKS_STATUS, False, "InsufficientInstanceCapacity"),
    ("eks", "Nodegroup", EKS_STATUS | {"status": "ACTIVE", "health": {}}, True, "ACTIVE"),
    ("gke", "ContainerNodePool", READY, False, "Ready=False (UpdateFailed: quota)"),
    ("aks", "ManagedClustersAgentPool", {**READY, "count": 3, "provisioningState": "Failed"}, False, "3 nodes wanted"),
    ("karpenter", "NodePool", {"nodes": 2, "conditions": [{"type": "Ready", "status": "True"}]}, True, "2 nodes"),
    ("machine-deployment", "MachineDeployment", {"replicas": 3, "readyReplicas": 1}, None, "1 of 3 machines ready"),
    ("machine-pool", "MachinePool", {}, None, "says nothing yet"),
]


@pytest.mark.parametrize(("provider", "kind", "status", "ready", "fragment"), CLAIMS)
def test_what_a_pool_says_of_itself(provider: str, kind: str, status: dict, ready: bool | None, fragment: str) -> None:
    claim = Registry().claim(provider, {"kind": kind, "metadata": {"name": "p"}, "status": status})
    assert claim.ready is ready
    assert fragment in claim.sentence


@pytest.mark.parametrize(
    ("case", "live", "size"),
    [
        ("aks", {"spec": {"count": 2}, "status": {"count": 6}}, {"spec": {"count": 6}}),
        ("aks", {"spec": {"count": 2}}, {"spec": {"count": 2}}),
        ("aks-fixed", {"spec": {"count": 2}, "status": {"count": 6}}, {"spec": {"count": 3}}),
        ("eks", {"spec": {"scalingConfig": {"desiredSize": 7}}}, {"spec": {"scalingConfig": {"desiredSize": 7}}}),
        ("eks", {"spec": {}}, {"spec": {}}),
        ("karpenter", {"spec": {}}, {}),
    ],
)
def test_a_number_that_an_autoscaler_owns_is_repeated_and_never_set(case: str, live: dict, size: dict) -> None:
    assert pools(case)[0].objects[0].size_for(live) == size


def test_a_claim_that_cannot_be_read_is_a_sentence_and_no_error() -> None:
    assert "cannot be read" in Registry().claim("eks", {"kind": "Nodegroup", "status": 7}).sentence
    assert by_condition({"kind": "K", "metadata": {"name": "n"}}, "Ready").ready is None


def test_what_leeward_writes_wins_over_the_providers_own_fields() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 3}, "d": [2]}) == {"a": {"b": 3, "c": 2}, "d": [2]}

"""Capacity as nodes have it."""

from typing import Any

import pytest

from leeward.adapters.pools.nodes import NodeCount, count, node_seen, region_capacity, requests_by_node

GPU = "nvidia.com/gpu"


def node(name: str, gpus: str | None, ready: str = "True", deleted: bool = False, **labels: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "labels": labels}
    if deleted:
        metadata["deletionTimestamp"] = "2026-11-24T00:00:00Z"
    allocatable = {"cpu": "31850m", "memory": "120Gi", "pods": "110"} | ({GPU: gpus} if gpus is not None else {})
    return {
        "metadata": metadata,
        "status": {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": ready}]},
    }


BODIES = [
    node("a", "8", pool="new"),
    node("b", "4", pool="new"),
    node("c", "8", "False", pool="new"),
    node("d", "8", "Unknown", pool="new"),
    node("e", "8", deleted=True, pool="new"),
    node("f", "0", pool="new"),
    node("g", None, pool="new"),
    node("h", "8", pool="old"),
]
NODES = [node_seen(body) for body in BODIES]


@pytest.mark.parametrize(
    ("labels", "per_replica", "expected"),
    [
        ({"pool": ("new",)}, 8, NodeCount(2, 12, 1)),
        ({"pool": ("new",)}, 4, NodeCount(2, 12, 3)),
        ({"pool": ("new",)}, 3, NodeCount(2, 12, 3)),
        ({"pool": ("new", "old")}, 8, NodeCount(3, 20, 2)),
        ({}, 8, NodeCount(3, 20, 2)),
        ({"pool": ("none",)}, 8, NodeCount(0, 0, 0)),
    ],
)
def test_only_ready_nodes_with_allocatable_accelerators_count(
    labels: dict[str, tuple[str, ...]], per_replica: int, expected: NodeCount
) -> None:
    assert count(NODES, labels, GPU, per_replica) == expected


def test_a_regions_capacity_is_the_sum_of_its_ready_nodes() -> None:
    found = region_capacity(NODES, [GPU, "amd.com/gpu"])
    assert (found.nodes, found.accelerators) == (3, {GPU: 20})


def test_a_node_that_says_nothing_yet_is_not_ready() -> None:
    assert not node_seen({"metadata": {"name": "x"}}).ready


def pod(model: str, on: str | None, gpus: str, phase: str = "Running", **more: Any) -> dict[str, Any]:
    labels = {"leeward.dev/namespace": "models", "leeward.dev/model": model}
    containers = [{"resources": {"limits": {GPU: gpus, "memory": "8Gi"}}}, {}]
    return {
        "metadata": {"name": "p", "labels": labels},
        "spec": {"containers": containers, **({"nodeName": on} if on else {}), **more},
        "status": {"phase": phase},
    }


def test_what_other_models_have_is_not_to_be_had() -> None:
    pods = [
        pod("mine", "a", "2"),
        pod("other", "a", "4"),
        pod("other", "b", "4"),
        pod("other", None, "4"),
        pod("other", "h", "8", "Succeeded"),
    ]
    requested = requests_by_node(pods)
    nodes = [node_seen(body, requested.get(body["metadata"]["name"])) for body in BODIES]
    pools = {"pool": ("new", "old")}
    assert count(nodes, pools, GPU, 2, ("models", "mine")) == NodeCount(3, 20, 6, 8)
    assert count(nodes, pools, GPU, 2, ("models", "other")) == NodeCount(3, 20, 9, 2)
    assert count(nodes, pools, GPU, 2) == NodeCount(3, 20, 10)

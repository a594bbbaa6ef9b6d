"""Pods placed on pools: node affinity, tolerations, and the condition that tells of the nodes."""

from dataclasses import replace
from fractions import Fraction

import pytest
from cases import model, pools, region

from leeward.adapters import workload
from leeward.adapters.pools.nodes import NodeSeen
from leeward.adapters.pools.port import Claim, UnknownAccelerator
from leeward.core.phases import Phase
from leeward.core.plan import RegionPlan
from leeward.core.verdict import Verdict
from leeward.provision import Placement, nodes_condition

GPU = "nvidia.com/gpu"


def pods(placement: Placement) -> dict:
    objects = workload.workload_objects(model(), region("gke"), placement.node_labels, placement.taints)
    return objects[0]["spec"]["template"]["spec"]


def test_pods_may_go_to_every_pool_of_their_model() -> None:
    found = pools("gke")
    (term,) = pods(Placement(found))["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term["matchExpressions"] == [
        {"key": "leeward.dev/pool", "operator": "In", "values": sorted(pool.name for pool in found)}
    ]


@pytest.mark.parametrize(
    ("case", "keys"),
    [
        ("gke", [GPU]),
        ("eks", [GPU, "dedicated"]),
        ("aks", [GPU, "kubernetes.azure.com/scalesetpriority"]),
    ],
)
def test_pods_tolerate_the_taints_of_their_pools_once(case: str, keys: list[str]) -> None:
    assert [row["key"] for row in pods(Placement(pools(case)))["tolerations"]] == keys


def line(name: str, replicas: int) -> RegionPlan:
    return RegionPlan(name, Verdict.HEALTHY, "", Phase.ACTIVE, "", 50, 50, Fraction(1), None, replicas, True)


LINES = [line("a", 2), line("b", 1)]
PLACED = Placement(pools("eks"), (Claim(True, "Nodegroup x is fine"),))
NODES = [NodeSeen(f"n{n}", True, {"leeward.dev/pool": PLACED.pools[0].name}, {GPU: 8}) for n in (1, 2)]
REFUSED = Placement(PLACED.pools, PLACED.claims, refusal="NodeClaim x-abc was refused (none left)")
OTHERS = [replace(NODES[0], requested={("models", "other"): {GPU: 8}}), NODES[1]]
BAD = Placement(error=UnknownAccelerator("no machine of aws is known for mystery"))
CONDITIONS = [
    ("all there", {"a": PLACED, "b": PLACED}, {"a": NODES, "b": NODES}, True, "NodesReady", "every region has"),
    ("one short", {"a": PLACED, "b": PLACED}, {"a": NODES[:1], "b": NODES}, False, "NodesMissing", "1 of 2 replicas"),
    ("its claim", {"a": PLACED, "b": PLACED}, {"a": [], "b": NODES}, False, "NodesMissing", "Nodegroup x is fine"),
    (
        "refused",
        {"a": REFUSED, "b": PLACED},
        {"a": [], "b": NODES},
        False,
        "NodesRefused",
        "; NodeClaim x-abc",
    ),
    (
        "shared",
        {"a": PLACED, "b": PLACED},
        {"a": OTHERS, "b": NODES},
        False,
        "NodesMissing",
        "8 of them given",
    ),
    ("not seen", {"a": PLACED, "b": PLACED}, {"a": NODES}, None, "NotSeen", "the nodes of b"),
    ("not placed", {"a": PLACED}, {"a": NODES, "b": NODES}, None, "NotSeen", "the nodes of b"),
    ("error first", {"a": PLACED, "b": BAD}, {"a": [], "b": []}, False, "UnknownAccelerator", "b: no machine of aws"),
    (
        "moving",
        {"a": PLACED, "b": Placement(PLACED.pools, move="NodePool old stays")},
        {"a": NODES, "b": NODES},
        True,
        "PoolsChanging",
        "b: NodePool old stays",
    ),
]


@pytest.mark.parametrize(
    ("placed", "nodes", "holds", "reason", "fragment"),
    [row[1:] for row in CONDITIONS],
    ids=[row[0] for row in CONDITIONS],
)
def test_nodes_ready_tells_what_nodes_offer(
    placed: dict, nodes: dict, holds: bool | None, reason: str, fragment: str
) -> None:
    kind, found, why, message = nodes_condition(model(), LINES, placed, nodes)
    assert (kind, found, why) == ("NodesReady", holds, reason)
    assert fragment in message


def test_a_refusal_names_its_remedy() -> None:
    assert "machine and acceleratorsPerNode" in nodes_condition(model(), LINES, {"a": BAD, "b": BAD}, {})[3]

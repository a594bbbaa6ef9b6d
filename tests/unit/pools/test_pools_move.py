"""Moving from one pool to another: the old one goes last, and never while something is unknown."""

import copy
from typing import Any

import pytest
from cases import pools

from leeward.adapters.pools import Pool
from leeward.adapters.pools.move import plan_move
from leeward.adapters.pools.nodes import NodeSeen
from leeward.adapters.pools.port import POOL_LABEL

NEW = pools("eks")
NAME = NEW[0].name
OLD: dict[str, Any] = {"kind": "NodePool", "metadata": {"name": "old", "uid": "1"}}
LIVE = [{"kind": "Nodegroup", "metadata": {"name": NAME, "uid": "2"}}, OLD]
DONE: dict[str, Any] = {
    "metadata": {"generation": 4},
    "spec": {"replicas": 2},
    "status": {"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2},
}
NODES = {
    name: NodeSeen(name, True, {POOL_LABEL: pool}, {}) for name, pool in (("n1", NAME), ("n2", NAME), ("o1", "old"))
}


def pod(name: str, node: str, phase: str = "Running") -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"nodeName": node} if node else {}, "status": {"phase": phase}}


MOVED = [pod("a", "n1"), pod("b", "n2")]


def deployment(**status: int) -> dict[str, Any]:
    changed = copy.deepcopy(DONE)
    changed["status"] |= status
    return changed


def test_nothing_is_left_over_nothing_is_said() -> None:
    assert plan_move(NEW, LIVE[:1], DONE, MOVED, NODES).sentence == ""


def test_the_old_pool_goes_when_all_pods_run_on_the_new_one() -> None:
    move = plan_move(NEW, LIVE, DONE, MOVED, NODES)
    assert move.remove == (OLD,)
    assert move.sentence == "NodePool old is removed: all pods run on the new pool"


def test_a_pool_that_is_being_deleted_is_not_deleted_again() -> None:
    going = {**OLD, "metadata": {**OLD["metadata"], "deletionTimestamp": "2026-11-24T00:00:00Z"}}
    assert plan_move(NEW, [LIVE[0], going], DONE, MOVED, NODES).remove == ()


def test_a_pod_that_has_finished_holds_nothing_up() -> None:
    assert plan_move(NEW, LIVE, DONE, [*MOVED, pod("c", "o1", "Failed")], NODES).remove


WAITS: list[tuple[str, list[Any], Any, list[Any], str]] = [
    ("the new pool is missing", [OLD], DONE, MOVED, f"{NAME} is not there yet"),
    ("no Deployment", LIVE, None, MOVED, "there is no Deployment yet"),
    ("not observed", LIVE, deployment(observedGeneration=3), MOVED, "the rollout has not begun"),
    ("half way", LIVE, deployment(updatedReplicas=1), MOVED, "1 of 2 replicas are new"),
    ("an old replica more", LIVE, deployment(replicas=3), MOVED, "2 of 2 replicas are new"),
    ("not ready", LIVE, deployment(readyReplicas=1), MOVED, "1 of 2 replicas are ready"),
    ("a pod ends slowly", LIVE, DONE, [*MOVED, pod("c", "o1")], "1 of 3 pods are not on it, such as c"),
    ("a pod without a node", LIVE, DONE, [*MOVED, pod("c", "")], "1 of 3 pods are not on it"),
    ("a node that was not seen", LIVE, DONE, [pod("a", "n9")], "1 of 1 pods are not on it"),
]


@pytest.mark.parametrize(("live", "found", "pods", "why"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS])
def test_the_old_pool_stays(live: list[Any], found: Any, pods: list[Any], why: str) -> None:
    move = plan_move(NEW, live, found, pods, NODES)
    assert move.remove == ()
    assert move.sentence.startswith(f"NodePool old stays until the pods have moved: {why}")


def test_a_move_to_nodes_that_others_made_waits_until_pods_have_left_the_old_pool() -> None:
    static = (Pool("", (), {}, ()),)
    assert plan_move(static, [OLD], DONE, [pod("a", "o1")], NODES).remove == ()
    assert plan_move(static, [OLD], DONE, [pod("a", "n1")], NODES).remove == (OLD,)


def test_both_objects_of_a_machine_pool_go() -> None:
    old = [
        {"kind": kind, "metadata": {"name": "old", "uid": kind}} for kind in ("MachinePool", "AWSManagedMachinePool")
    ]
    assert plan_move(NEW, [LIVE[0], *old], DONE, MOVED, NODES).remove == tuple(old)

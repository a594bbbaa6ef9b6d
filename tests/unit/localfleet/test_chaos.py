"""Chaos without a fleet: what is drawn from a seed, and a checker that finds each broken promise in a made-up log."""

import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from localfleet.chaos import audit, check, skewed
from localfleet.chaos.acts import ACTS, Breaks
from localfleet.chaos.audit import Write
from localfleet.chaos.check import Failure, Restore
from localfleet.chaos.play import LEFT_SECONDS, Played, users
from localfleet.chaos.schedule import Round, rounds, target
from localfleet.load.records import Record

REGIONS = ("a", "b", "c")
ROUTE = Write(10.0, "a", "b", True, "patch", "httproutes", "m/x-users", "", 200, epoch=3, weights={"a": 60, "b": 40})
FENCE = Write(1.0, "a", "b", True, "patch", "configmaps", "s/leeward-fence", "", 200, epoch=3, fence=3)


def test_a_seed_is_a_schedule_and_every_fault_comes_before_any_comes_again() -> None:
    drawn = list(itertools.islice(rounds(7, tuple(ACTS), REGIONS), 2 * len(ACTS)))
    assert drawn == list(itertools.islice(rounds(7, tuple(ACTS), REGIONS), 2 * len(ACTS)))
    assert drawn != list(itertools.islice(rounds(8, tuple(ACTS), REGIONS), 2 * len(ACTS)))
    assert {each.fault for each in drawn[: len(ACTS)]} == set(ACTS)
    assert all(each.region != each.other and 20 <= each.seconds <= 45 for each in drawn)


@pytest.mark.parametrize(
    ("at_leader", "spares", "leader", "expected"),
    [(True, False, "c", "c"), (False, False, "c", "a"), (True, True, "a", "b"), (True, True, "c", "a")],
)
def test_where_a_fault_is_made(at_leader: bool, spares: bool, leader: str, expected: str) -> None:
    assert target(Round(1, "kill", "a", "b", at_leader, 20.0, 0.5), leader, spares) == expected


def test_nothing_is_broken_when_all_is_well() -> None:
    assert check.all_rules({"a": [FENCE, ROUTE]}, [], []) == []


def rules_of(*writes: Write, failures: tuple[Failure, ...] = (), restores: tuple[Restore, ...] = ()) -> list[str]:
    logs: dict[str, list[Write]] = {}
    for write in writes:
        logs.setdefault(write.cluster, []).append(write)
    return [broken.rule for broken in check.all_rules(logs, failures, restores)]


def test_two_writers_of_one_epoch() -> None:
    other = replace(ROUTE, t=11.0, source="c")
    assert rules_of(FENCE, ROUTE, other) == ["one writer"]
    assert rules_of(FENCE, ROUTE, replace(other, code=422)) == [], "what was refused is no write"


def test_an_epoch_that_falls() -> None:
    later = replace(ROUTE, t=11.0, source="c", epoch=4)
    raised = replace(FENCE, t=10.5, fence=4, source="c")
    assert rules_of(FENCE, ROUTE, raised, later) == []
    assert rules_of(FENCE, ROUTE, raised, later, replace(ROUTE, t=12.0)) == ["epochs grow"]


def test_a_write_before_its_fence_stands() -> None:
    assert rules_of(ROUTE) == ["fence first"]
    assert rules_of(FENCE, replace(ROUTE, epoch=4)) == ["fence first"]


def test_a_fence_that_was_rolled_back_is_raised_before_any_write() -> None:
    raised, write = replace(FENCE, t=5.0, fence=4, source="c"), replace(ROUTE, t=20.0, source="c", epoch=4)
    restored = Restore("a", 15.0, 2.0)
    assert rules_of(FENCE, raised, write) == []
    assert rules_of(FENCE, raised, write, restores=(restored,)) == ["fence first"]
    assert rules_of(FENCE, raised, replace(raised, t=16.0), write, restores=(restored,)) == []


def test_weights_that_do_not_sum_to_one_hundred() -> None:
    assert rules_of(FENCE, replace(ROUTE, weights={"a": 60, "b": 41})) == ["weights"]
    assert rules_of(FENCE, replace(ROUTE, weights={"a": 0, "b": 0})) == ["weights"]


def test_weight_for_a_region_that_has_not_come_back() -> None:
    failure = Failure("b", 9.0, 30.0)
    away = replace(ROUTE, t=11.0, weights={"a": 100, "b": 0})
    back = replace(ROUTE, t=12.0, weights={"a": 90, "b": 10})
    assert rules_of(FENCE, ROUTE, away, back, failures=(failure,)) == ["no early return"]
    assert rules_of(FENCE, ROUTE, away, replace(back, t=31.0), failures=(failure,)) == []
    cut_off = [replace(each, cluster="b") for each in (FENCE, ROUTE, away, back)]
    assert rules_of(*cut_off, failures=(failure,)) == [], "its own entry is judged by nobody"


def test_what_users_may_notice() -> None:
    played = Played(Round(1, "kill", "a", "b", False, 30.0, 0.0), "a", "b", 100.0, 130.0, 150.0, (3, 4))
    good = Record(110.0, 0.0, "b", good=True, status=200)
    failed = Record(105.0, 0.0, "b", status=503)
    assert users(played, Breaks.NOTHING, [good]) == []
    assert [each.what for each in users(played, Breaks.NOTHING, [good, failed])] == ["round 1 (kill): 1 requests, 503"]
    assert users(played, Breaks.NOTHING, [replace(failed, t=151.0)]) == [], "the round is over"
    assert users(played, Breaks.REGION, [failed]) == [], "it takes a moment to leave a region"
    late = replace(failed, t=100.0 + LEFT_SECONDS)
    assert len(users(played, Breaks.REGION, [late])) == 1
    assert users(played, Breaks.REGION, [replace(late, entry="a")]) == [], "who enters where nothing answers"


def line(**more: Any) -> str:
    row: dict[str, Any] = {
        "stage": "ResponseComplete",
        "requestURI": "/apis/gateway.networking.k8s.io/v1/namespaces/m/httproutes/x-users?force=true",
        "stageTimestamp": "2026-11-26T10:00:00.500000Z",
        "verb": "patch",
        "user": {"username": audit.OPERATOR},
        "sourceIPs": ["10.77.2.1", "10.77.1.1"],
        "objectRef": {"resource": "httproutes", "namespace": "m", "name": "x-users"},
        "responseStatus": {"code": 200},
        "responseObject": {
            "kind": "HTTPRoute",
            "metadata": {"name": "x-users", "annotations": {"leeward.dev/epoch": "3"}},
            "spec": {
                "rules": [
                    {
                        "backendRefs": [
                            {"name": "x-a", "weight": 60},
                            {"name": "x-b", "weight": 40},
                            {"name": "x-c-spare", "weight": 1},
                        ]
                    }
                ]
            },
        },
    }
    return json.dumps(row | more)


SOURCES: Mapping[str, str] = {"10.77.2.1": "b"}


def test_a_route_in_an_audit_log() -> None:
    (write,) = audit.parse([line()], "a", SOURCES)
    assert (write.source, write.ours, write.taken, write.epoch) == ("b", True, True, 3)
    assert write.weights == {"a": 60, "b": 40}


def test_what_the_fence_refused_is_counted() -> None:
    refusal = {"kind": "Status", "message": "ValidatingAdmissionPolicy 'leeward-fence' denied it: the epoch is over"}
    lines = [line(responseStatus={"code": 403, "message": refusal["message"]}, responseObject=refusal), line()]
    assert check.refused(audit.parse(lines, "a", SOURCES)) == {"b": 1}


def test_dry_runs_and_torn_lines_are_no_writes() -> None:
    assert list(audit.parse([line(requestURI="/x?dryRun=All"), line()[:50]], "a", SOURCES)) == []


def test_a_clock_that_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, right = tmp_path / "clock", time.time
    monkeypatch.setattr(time, "time", time.time)
    monkeypatch.setattr(time, "time_ns", time.time_ns)
    skew = skewed.Skew(path)
    skewed.install(skew)
    assert abs(time.time() - right()) < 5
    path.write_text("-3600")
    time.sleep(0.3)
    assert abs(time.time() - right() + 3600) < 5
    assert abs(time.time_ns() / 1e9 - right() + 3600) < 5

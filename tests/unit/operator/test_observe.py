"""What the observer makes of what it saw: crashes that are definitive, and what is deployed where."""

from typing import Any

import pytest

from leeward import opening
from leeward.adapters.objects import MODEL_LABEL, NAMESPACE_LABEL, REVISION_LABEL
from leeward.observe import Observer, now_ms
from leeward.ports import KubeObject, Outcome
from leeward.region_sight import RegionSight, by_model
from leeward.settings import Settings
from leeward.sightings import ProbeBook, ReachBook

KEY = ("models", "m")
NOBODY: Any = None  # no probe is sent here


def deployment(ready: int | None, labels: dict[str, str] | None = None) -> KubeObject:
    template = {"metadata": {"labels": labels or {}}, "spec": {"containers": [{"image": "server:1"}]}}
    status = {} if ready is None else {"readyReplicas": ready}
    return {"spec": {"replicas": 3, "template": template}, "status": status}


def observer(ready: int | None, *probes: tuple[str, Outcome]) -> Observer:
    made = Observer(Settings(), NOBODY, ReachBook(), ProbeBook((30_000,)))
    made.regions["b"] = RegionSight(deployments={KEY: deployment(ready)})
    for path, outcome in probes:
        made.probed.note(KEY, "b", path, outcome, "", now_ms())
    made.eager[KEY] = {"b"}
    return made


@pytest.mark.parametrize(
    ("ready", "direct", "via", "crashed"),
    [
        (None, Outcome.BAD, Outcome.BAD, 1),
        (None, Outcome.BAD, Outcome.GOOD, 0),
        (2, Outcome.BAD, Outcome.BAD, 0),
    ],
)
def test_a_crash_is_definitive_once_the_last_path_fails_too(
    ready: int | None, direct: Outcome, via: Outcome, crashed: int
) -> None:
    assert observer(ready, ("direct", direct), ("via a", via)).crashed() == crashed


def test_a_region_without_a_probe_or_unseen_has_not_crashed() -> None:
    assert observer(0).crashed() == 0
    unseen = observer(0, ("direct", Outcome.BAD))
    del unseen.regions["b"]
    assert unseen.crashed() == 0


def test_what_is_forgotten_is_gone() -> None:
    made = observer(0, ("direct", Outcome.BAD))
    made.open_since[KEY] = 1.0
    made.forget(set(), {"b"})
    assert (made.crashed(), made.eager, made.open_since) == (0, {}, {})


def test_users_who_are_in_already_need_no_settling() -> None:
    made = observer(3)
    assert not opening.found_open(made, KEY, ("b",))
    made.regions["b"].routes[KEY] = {}
    assert opening.found_open(made, KEY, ("b",))
    assert made.open_since[KEY] < 0


@pytest.mark.parametrize(
    ("ready", "waited", "may"), [((3, 3), 0, True), ((3, 0), 119, False), ((3, 0), 121, True), ((0, 0), 999, False)]
)
def test_users_are_let_in_when_all_are_ready_or_after_a_while_any(
    ready: tuple[int, int], waited: float, may: bool
) -> None:
    made = observer(ready[0])
    made.regions["c"] = RegionSight(deployments={KEY: deployment(ready[1])})
    assert opening.may_open(made, KEY, ("b", "c"), waited) is may


def test_a_revision_is_the_models_own_or_its_image() -> None:
    sight = RegionSight(deployments={KEY: deployment(1, {REVISION_LABEL: "v2"})})
    assert sight.revision(KEY) == "v2"
    assert RegionSight(deployments={KEY: deployment(1)}).revision(KEY) == "server:1"
    assert RegionSight().revision(KEY) is None


def test_only_the_users_route_is_kept_of_a_models_routes() -> None:
    owned = {NAMESPACE_LABEL: "models", MODEL_LABEL: "m"}
    bodies: list[KubeObject] = [
        {"metadata": {"name": name, "labels": labels}}
        for name, labels in (("m-serve", owned), ("m-users", owned), ("m-serve", owned), ("x", {}))
    ]
    assert set(by_model(bodies)) == {KEY}
    assert by_model(bodies, users_only=True)[KEY]["metadata"]["name"] == "m-users"


def test_what_was_asked_before_our_own_write_does_not_overrule_it() -> None:
    sight = RegionSight(routes={KEY: {"row": "old"}})
    sight.wrote_route(KEY, {"row": "new"}, now=10.0)
    sight.take_routes({KEY: {"row": "old"}}, asked=9.9)
    assert sight.routes == {KEY: {"row": "new"}}
    sight.take_routes({KEY: {"row": "edited"}}, asked=10.1)
    sight.take_routes({}, asked=9.9)
    assert sight.routes == {}

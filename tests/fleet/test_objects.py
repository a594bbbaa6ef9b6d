"""Leeward's own objects in every region's cluster: copied, put back, deleted for good, voted on, and adopted.

Most of it is tried with an Evacuation of a region that is not there: it moves nothing.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner
from seen import KEY, OWNED, Run

from leeward.adapters.objects import EVACUATIONS, EVENT, MODELS, ORIGIN, labels_of
from leeward.cli import main
from leeward.ports import KubeObject, Ref
from localfleet import faults
from localfleet.bootstrap import documents, wait_for
from localfleet.demo.quorum import Quorum
from localfleet.demo.stage import MODEL_FILE, Stage

US, EU, AP = "us-east1", "eu-west4", "ap-south1"
ORDER = Ref(EVACUATIONS, "", "maintenance")
SMALL = Ref(MODELS, KEY[0], "small")


def order(reason: str) -> KubeObject:
    return {
        "apiVersion": EVACUATIONS.api_version,
        "kind": EVACUATIONS.kind,
        "metadata": {"name": ORDER.name},
        "spec": {"region": "nowhere", "reason": reason},
    }


def small_model() -> KubeObject:
    """One replica in each region, for nobody."""
    body = copy.deepcopy(documents(MODEL_FILE)[0])
    body["metadata"]["name"] = SMALL.name
    body["spec"]["regions"] = [{**each, "replicas": {"min": 1, "max": 1}} for each in body["spec"]["regions"]]
    body["spec"]["traffic"]["hostnames"] = ["small.example.com"]
    body["spec"]["redundancy"] = {"survive": "None"}
    return body


@dataclass
class Held:
    """What each region's cluster holds of one object, by what its administrator sees."""

    stage: Stage
    run: Run

    async def look(self, ref: Ref, *where: str) -> dict[str, KubeObject | None]:
        return {name: await self.stage.clusters[name].read(ref) for name in where or self.stage.clusters}

    def wait(self, what: str, ref: Ref, holds: Callable[[KubeObject | None], bool], *where: str) -> None:
        """Until it holds in each of these clusters, or in all."""

        async def once() -> bool | None:
            return True if all(holds(each) for each in (await self.look(ref, *where)).values()) else None

        self.run(wait_for(what, once, 60))


def says(reason: str) -> Callable[[KubeObject | None], bool]:
    return lambda found: found is not None and found["spec"]["reason"] == reason


def told(status: str, reason: str, words: str = "") -> Callable[[KubeObject | None], bool]:
    """Does the condition InSync say so?"""

    def holds(found: KubeObject | None) -> bool:
        rows = ((found or {}).get("status") or {}).get("conditions") or ()
        return any(
            (row["type"], row["status"], row["reason"]) == ("InSync", status, reason) and words in row["message"]
            for row in rows
        )

    return holds


def gone(found: KubeObject | None) -> bool:
    return found is None


@pytest.fixture
def held(stage: Stage, quorum: Quorum, run: Run) -> Iterator[Held]:
    """Afterwards all regions are well, and the order is gone."""
    made = Held(stage, run)
    run(quorum.now())
    yield made
    for region in stage.fleet.regions:
        run(faults.heal(region))
    for ref in (ORDER, SMALL):
        for name, found in run(made.look(ref)).items():
            if found is not None:
                run(stage.clusters[name].delete(ref))
        made.wait("the end of it", ref, gone)


def settled_order(held: Held, origin: str) -> None:
    """The order is made in one cluster, and copied to the others."""
    held.run(held.stage.clusters[origin].apply(order("first")))
    held.wait("copies", ORDER, says("first"))
    held.wait("the origin's word", ORDER, told("True", "Origin"), origin)
    others = [name for name in held.stage.clusters if name != origin]
    held.wait("the copies' word", ORDER, told("True", "Copy", origin), *others)


def test_an_object_has_one_origin_and_an_edited_copy_is_put_back(held: Held, stage: Stage, run: Run) -> None:
    settled_order(held, EU)
    assert {found and found["metadata"]["annotations"][ORIGIN] for found in run(held.look(ORDER)).values()} == {EU}

    run(stage.clusters[AP].patch(ORDER, {"spec": {"reason": "edited"}}))

    async def event() -> dict[str, Any] | None:
        events = await stage.clusters[AP].find(EVENT, "default", fields={"reason": "CopyPutBack"})
        return next((each for each in events if "edited" in each["message"]), None)

    said = run(wait_for("an Event", event, 30))
    assert "spec.reason is edited, not first" in said["message"]
    assert EU in said["message"]
    held.wait("the edit put back", ORDER, says("first"))

    run(stage.clusters[EU].patch(ORDER, {"spec": {"reason": "second"}}))
    held.wait("a change at the origin everywhere", ORDER, says("second"))


def test_absence_deletes_nothing(held: Held, stage: Stage, run: Run) -> None:
    settled_order(held, EU)
    before = run(held.look(ORDER, US))[US]
    assert before is not None
    run(stage.clusters[US].delete(ORDER))
    held.wait(
        "another copy",
        ORDER,
        lambda found: found is not None and found["metadata"]["uid"] != before["metadata"]["uid"],
        US,
    )
    held.wait("its spec", ORDER, says("first"))


def test_a_region_that_was_cut_off_does_not_bring_back_what_was_deleted(held: Held, stage: Stage, run: Run) -> None:
    settled_order(held, EU)
    run(faults.kill(stage.fleet.region(AP), "partition"))
    run(stage.clusters[EU].delete(ORDER))
    held.wait("the deletion", ORDER, gone, US, EU)
    run(faults.heal(stage.fleet.region(AP)))
    held.wait("the deletion in the region that returns", ORDER, gone)

    settled_order(held, AP)


def test_a_deleted_model_leaves_nothing_behind_in_a_region_that_was_cut_off(held: Held, stage: Stage, run: Run) -> None:
    run(stage.clusters[US].apply(small_model()))
    labels = labels_of(SMALL.namespace, SMALL.name)

    async def parts(name: str) -> int:
        return sum([len(await stage.clusters[name].find(kind, labels=labels)) for kind in OWNED])

    async def placed() -> bool | None:
        return True if all([await parts(name) for name in stage.clusters]) else None

    held.wait("copies", SMALL, told("True", "Copy"), EU, AP)
    run(wait_for("its parts everywhere", placed, 120))
    run(faults.kill(stage.fleet.region(AP), "partition"))
    run(stage.clusters[US].delete(SMALL))
    held.wait("the deletion", SMALL, gone, US, EU)
    run(faults.heal(stage.fleet.region(AP)))
    held.wait("the deletion in the region that returns", SMALL, gone)

    async def left() -> bool | None:
        return None if any([await parts(name) for name in stage.clusters]) else True

    run(wait_for("nothing left of it", left, 180))


def test_from_git_what_most_clusters_hold_is_in_force_and_a_difference_is_told(
    held: Held, stage: Stage, run: Run
) -> None:
    for name, reason in ((US, "odd"), (EU, "even"), (AP, "even")):
        body = order(reason)
        body["metadata"]["annotations"] = {ORIGIN: "*"}
        run(stage.clusters[name].apply(body))
    held.wait("the difference told", ORDER, told("False", "Differs", f"{US}: spec.reason is odd, not even"))
    assert says("odd")(run(held.look(ORDER, US))[US]), "what Git wrote is left alone"
    run(stage.clusters[US].patch(ORDER, {"spec": {"reason": "even"}}))
    held.wait("no difference", ORDER, told("True", "Alike"))


def test_a_copy_is_adopted_when_the_origin_is_lost(held: Held, stage: Stage, run: Run) -> None:
    settled_order(held, AP)
    run(faults.kill(stage.fleet.region(AP), "partition"))
    kubeconfig = str(stage.fleet.region(EU).kubeconfig)
    said = CliRunner().invoke(main, ["adopt", "evacuation/maintenance", "--kubeconfig", kubeconfig])
    assert said.exit_code == 0, said.output
    held.wait("another origin", ORDER, told("True", "Origin"), EU)
    run(stage.clusters[EU].patch(ORDER, {"spec": {"reason": "adopted"}}))
    held.wait("the new origin's spec", ORDER, says("adopted"), US, EU)
    run(faults.heal(stage.fleet.region(AP)))
    held.wait("the new origin's spec where the old one was", ORDER, says("adopted"))
    held.wait("a copy where the origin was", ORDER, told("True", "Copy", EU), AP)

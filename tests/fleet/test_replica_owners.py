"""Who owns `spec.replicas`, on a real API server: no change of ours, of versions or of autoscaling moves the number.

The pods are held back by a scheduling gate, so that nothing but the number is at stake; the autoscaler's hand is played
by writes to the subresource `scale`, which is how every autoscaler writes.
"""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Api
from scaleworld import BY_HPA, BY_KEDA, HPA, KEDA, KEY, METRICS, WORKLOAD, Hasty, Watched, body, model
from seen import Run

from leeward import cleanup
from leeward.adapters.autoscalers import MADE
from leeward.adapters.kubeconfigs import from_file
from leeward.adapters.objects import AUTOSCALER, SCALED_OBJECT, differs
from leeward.adapters.pools import PoolKinds
from leeward.adapters.pools.port import merged
from leeward.elasticity import SINCE
from leeward.ports import Conflict, KindMissing, Ref
from localfleet import tools
from localfleet.bootstrap import CRD, documents, wait_for


@pytest.fixture
def server(api: Api, run: Run) -> Iterator[Watched]:
    connected = run(from_file("home", api.kubeconfig, deadline_seconds=20.0, field_manager="kube-controller-manager"))
    yield Watched(connected, run)

    async def gone() -> bool | None:
        return True if await cleanup.remove(connected, KEY, PoolKinds()) else None

    run(wait_for("removing the model", gone))
    run(connected.delete(Ref(AUTOSCALER, KEY[0], "by-hand")))
    run(connected.close())


def test_without_keda_the_missing_kind_is_told_and_replicas_follow(server: Watched) -> None:
    problem = server.bring(model(BY_KEDA), 4)
    assert isinstance(problem, KindMissing)
    assert "serves no ScaledObject (keda.sh/v1alpha1): install its CRD" in str(problem)
    assert server.number == 4
    assert server.bring(model(), 4) is None, "it goes without it, too"


@pytest.fixture(scope="module")
def crd(api: Api, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """KEDA's real CRD. KEDA itself does not run, so nobody but the tests scales."""
    try:
        body = documents(next(tools.manifests("keda")))[0]
    except tools.ToolError as error:
        pytest.skip(str(error))
    run = loop.run_until_complete
    server = run(from_file("home", api.kubeconfig, deadline_seconds=20.0))
    run(server.apply(body))

    async def served() -> bool:
        await server.find(SCALED_OBJECT)
        return True

    run(wait_for("serving ScaledObjects", served))
    yield
    run(server.delete(Ref(CRD, "", body["metadata"]["name"])))
    run(server.close())


@pytest.fixture
def keda(crd: None, server: Watched) -> Watched:
    return server


def test_a_deployment_is_made_with_its_number_and_each_writer_owns_its_part(server: Watched) -> None:
    server.bring(model(), 3)
    assert server.numbers == [3, 3, 3]
    rows = server.seen(WORKLOAD)["metadata"]["managedFields"]
    fields = {row["manager"]: row["fieldsV1"] for row in rows if row["operation"] == "Apply"}
    annotation = {"f:annotations": {f"f:{SINCE}": {}}}
    assert fields["leeward-size"] == {"f:metadata": annotation, "f:spec": {"f:replicas": {}}}
    assert "f:replicas" not in fields["leeward"]["f:spec"]
    server.bring(model(), 3)
    assert server.written == []


@pytest.mark.parametrize("scaled", [None, 7], ids=["as it was written", "scaled by others since"])
@pytest.mark.parametrize("autoscaling", [None, BY_KEDA], ids=["no autoscaling", "autoscaling"])
@pytest.mark.parametrize("wanted", [3, 5, 8])
def test_an_upgrade_takes_the_number_over_as_it_is(
    keda: Watched, wanted: int, autoscaling: Any, scaled: int | None
) -> None:
    """Earlier versions applied the number as `leeward`, together with all the rest."""
    before = merged(body(model()), {"spec": {"replicas": 5}})
    keda.run(keda.server.apply(before, writer="leeward"))
    if scaled:
        keda.scale(scaled)
    there = scaled or 5
    keda.bring(model(autoscaling), wanted)
    keda.bring(model(autoscaling), wanted)
    assert keda.numbers == sorted(keda.numbers), "never lower on the way"
    assert keda.numbers[0] in (there, wanted) and min(keda.numbers) >= there
    assert keda.number == max(there, wanted)
    assert "leeward" not in keda.owners()


def test_an_autoscalers_number_is_raised_to_the_floor_and_never_lowered(keda: Watched) -> None:
    elastic = model(BY_KEDA)
    keda.bring(elastic, 2)
    for scaled, floor, then in ((6, 2, 6), (3, 2, 3), (3, 5, 5), (9, 5, 9), (9, 2, 9)):
        keda.scale(scaled)
        keda.bring(elastic, floor)
        assert keda.number == then
        assert keda.seen(KEDA)["spec"]["minReplicaCount"] == floor
    assert keda.written == ["ScaledObject elastic"]


def test_while_a_region_is_out_of_traffic_the_floor_is_what_runs(keda: Watched) -> None:
    elastic = model(BY_KEDA)
    keda.bring(elastic, 2)
    keda.scale(6)
    keda.bring(elastic, 3, held=True)
    assert keda.seen(KEDA)["spec"]["minReplicaCount"] == 6
    keda.bring(elastic, 3)
    assert keda.seen(KEDA)["spec"]["minReplicaCount"] == 3


def test_switching_autoscaling_on_and_off_moves_nothing(keda: Watched) -> None:
    keda.bring(model(), 4)
    keda.bring(model(BY_KEDA), 4)
    spec = keda.seen(KEDA)["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"], keda.number) == (4, 12, 4)
    keda.scale(7)
    for autoscaling in (None, BY_KEDA, None):
        keda.bring(model(autoscaling), 4)
        keda.bring(model(autoscaling), 4)
        assert keda.number == 7
        assert (keda.seen(KEDA) is None) is (autoscaling is None)
    assert set(keda.numbers) == {7}
    assert MADE not in keda.seen(WORKLOAD)["metadata"].get("annotations", {})


def test_without_an_autoscaler_a_number_of_others_is_lowered_in_its_time(server: Watched) -> None:
    impatient = model(scale_down_after="2s")
    server.bring(impatient, 3)
    server.scale(6)
    server.bring(impatient, 3)
    assert (server.number, server.owners()) == (6, {"leeward-size", "kube-controller-manager"})
    time.sleep(3.1)
    server.bring(impatient, 3, held=True)
    assert server.number == 6
    server.bring(impatient, 3)
    assert server.number == 3
    server.scale(1)
    server.bring(impatient, 3)
    assert server.number == 3


def test_an_autoscaler_that_writes_at_the_same_time_is_not_undone(keda: Watched, run: Run) -> None:
    elastic = model(BY_KEDA)
    keda.bring(elastic, 2)
    hasty = Hasty(keda.server, run)
    hasty.bring(elastic, 5)
    assert keda.number == 9
    hasty.times = 9
    keda.scale(2)
    with pytest.raises(Conflict, match="changed while it was sized"):
        hasty.bring(model(BY_KEDA), 12)


def test_somebody_elses_autoscaler_is_told(server: Watched) -> None:
    server.bring(model(), 3)
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": KEY[1]}, "maxReplicas": 9}
    metadata = {"namespace": KEY[0], "name": "by-hand"}
    made = {"apiVersion": AUTOSCALER.api_version, "kind": AUTOSCALER.kind, "metadata": metadata, "spec": spec}
    server.run(server.server.create(made))
    server.scale(5)
    problem = server.bring(model(), 3)
    assert problem is not None
    assert (problem.reason, server.number) == ("ScaledByOthers", 5)
    assert "HorizontalPodAutoscaler by-hand" in str(problem)


def test_a_horizontal_pod_autoscaler_is_taken_as_it_is_and_written_once(server: Watched) -> None:
    """Also where the API server writes amounts in its own way: 12.5 as 12500m."""
    server.bring(model(BY_HPA), 3)
    live = server.seen(HPA)
    assert live["spec"]["metrics"][0]["pods"]["target"]["averageValue"] == "12500m"
    assert live["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 120
    server.bring(model(BY_HPA), 3)
    assert server.written == []
    server.bring(model({"metrics": METRICS}), 3)
    assert server.written == ["HorizontalPodAutoscaler elastic"], "behavior is taken away"


def test_what_is_no_valid_metric_is_told_and_replicas_follow(server: Watched) -> None:
    problem = server.bring(model(BY_HPA | {"metrics": [{"type": "Pods"}]}), 3)
    assert problem is not None
    assert (problem.reason, server.number) == ("Invalid", 3)
    assert "must populate information for the given metric source" in str(problem)


def test_keda_takes_the_object_and_keeps_every_field(keda: Watched) -> None:
    assert keda.bring(model(BY_KEDA), 3) is None
    spec = keda.seen(KEDA)["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (3, 12)
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": KEY[1]}
    assert not differs({"triggers": BY_KEDA["triggers"], **BY_KEDA["providerSpec"]}, spec)  # type: ignore[dict-item]
    keda.bring(model(BY_KEDA), 3)
    assert keda.written == []


def test_a_change_of_provider_removes_the_one_before_it_makes_the_other(keda: Watched) -> None:
    keda.bring(model(BY_KEDA), 3)
    keda.scale(6)
    for autoscaling, here, gone in ((BY_HPA, HPA, KEDA), (BY_KEDA, KEDA, HPA)):
        keda.bring(model(autoscaling), 3)
        assert (keda.seen(gone), keda.number) == (None, 6)
        assert keda.seen(here) is not None
    assert keda.run(cleanup.remove(keda.server, KEY, PoolKinds())) is False
    assert keda.seen(KEDA) is None

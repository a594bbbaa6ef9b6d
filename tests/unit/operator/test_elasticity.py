"""The number of replicas and the bounds of autoscalers, as tables; what a real API server makes of it: tests/fleet."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from leeward.adapters.autoscalers import Bounds, NotScaling, autoscaler, rival, strays, trouble
from leeward.api.modeldeployment import ModelDeployment
from leeward.core.phases import Phase
from leeward.core.plan import RegionPlan
from leeward.core.verdict import Verdict
from leeward.elasticity import SINCE, Order, condition
from leeward.ports import KindMissing, KubeObject, PortError

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
NOW = datetime(2026, 11, 25, 20, 0, tzinfo=UTC)
SIZER = {"manager": "leeward-size", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}}


def model(example: str = "modeldeployment", freeze: bool = False) -> ModelDeployment:
    document = yaml.safe_load((EXAMPLES / f"{example}.yaml").read_text("utf-8"))
    document["spec"]["freeze"] = freeze
    return ModelDeployment.read(document)


HPA, KEDA = model("autoscaling/horizontalpodautoscaler"), model("autoscaling/scaledobject")


def live(replicas: int, owned_for: timedelta | None) -> KubeObject:
    """A Deployment whose number `leeward-size` has owned for so long; None: somebody else owns it."""
    since = {} if owned_for is None else {SINCE: (NOW - owned_for).isoformat()}
    writers = [] if owned_for is None else [SIZER]
    return {"spec": {"replicas": replicas}, "metadata": {"annotations": since, "managedFields": writers}}


LONG, SHORT, NEVER = timedelta(minutes=16), timedelta(minutes=14), None
NUMBERS = [
    # what, order, there, owned by us for, then
    ("below the plan", Order(model(), 4, 8), 3, LONG, 4),
    ("at the plan", Order(model(), 4, 8), 4, LONG, 4),
    ("above the plan for long", Order(model(), 4, 8), 6, LONG, 4),
    ("above the plan for a while", Order(model(), 4, 8), 6, SHORT, 6),
    ("raised by others", Order(model(), 4, 8), 6, NEVER, 6),
    ("raised by others beyond the most", Order(model(), 4, 8), 20, NEVER, 8),
    ("nothing shrinks in a failover", Order(model(), 4, 8, held=True), 6, LONG, 6),
    ("nothing shrinks when frozen", Order(model(freeze=True), 4, 8), 6, LONG, 6),
    ("an autoscaler's, below the floor", Order(HPA, 4, 8), 3, LONG, 4),
    ("an autoscaler's, above the floor", Order(HPA, 4, 8), 6, LONG, 6),
    ("an autoscaler's, above the ceiling", Order(HPA, 4, 8), 9, LONG, 9),
    ("a plan above the most", Order(HPA, 9, 8), 3, LONG, 9),
    ("none wanted, KEDA's", Order(KEDA, 0, 8), 0, NEVER, 0),
]


@pytest.mark.parametrize(("what", "order", "there", "since", "then"), NUMBERS, ids=[row[0] for row in NUMBERS])
def test_the_number_that_leeward_writes(
    what: str, order: Order, there: int, since: timedelta | None, then: int
) -> None:
    assert order.number(live(there, since), NOW) == then


@pytest.mark.parametrize("annotations", [{}, {SINCE: "yesterday"}], ids=["removed", "spoilt"])
def test_a_number_of_which_nobody_knows_since_when_is_not_lowered(annotations: dict[str, str]) -> None:
    body = {"spec": {"replicas": 6}, "metadata": {"annotations": annotations, "managedFields": [SIZER]}}
    assert Order(model(), 4, 8).number(body, NOW) == 6


BOUNDS = [
    ("calm", Order(HPA, 2, 8), 5, Bounds(2, 8)),
    ("a failover", Order(HPA, 3, 8, held=True), 5, Bounds(5, 8)),
    ("a failover that orders more", Order(HPA, 6, 8, held=True), 5, Bounds(6, 8)),
    ("a failover, and more than the most", Order(HPA, 3, 8, held=True), 20, Bounds(8, 8)),
    ("a plan above the most", Order(HPA, 9, 8), 5, Bounds(9, 9)),
    ("frozen", Order(model("autoscaling/horizontalpodautoscaler", freeze=True), 2, 8), 5, Bounds(5, 5)),
]


@pytest.mark.parametrize(("what", "order", "running", "bounds"), BOUNDS, ids=[row[0] for row in BOUNDS])
def test_floor_and_ceiling(what: str, order: Order, running: int, bounds: Bounds) -> None:
    assert order.bounds(running) == bounds


def made(of: ModelDeployment, floor: int, ceiling: int) -> Any:
    body = autoscaler(of, Bounds(floor, ceiling))
    assert body is not None
    return body


def test_a_horizontal_pod_autoscaler_has_what_the_model_says_between_leewards_bounds() -> None:
    body = made(HPA, 2, 12)
    assert (body["apiVersion"], body["kind"]) == ("autoscaling/v2", "HorizontalPodAutoscaler")
    assert body["metadata"]["name"] == body["spec"]["scaleTargetRef"]["name"] == "llama-70b"
    assert (body["spec"]["minReplicas"], body["spec"]["maxReplicas"]) == (2, 12)
    assert HPA.spec.autoscaling is not None
    assert tuple(body["spec"]["metrics"]) == HPA.spec.autoscaling.metrics
    assert body["spec"]["behavior"] == HPA.spec.autoscaling.behavior


@pytest.mark.parametrize(
    ("of", "bounds", "written"), [(HPA, (0, 4), (1, 4)), (HPA, (5, 4), (5, 5)), (KEDA, (0, 0), (0, 1))]
)
def test_bounds_that_the_api_refuses_are_never_written(
    of: ModelDeployment, bounds: tuple[int, int], written: tuple[int, int]
) -> None:
    spec = made(of, *bounds)["spec"]
    found = spec.get("minReplicas", spec.get("minReplicaCount")), spec.get("maxReplicas", spec.get("maxReplicaCount"))
    assert found == written


def test_a_scaled_object_never_goes_back_to_a_number_of_its_own() -> None:
    document = KEDA.wire()
    document["spec"]["autoscaling"]["providerSpec"]["minReplicaCount"] = 7
    document["spec"]["autoscaling"]["providerSpec"]["advanced"] = {
        "restoreToOriginalReplicaCount": True,
        "horizontalPodAutoscalerConfig": {"behavior": {}},
    }
    spec = made(ModelDeployment.read(document), 2, 12)["spec"]
    assert spec["minReplicaCount"] == 2
    assert spec["advanced"] == {
        "restoreToOriginalReplicaCount": False,
        "horizontalPodAutoscalerConfig": {"behavior": {}},
    }
    assert spec["cooldownPeriod"] == 1800


def test_targets_are_compared_as_amounts() -> None:
    body, same = made(HPA, 2, 12), made(HPA, 2, 12)
    metric = dict(same["spec"]["metrics"][0])
    same["spec"]["metrics"] = [
        {**metric, "pods": {**metric["pods"], "target": {"type": "AverageValue", "averageValue": "40000m"}}}
    ]
    same["spec"]["metrics"] += body["spec"]["metrics"][1:]
    assert not strays(body, same)
    same["spec"]["maxReplicas"] = 11
    assert strays(body, same)


def said(*conditions: tuple[str, str]) -> KubeObject:
    rows = [{"type": kind, "status": status, "reason": "Why", "message": "so it is"} for kind, status in conditions]
    return {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "x"}, "status": {"conditions": rows}}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (said(), None),
        (said(("AbleToScale", "True"), ("ScalingLimited", "True")), None),
        (said(("Active", "False"), ("Ready", "Unknown")), None),
        (said(("AbleToScale", "True"), ("ScalingActive", "False")), "says ScalingActive=False: Why: so it is"),
        (said(("Ready", "False")), "says Ready=False: Why: so it is"),
    ],
)
def test_what_an_autoscaler_says_of_itself(body: KubeObject, problem: str | None) -> None:
    found = trouble(body)
    assert (found is None) if problem is None else (problem in str(found))


def test_only_an_autoscaler_of_the_same_deployment_is_a_rival() -> None:
    def of(kind: str, name: str) -> KubeObject:
        return {"metadata": {"name": "theirs"}, "spec": {"scaleTargetRef": {"kind": kind, "name": name}}}

    others = [of("Deployment", "another"), of("StatefulSet", "llama-70b")]
    assert rival(model(), others) is None
    found = rival(model(), [*others, of("Deployment", "llama-70b")])
    assert str(found) == "HorizontalPodAutoscaler theirs scales Deployment llama-70b too"


LINES = [RegionPlan(name, Verdict.HEALTHY, "", Phase.ACTIVE, "", 50, 50, Fraction(1), None, 2, True) for name in "ab"]
MISSING = KindMissing("b serves no ScaledObject (keda.sh/v1alpha1): install its CRD")
CONDITIONS: list[tuple[str, ModelDeployment, dict[str, PortError | None], tuple[Any, ...] | None]] = [
    ("none", model(), {"a": None, "b": None}, None),
    ("none, and a rival", model(), {"b": rival(model(), [])}, None),
    ("not seen", HPA, {"a": None}, (None, "NotSeen", "the HorizontalPodAutoscaler of b has not been seen yet")),
    ("missing", KEDA, {"a": None, "b": MISSING}, (False, "KindMissing", "install the CRD that the message names")),
    ("trouble", HPA, {"a": NotScaling("x says so")}, (False, "NotScaling", "a: x says so; mend what serves")),
    ("good", KEDA, {"a": None, "b": None}, (True, "InForce", "every region's ScaledObject scales between")),
]


@pytest.mark.parametrize(("what", "of", "seen", "expected"), CONDITIONS, ids=[row[0] for row in CONDITIONS])
def test_the_condition(
    what: str, of: ModelDeployment, seen: dict[str, PortError | None], expected: tuple[Any, ...] | None
) -> None:
    found = condition(of, LINES, seen)
    if expected is None or found is None:
        assert found == expected
    else:
        assert found[1:3] == expected[:2]
        assert expected[2] in found[3]

"""The resources as the operator reads and writes them."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from leeward.api.common import Condition, condition_of
from leeward.api.markers import MAX_SENTENCE
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.modelstatus import ModelDeploymentStatus, RegionLine, ReplicaCount, ServingWeight, WeightRow
from leeward.api.region import Region
from leeward.api.units import duration_ms
from leeward.core.spec import (
    CapacitySpec,
    FailbackMode,
    FailbackSpec,
    FailoverMode,
    GuardLimits,
    Objectives,
    TrafficPolicy,
    TrafficSpec,
)

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def example_model() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((EXAMPLES / "modeldeployment.yaml").read_text("utf-8"))
    return document


def smallest_model() -> dict[str, Any]:
    return {
        "metadata": {"name": "m", "namespace": "models"},
        "spec": {
            "model": {"name": "org/m"},
            "server": {"image": "example.com/server:1"},
            "accelerator": {"type": "nvidia-l4"},
            "regions": [{"name": "a", "share": 100, "replicas": {"max": 2}}],
        },
    }


def test_example_model_reads() -> None:
    model = ModelDeployment.read(example_model())
    assert model.key == "models/llama-70b"
    assert model.spec.server is not None
    assert model.spec.server.port == 8000
    assert [(each.name, each.share, each.replicas.min) for each in model.spec.regions] == [
        ("us-east1", 50, 2),
        ("eu-west4", 50, 2),
        ("ap-south1", 0, 1),
    ]
    assert model.spec.objectives.itl is not None
    assert model.spec.objectives.itl.seconds == "0.1"


def test_example_regions_read() -> None:
    regions = [Region.read(each) for each in yaml.safe_load_all((EXAMPLES / "regions.yaml").read_text("utf-8"))]
    assert [each.key for each in regions] == ["us-east1", "eu-west4", "ap-south1"]
    assert regions[0].spec.cluster.local is not None
    assert regions[1].spec.cluster.local is None
    reference = regions[1].spec.cluster.kubeconfig_secret_ref
    assert reference is not None
    assert reference.key == "value"
    gateway = regions[2].spec.gateway
    assert gateway is not None
    assert (gateway.users_port, gateway.serve_port) == (80, 8081)
    assert (gateway.users_listener, gateway.serve_listener) == ("users", "serve")
    assert regions[2].spec.node_pools.accelerators[0].node_labels == {"karpenter.k8s.aws/instance-gpu-name": ("h100",)}


@pytest.mark.parametrize("document", [example_model(), smallest_model()], ids=["example", "smallest"])
def test_model_survives_a_round_trip(document: dict[str, Any]) -> None:
    model = ModelDeployment.read(document)
    assert ModelDeployment.read(model.wire()) == model


def test_region_survives_a_round_trip() -> None:
    for path in (EXAMPLES / "regions.yaml", *(EXAMPLES / "pools").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text("utf-8")):
            region = Region.read(document)
            assert Region.read(region.wire()) == region


def test_defaults_are_those_of_the_core() -> None:
    spec = ModelDeployment.read(smallest_model()).spec
    guards, failback, traffic = GuardLimits(), FailbackSpec(), TrafficSpec()
    assert spec.failover.mode is FailoverMode.AUTOMATIC
    assert duration_ms(spec.failover.cooldown) == guards.cooldown_ms
    assert duration_ms(spec.failover.starting_grace) == guards.starting_grace_ms
    assert spec.failover.max_per_hour == guards.failovers_per_hour
    assert spec.failover.writes_per_hour == guards.writes_per_hour
    assert spec.failover.advantage_percent == guards.advantage * 100
    assert spec.failback.flap_penalty_stop == guards.flap_penalty_stop
    assert spec.failback.flap_penalty_resume == guards.flap_penalty_resume
    assert spec.failback.mode is FailbackMode.AUTOMATIC
    assert duration_ms(spec.failback.bake) == failback.bake_ms
    assert duration_ms(spec.failback.clean_after_failed) == failback.clean_after_failed_ms
    assert duration_ms(spec.failback.clean_after_degraded) == failback.clean_after_degraded_ms
    assert spec.failback.steps == failback.steps
    assert spec.failback.min_requests == failback.min_requests
    assert spec.traffic.policy is TrafficPolicy.LOCAL_FIRST
    assert spec.traffic.max_step == traffic.max_step
    assert duration_ms(spec.traffic.min_interval) == traffic.min_interval_ms


def test_declared_defaults_are_those_of_the_core() -> None:
    spec = ModelDeployment.read(smallest_model()).spec
    capacity, objectives = CapacitySpec(), Objectives()
    assert spec.capacity.requests_per_second_per_replica == str(capacity.requests_per_second_per_replica)
    assert spec.capacity.concurrency_per_replica == capacity.concurrency_per_replica
    assert spec.capacity.target_utilization == capacity.target_utilization * 100
    assert duration_ms(spec.capacity.scale_down_after) == capacity.scale_down_after_ms
    assert spec.objectives.availability == "99.5"
    assert (spec.objectives.ttft.percentile, spec.objectives.ttft.seconds) == (
        objectives.ttft_percentile,
        "2.5",
    )
    assert spec.redundancy.survive == "Region"
    assert spec.accelerator.resource_name == "nvidia.com/gpu"
    assert spec.accelerator.count == 1
    assert not spec.freeze


def test_a_field_of_another_version_is_ignored() -> None:
    document = smallest_model()
    document["spec"]["fallback"] = {"ladder": []}
    document["status"] = {"health": "healthy", "regions": [{"name": "a", "verdict": "doubtful", "mood": 1}]}
    model = ModelDeployment.read(document)
    assert model.status.health == "healthy"
    assert model.status.regions[0].verdict == "doubtful"


def test_a_status_that_cannot_be_read_counts_as_none() -> None:
    assert ModelDeployment.read(smallest_model() | {"status": {"regions": "all"}}).status == ModelDeploymentStatus()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("regions", [{"name": "a", "share": 101, "replicas": {"max": 1}}]),
        ("accelerator", {"type": "l4", "count": 0}),
        ("failback", {"bake": "soon"}),
        ("failover", {"mode": "Sometimes"}),
    ],
)
def test_a_bad_spec_names_its_field(part: str, value: Any) -> None:
    document = smallest_model()
    document["spec"][part] = value
    with pytest.raises(ValidationError) as refusal:
        ModelDeployment.read(document)
    assert refusal.value.errors()[0]["loc"][:2] == ("spec", part)


def test_status_as_the_operator_writes_it() -> None:
    status = ModelDeploymentStatus(
        observed_generation=3,
        ready_replicas="6/6",
        regions=(RegionLine(name="a", weight=100, replicas=ReplicaCount(ready=6, desired=6)),),
        weights=(WeightRow(entry="a", serving=(ServingWeight(region="a", percent=100),)),),
    )
    wire = status.wire()
    assert wire["observedGeneration"] == 3
    assert wire["regions"][0]["targetWeight"] == 0
    assert wire["weights"] == [{"entry": "a", "serving": [{"region": "a", "percent": 100}]}]
    assert "memory" not in wire


def test_a_long_sentence_is_cut_not_refused() -> None:
    line = RegionLine(name="a", reason="x" * 5000)
    assert len(line.reason) == MAX_SENTENCE
    assert line.reason.endswith("…")


def test_conditions_are_found_by_type() -> None:
    ready = Condition(type="Ready", status="True", reason="Fine", last_transition_time="2026-11-24T05:00:00Z")
    assert condition_of((ready,), "Ready") is ready
    assert condition_of((ready,), "Survivable") is None

"""A fleet's shape in the core's terms."""

from dataclasses import replace
from fractions import Fraction

from leeward.core.spec import (
    CapacitySpec,
    FailbackSpec,
    GuardLimits,
    ModelSpec,
    Objectives,
    RegionSpec,
    TrafficPolicy,
    TrafficSpec,
)
from leeward.storm.scenario import FleetShape


def core_spec(fleet: FleetShape) -> ModelSpec:
    """The spec that the operator would make of a ModelDeployment with these settings."""
    return ModelSpec(
        key="storm/model",
        regions=tuple(
            RegionSpec(r.name, r.share, r.replicas_min, r.replicas_max, (("provider", r.provider),))
            for r in fleet.regions
        ),
        capacity=CapacitySpec(
            Fraction(fleet.requests_per_second_per_replica),
            fleet.concurrency_per_replica,
            scale_down_after_ms=fleet.scale_down_after_ms,
        ),
        objectives=Objectives(Fraction(str(fleet.availability))),
        traffic=TrafficSpec(TrafficPolicy(fleet.policy), fleet.max_step, fleet.min_interval_ms),
        failback=FailbackSpec(
            bake_ms=fleet.bake_ms,
            steps=fleet.steps,
            min_requests=fleet.min_requests,
            clean_after_degraded_ms=fleet.clean_after_degraded_ms,
            clean_after_failed_ms=fleet.clean_after_failed_ms,
        ),
        guards=GuardLimits(
            cooldown_ms=fleet.cooldown_ms,
            failovers_per_hour=fleet.failovers_per_hour,
            writes_per_hour=fleet.writes_per_hour,
            flap_penalty_resume=fleet.flap_penalty_resume,
        ),
        interval_ms=fleet.interval_ms,
        scrape_interval_ms=fleet.scrape_interval_ms,
    )


def frozen(spec: ModelSpec) -> ModelSpec:
    """The same, frozen by a person."""
    return replace(spec, frozen=True)

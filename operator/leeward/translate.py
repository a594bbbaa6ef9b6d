"""From the API's models to the core's own terms: strings become exact numbers, durations milliseconds."""

from fractions import Fraction

from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.api.units import duration_ms, parse_decimal, parse_percent
from leeward.core.spec import (
    CapacitySpec,
    FailbackSpec,
    GuardLimits,
    ModelSpec,
    Objectives,
    RegionSpec,
    TrafficSpec,
)
from leeward.settings import Settings


def model_spec(model: ModelDeployment, regions: dict[str, Region], settings: Settings) -> ModelSpec:
    """The core's spec of a model. Regions that do not exist as objects are left out: they cannot serve."""
    spec = model.spec
    return ModelSpec(
        key=model.key,
        regions=tuple(
            RegionSpec(
                entry.name,
                entry.share,
                entry.replicas.min,
                entry.replicas.max,
                tuple(sorted(regions[entry.name].spec.failure_domains.items())),
                entry.served_by,
                tuple((name, rank) for rank, name in enumerate(entry.nearest or ())),
            )
            for entry in spec.regions
            if serves(regions.get(entry.name))
        ),
        capacity=_capacity(model),
        objectives=Objectives(
            parse_percent(spec.objectives.availability),
            spec.objectives.ttft.percentile,
            parse_decimal(spec.objectives.ttft.seconds),
        ),
        traffic=TrafficSpec(spec.traffic.policy, spec.traffic.max_step, duration_ms(spec.traffic.min_interval)),
        failover=spec.failover.mode,
        failback=_failback(model),
        guards=_guards(model),
        frozen=spec.freeze,
        interval_ms=round(settings.interval * 1000),
        scrape_interval_ms=round(settings.scrape_interval * 1000),
        survive=spec.redundancy.survive,
        standby=spec.redundancy.standby,
    )


def serves(region: Region | None) -> bool:
    """Can this region serve models at all? A witness has no gateway."""
    return region is not None and region.spec.gateway is not None


def _capacity(model: ModelDeployment) -> CapacitySpec:
    capacity = model.spec.capacity
    return CapacitySpec(
        parse_decimal(capacity.requests_per_second_per_replica),
        capacity.concurrency_per_replica,
        Fraction(capacity.target_utilization, 100),
        duration_ms(capacity.scale_down_after),
        capacity.learn,
    )


def _failback(model: ModelDeployment) -> FailbackSpec:
    failback = model.spec.failback
    return FailbackSpec(
        failback.mode,
        duration_ms(failback.bake),
        tuple(failback.steps),
        failback.min_requests,
        duration_ms(failback.clean_after_degraded),
        duration_ms(failback.clean_after_failed),
    )


def _guards(model: ModelDeployment) -> GuardLimits:
    failover, failback = model.spec.failover, model.spec.failback
    return GuardLimits(
        cooldown_ms=duration_ms(failover.cooldown),
        failovers_per_hour=failover.max_per_hour,
        writes_per_hour=failover.writes_per_hour,
        advantage=Fraction(failover.advantage_percent, 100),
        flap_penalty_stop=failback.flap_penalty_stop,
        flap_penalty_resume=failback.flap_penalty_resume,
        starting_grace_ms=duration_ms(failover.starting_grace),
    )

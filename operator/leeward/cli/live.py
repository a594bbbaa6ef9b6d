"""What the cluster holds now, as a decision to go on from."""

import time
from collections.abc import Mapping
from dataclasses import replace

import click

from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.cli.home import Home
from leeward.core.snapshot import Matrix, ReadyReading, RegionReadings
from leeward.replay.decision import Decision
from leeward.settings import Settings
from leeward.translate import model_spec


async def live_cases(home: Home, name: str | None) -> list[tuple[Decision, str | None]]:
    """One model, or all that have a record, with the region that the operator runs in.

    Raises:
        click.ClickException: there is no such model, or no record.
    """
    regions = await home.regions()
    seat = next((each for each, region in regions.items() if region.spec.cluster.local is not None), None)
    models = [await home.model(name)] if name is not None else await home.models()
    cases = []
    for model in models:
        try:
            _, newest = (await home.decisions(model))[-1]
        except click.ClickException as error:
            if name is not None:
                raise
            click.echo(f"left out: {error.message}", err=True)
            continue
        cases.append((as_of_now(newest, model, regions, time.time_ns() // 1_000_000), seat))
    if not cases:
        raise click.ClickException(
            "there is no ModelDeployment with a recorded decision here: name a namespace with -n"
        )
    return cases


def as_of_now(newest: Decision, model: ModelDeployment, regions: Mapping[str, Region], now_ms: int) -> Decision:
    """The newest decision carried on to now: spec and regions as they are, and replicas and weights of the status."""
    settings = Settings(interval=newest.spec.interval_ms / 1000, scrape_interval=newest.spec.scrape_interval_ms / 1000)
    spec = model_spec(model, dict(regions), settings)
    plan = newest.made
    status = tuple((row.entry, tuple((c.region, c.percent) for c in row.serving)) for row in model.status.weights)
    weights: Matrix = status or plan.weights
    counts = {line.name: line.replicas for line in model.status.regions}
    seen = {each.name: each for each in newest.snapshot.regions}
    readings = tuple(
        replace(
            seen.get(name, RegionReadings(name)),
            ready=ReadyReading(counts[name].ready, counts[name].desired, 0) if name in counts else None,
        )
        for name in spec.region_names
    )
    snapshot = replace(newest.snapshot, taken_ms=now_ms, regions=readings, weights=weights)
    return Decision(now_ms=now_ms, spec=spec, snapshot=snapshot, memory=replace(plan.memory, weights=weights))

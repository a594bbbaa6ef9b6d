"""How long until a fault is decided, on a world with random errors: ticks and scrapes of 5 s, 30 requests/s."""

from dataclasses import replace

import pytest
from world import World, shares_policy, three_regions

from leeward.core.phases import Phase
from leeward.core.spec import TrafficPolicy

SEEDS = range(2)


def seconds_to_drained(fault: dict[str, object], policy: TrafficPolicy, seed: int) -> int:
    world = World(three_regions(traffic=shares_policy(policy=policy)), rate=30, seed=seed)
    world.scrape_offset = seed
    world.run(120 + seed)
    began, region = world.now, world.regions["a"]
    world.regions["a"] = replace(region, **fault)  # type: ignore[arg-type]
    if "cut_since" in fault:
        world.observer, world.regions["a"].cut_since = "b", began
    for at, plan in world.run(90):
        if plan.regions[0].phase is Phase.DRAINED:
            return at - began
    raise AssertionError("never decided")


@pytest.mark.parametrize("policy", TrafficPolicy)
@pytest.mark.parametrize(
    ("fault", "most"),
    [({"cut_since": 0}, 3), ({"crashed": True}, 5), ({"slow": 0.9}, 30), ({"errors": 0.2}, 35)],
    ids=["cut off", "crashed", "slow", "20 % errors"],
)
def test_detection_time(fault: dict[str, object], most: int, policy: TrafficPolicy) -> None:
    assert max(seconds_to_drained(fault, policy, seed) for seed in SEEDS) <= most


def test_noise_moves_nothing() -> None:
    world = World(three_regions(), rate=30, seed=7)
    for region in world.regions.values():
        region.errors = 0.002
    plans = world.run(900)
    assert [at for at, plan in plans if plan.write_weights] == [5]

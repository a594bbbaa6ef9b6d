"""Decisions of the scenario world, as the operator records them, and the command line that reads them."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from world import World, three_regions

from leeward.cli import main
from leeward.core.decide import decide
from leeward.core.memory import to_record
from leeward.core.spec import ModelSpec, TrafficPolicy, TrafficSpec
from leeward.replay.decision import Decision

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def shares(**changes: object) -> ModelSpec:
    """Three regions in which every entry sends to all."""
    return three_regions(traffic=TrafficSpec(policy=TrafficPolicy.SHARES), **changes)


def settled(spec: ModelSpec, rate: float = 30.0) -> World:
    """A world that has been well for two minutes."""
    world = World(spec, rate)
    world.run(120)
    return world


def decision_of(world: World) -> Decision:
    """The world's next decision, recorded with its plan."""
    snapshot, memory = world.snapshot(), world.memory
    plan = decide(world.spec, snapshot, memory, world.now_ms)
    return Decision(now_ms=world.now_ms, spec=world.spec, snapshot=snapshot, memory=memory, plan=plan)


def cut(world: World, name: str) -> Decision:
    """The decision three seconds after a region was cut off."""
    world.regions[name].cut_since = world.now
    for _ in range(3):
        world.second()
    return decision_of(world)


def status_of(decision: Decision) -> dict[str, object]:
    """The parts of a model's status that the tools read, as the operator writes them."""
    plan = decision.made
    return {
        "weights": [
            {"entry": entry, "serving": [{"region": name, "percent": percent} for name, percent in row]}
            for entry, row in plan.weights
        ],
        "regions": [
            {"name": line.name, "replicas": {"ready": 6, "desired": line.replicas}, "weight": line.weight}
            for line in plan.regions
        ],
        "memory": json.dumps(to_record(plan.memory)),
    }


def leeward(*arguments: str, **more: Any) -> Result:
    """The command line, called in this process."""
    return CliRunner().invoke(main, list(arguments), **more)

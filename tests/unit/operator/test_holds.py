"""A plan that holds moves no weight, whatever it remembers; what is in no route any more is another matter."""

from fractions import Fraction
from pathlib import Path

import yaml

from leeward.adapters.members import Member
from leeward.adapters.routes import Names, read_row, users_route
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.apply import Task
from leeward.core.memory import Memory
from leeward.core.phases import Phase
from leeward.core.plan import Plan, RegionPlan
from leeward.core.snapshot import Row
from leeward.core.verdict import Verdict

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
MODEL = ModelDeployment.read(yaml.safe_load((EXAMPLES / "modeldeployment.yaml").read_text()))
REGIONS = [Region.read(body) for body in yaml.safe_load_all((EXAMPLES / "regions.yaml").read_text())]
NAMES = tuple(region.metadata.name for region in REGIONS)


def row(*weights: int) -> Row:
    return tuple(zip(NAMES, weights, strict=True))


def task(planned: Row, unlisted: frozenset[str] = frozenset()) -> Task:
    lines = tuple(
        RegionPlan(name, Verdict.HEALTHY, "", Phase.ACTIVE, "", 0, 0, Fraction(1), None, 2, listed=name not in unlisted)
        for name in NAMES
    )
    matrix = tuple((name, planned) for name in NAMES)
    plan = Plan(matrix, matrix, False, False, "hold", lines, (), Fraction(0), True, "", Memory())
    return Task(MODEL, {region.metadata.name: Member(region) for region in REGIONS}, plan, {})


def live(held: Row) -> dict[str, object]:
    return users_route(MODEL, REGIONS[0], held, frozenset())


def weights(route: dict[str, object] | None) -> Row | None:
    return read_row(route, MODEL.metadata.name, NAMES)


def test_a_hold_keeps_what_is_in_force() -> None:
    kept = task(planned=row(100, 0, 0)).users_route(NAMES[0], live(row(40, 30, 30)), shift=False)
    assert weights(kept) == row(40, 30, 30)


def test_a_plan_that_writes_shifts() -> None:
    assert weights(task(row(100, 0, 0)).users_route(NAMES[0], live(row(40, 30, 30)), shift=True)) == row(100, 0, 0)


def test_an_entry_without_a_route_gets_the_planned_one() -> None:
    assert weights(task(row(50, 25, 25)).users_route(NAMES[0], None, shift=False)) == row(50, 25, 25)


def test_a_hold_takes_a_lost_spare_off_the_list_and_leaves_what_carries_traffic() -> None:
    held = task(row(100, 0, 0), unlisted=frozenset(NAMES[1:])).users_route(NAMES[0], live(row(60, 40, 0)), shift=False)
    assert weights(held) == row(60, 40, 0)
    listed = [reference["name"] for reference in held["spec"]["rules"][0]["backendRefs"]]
    assert listed == [Names(MODEL.metadata.name).backend(name) for name in NAMES[:2]]

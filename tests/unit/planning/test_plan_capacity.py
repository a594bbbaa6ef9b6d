"""The cheapest placement against every placement there is, what is told when there is none, and the command."""

import itertools
import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from leeward.cli import main
from leeward.cli.plan_capacity import EXAMPLE
from leeward.planning.peers import common_level, doubled, equal
from leeward.planning.problem import BadProblemError, Problem, read
from leeward.planning.solve import cheapest, crowded, shortfalls


def fleet(*regions: dict[str, Any], demand: object = 6, survive: tuple[str, ...] = ("region",)) -> Problem:
    accelerators = {"big": {"requestsPerSecond": 2.5, "count": 2}, "small": {"requestsPerSecond": "0.7"}}
    return read({"demand": demand, "survive": survive, "accelerators": accelerators, "regions": list(regions)})


def region(name: str, *offers: tuple[str, float, int, bool], least: int = 0, **labels: str) -> dict[str, Any]:
    rows = [dict(zip(("accelerator", "price", "quota", "spot"), offer, strict=True)) for offer in offers]
    return {"name": name, "labels": labels, "minReplicas": least, "offers": rows}


def by_hand(problem: Problem) -> Fraction | None:
    """The least price by trying everything, from the rule as it is written and with no code of the product."""
    lots = [
        (r, o, problem.accelerators[o.accelerator].requests_per_second, problem.accelerators[o.accelerator].count)
        for r in problem.regions
        for o in r.offers
    ]
    groups = {frozenset({r.name}) for r in problem.regions} if "region" in problem.survive else set()
    for key in set(problem.survive) - {"region"}:
        for value in {r.labels[key] for r in problem.regions if key in r.labels}:
            groups.add(frozenset(r.name for r in problem.regions if r.labels.get(key) == value))
    best = None
    for counts in itertools.product(*(range(o.quota // each + 1) for _, o, _, each in lots)):
        rows = [
            (r.name, o.spot, n * rate, n * each * o.price, n)
            for (r, o, rate, each), n in zip(lots, counts, strict=True)
        ]
        enough = sum(row[2] for row in rows) * problem.utilization.normal >= 100 * problem.demand
        survives = all(
            sum(row[2] for row in rows if row[0] not in lost and not row[1]) * problem.utilization.survivors
            >= 100 * problem.demand
            for lost in groups
        )
        full = all(sum(row[4] for row in rows if row[0] == r.name) >= r.min_replicas for r in problem.regions)
        price = Fraction(sum(row[3] for row in rows))
        if enough and survives and full and (best is None or price < best):
            best = price
    return best


offers = st.tuples(
    st.sampled_from(["big", "small"]), st.integers(0, 90).map(lambda n: n / 10), st.integers(0, 4), st.booleans()
)
regions = st.lists(
    st.tuples(st.lists(offers, min_size=1, max_size=2), st.integers(0, 1), st.sampled_from("pq")),
    min_size=1,
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(
    regions,
    st.integers(1, 60).map(lambda n: n / 10),
    st.sampled_from([("region",), ("provider",), ("region", "provider"), ()]),
)
def test_nothing_is_cheaper_and_everything_that_can_be_solved_is(
    rows: list, demand: float, survive: tuple[str, ...]
) -> None:
    problem = fleet(
        *(region(f"r{i}", *mine, least=least, provider=p) for i, (mine, least, p) in enumerate(rows)),
        demand=demand,
        survive=survive,
    )
    best = by_hand(problem)
    assert (best is None) == bool(shortfalls(problem) or crowded(problem))
    if best is not None:
        found = cheapest(problem, 10)
        assert (found.price, found.proven) == (best, True)


def test_spot_carries_load_and_never_counts_for_survival() -> None:
    spot = ("big", 0.1, 20, True)
    three = [region(name, ("big", 1.0, 20, False), spot) for name in "abc"]
    found = cheapest(fleet(*three, demand=30), 10)
    bought = {(lot.region, lot.offer.spot): n for lot, n in zip(found.lots, found.replicas, strict=True)}
    firm = [bought[name, False] for name in "abc"]
    assert all((sum(firm) - each) * Fraction(5, 2) * Fraction(9, 10) >= 30 for each in firm)
    assert shortfalls(fleet(*(region(name, spot) for name in "abc"))) != []


def test_what_is_short_is_named_with_its_numbers() -> None:
    problem = fleet(
        region("a", ("big", 1, 8, False), p="x"),
        region("b", ("big", 1, 4, False), p="x"),
        region("c", ("big", 1, 2, False), p="y"),
        demand=9,
        survive=("region", "p"),
    )
    assert {each.name: each.carried for each in shortfalls(problem)} == {
        "without a": Fraction("6.75"),
        "without p=x": Fraction("2.25"),
    }


def test_a_failure_domain_of_one_region_is_that_region() -> None:
    problem = fleet(*(region(n, ("big", 1, 40, False), p=n) for n in "ab"), survive=("region", "p"), demand=2)
    assert [need.name for need in cheapest(problem, 10).needs] == ["all regions", "without a", "without b"]


@given(st.lists(st.fractions(0, 50), min_size=1, max_size=8), st.fractions(0, 100))
def test_the_common_level_is_the_least_that_suffices(most: list[Fraction], wanted: Fraction) -> None:
    level = common_level(most, wanted)
    if level is None:
        assert sum(most) < wanted
    else:
        assert sum(min(level, each) for each in most) == wanted


def test_peers_follow_their_closed_forms() -> None:
    three = fleet(*(region(n, ("big", 3.0, 400, False)) for n in "abc"), demand=45)
    # C = max(45/(0.9·2), 45/(0.75·3)) = 25 requests/s: 10 replicas of 2.5 each; twice: 2·45/0.75/3 = 40, 16 of them
    found, twice = equal(three, 10), doubled(three, 10)
    assert found is not None and found.replicas == (10, 10, 10)
    assert twice is not None and twice.replicas == (16, 16, 16)
    assert cheapest(three, 10).price == found.price == 180
    capped = fleet(region("a", ("big", 3, 10, False)), region("b", ("big", 3, 400, False)), demand=45)
    assert equal(capped, 10) is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"demand": 0}, "demand"),
        ({"demand": float("nan")}, "demand: write a number"),
        ({"demand": "much"}, "demand: write a number, not 'much'"),
        ({"demand": "1e999999999"}, "demand: write a number from 1e-6 to below 1e9"),
        ({"demand": -1}, "demand"),
        ({"demand": True}, "demand: write a number"),
        ({"survive": ["rack"]}, "no region has the label 'rack': write some of provider, region"),
        ({"colour": 1}, "colour"),
        ({"utilization": {"normal": 101}}, "utilization.normal"),
        ({"accelerators": {"h100": {"requestsPerSecond": 6}}}, "'a100' is no key of accelerators"),
        ({"regions": []}, "regions"),
    ],
)
def test_bad_files_are_refused_with_the_place(change: dict[str, Any], told: str) -> None:
    with pytest.raises(BadProblemError) as caught:
        read(yaml.safe_load(EXAMPLE.read_text()) | change)
    assert told in str(caught.value)
    with pytest.raises(BadProblemError, match="write a mapping"):
        read([])


def run(*arguments: str, given: str | None = None) -> Any:
    return CliRunner().invoke(main, ["plan-capacity", *arguments], input=given)


def test_the_example_is_answered_for_people_and_programs(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(run("--example").output)
    shown = run(str(file))
    assert shown.exit_code == 0, shown.output
    assert "no placement is cheaper" in shown.output and "without provider=gcp" in shown.output
    found = json.loads(run(str(file), "-o", "json").output)
    assert yaml.safe_load(run(str(file), "-o", "yaml").output) == found
    assert found["demand"] == 60
    assert all(case["load_percent"] <= case["limit_percent"] for case in found["cases"])
    assert found["price_per_hour"] == pytest.approx(sum(row["price_per_hour"] for row in found["purchases"]))
    assert found["peers"][0]["price_per_hour"] > found["price_per_hour"]
    assert found["peers"][1] == {"name": "every region twice", "price_per_hour": None, "saving_percent": None}
    assert json.loads(run("-", "--demand", "20", "-o", "json", given=file.read_text()).output)["demand"] == 20


def test_too_much_demand_names_what_is_short_and_what_to_do() -> None:
    answered = run("-", "--demand", "600", given=EXAMPLE.read_text())
    assert answered.exit_code == 3
    assert "without us-east1: all that is offered carries" in answered.stderr
    assert "raise a quota" in answered.stderr
    tight = run("-", given=EXAMPLE.read_text().replace("minReplicas: 2", "minReplicas: 99"))
    assert (tight.exit_code, "ap-south1: its quotas do not hold" in tight.stderr) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "given", "code", "told"),
    [
        ((), "", 2, "--example prints one"),
        (("-",), "a: [", 1, "is no YAML"),
        (("nowhere.yaml",), "", 1, "cannot be read"),
        (("-", "--seconds", "0"), "", 2, "above 0"),
        (("-",), "1", 1, "write a mapping"),
    ],
)
def test_wrong_use_is_told(arguments: tuple[str, ...], given: str, code: int, told: str) -> None:
    answered = run(*arguments, given=given)
    assert (answered.exit_code, told in answered.stderr) == (code, True), answered.output


def test_without_the_solver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("answer", "peers", "solve"):
        monkeypatch.delitem(sys.modules, f"leeward.planning.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "highspy", None)
    answered = run("-", given=EXAMPLE.read_text())
    assert answered.exit_code == 1
    assert "pip install 'leeward[plan]'" in answered.stderr

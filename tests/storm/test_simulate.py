"""`leeward simulate`: files, errors that name the fix, transcripts, and what it ends with."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from leeward.cli import main
from leeward.storm import chart
from leeward.storm.campaign import Result, by_kind, run_many
from leeward.storm.scenario import FaultKind
from leeward.storm.scenario_file import FORMAT, BadScenarioError, parse
from leeward.storm.trace import Violation

EXAMPLE: dict[str, Any] = yaml.safe_load(FORMAT.removeprefix("\b\n"))
DOCUMENT = Path(__file__).parents[2] / "docs" / "simulate.md"


def run(*arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(main, ["simulate", *arguments])
    return found.exit_code, found.output


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document = copy.deepcopy(EXAMPLE)
    change(document)
    return document


def test_the_example_of_the_help_text_is_a_storm() -> None:
    scenario = parse(EXAMPLE, seed=4)
    assert [region.name for region in scenario.fleet.regions] == ["a", "b", "c"]
    assert [(fault.kind, fault.start_ms, fault.end_ms) for fault in scenario.faults] == [
        (FaultKind.ERRORS, 60_000, 180_000),
        (FaultKind.METRICS_GONE, 60_000, 180_000),
    ]
    assert (scenario.seed, scenario.fleet.bake_ms, scenario.weather.retries) == (4, 20_000, True)


def test_the_documented_file_is_a_storm() -> None:
    text = DOCUMENT.read_text("utf-8").partition("```yaml\n")[2].partition("```")[0]
    assert parse(yaml.safe_load(text)).faults


def test_every_kind_of_fault_is_documented() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert [kind for kind in FaultKind if f"`{kind.value}`" not in text] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("fleet"), "fleet: write a mapping with policy, regions, settings"),
        (lambda d: d.update(flet={}), "'flet' is unknown; did you mean fleet?"),
        (lambda d: d["fleet"].update(policy="Near"), "fleet.policy: 'Near': write LocalFirst or Shares"),
        (lambda d: d["fleet"].update(regions=[]), "fleet.regions: write a list of two to ten regions"),
        (lambda d: d["fleet"]["regions"][0].update(share=50), "shares sum to 116, make it 100"),
        (lambda d: d["fleet"]["regions"][1].update(name="a"), "give every region a name of its own"),
        (lambda d: d["fleet"]["regions"][1].pop("rate"), "fleet.regions[1]: rate is missing"),
        (lambda d: d["fleet"]["regions"][1].update(replicas=0), "regions[1].replicas: 0: write a number from 1"),
        (lambda d: d["fleet"]["settings"].update(steps=3), "fleet.settings.steps: write a list of percents"),
        (lambda d: d["fleet"]["settings"].update(interval=True), "fleet.settings.interval: True: write a number"),
        (lambda d: d["weather"].update(retries=1), "weather.retries: write true or false"),
        (lambda d: d["faults"][0].update(kind="erors"), "faults[0].kind: 'erors': did you mean 'errors'?"),
        (lambda d: d["faults"][0].update(regions=["z"]), "faults[0].regions: ['z']: name some of a, b, c"),
        (lambda d: d["faults"][0].pop("regions"), "faults[0]: errors needs regions, such as [a]"),
        (lambda d: d["faults"][0].pop("size"), "faults[0]: errors needs a size (share of requests)"),
        (lambda d: d["faults"][0].update(size=3), "faults[0].size: 3: write a number from 0 to 1"),
        (lambda d: d["faults"][1].update(kind="lying entry"), "needs two: who lies, and about whom"),
        (lambda d: d["faults"][1].update(kind="link cut"), "a link has two ends: name two regions"),
        (lambda d: d["faults"][0].update(at=-1), "faults[0].at: -1: write a number"),
        (lambda d: d.update(hours=0.01), "hours: the last fault ends after 0.05 hours; write more"),
        (lambda d: d.update(faults={}), ""),
    ],
)
def test_a_bad_file_is_told_where_and_how_to_mend_it(change: Callable[[dict[str, Any]], object], said: str) -> None:
    if not said:
        assert parse(changed(change)).faults == ()
        return
    with pytest.raises(BadScenarioError) as error:
        parse(changed(change))
    assert said in str(error.value)


def test_a_file_that_is_no_yaml_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "storm.yaml").write_text("fleet: [")
    code, output = run(str(tmp_path / "storm.yaml"))
    assert code == 1 and "cannot be read as YAML" in output and "Traceback" not in output


def test_one_seed_tells_its_story(tmp_path: Path) -> None:
    (tmp_path / "storm.yaml").write_text(yaml.safe_dump(EXAMPLE))
    code, output = run(str(tmp_path / "storm.yaml"))
    assert code == 0
    for part in ("▲ errors in b (0.2 share of requests)", "PhaseChanged: b is drained", "every rule was kept"):
        assert part in output


def test_many_seeds_give_a_table_and_a_picture(tmp_path: Path) -> None:
    code, output = run("--seeds", "4", "--seed", "40", "--jobs", "1", "--plot", str(tmp_path / "home.png"))
    assert code in (0, 1)
    assert "4 storms" in output and "home after" in output
    assert (tmp_path / "home.png").read_bytes().startswith(b"\x89PNG")


def test_days_and_a_file_do_not_go_together(tmp_path: Path) -> None:
    (tmp_path / "storm.yaml").write_text(yaml.safe_dump(EXAMPLE))
    code, output = run(str(tmp_path / "storm.yaml"), "--days", "1")
    assert code == 2 and "leave out FILE, or --days" in output


def test_workers_end_when_nobody_wants_their_results() -> None:
    results = run_many(range(1_000), jobs=2)
    first = next(results)
    results.close()  # type: ignore[attr-defined]  # a generator
    assert first.decisions > 0


def test_broken_storms_are_counted_by_kind() -> None:
    broken = Violation(1, "rule", "sentence")
    results = [
        Result(0, ("crash", "errors"), 100_000, 40_000, 10, 1, ()),
        Result(1, ("crash",), 100_000, 80_000, 10, 1, ()),
        Result(2, ("crash",), 100_000, None, 10, 1, (broken,)),
        Result(3, (), 100_000, 5_000, 10, 0, ()),
    ]
    rows = {row.kind: (row.storms, row.broken, row.home_median, row.home_most) for row in by_kind(results)}
    assert rows == {"crash": (3, 1, 60.0, 80.0), "errors": (1, 0, 40.0, 40.0), "nothing": (1, 0, 5.0, 5.0)}


def test_a_picture_without_the_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(chart.NoPictureError, match="needs matplotlib"):
        chart.draw([], tmp_path / "none.png")

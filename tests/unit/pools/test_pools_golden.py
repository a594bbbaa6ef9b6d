"""Each kind's translation, as files to read. `--rewrite` writes them anew; what changes then is what users get."""

from pathlib import Path

import pytest
import yaml
from cases import CASES, pools, shown

GOLDEN = Path(__file__).parent / "golden"
HEADER = "# {case}: pools of the example model, {least} to {most} replicas, {now} now\n"


@pytest.mark.parametrize("case", CASES)
def test_translation_is_as_recorded(case: str, request: pytest.FixtureRequest) -> None:
    path, found = GOLDEN / f"{case}.yaml", HEADER.format(case=case, least=2, now=3, most=13) + shown(pools(case))
    if request.config.getoption("--rewrite"):
        path.write_text(found, "utf-8")
    assert found == path.read_text("utf-8")


def test_every_recorded_case_is_still_tested() -> None:
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_an_object_holds_its_size_apart(case: str) -> None:
    """Nothing of the size stands in what `leeward` applies, so an autoscaler's number is never taken back."""
    for each in (made for pool in pools(case) for made in pool.objects):
        for path in _paths(each.size):
            assert _at(each.body, path) is None, path


def _paths(node: dict, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    rows = [
        _paths(value, (*prefix, key)) if isinstance(value, dict) else [(*prefix, key)] for key, value in node.items()
    ]
    return [path for row in rows for path in row]


def _at(node: dict, path: tuple[str, ...]) -> object:
    for key in path:
        node = node.get(key, {})
    return node or None


def test_golden_files_are_yaml_that_a_reader_can_load() -> None:
    assert all(yaml.safe_load(path.read_text("utf-8")) for path in GOLDEN.glob("*.yaml"))

"""Makes the core, the scenario world and the fleet tests' helpers importable, and knows `--rewrite`.

The pinned helm and promtool are fixtures; `make tools` builds them once, and without them tests say so.
"""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
for folder in (HERE.parent / "operator", HERE / "scenarios", HERE / "fleet", HERE / "unit" / "pools"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _built(name: str) -> Path:
    from localfleet import tools

    tool = next(tool for tool in tools.TEST_TOOLS if tool.name == name)
    return tools.find(tool) or pytest.skip(f"{name} is not built yet: run `make tools`")


@pytest.fixture(scope="session")
def helm_binary() -> Path:
    return _built("helm")


@pytest.fixture(scope="session")
def promtool() -> Path:
    return _built("promtool")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="transcripts and golden files rewrite what they expect")

"""The pinned helm and promtool; `make tools` builds them once, and without them these tests say so."""

import sys
from pathlib import Path

import pytest

from localfleet import tools

sys.path.append(str(Path(__file__).parent))
from charts import Helm


def _built(name: str) -> Path:
    tool = next(tool for tool in tools.TEST_TOOLS if tool.name == name)
    return tools.find(tool) or pytest.skip(f"{name} is not built yet: run `make tools`")


@pytest.fixture(scope="session")
def helm() -> Helm:
    return Helm(_built("helm"))


@pytest.fixture(scope="session")
def promtool() -> Path:
    return _built("promtool")

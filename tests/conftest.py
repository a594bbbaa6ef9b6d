"""Makes the core, the scenario world and the fleet tests' helpers importable, and knows `--rewrite`."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
for folder in (HERE.parent / "operator", HERE / "scenarios", HERE / "fleet", HERE / "unit" / "pools"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="transcripts and golden files rewrite what they expect")

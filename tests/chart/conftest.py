"""The pinned helm, as the charts' tests call it."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from charts import Helm


@pytest.fixture(scope="session")
def helm(helm_binary: Path) -> Helm:
    return Helm(helm_binary)

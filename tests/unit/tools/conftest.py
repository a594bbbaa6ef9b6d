"""Makes the modules of this folder importable, and starts the API server."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from apiserver import ApiServer

sys.path.append(str(Path(__file__).parent))

from home import home, incident  # noqa: F401 - fixtures


@pytest.fixture
def api(tmp_path: Path) -> "Iterator[ApiServer]":
    from apiserver import serving

    with serving(tmp_path) as server:
        yield server

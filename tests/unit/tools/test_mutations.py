"""The breaks of `hack/mutation-check` fit the core as it is: a rule that moved is noticed here, not in half an hour."""

import shutil
from pathlib import Path

import pytest

from mutations.breaks import BREAKS, Break

CORE = Path(__file__).resolve().parents[3] / "operator" / "leeward" / "core"


@pytest.mark.parametrize("each", BREAKS, ids=lambda each: each.name)
def test_a_break_fits_and_is_still_python(each: Break, tmp_path: Path) -> None:
    copy = tmp_path / each.file
    shutil.copy2(CORE / each.file, copy)
    each.apply(tmp_path)
    assert copy.read_text() != (CORE / each.file).read_text()
    compile(copy.read_text(), each.file, "exec")

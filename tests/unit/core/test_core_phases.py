"""The table, its diagram, and what it forbids."""

from itertools import product
from pathlib import Path

import pytest

from leeward.core.phases import TABLE, IllegalTransitionError, Phase, Trigger, advance, diagram


@pytest.mark.parametrize(("phase", "trigger"), list(product(Phase, Trigger)))
def test_only_the_table_moves(phase: Phase, trigger: Trigger) -> None:
    if (phase, trigger) in TABLE:
        assert advance(phase, trigger) is TABLE[phase, trigger]
    else:
        with pytest.raises(IllegalTransitionError):
            advance(phase, trigger)


def test_the_way_back_is_the_ramp() -> None:
    into_active = {(phase, trigger) for (phase, trigger), after in TABLE.items() if after is Phase.ACTIVE}
    assert into_active == {(Phase.RECOVERING, Trigger.COMPLETE)}


def test_an_illegal_transition_is_a_value_error() -> None:
    assert issubclass(IllegalTransitionError, ValueError)


def test_the_diagram_has_every_row() -> None:
    assert diagram().startswith("stateDiagram-v2\n    [*] --> active\n")
    assert diagram().count(":") == len(TABLE)
    assert "    active --> drained: fail\n" in diagram()


def test_the_docs_show_the_diagram_that_is_in_force() -> None:
    """docs/decisions.md has what phases.diagram() makes, and nothing else between its fences."""
    text = (Path(__file__).resolve().parents[3] / "docs" / "decisions.md").read_text("utf-8")
    shown = text.partition("```mermaid\n")[2].partition("```")[0]
    assert shown == diagram()

"""Faults at random with a replica in each region: every promise is kept, by what API servers and users noted."""

import asyncio
from pathlib import Path

import pytest
from seen import Run

from localfleet.chaos.acts import ACTS
from localfleet.chaos.play import play
from localfleet.chaos.report import markdown
from localfleet.demo.stage import Stage

SHORT = ("pause", "kill", "429", "clock", "upgrade", "truncate")


@pytest.mark.parametrize(
    ("seed", "minutes", "faults"),
    [(4, 2.0, SHORT), pytest.param(5, 10.0, tuple(ACTS), marks=pytest.mark.long)],
)
def test_every_promise_is_kept(
    stage: Stage, run: Run, tmp_path: Path, seed: int, minutes: float, faults: tuple[str, ...]
) -> None:
    found = run(play(stage, tmp_path, seed, minutes, faults, print, asyncio.Event()))
    assert found.broken == [], markdown(found)
    assert len(found.played) >= minutes / 2
    assert min(len(found.records), found.writes, found.epochs) > 0

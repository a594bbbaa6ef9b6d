"""Models in one tick: side by side, and none falls with another."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from leeward.adapters import pools, telemetry
from leeward.adapters.members import Members
from leeward.api.modeldeployment import ModelDeployment
from leeward.cleanup import Debts
from leeward.observe import Observer
from leeward.record import Recorder
from leeward.record_decisions import DecisionLog
from leeward.record_evacuations import EvacuationRecorder
from leeward.record_regions import RegionRecorder
from leeward.settings import Settings
from leeward.sightings import ProbeBook, ReachBook
from leeward.store import Store
from leeward.tick import Loop

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "modeldeployment.yaml"
NOWHERE: Any = None  # no cluster is asked here


class Turns(Loop):
    """A loop whose part for one model waits for all the others, or fails."""

    broken: frozenset[str]
    tended: list[str]

    async def _tend(self, model: ModelDeployment) -> None:
        self.tended.append(model.metadata.name)
        while len(self.tended) < len(self.store.models):
            await asyncio.sleep(0)
        if model.metadata.name in self.broken:
            raise ZeroDivisionError(model.metadata.name)


def loop(broken: set[str]) -> Turns:
    settings, seen, store = Settings(), telemetry.Telemetry(), Store()
    for name in ("a", "b", "c"):
        body = yaml.safe_load(EXAMPLE.read_text())
        body["metadata"] |= {"name": name, "generation": 1, "uid": name}
        store.put(body)
    made = Turns(
        settings,
        store,
        Members(NOWHERE, settings),
        Observer(settings, NOWHERE, ReachBook(), ProbeBook((30_000,))),
        Recorder(NOWHERE, seen, dry_run=True),
        RegionRecorder(NOWHERE, dry_run=True),
        EvacuationRecorder(NOWHERE, dry_run=True),
        Debts(NOWHERE, settings.namespace, loaded=True),
        DecisionLog(NOWHERE, settings.namespace, seen, 0),
        seen,
        telemetry.Liveness(),
        pools.load(),
    )
    made.broken, made.tended = frozenset(broken), []
    return made


def test_no_model_waits_for_another_or_falls_with_it() -> None:
    turns = loop({"a"})
    with capture_logs() as told:
        asyncio.run(asyncio.wait_for(turns.tick(hurried=False), 5))
    assert turns.tended == ["a", "b", "c"]
    assert [row["model"] for row in told if row["log_level"] == "error"] == ["models/a"]


def test_a_tick_in_which_every_model_fails_has_failed() -> None:
    turns = loop({"a", "b", "c"})
    with capture_logs(), pytest.raises(RuntimeError, match="no model's part"):
        asyncio.run(asyncio.wait_for(turns.tick(hurried=False), 5))

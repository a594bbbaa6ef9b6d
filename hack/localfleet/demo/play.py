"""Playing the scenes and telling them: who sees what, and what Leeward decided and why."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rich.console import Console

from leeward.waiting import first_of
from localfleet import faults
from localfleet.demo.measure import Figures, Played, as_before, figures
from localfleet.demo.scenes import Scene
from localfleet.demo.stage import Stage
from localfleet.demo.users import users_load
from localfleet.demo.watch import Slots, Watch
from localfleet.layout import RegionHost
from localfleet.load.generator import Load

CALM_SECONDS, KNOWN_SECONDS = 8.0, 40.0
"""Before a fault: a look at the calm, and until further users are known to Leeward."""
_COLOURS = {"VerdictChanged": "yellow", "WeightsChanged": "cyan", "PhaseChanged": "green"}


@dataclass
class Player:
    """Plays scenes one after another on a settled fleet under load."""

    stage: Stage
    watch: Watch
    load: Load
    slots: Slots
    console: Console
    stop: asyncio.Event
    played: list[Played] = field(default_factory=list)
    results: list[Figures] = field(default_factory=list)
    _told: int = 0

    async def play(self, scene: Scene, region: RegionHost, failback_seconds: float = 150.0) -> None:
        """One scene: calm, fault, healing, and the way back."""
        self.console.rule(f"[bold]scene {scene.number}: {scene.title}[/] ({region.name})")
        began = time.time()
        more = self._more_users(scene)
        await self._tell_for(CALM_SECONDS if more is None else KNOWN_SECONDS)
        fault = time.time()
        await scene.begin(region)
        self._say(f"[red]fault[/]: {scene.title}")
        await self._tell_for(scene.fault_seconds - (time.time() - fault))
        healed = time.time()
        await faults.heal(region)
        self._say(
            f"[green]healed[/]: {region.name} is mended; Leeward goes back in steps"
            if scene.shifts
            else f"[green]healed[/]: {region.name} is mended"
        )
        before = self._weights_before(fault)
        await self._await_return(before, failback_seconds if scene.shifts else 20.0)
        await self._drain_flights(fault)
        if more is not None:
            more.cancel()
            await asyncio.gather(more, return_exceptions=True)
        record = Played(scene.number, scene.title, region.name, scene.shifts, began, fault, healed, time.time())
        self.played.append(record)
        self.results.append(figures(record, self.load.records, self.watch.samples, self.watch.sayings, self.slots))
        self._summary(self.results[-1])

    def _more_users(self, scene: Scene) -> "asyncio.Task[None] | None":
        """Further users for as long as the scene lasts; their requests are counted with the others."""
        if not scene.more_rate:
            return None
        self._say(f"{scene.more_rate:g} requests/s more come in")
        load = users_load(self.stage.fleet, scene.more_rate, seed=100 + scene.number)
        load.records = self.load.records
        return asyncio.create_task(load.run(self.stop))

    def _weights_before(self, moment: float) -> dict[str, dict[str, int]]:
        return next(
            (
                sample.weights
                for sample in reversed(self.watch.samples)
                if sample.t < moment and len(sample.weights) == len(self.stage.fleet.region_names)
            ),
            {},
        )

    async def _await_return(self, before: dict[str, dict[str, int]], seconds: float) -> None:
        """Until every entry holds about what it held before, or time is up; then a little longer."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.stop.is_set():
            await self._tell_for(1.0)
            if as_before(self.watch.samples[-1].weights, before):
                break
        await self._tell_for(4.0)

    async def _drain_flights(self, fault: float) -> None:
        """Requests that began in the scene's minute must have ended before they can be counted."""
        while not self.stop.is_set() and time.time() < fault + 75.0:
            await self._tell_for(1.0)

    async def _tell_for(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.stop.is_set():
            self._tell()
            await first_of(self.stop, seconds=min(0.5, max(0.0, deadline - time.monotonic())))
        if self.stop.is_set():
            raise asyncio.CancelledError

    def _tell(self) -> None:
        for saying in self.watch.sayings[self._told :]:
            if saying.kind == "Weights":  # WeightsChanged tells the same in more words
                continue
            colour = _COLOURS.get(saying.kind, "white")
            self._say(f"[{colour}]Leeward[/]: {saying.sentence}", saying.t)
        self._told = len(self.watch.sayings)

    def _say(self, text: str, moment: float | None = None) -> None:
        clock = datetime.fromtimestamp(moment or time.time()).astimezone().strftime("%H:%M:%S")
        self.console.print(f"[dim]{clock}[/]  {text}", soft_wrap=True)

    def _summary(self, found: Figures) -> None:
        self._say(
            f"[bold]{found.failed} of {found.requests}[/] requests begun after the fault failed "
            f"({found.failed_percent} %), {found.refused} refused; "
            f"good again after {_seconds(found.good_again_seconds)}, "
            f"weight 0 after {_seconds(found.drained_seconds)}, back after {_seconds(found.failback_seconds)}; "
            f"in flight lost {found.in_flight_lost} of {found.in_flight_at_fault}"
        )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:g} s"


def chosen_regions(stage: Stage, scenes: Sequence[Scene]) -> list[tuple[Scene, RegionHost]]:
    """Scenes and where they play: in turn in every region but the operator's own."""
    away = stage.fleet.regions[1:]
    return [(scene, away[index % len(away)]) for index, scene in enumerate(scenes)]

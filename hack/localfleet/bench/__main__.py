"""`hack/bench`: the three ways side by side, with all values, medians and maxima as JSON and a table."""

import asyncio
import contextlib
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from localfleet import faults, layout, sandbox
from localfleet.bench.session import on_own_fleet, pause, stop_on_signals
from localfleet.bench.ways import WAYS, Saved
from localfleet.demo import report
from localfleet.demo.measure import Figures, Played, figures
from localfleet.demo.scenes import SCENES, Scene
from localfleet.demo.stage import Operator, Stage
from localfleet.demo.users import slots, users_load
from localfleet.demo.watch import Watch
from localfleet.layout import REPOSITORY, Fleet, RegionHost

console = Console(highlight=False)
SHOWN = ("failed_percent", "refused", "good_again_seconds", "drained_seconds", "peak_survivor_percent")
POLICIES_IN_FORCE = 25.0
"""Seconds until changed policies are in force: an Envoy holds a changed cluster back for up to 15 s."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--repeats", default=5, show_default=True, help="Runs of each scene in each way.")
@click.option("--scene", "numbers", multiple=True, type=click.IntRange(1, 4), help="Only this scene.")
@click.option("--way", "ways", multiple=True, type=click.Choice(list(WAYS)), help="Only this way.")
@click.option("--rate", default=24.0, show_default=True)
@click.option("--name", default="bench", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=REPOSITORY / "bench" / "results")
def main(repeats: int, numbers: tuple[int, ...], ways: tuple[str, ...], rate: float, name: str, out: Path) -> None:
    """Compare plain fixed weights, the data-plane layout alone, and Leeward under scenes 1 to 4."""
    if sandbox.inside():
        scenes = [scene for scene in SCENES[:4] if not numbers or scene.number in numbers]
        bench = Bench(layout.load(name), rate, out.resolve(), repeats, scenes, ways or tuple(WAYS))
        asyncio.run(bench.run())
        return
    sys.exit(on_own_fleet(name, "localfleet.bench", sys.argv[1:]))


class Bench:
    """One run of everything on one fleet."""

    def __init__(
        self, fleet: Fleet, rate: float, out: Path, repeats: int, scenes: Sequence[Scene], ways: Sequence[str]
    ) -> None:
        self.stage, self.out, self.repeats, self.scenes, self.ways = Stage(fleet), out, repeats, scenes, ways
        requests = REPOSITORY / "out" / "bench" / "requests.jsonl"
        requests.parent.mkdir(parents=True, exist_ok=True)
        self.load = users_load(fleet, rate, seed=2, out=requests)
        self.operator = Operator(fleet, fleet.folder / "operator.jsonl")
        self.watch = Watch(self.stage, self.operator)
        self.saved = Saved()
        self.stop = asyncio.Event()
        self.runs: list[dict[str, object]] = []

    async def run(self) -> None:
        stop_on_signals(self.stop)
        await self.stage.open()
        self.operator.start()
        await self.stage.apply_model()
        await self.stage.settled()
        await self.saved.take(self.stage)
        tasks = [asyncio.create_task(self.load.run(self.stop)), asyncio.create_task(self.watch.run(self.stop))]
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self._all()
        finally:
            self.stop.set()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.operator.stop()
            await self.stage.close()
            self._write()

    async def _all(self) -> None:
        away = self.stage.fleet.regions[1:]
        total = len(self.ways) * self.repeats * len(self.scenes)
        for repeat in range(self.repeats):
            for way in self.ways:
                for index, scene in enumerate(self.scenes):
                    await WAYS[way](self.stage, self.operator, self.saved)
                    await pause(self.stop, 0.0 if index else POLICIES_IN_FORCE)
                    found = await self._one(scene, away[(index + repeat) % len(away)])
                    self.runs.append({"way": way, "repeat": repeat, **asdict(found), "machine": report.machine()})
                    console.print(
                        f"{len(self.runs):3} of {total}  {way:8} scene {scene.number} {found.region:10} "
                        + "  ".join(f"{key} {getattr(found, key)}" for key in SHOWN),
                        soft_wrap=True,
                    )

    async def _one(self, scene: Scene, region: RegionHost) -> Figures:
        began = time.time()
        await pause(self.stop, 6.0)
        fault = time.time()
        await scene.begin(region)
        await pause(self.stop, scene.fault_seconds)
        healed = time.time()
        await faults.heal(region)
        await pause(self.stop, 5.0)
        played = Played(scene.number, scene.title, region.name, True, began, fault, healed, time.time())
        return figures(played, self.load.records, self.watch.samples, self.watch.sayings, slots())

    def _write(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y-%m-%d")
        text = table(self.runs)
        (self.out / f"failover-{stamp}.json").write_text(
            json.dumps(
                {"date": stamp, "repeats": self.repeats, "runs": self.runs, "summary": summary(self.runs)}, indent=1
            )
        )
        (self.out / f"failover-{stamp}.md").write_text(text + "\n")
        console.print(text)


def summary(runs: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """Median and maximum of each shown figure per scene and way; None: not within the minute of the fault."""
    found = []
    for scene, way in sorted({(str(run["scene"]), str(run["way"])) for run in runs}):
        mine = [run for run in runs if str(run["scene"]) == scene and run["way"] == way]
        row: dict[str, object] = {"scene": scene, "way": way, "runs": len(mine)}
        for key in SHOWN:
            values = [math.inf if run[key] is None else float(str(run[key])) for run in mine]
            for name, value in ((f"{key}_median", statistics.median(values)), (f"{key}_max", max(values))):
                row[name] = None if math.isinf(value) else round(value, 2)
        found.append(row)
    return found


def table(runs: Sequence[dict[str, object]]) -> str:
    """The summary as Markdown: median (maximum)."""
    head = "| scene | way | runs | " + " | ".join(SHOWN) + " |"
    rows = [
        f"| {row['scene']} | {row['way']} | {row['runs']} | "
        + " | ".join(f"{_told(row[f'{key}_median'])} ({_told(row[f'{key}_max'])})" for key in SHOWN)
        + " |"
        for row in summary(runs)
    ]
    return "\n".join([head, "|" + " --- |" * (3 + len(SHOWN)), *rows])


def _told(value: object) -> str:
    return "never" if value is None else f"{value:g}"


if __name__ == "__main__":
    main()

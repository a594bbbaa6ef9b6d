"""`hack/bench-surge`: demand ten times the usual within a minute, with and without a region lost at the same moment.

Two ways in the same run, on the same fleet, with the same autoscaler of Kubernetes in each region (requests that run in
each replica): *plain*, with weights as they are when all is well and nothing else of Leeward's, and *leeward*.
New machines take 20 s here, and a replica on them as long as `hack/fleet up --startup-seconds` says.
"""

import asyncio
import contextlib
import copy
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from leeward.adapters.objects import DEPLOYMENT
from leeward.ports import Kind, KubeObject, Ref
from localfleet import faults, layout, sandbox
from localfleet.bench.session import on_own_fleet, pause, stop_on_signals
from localfleet.bench.surge_figures import (
    REPLICA_RATE,
    SURGE,
    Played,
    SurgeFigures,
    draw,
    figures,
    markdown,
)
from localfleet.bench.ways import Saved, plain
from localfleet.bootstrap import documents, wait_for
from localfleet.demo import report
from localfleet.demo.stage import KEY, MODEL_FILE, MODELS, Operator, Stage
from localfleet.demo.users import users_load
from localfleet.demo.watch import Watch
from localfleet.layout import REPOSITORY, Fleet

console = Console(highlight=False)

USUAL, RISE_SECONDS, HELD_SECONDS = 3.0, 60.0, 150.0
STEPS = 6  # the rise is made of so many further loads
LEAST, MOST, BUSY = 2, 8, 10  # replicas of a region, least and most; requests that a replica is to run
MACHINE_SECONDS = 20
NODE_CLASS = Ref(Kind("karpenter.kwok.sh/v1alpha1", "KWOKNodeClass", namespaced=False), "", "gpu")
FINISH_SECONDS = 20.0  # for requests that came before the end
FORGET_SECONDS = 75.0  # until Prometheus' rates tell nothing of the run before
WAYS, CASES = ("plain", "leeward"), ("surge", "surge and loss")


def surge_model() -> KubeObject:
    """The demo's model with few replicas, room to grow, and an autoscaler in each region."""
    body = copy.deepcopy(documents(MODEL_FILE)[0])
    spec = body["spec"]
    for row in spec["regions"]:
        row["replicas"] = {"min": LEAST, "max": MOST}
    spec["capacity"] |= {"requestsPerSecondPerReplica": str(REPLICA_RATE), "scaleDownAfter": "60s"}
    target = {"type": "AverageValue", "averageValue": str(BUSY)}
    metric = {"type": "Pods", "pods": {"metric": {"name": "vllm:num_requests_running"}, "target": target}}
    spec["autoscaling"] = {"metrics": [metric], "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}}}
    return body


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--repeats", default=3, show_default=True, help="Runs of each case in each way.")
@click.option("--case", "cases", multiple=True, type=click.Choice(CASES), help="Only this case.")
@click.option("--way", "ways", multiple=True, type=click.Choice(WAYS), help="Only this way.")
@click.option("--name", default="surge", show_default=True, help="Name of the fleet.")
@click.option("--out", type=click.Path(path_type=Path), default=REPOSITORY / "bench" / "results")
def main(repeats: int, cases: tuple[str, ...], ways: tuple[str, ...], name: str, out: Path) -> None:
    """Ten times the demand within a minute: an autoscaler in each region alone, and with Leeward; 5 minutes a run."""
    if sandbox.inside():
        asyncio.run(Bench(layout.load(name), out.resolve(), repeats, cases or CASES, ways or WAYS).run())
        return
    sys.exit(on_own_fleet(name, "localfleet.bench.surge", sys.argv[1:]))


class Bench:
    """All runs on one fleet."""

    def __init__(self, fleet: Fleet, out: Path, repeats: int, cases: Sequence[str], ways: Sequence[str]) -> None:
        self.stage, self.out, self.repeats, self.cases, self.ways = Stage(fleet), out, repeats, cases, ways
        self.operator = Operator(fleet, fleet.folder / "operator.jsonl")
        self.saved = Saved()
        self.stop = asyncio.Event()
        self.found: list[SurgeFigures] = []

    async def run(self) -> None:
        stop_on_signals(self.stop)
        await self.stage.open()
        for cluster in self.stage.clusters.values():
            await cluster.patch(NODE_CLASS, {"spec": {"nodeRegistrationDelay": f"{MACHINE_SECONDS}s"}})
        try:
            with contextlib.suppress(asyncio.CancelledError):
                for repeat in range(self.repeats):
                    for way in self.ways:
                        for case in self.cases:
                            self.found.append(await self._one(way, case, repeat))
                            console.print(markdown(self.found[-1:]), soft_wrap=True, markup=False)
        finally:
            self.operator.stop()
            await self.stage.close()
        if self.found:
            self._write()

    async def _one(self, way: str, case: str, repeat: int) -> SurgeFigures:
        """A fresh model, the usual demand, the rise, and the way down again."""
        stage, watch = self.stage, Watch(self.stage, None)
        await self._fresh()
        if way == "plain":
            await plain(stage, self.operator, self.saved)
        victim = stage.fleet.regions[1 + repeat % (len(stage.fleet.regions) - 1)]
        usual = users_load(stage.fleet, USUAL, seed=10 * repeat)
        tasks = [asyncio.create_task(watch.run(self.stop)), asyncio.create_task(usual.run(self.stop))]
        try:
            await pause(self.stop, 30)
            began = time.time()
            if case != "surge":
                await faults.kill(victim, "models")
            for step in range(STEPS):
                more = users_load(stage.fleet, (SURGE - USUAL) / STEPS, seed=10 * repeat + 1 + step)
                more.records = usual.records
                tasks.append(asyncio.create_task(more.run(self.stop)))
                await pause(self.stop, RISE_SECONDS / STEPS)
            await pause(self.stop, HELD_SECONDS)
            ended = time.time()
            await pause(self.stop, FINISH_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await faults.heal(victim)
        lost = None if case == "surge" else victim.name
        played = Played(way, case, repeat, began, ended, lost)
        return figures(played, usual.records, watch.samples)

    async def _fresh(self) -> None:
        """The model anew, so that no run remembers another."""
        stage = self.stage
        if not self.operator.running:
            self.operator.start()
        await stage.home.delete(Ref(MODELS, *KEY))

        async def gone() -> bool | None:
            found = [await cluster.read(Ref(DEPLOYMENT, *KEY)) for cluster in stage.clusters.values()]
            return True if await stage.model() is None and not any(found) else None

        await wait_for("deleting the model", gone, 120)
        if self.found:
            await pause(self.stop, FORGET_SECONDS)
        await stage.home.apply(surge_model())
        await stage.settled(240)
        await self.saved.take(stage)

    def _write(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y-%m-%d")
        kept: dict[str, Any] = {"date": stamp, "machine": report.machine(), "runs": [asdict(row) for row in self.found]}
        (self.out / f"surge-{stamp}.json").write_text(json.dumps(kept, indent=1) + "\n")
        (self.out / f"surge-{stamp}.md").write_text(markdown(self.found) + "\n")
        draw(self.found, self.out / f"surge-{stamp}.png")
        console.print(markdown(self.found), markup=False)


if __name__ == "__main__":
    main()

"""`hack/bench-surge`: demand ten times the usual within a minute, with and without a region lost at the same moment.

Two ways in the same run, on the same fleet, with the same autoscaler of Kubernetes in each region (requests that run in
each replica): *plain*, with weights and bounds as they are when all is well and nobody who changes them, and *leeward*.
New machines take 20 s here, and a replica on them as long as `hack/fleet up --startup-seconds` says.
"""

import asyncio
import contextlib
import copy
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from corebench.tables import table
from leeward.adapters.objects import DEPLOYMENT
from leeward.ports import Kind, KubeObject, Ref
from localfleet import faults, layout, sandbox
from localfleet.bench.session import on_own_fleet, pause, stop_on_signals
from localfleet.bench.ways import KEY, Saved
from localfleet.bench.ways import layout as fixed_weights
from localfleet.bootstrap import REPOSITORY, documents, wait_for
from localfleet.demo import report
from localfleet.demo.measure import good_for_good
from localfleet.demo.stage import MODEL_FILE, MODELS, Operator, Stage
from localfleet.demo.users import users_load
from localfleet.demo.watch import Sample, Watch
from localfleet.layout import Fleet
from localfleet.load.records import Record

console = Console(highlight=False)

USUAL, SURGE, RISE_SECONDS, HELD_SECONDS = 3.0, 30.0, 60.0, 150.0
STEPS = 6  # the rise is made of so many further loads
REPLICA_RATE, LEAST, MOST, BUSY = 3, 2, 8, 10  # requests/s, replicas of a region, requests that a replica is to run
MACHINE_SECONDS = 20
NODE_CLASS = Ref(Kind("karpenter.kwok.sh/v1alpha1", "KWOKNodeClass", namespaced=False), "", "gpu")
WINDOW_SECONDS = 5.0
WAYS, CASES = ("plain", "leeward"), ("surge", "surge and loss")


@dataclass(frozen=True, slots=True)
class SurgeFigures:
    """One run; seconds count from the beginning of the rise. `None`: not before its end.

    `peak_percent` is what a region answered in any five seconds, over what its ready replicas are declared to carry;
    `ready_seconds` is until replicas are ready for the whole demand at 90 % in the regions that are left.
    """

    way: str
    case: str
    repeat: int
    requests: int
    failed_percent: float
    refused_percent: float
    peak_percent: float
    good_again_seconds: float | None
    ready_seconds: float | None
    most_replicas: int
    replicas_at_end: int


@dataclass(frozen=True, slots=True)
class Played:
    """One run: which, from when to when (wall clock), and the region that was lost, if any."""

    way: str
    case: str
    repeat: int
    began: float
    ended: float
    lost: str | None


def figures(played: Played, sent: Sequence[Record], samples: Sequence[Sample]) -> SurgeFigures:
    """The figures of one run: pure."""
    began, ended, lost = played.began, played.ended, played.lost
    records = [row for row in sent if began <= row.t < ended]
    moments = [each for each in samples if began <= each.t < ended]
    need = SURGE / 0.9 / REPLICA_RATE

    def left(each: Sample) -> int:
        return sum(count for name, count in each.ready.items() if name != lost)

    ready = next((each.t - began for each in moments if left(each) >= need), None)
    return SurgeFigures(
        played.way,
        played.case,
        played.repeat,
        len(records),
        round(100 * sum(row.failed for row in records) / len(records), 2),
        round(100 * sum(row.refused for row in records) / len(records), 2),
        round(100 * _peak(records, moments, lost), 1),
        good_for_good(records, began, ended),
        None if ready is None else round(ready, 1),
        max(sum(each.wanted.values()) for each in moments),
        sum(moments[-1].wanted.values()),
    )


def _peak(records: Sequence[Record], moments: Sequence[Sample], lost: str | None) -> float:
    """The highest share of its declared capacity that a region answered, by what was ready at the window's end."""
    most = 0.0
    for each in moments:
        for name, count in each.ready.items():
            ended = each.t - WINDOW_SECONDS
            answered = sum(row.region == name and ended <= row.t + row.total < each.t for row in records if row.good)
            if name != lost and count:
                most = max(most, answered / WINDOW_SECONDS / (count * REPLICA_RATE))
    return most


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
                            console.print(f"{self.found[-1]}", soft_wrap=True, markup=False)
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
            await fixed_weights(stage, self.operator, self.saved)
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
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await faults.heal(victim)
        lost = None if case == "surge" else victim.name
        played = Played(way, case, repeat, began, ended - WINDOW_SECONDS, lost)
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
        await stage.home.apply(surge_model())
        await stage.settled(240)
        await self.saved.take(stage)

    def _write(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y-%m-%d")
        kept: dict[str, Any] = {"date": stamp, "machine": report.machine(), "runs": [asdict(row) for row in self.found]}
        (self.out / f"surge-{stamp}.json").write_text(json.dumps(kept, indent=1) + "\n")
        (self.out / f"surge-{stamp}.md").write_text(markdown(self.found) + "\n")
        console.print(markdown(self.found), markup=False)


SHOWN = ("failed_percent", "refused_percent", "peak_percent", "good_again_seconds", "ready_seconds", "most_replicas")


def markdown(rows: Sequence[SurgeFigures]) -> str:
    """Median (least to most) of each case and way; a run in which it never came about counts as the longest."""
    lines = []
    for case, way in dict.fromkeys((row.case, row.way) for row in rows):
        mine = [asdict(row) for row in rows if (row.case, row.way) == (case, way)]
        lines.append([case, way, str(len(mine)), *(_spread([each[key] for each in mine]) for key in SHOWN)])
    return table(["case", "way", "runs", *SHOWN], lines)


def _spread(values: Sequence[float | None]) -> str:
    ranked = sorted(values, key=lambda value: (value is None, value or 0))
    told = ["never" if value is None else f"{value:g}" for value in ranked]
    return f"{told[len(told) // 2]} ({told[0]} to {told[-1]})"


if __name__ == "__main__":
    main()

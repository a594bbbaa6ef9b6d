"""`hack/bench-quorum`: what replicas in three regions cost when all is well, and how soon another one leads."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import click
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from corebench.tables import table
from localfleet import faults, layout, sandbox
from localfleet.bench.session import on_own_fleet, pause, stop_on_signals
from localfleet.bootstrap import documents
from localfleet.demo import report
from localfleet.demo.measure import good_for_good
from localfleet.demo.quorum import Quorum, Term
from localfleet.demo.stage import KEY, MODEL_FILE, Operator, Stage
from localfleet.demo.users import users_load
from localfleet.layout import REPOSITORY, Fleet

console = Console(highlight=False)

USERS_RATE = 8.0
WRITES = "leeward_writes_total"


@dataclass(frozen=True, slots=True)
class Cost:
    """One replica in a steady fleet: writes per minute by kind, share of a processor, resident memory in MiB."""

    replica: str
    leads: bool
    writes: dict[str, float]
    processor_percent: float
    memory_mib: float


@dataclass
class Found:
    """All figures; times in seconds."""

    steady_seconds: float = 0.0
    costs: list[Cost] = field(default_factory=list)
    takeovers: list[float] = field(default_factory=list)
    region_losses: list[dict[str, float | None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One look at a replica."""

    at: float
    processor_seconds: float
    memory_mib: float
    writes: dict[str, float]


async def _look(operator: Operator) -> _Reading:
    async with aiohttp.ClientSession() as session, session.get(operator.metrics) as answer:
        families = text_string_to_metric_families(await answer.text())
    writes = {
        " ".join(sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name == WRITES
    }
    fields = Path(f"/proc/{operator.pid}/stat").read_text().rsplit(")", 1)[1].split()
    spent = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    pages = int(Path(f"/proc/{operator.pid}/statm").read_text().split()[1])
    return _Reading(time.monotonic(), spent, pages * os.sysconf("SC_PAGE_SIZE") / 2**20, writes)


def _cost(replica: str, leads: bool, before: _Reading, after: _Reading) -> Cost:
    minutes = (after.at - before.at) / 60
    grown = {kind: (count - before.writes.get(kind, 0.0)) / minutes for kind, count in after.writes.items()}
    spent = 100 * (after.processor_seconds - before.processor_seconds) / (60 * minutes)
    written = {kind: round(rate, 2) for kind, rate in sorted(grown.items()) if rate}
    return Cost(replica, leads, written, round(spent, 1), round(after.memory_mib, 1))


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--kills", default=50, show_default=True, help="Leaders that are killed.")
@click.option("--losses", default=5, show_default=True, help="Regions that are lost with their leader.")
@click.option("--steady", default=180.0, show_default=True, help="Seconds of watching while all is well.")
@click.option("--name", default="quorum", show_default=True, help="Name of the fleet.")
@click.option("--out", type=click.Path(path_type=Path), default=REPOSITORY / "bench" / "results")
def main(kills: int, losses: int, steady: float, name: str, out: Path) -> None:
    """Watch three replicas, kill leaders, and lose regions with their leader; about 20 minutes."""
    if sandbox.inside():
        asyncio.run(Bench(layout.load(name), out.resolve()).run(kills, losses, steady))
        return
    sys.exit(on_own_fleet(name, "localfleet.bench.quorum", sys.argv[1:]))


class Bench:
    """One fleet, one model, three replicas."""

    def __init__(self, fleet: Fleet, out: Path) -> None:
        self.stage, self.out, self.stop = Stage(fleet), out, asyncio.Event()
        self.quorum, self.folder, self.found = Quorum(self.stage, KEY), fleet.folder, Found()

    async def run(self, kills: int, losses: int, steady: float) -> None:
        """All of it; Ctrl-C ends it and keeps what there is."""
        stop_on_signals(self.stop)
        await self.stage.open()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self.quorum.begin(documents(MODEL_FILE)[0], self.folder)
                await self.quorum.settled(240)
                await self._watch(steady)
                for number in range(kills):
                    await self._kill(number, kills)
                for _ in range(losses):
                    await self._lose()
        finally:
            self.quorum.stop()
            await self.stage.close()
        self._write()

    async def _watch(self, seconds: float) -> None:
        console.print(f"steady for {seconds:g} s")
        replicas = self.quorum.replicas
        load = asyncio.create_task(users_load(self.stage.fleet, USERS_RATE, seed=1).run(self.stop))
        try:
            await pause(self.stop, 30)
            before = {name: await _look(operator) for name, operator in replicas.items()}
            await pause(self.stop, seconds)
            after = {name: await _look(operator) for name, operator in replicas.items()}
        finally:
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
        leader = (await self.quorum.now())[0]
        self.found.steady_seconds = seconds
        self.found.costs = [_cost(name, name == leader, before[name], after[name]) for name in replicas]

    async def _kill(self, number: int, kills: int) -> None:
        before = await self._leader()
        self.quorum.replicas[before[0]].send(signal.SIGKILL)
        _, seconds = await self.quorum.another(before, 30)
        self.found.takeovers.append(round(seconds, 2))
        console.print(f"kill {number + 1} of {kills}: {before[0]} was followed after {seconds:.1f} s")
        self.quorum.replicas[before[0]].start()
        await pause(self.stop, 5)

    async def _lose(self) -> None:
        await self.quorum.settled(300)
        before = await self._leader()
        lost, quiet = self.stage.fleet.region(before[0]), asyncio.Event()
        load = users_load(self.stage.fleet, USERS_RATE, seed=2 + len(self.found.region_losses))
        sending = asyncio.create_task(load.run(quiet))
        await pause(self.stop, 15)
        began = time.time()
        self.quorum.replicas[lost.name].send(signal.SIGKILL)
        await faults.kill(lost, "crash")
        try:
            _, led = await self.quorum.another(before, 30)
            await pause(self.stop, 25)
        finally:
            quiet.set()
            await asyncio.gather(sending, return_exceptions=True)
            await faults.heal(lost)
            self.quorum.replicas[lost.name].start()
        records = [row for row in load.records if row.t >= began]
        self.found.region_losses.append(
            {
                "leader_seconds": round(led, 2),
                "good_again_seconds": good_for_good(load.records, began, time.time() - 5),
                "failed_percent": round(100 * sum(row.failed for row in records) / len(records), 2),
            }
        )
        console.print(f"{lost.name} was lost with its leader: {self.found.region_losses[-1]}")

    async def _leader(self) -> Term:
        if self.stop.is_set():
            raise asyncio.CancelledError
        return await self.quorum.now()

    def _write(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y-%m-%d")
        kept: dict[str, Any] = {"date": stamp, "machine": report.machine(), **asdict(self.found)}
        (self.out / f"quorum-{stamp}.json").write_text(json.dumps(kept, indent=1) + "\n")
        (self.out / f"quorum-{stamp}.md").write_text(markdown(self.found) + "\n")
        console.print(markdown(self.found), markup=False)


def markdown(found: Found) -> str:
    """What a replica costs, and how soon another one leads."""
    costs = table(
        ["replica", "writes a minute", "processor %", "MiB"],
        [
            [
                f"{row.replica}{' (leads)' if row.leads else ''}",
                ", ".join(f"{kind} {rate:g}" for kind, rate in row.writes.items()) or "none",
                f"{row.processor_percent:g}",
                f"{row.memory_mib:g}",
            ]
            for row in found.costs
        ],
    )
    led = [row["leader_seconds"] or 0.0 for row in found.region_losses]
    good = [row["good_again_seconds"] for row in found.region_losses]
    again = [seconds for seconds in good if seconds is not None]
    rows = [
        ["leader killed: another leads", *_spread(found.takeovers), "0"],
        ["region lost with its leader: another leads", *_spread(led), "0"],
        ["region lost with its leader: users are served again", *_spread(again), str(len(good) - len(again))],
    ]
    return f"{costs}\n\n{table(['seconds', 'times', 'median', 'most', 'never'], rows)}"


def _spread(values: list[float]) -> list[str]:
    return [str(len(values)), f"{median(values):g}" if values else "-", f"{max(values):g}" if values else "-"]


if __name__ == "__main__":
    main()

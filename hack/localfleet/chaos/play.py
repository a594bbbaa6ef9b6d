"""Playing rounds of faults on a fleet under load, one after the other, and judging what came of them.

The replicas reach every API server by way of a proxy, and have clocks that can be stepped. Between two rounds all is
healed, and the next begins once all is as it was.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from leeward.waiting import first_of
from localfleet import launch
from localfleet.bootstrap import documents, wait_for
from localfleet.chaos import audit, check, proxy, skewed
from localfleet.chaos.acts import ACTS, Breaks, Ground, heal_all
from localfleet.chaos.check import Broken, Failure
from localfleet.chaos.schedule import Round, rounds, target
from localfleet.demo.measure import as_before
from localfleet.demo.quorum import Quorum
from localfleet.demo.stage import KEY, MODEL_FILE, Stage
from localfleet.demo.users import users_load
from localfleet.demo.watch import Watch
from localfleet.layout import RegionHost
from localfleet.load.records import Record

USERS_RATE = 8.0
CALM_SECONDS = 8.0
BACK_SECONDS = 300.0
LEFT_SECONDS = 20.0  # by then nobody is sent to a region that serves nobody


@dataclass(frozen=True, slots=True)
class Played:
    """One round as it was: where, and when it began, was healed, and was as before; None when it was not in time."""

    round: Round
    region: str
    leader: str
    began: float
    healed: float
    back: float | None
    epochs: tuple[int, int]

    @property
    def ended(self) -> float:
        return self.back if self.back is not None else self.healed + BACK_SECONDS

    def of(self, records: Sequence[Record]) -> list[Record]:
        """The requests that were sent meanwhile."""
        return [record for record in records if self.began <= record.t < self.ended]


@dataclass
class Found:
    """All that a run showed. `refused` are writes that the fence refused, by the replica that sent them."""

    seed: int
    played: list[Played] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    writes: int = 0
    epochs: int = 0


@contextlib.asynccontextmanager
async def ground(stage: Stage, folder: Path, last: bool) -> AsyncIterator[Ground]:
    """Replicas behind proxies, the model served, and a copy of every etcd. `last`: the fleet is not needed any more."""
    for region in stage.fleet.regions:
        _by_proxy(region)
        launch.start(region, proxy.component(region))
    quorum = Quorum(stage, KEY, lambda region: skewed.program(made.clock(region.name)))
    made = Ground(stage, quorum, Watch(stage, None), folder)
    stop, looking = asyncio.Event(), None
    try:
        await quorum.begin(documents(MODEL_FILE)[0], folder)
        await quorum.settled(240)
        for name in stage.fleet.region_names:
            made.keep(name)
        looking = asyncio.create_task(made.watch.run(stop))
        yield made
    finally:
        stop.set()
        if looking is not None:
            await asyncio.gather(looking, return_exceptions=True)
        await heal_all(made)
        if last:
            quorum.stop()
        else:
            await quorum.end()
        for region in stage.fleet.regions:
            launch.remove(region, proxy.NAME)


def _by_proxy(region: RegionHost) -> None:
    """Let the operator's kubeconfig of a region lead to its proxy; `members.join` writes it anew."""
    path = region.folder / "kubeconfig-operator"
    config = yaml.safe_load(path.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://{region.address}:{proxy.PORT}"
    path.write_text(yaml.safe_dump(config))


async def play(
    stage: Stage,
    folder: Path,
    seed: int,
    minutes: float,
    faults: Sequence[str],
    tell: Callable[[str], None],
    stop: asyncio.Event,
    last: bool = False,
) -> Found:
    """Rounds for so many minutes, or until `stop`; then what broke. All that was done is undone at the end."""
    since, found = time.time(), Found(seed)
    folder.mkdir(parents=True, exist_ok=True)
    async with ground(stage, folder, last) as made:
        load, quiet = users_load(stage.fleet, USERS_RATE, seed), asyncio.Event()
        sending = asyncio.create_task(load.run(quiet))
        try:
            await first_of(stop, seconds=CALM_SECONDS)
            home = await wait_for("the weights of every entry", lambda: _all_rows(made), 30)
            until = time.monotonic() + 60 * minutes
            for each in rounds(seed, faults, stage.fleet.region_names):
                if stop.is_set() or time.monotonic() > until:
                    break
                found.played.append(await _round(made, each, home, tell, stop))
                if found.played[-1].back is None:
                    break
        finally:
            quiet.set()
            await asyncio.gather(sending, return_exceptions=True)
            found.records = load.records
    _judge(found, stage, made, since)
    return found


async def _all_rows(made: Ground) -> dict[str, dict[str, int]] | None:
    """What every entry holds; None while one of them does not say."""
    rows = made.watch.samples[-1].weights if made.watch.samples else {}
    return dict(rows) if rows.keys() == set(made.stage.fleet.region_names) else None


async def _round(
    made: Ground, each: Round, home: Mapping[str, Mapping[str, int]], tell: Callable[[str], None], stop: asyncio.Event
) -> Played:
    act = ACTS[each.fault]
    leader, epoch = await made.quorum.now()
    region = target(each, leader, act.spares_leader)
    tell(f"{each.number:3}  {each.fault}: {act.sentence}; {region}{' (leads)' if region == leader else ''}")
    began = time.time()
    try:
        await act.begin(made, each, region)
        await first_of(stop, seconds=each.seconds)
    finally:
        healed = time.time()
        if act.end is not None:
            await act.end(made, each, region)
        await heal_all(made)
    back = await _back(made, home)
    tell(f"     {'not as before after' if back is None else 'as before after'} {time.time() - healed:.0f} s")
    after = await made.quorum.now()
    await first_of(stop, seconds=CALM_SECONDS)
    return Played(each, region, leader, began, healed, back, (epoch, after[1]))


async def _back(made: Ground, home: Mapping[str, Mapping[str, int]]) -> float | None:
    """When a leader tells that all is well and every route is as it was."""

    async def look() -> bool | None:
        return True if as_before(made.watch.samples[-1].weights, home) else None

    try:
        async with asyncio.timeout(BACK_SECONDS):
            while True:
                await made.quorum.settled(BACK_SECONDS)
                if await look():
                    return time.time()
                await wait_for("the routes as they were", look, BACK_SECONDS)
    except TimeoutError:
        return None


def _judge(found: Found, stage: Stage, made: Ground, since: float) -> None:
    sources = {region.address: region.name for region in stage.fleet.regions}
    logs = {region.name: audit.read(region.folder, region.name, sources, since) for region in stage.fleet.regions}
    failures = [
        Failure(played.region, played.began, played.healed)
        for played in found.played
        if ACTS[played.round.fault].breaks is Breaks.REGION
    ]
    found.broken = check.all_rules(logs, failures, made.restores)
    for played in found.played:
        found.broken += users(played, ACTS[played.round.fault].breaks, found.records)
        if played.back is None:
            what = f"round {played.round.number} ({played.round.fault}) left it otherwise"
            found.broken.append(Broken("way back", played.healed + BACK_SECONDS, played.region, what))
    everything = list(itertools.chain.from_iterable(logs.values()))
    taken = [write for write in everything if write.ours and write.taken]
    found.refused = check.refused(everything)
    found.writes, found.epochs = len(taken), len({write.epoch for write in taken if write.epoch})


def users(played: Played, breaks: Breaks, records: Sequence[Record]) -> list[Broken]:
    """Rule `users`: nobody fails who has nothing to do with the fault, and once a region is left, nobody elsewhere."""
    if breaks is Breaks.PATHS:
        return []
    bad = [record for record in played.of(records) if not record.good]
    if breaks is Breaks.REGION:
        left = played.began + LEFT_SECONDS
        bad = [row for row in bad if left <= row.t < played.healed and row.entry != played.region and row.failed]
    if not bad:
        return []
    causes = sorted({record.cause for record in bad})
    what = f"round {played.round.number} ({played.round.fault}): {len(bad)} requests, {', '.join(causes)}"
    return [Broken("users", bad[0].t, played.region, what)]

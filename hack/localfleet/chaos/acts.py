"""How each fault is made and undone, as a table. Those of a region are the fleet's own; here are those of replicas, of
what lies between regions, and of API servers as Leeward's replicas see them.
"""

import asyncio
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from localfleet import bootstrap, faults, launch, network
from localfleet.chaos.check import Restore
from localfleet.chaos.proxy import Fault, misbehave
from localfleet.chaos.schedule import Round
from localfleet.demo.quorum import Quorum
from localfleet.demo.stage import Operator, Stage
from localfleet.demo.watch import Watch
from localfleet.layout import USERS_ADDRESS, RegionHost

_HOUR = 3600.0
_KILOBITS = 400
_SHARE = 0.5
_PLAN_SECONDS = 30.0


class Breaks(StrEnum):
    """What users may notice of a fault."""

    NOTHING = "nothing"  # only Leeward itself is concerned
    PATHS = "paths"  # some ways between regions, not a whole region
    REGION = "region"  # the region serves nobody


@dataclass
class Ground:
    """Where faults are made: the fleet, its replicas, what is in force, and what a restore brings back."""

    stage: Stage
    quorum: Quorum
    watch: Watch
    folder: Path
    restores: list[Restore] = field(default_factory=list)
    _kept: dict[str, float] = field(default_factory=dict)  # when a region's etcd was copied

    def region(self, name: str) -> RegionHost:
        return self.stage.fleet.region(name)

    def replica(self, name: str) -> Operator:
        return self.quorum.replicas[name]

    def clock(self, name: str) -> Path:
        """The file that says how wrong a replica's clock is."""
        return self.folder / f"{name}.clock"

    def keep(self, name: str) -> None:
        """Copy a region's etcd as a crash at this moment would leave it."""
        region = self.region(name)
        launch.send(region, "etcd", signal.SIGSTOP)
        try:
            shutil.rmtree(self._copy(region), ignore_errors=True)
            shutil.copytree(region.folder / "etcd", self._copy(region))
            self._kept[name] = time.time()
        finally:
            launch.send(region, "etcd", signal.SIGCONT)

    def bring_back(self, name: str) -> None:
        """Put that copy in the place of what etcd holds now, while it does not run."""
        region = self.region(name)
        shutil.rmtree(region.folder / "etcd")
        shutil.copytree(self._copy(region), region.folder / "etcd")
        self.restores.append(Restore(name, time.time(), self._kept[name]))

    def _copy(self, region: RegionHost) -> Path:
        return self.folder / f"{region.name}.etcd"


Step = Callable[[Ground, Round, str], Awaitable[None]]
"""Ground, round, and the region that it is about."""


@dataclass(frozen=True, slots=True)
class Act:
    """One fault. Whatever is not undone by `heal_all` is undone by `end`."""

    sentence: str
    breaks: Breaks
    begin: Step
    end: Step | None = None
    spares_leader: bool = False


async def heal_all(ground: Ground) -> None:
    """Undo everything, wherever it was done; doing it twice does no harm."""
    for region in ground.stage.fleet.regions:
        misbehave(region, Fault())
        ground.clock(region.name).write_text("")
    await asyncio.gather(*(faults.heal(region) for region in ground.stage.fleet.regions))
    for replica in ground.quorum.replicas.values():
        replica.revive()


def _replica(number: signal.Signals) -> Step:
    async def begin(ground: Ground, _: Round, region: str) -> None:
        ground.replica(region).send(number)

    return begin


def _api(mode: str, share: float = _SHARE, own: bool = False) -> Step:
    async def begin(ground: Ground, _: Round, region: str) -> None:
        host = ground.region(region)
        misbehave(host, Fault(mode, share, host.address if own else ""))

    return begin


def _region(how: str, replica: signal.Signals | None = None) -> Step:
    """As `hack/fleet kill` does it, and the replica there with it."""

    async def begin(ground: Ground, _: Round, region: str) -> None:
        if replica is not None:
            ground.replica(region).send(replica)
        await faults.kill(ground.region(region), how)

    return begin


async def _clock(ground: Ground, played: Round, region: str) -> None:
    """Up to an hour, forwards or backwards."""
    ground.clock(region).write_text(str(round((2 * played.amount - 1) * _HOUR, 1)))


async def _upgrade(ground: Ground, _: Round, region: str) -> None:
    """One after the other, the named one last; each new one runs beside the old ones for a while."""
    for name in sorted(ground.quorum.replicas, key=lambda each: (each == region, each)):
        await asyncio.to_thread(ground.replica(name).stop)
        ground.replica(name).start()
        await asyncio.sleep(5)


async def _mute(ground: Ground, _: Round, region: str) -> None:
    others = [other.address for other in ground.stage.fleet.regions if other.name != region]
    network.mute(ground.region(region), [*others, USERS_ADDRESS])


async def _pair(ground: Ground, played: Round, region: str) -> None:
    other = played.other if played.other != region else next(n for n in ground.quorum.replicas if n != region)
    ends = ground.region(region), ground.region(other)
    network.mute(ends[0], [ends[1].address])
    network.mute(ends[1], [ends[0].address])


async def _slow(ground: Ground, _: Round, region: str) -> None:
    network.slow(ground.region(region), _KILOBITS)


async def _restore(ground: Ground, _: Round, region: str) -> None:
    """To what it was before the first round; since then the leader may have changed, and weights."""
    ground.bring_back(region)


async def _between_writes(ground: Ground, _: Round, region: str) -> None:
    """Make the leader write, hold up its writes at all clusters but one, and kill it once the first has landed."""
    leader = (await ground.quorum.now())[0]
    first = next(name for name in ground.quorum.replicas if name != region)
    for other in ground.stage.fleet.regions:
        if other.name != first:
            misbehave(other, Fault("hold"))
    before = await ground.watch.row(first)
    await faults.kill(ground.region(region), "models")

    async def landed() -> bool | None:
        return True if await ground.watch.row(first) not in (None, before) else None

    try:
        await bootstrap.wait_for("the first write of a plan", landed, _PLAN_SECONDS)
    finally:
        ground.replica(leader).send(signal.SIGKILL)
        for other in ground.stage.fleet.regions:
            misbehave(other, Fault())


ACTS: dict[str, Act] = {
    "kill": Act("SIGKILL a replica", Breaks.NOTHING, _replica(signal.SIGKILL)),
    "pause": Act("SIGSTOP a replica, and let it go on", Breaks.NOTHING, _replica(signal.SIGSTOP)),
    "upgrade": Act("stop and start all replicas, one after the other", Breaks.NOTHING, _upgrade),
    "clock": Act("step a replica's clock by up to an hour", Breaks.NOTHING, _clock),
    "cut-off": Act("a replica reaches all but its own API server", Breaks.NOTHING, _api("refuse", 1.0, own=True)),
    "no-api": Act("no replica reaches one API server", Breaks.NOTHING, _api("refuse", 1.0)),
    "429": Act("an API server answers half of all requests with 429", Breaks.NOTHING, _api("429")),
    "500": Act("an API server answers half of all requests with 500", Breaks.NOTHING, _api("500")),
    "409": Act("an API server answers half of all writes with 409", Breaks.NOTHING, _api("409")),
    "410": Act("an API server answers half of all watches with 410", Breaks.NOTHING, _api("410")),
    "stall": Act("an API server stops in the middle of half of its answers", Breaks.NOTHING, _api("hang")),
    "truncate": Act("an API server breaks off half of its answers", Breaks.NOTHING, _api("truncate")),
    "apiserver": Act("SIGKILL an API server and its controllers", Breaks.NOTHING, _region("apiserver")),
    "prometheus": Act("SIGKILL a region's Prometheus", Breaks.NOTHING, _region("prometheus")),
    "pair": Act("two regions do not reach each other", Breaks.PATHS, _pair),
    "slow": Act(f"{_KILOBITS} kbit/s to and from a region", Breaks.PATHS, _slow),
    "mute": Act("what a region sends gets lost", Breaks.REGION, _mute),
    "partition": Act("pull a region's cable", Breaks.REGION, _region("partition")),
    "crash": Act("SIGKILL all of a region, its replica too", Breaks.REGION, _region("crash", signal.SIGKILL)),
    "hang": Act("SIGSTOP all of a region, its replica too", Breaks.REGION, _region("hang", signal.SIGSTOP)),
    "models": Act("crash a region's model servers", Breaks.REGION, _region("models")),
    "gateway": Act("SIGKILL a region's Envoy", Breaks.REGION, _region("gateway")),
    "restore": Act(
        "a region is lost and its etcd restored from before", Breaks.REGION, _region("crash", signal.SIGKILL), _restore
    ),
    "mid-plan": Act("models crash; kill the leader between two writes", Breaks.REGION, _between_writes, None, True),
}
"""Every fault by its name."""

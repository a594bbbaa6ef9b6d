"""Breaking a region on purpose, and mending it. Runs inside the fleet's namespaces.

Every way of failing is real: a cable pulled, programs killed or stopped by a signal. Only what a GPU or an engine
would do wrong is played by the simulator of the model servers.
"""

import signal
from collections.abc import Callable
from typing import Any

import aiohttp

from localfleet import bootstrap, launch, network
from localfleet.layout import RegionHost

_STEADY = ("etcd", "kube-apiserver")


def _signal_all(region: RegionHost, number: signal.Signals) -> None:
    for name in launch.names(region):
        launch.send(region, name, number)


def _one(*names: str) -> Callable[[RegionHost], None]:
    def kill(region: RegionHost) -> None:
        for name in names:
            launch.send(region, name, signal.SIGKILL)

    return kill


HOW: dict[str, tuple[Callable[[RegionHost], None] | None, str]] = {
    "partition": (network.cut, "pull the region's cable; inside, everything goes on"),
    "crash": (lambda region: _signal_all(region, signal.SIGKILL), "SIGKILL all of the region's programs"),
    "hang": (lambda region: _signal_all(region, signal.SIGSTOP), "SIGSTOP all of the region's programs"),
    "models": (None, "crash every model server; their pods become not ready"),
    "gateway": (_one("envoy"), "SIGKILL the region's Envoy"),
    "prometheus": (_one("prometheus"), "SIGKILL the region's Prometheus"),
    # Controllers that lose their lease end and start anew. One that lived on was seen to collect no garbage any more.
    "apiserver": (
        _one("kube-apiserver", "kube-controller-manager", "kube-scheduler"),
        "SIGKILL the region's API server, and with it the controllers that would lose their leases",
    ),
}


async def kill(region: RegionHost, how: str) -> None:
    """Break a region in one of the ways of `HOW`."""
    act = HOW[how][0]
    if act is None:
        await degrade(region, {"crash": True})
    else:
        act(region)


async def degrade(region: RegionHost, faults: dict[str, Any], pods: list[str] | None = None) -> None:
    """Make a region's model servers misbehave; shares are 0 to 1. Replaces earlier faults of those pods."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
        session.put(f"{region.models_control}/faults", json={"faults": faults, "pods": pods}) as answer,
    ):
        if answer.status >= 400:
            raise ValueError(f"{region.name}: {(await answer.text()).strip()}")


async def heal(region: RegionHost) -> list[str]:
    """Undo everything: plug the cable in, start what ended, continue what was stopped, clear the model servers'
    faults. Programs that need the API server start once it answers.

    Returns what was done.
    """
    network.mend(region)
    revived = [name for name in _STEADY if launch.revive(region, name)]
    if revived:
        await bootstrap.api_ready(region)
    revived += [name for name in launch.names(region) if launch.revive(region, name)]
    await _clear(region)
    return revived


async def _clear(region: RegionHost, seconds: float = 10.0) -> None:
    """Clear the model servers' faults; a cable just plugged in, or a program just started, may need a moment."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:

        async def cleared() -> bool | None:
            try:
                async with session.delete(f"{region.models_control}/faults"):
                    return True
            except aiohttp.ClientError:
                return None

        await bootstrap.wait_for(f"clearing the faults of {region.name}", cleared, seconds)

"""What goes wrong, as a table: one scene per fault."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from localfleet import faults
from localfleet.layout import RegionHost

Act = Callable[[RegionHost], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scene:
    """One fault in one region. `shifts` says whether weights must move; `fault_seconds` how long it lasts."""

    number: int
    title: str
    begin: Act
    shifts: bool = True
    fault_seconds: float = 60.0
    more_rate: float = 0.0  # requests per second beyond the usual


async def _blind(region: RegionHost) -> None:
    await faults.kill(region, "prometheus")
    await faults.kill(region, "apiserver")


SCENES: tuple[Scene, ...] = (
    Scene(1, "a region is partitioned away", lambda region: faults.kill(region, "partition")),
    Scene(
        2, "all model servers of a region crash while its gateway lives", lambda region: faults.kill(region, "models")
    ),
    Scene(3, "20 % of a region's answers are errors", lambda region: faults.degrade(region, {"errors": 0.2})),
    Scene(4, "a region's time to the first token grows tenfold", lambda region: faults.degrade(region, {"slow": 10.0})),
    Scene(
        5, "a region's Prometheus dies, and its API server; nothing may move", _blind, shifts=False, fault_seconds=45.0
    ),
    Scene(
        6,
        "a region crashes while demand is high",
        lambda region: faults.kill(region, "models"),
        more_rate=8.0,
    ),
)

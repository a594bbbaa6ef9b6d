"""Faults that can be switched on and off while the server runs.

Faults are values. The book holds those of the region and those of single pods; a pod asks for its own at
every step, so a change takes effect on requests that are already running.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with a pod. Shares are 0..1 of requests, factors at least 1, the default is healthy."""

    errors: float = 0.0  # completions answered 500 at once
    slow_ttft: float = 1.0  # factor on prefill, so on the time to the first token
    slow_itl: float = 1.0  # factor on the time between tokens
    cut_streams: float = 0.0  # streams whose connection is aborted after some chunks
    wrong_answers: float = 0.0  # answers that belong to another prompt
    crash: bool = False  # listener closed, connections reset, pod not ready
    hang: bool = False  # connections are accepted, nothing is ever answered, /health included

    def to_json(self) -> dict[str, float | bool]:
        return asdict(self)


HEALTHY = Faults()
_SHARES = ("errors", "cut_streams", "wrong_answers")
_FACTORS = ("slow_ttft", "slow_itl")
_SWITCHES = ("crash", "hang")
_ALIASES = {"slow": "slow_ttft"}


def parse_faults(raw: object) -> Faults:
    """Faults from a JSON object; `slow` is short for `slow_ttft`. Raises ValueError with a sentence."""
    if not isinstance(raw, dict):
        raise ValueError('faults must be an object such as {"errors": 0.2}.')
    values: dict[str, float | bool] = {}
    for given, value in raw.items():
        name = _ALIASES.get(given, given)
        if name not in {field.name for field in fields(Faults)}:
            known = ", ".join([field.name for field in fields(Faults)] + list(_ALIASES))
            raise ValueError(f"There is no fault named {given!r}; known are {known}.")
        values[name] = _checked(name, value)
    return replace(HEALTHY, **values)  # type: ignore[arg-type]  # _checked has matched each value to its field


def _checked(name: str, value: object) -> float | bool:
    if name in _SWITCHES:
        if not isinstance(value, bool):
            raise ValueError(f"{name} must be true or false.")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number.")
    if name in _SHARES and not 0 <= value <= 1:
        raise ValueError(f"{name} is a share and must lie between 0 and 1.")
    if name in _FACTORS and not 1 <= value <= 10_000:
        raise ValueError(f"{name} is a factor and must lie between 1 and 10000.")
    return float(value)


class FaultBook:
    """The faults of a region and of single pods. A pod's own entry hides the region's as a whole."""

    def __init__(self) -> None:
        self.region = HEALTHY
        self.pods: dict[str, Faults] = {}
        self._changed = asyncio.Event()

    def of(self, pod: str) -> Faults:
        return self.pods.get(pod, self.region)

    def put(self, faults: Faults, pods: Iterable[str] | None = None) -> None:
        """Replace the faults of some pods, or of the whole region (then those of single pods are dropped)."""
        if pods is None:
            self.region = faults
            self.pods.clear()
        else:
            self.pods.update(dict.fromkeys(pods, faults))
        self._announce()

    def clear(self) -> None:
        """Heal everything."""
        self.put(HEALTHY)

    async def until(self, pod: str, wanted: Callable[[Faults], bool]) -> None:
        """Return as soon as the pod's faults are as wanted; at once if they already are."""
        while not wanted(self.of(pod)):
            await self._changed.wait()

    def to_json(self) -> dict[str, object]:
        return {
            "region": self.region.to_json(),
            "pods": {name: faults.to_json() for name, faults in sorted(self.pods.items())},
        }

    def _announce(self) -> None:
        # A fresh event for the next change: whoever waits on the old one wakes exactly once.
        self._changed.set()
        self._changed = asyncio.Event()

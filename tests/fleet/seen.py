"""What the fleet's tests look at, and the users they send."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from leeward.adapters.objects import OWNED_KINDS, ROUTE, SCALED_OBJECT
from leeward.adapters.routes import Names, read_row
from leeward.ports import Ref
from localfleet.bootstrap import documents
from localfleet.demo.stage import KEY, MODEL_FILE, Stage
from localfleet.demo.users import users_load
from localfleet.load.generator import Load

SPEC = documents(MODEL_FILE)[0]["spec"]
OWNED = tuple(kind for kind in OWNED_KINDS if kind is not SCALED_OBJECT)
"""What a model can own on this fleet, where KEDA is not installed."""
Run = Callable[[Coroutine[Any, Any, Any]], Any]


async def weights(stage: Stage, entry: str) -> dict[str, int]:
    """What an entry's users route holds, as its API server says."""
    route = await stage.clusters[entry].read(Ref(ROUTE, KEY[0], Names(KEY[1]).users))
    return dict(read_row(route, KEY[1], stage.fleet.region_names) or {})


async def everywhere(stage: Stage, holds: Callable[[dict[str, int]], bool], but: str = "") -> bool | None:
    """True when it holds at every entry other than `but`, None otherwise."""
    rows = [await weights(stage, name) for name in stage.fleet.region_names if name != but]
    return True if all(holds(row) for row in rows) else None


async def send(stage: Stage, rate: float, seconds: float) -> Load:
    load = users_load(stage.fleet, rate, seed=0, seconds=seconds)
    await load.run(asyncio.Event())
    return load

"""When users are let in to a model.

For the first time once every region that answers has a ready replica, or, after a while, any has. They are in already
where a replica before this one made a users route: this one then shifts weights from its first tick on, and probes
need not wait for routes to be taken.
"""

import math
from collections.abc import Iterable

from leeward.observe import Observer
from leeward.ports import ModelKey

_WITHOUT_ALL_SECONDS = 120.0


def found_open(observer: Observer, key: ModelKey, names: Iterable[str]) -> bool:
    """Was a users route read that another replica made? Asked before this one writes anything."""
    found = bool(observer.routes(key, names))
    if found:
        observer.open_since.setdefault(key, -math.inf)
    return found


def may_open(observer: Observer, key: ModelKey, reachable: Iterable[str], waited_seconds: float) -> bool:
    """May users be let in, as far as pods go?"""
    names = tuple(reachable)
    if observer.routes(key, names):
        return True
    counts = observer.ready(key, names)
    ready = [counts.get(name, 0) > 0 for name in names]
    return all(ready) or (any(ready) and waited_seconds > _WITHOUT_ALL_SECONDS)

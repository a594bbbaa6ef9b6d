"""From one leader to the next: what a replica that follows remembers, and what it believes when it takes over.

Every replica observes and decides all the time; only the leader's decisions are done. A follower keeps its own
observations and takes over the decisions that are on record, so that it is warm when its turn comes. The last thing
that a leader did may not be on record any more: then the clusters know better.
"""

from dataclasses import replace

from leeward.core.memory import RECORDED, Memory


def adopt(mine: Memory, recorded: Memory) -> Memory:
    """Decisions as recorded, observations of this replica's own; all of its own while nothing is recorded."""
    if not recorded.regions:
        return mine
    regions = {
        name: replace(mine.regions.get(name, decided), **{each: getattr(decided, each) for each in RECORDED})
        for name, decided in recorded.regions.items()
    }
    return replace(
        mine,
        regions=regions,
        weights=recorded.weights,
        last_write_ms=recorded.last_write_ms,
        writes=recorded.writes,
        failovers=recorded.failovers,
        exemption_ms=recorded.exemption_ms,
        correlated_since_ms=recorded.correlated_since_ms,
    )


def take_over(memory: Memory) -> Memory:
    """The memory with which a new leader begins: what clusters hold is read as after a start (situation.py)."""
    return replace(memory, read=())

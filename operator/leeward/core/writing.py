"""From target to what is written now: one step, and only if there is a reason to write at all.

A row starts from what was last decided. A row that a cluster holds differently (someone edited the route, or
our write did not arrive) is put back to what was decided, without a further step, so that two small moves
never become a big one. Weight in a region that is out of traffic, or where residency forbids it, leaves at
once; so does every row that a person has pinned. A difference of less than two points is no reason to write,
unless the weight of a recovering region rises, a cell goes to zero, or a region comes into or out of use. A
row that could not be read moves with the others but is no reason to write; a cluster that answers and has no
row is one, once another has a row: until then users are not let in, and nothing is written that would count.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from leeward.core.guards import Move
from leeward.core.matrix import Rows
from leeward.core.phases import OUT_OF_TRAFFIC, Phase
from leeward.core.situation import Row, Situation
from leeward.core.spec import TrafficPolicy
from leeward.core.turns import Turn
from leeward.core.weights import normalized, step_row

DEAD_BAND = 2


@dataclass(frozen=True, slots=True)
class Proposal:
    """What would be written, and why: no reasons, no write."""

    rows: Rows
    move: Move
    drifted: tuple[str, ...]
    reasons: tuple[str, ...]


def is_first(s: Situation) -> bool:
    """Nothing was ever decided, and a cluster that answers holds no route."""
    empty = not s.memory.weights and not any(s.rows.values())
    return empty and any(read.api_answers is True for read in s.readings.values())


def rows_in_force(s: Situation) -> Rows | None:
    """What was last decided, or what the clusters hold; None when neither is known."""
    names = s.spec.region_names
    decided = {entry: normalized(dict(row), names) for entry, row in s.memory.weights}
    rows = {entry: decided.get(entry) or _read(s, entry) for entry in names}
    known = [row for row in rows.values() if row is not None]
    if not known:
        return None
    return {entry: dict(row or _guess(s, entry, known)) for entry, row in rows.items()}


def _read(s: Situation, entry: str) -> Row | None:
    row = s.rows[entry]
    return None if row is None else normalized(row, s.spec.region_names)


def _guess(s: Situation, entry: str, known: list[Row]) -> Row:
    """A row that nobody knows: home, by policy or if anyone sends weight there; else as the first known one."""
    if s.spec.traffic.policy is TrafficPolicy.LOCAL_FIRST or any(row[entry] for row in known):
        return {name: 100 * (name == entry) for name in known[0]}
    return known[0]


def propose(s: Situation, turn: Turn, base: Rows, target: Rows, pinned: Rows) -> Proposal:
    """The next rows, and every reason to write them. `pinned` rows are a part of the target."""
    out = _out(turn)
    rising = frozenset(_ramping(turn))
    crossing = frozenset(n for n in turn.regions if _used(base, n) != _used(target, n)) | out
    drifted = tuple(entry for entry in base if _drifts(s, entry, base[entry]))
    rows: Rows = {}
    for entry, row in base.items():
        most = 0 if entry in drifted else max(1, s.spec.traffic.max_step)
        at_once = frozenset(row) if entry in pinned else out | _forbidden(s, entry)
        written = entry in pinned or _worth_a_step(row, target[entry], crossing, rising)
        rows[entry] = step_row(row, target[entry], at_once, most) if written else dict(row)
    urgent = tuple(sorted(name for name in out if _leaves(s, name, rows)))
    emergency = bool(turn.fell or turn.left or urgent)
    ordered = any(turn.regions[name].ordered for name in (*turn.left, *urgent, *_ramping(turn)))
    reasons = _reasons(s, turn, rows, drifted, urgent, pinned)
    move = Move(emergency=emergency, ordered=ordered, pinned=bool(pinned), ramping=bool(rising))
    return Proposal(rows, move, tuple(entry for entry in drifted if not _is_new(s, entry)), reasons)


def _out(turn: Turn) -> frozenset[str]:
    return frozenset(name for name, region in turn.regions.items() if region.phase in OUT_OF_TRAFFIC)


def pinned_rows(s: Situation, turn: Turn) -> Rows:
    """A person's rows while they are in force, without regions that are out or that residency forbids."""
    if s.snapshot.pin is None or not s.pinned:
        return {}
    out = _out(turn)
    rows = {}
    for entry, weights in s.snapshot.pin.weights:
        if entry in s.rows:
            usable = {name: weight for name, weight in weights if name not in out | _forbidden(s, entry)}
            row = normalized(usable, s.spec.region_names)
            rows.update({} if row is None else {entry: row})
    return rows


def _forbidden(s: Situation, entry: str) -> frozenset[str]:
    """Regions that may not serve what enters here."""
    spec = next(region for region in s.spec.regions if region.name == entry)
    return frozenset(name for name in s.spec.region_names if not spec.may_send_to(name))


def _ramping(turn: Turn) -> list[str]:
    return [name for name, region in turn.regions.items() if region.phase is Phase.RECOVERING]


def _drifts(s: Situation, entry: str, decided: Row) -> bool:
    """Not what was decided, or a cluster that answers and has no route while others have: users are let in."""
    read = s.rows[entry]
    if read is None:
        return s.readings[entry].api_answers is True and any(s.rows.values())
    return bool(s.memory.weights) and read != decided


def _is_new(s: Situation, entry: str) -> bool:
    """The regions of the spec are not those of the row that was last decided, if any was."""
    return {name for name, _ in s.memory_rows.get(entry, ())} != set(s.spec.region_names)


def _used(rows: Rows, name: str) -> bool:
    return any(row[name] for row in rows.values())


def _worth_a_step(row: Row, target: Row, crossing: frozenset[str], rising: frozenset[str]) -> bool:
    return any(
        n in crossing or target[n] == 0 or abs(row[n] - target[n]) >= DEAD_BAND or (n in rising and row[n] < target[n])
        for n in row
        if row[n] != target[n]
    )


def arrived(rows: Rows, target: Rows) -> bool:
    """Is no difference left that would be written?"""
    crossing = frozenset(name for row in target.values() for name in row if _used(rows, name) != _used(target, name))
    return rows.keys() == target.keys() and not any(
        _worth_a_step(row, target[entry], crossing, frozenset()) for entry, row in rows.items()
    )


def _leaves(s: Situation, name: str, rows: Rows) -> bool:
    """A region that is out still has weight somewhere, and the next rows take it away."""
    return any(read is not None and read[name] > rows[entry][name] for entry, read in s.rows.items())


def _reasons(
    s: Situation, turn: Turn, rows: Rows, drifted: tuple[str, ...], urgent: tuple[str, ...], pinned: Rows
) -> tuple[str, ...]:
    gone = (*turn.fell, *turn.left)
    reasons = [f"{name} is out: {turn.regions[name].phase_reason}" for name in gone]
    reasons += [f"{name} is out and still has weight" for name in urgent if name not in gone]
    renewed = [entry for entry in drifted if _is_new(s, entry)]
    if renewed:
        reasons.append(f"regions have come or gone: entry {', '.join(renewed)} is written anew")
    reasons += [
        f"entry {entry} has no route" if s.rows[entry] is None else f"entry {entry} does not hold what was decided"
        for entry in drifted
        if entry not in renewed
    ]
    moving = [e for e in rows if s.rows[e] is not None and e not in drifted and rows[e] != s.rows[e]]
    if moving and not gone:
        goal = "what a person has pinned" if set(moving) <= set(pinned) else "its target"
        reasons.append(f"entry {', '.join(moving)} moves towards {goal}")
    return tuple(reasons)


def still_moving(turn: Turn, read: Mapping[str, Row | None], rows: Rows, target: Rows) -> bool:
    """Has a ramp's weight not arrived yet, in some row that can be read?"""
    for name in _ramping(turn):
        for entry, row in rows.items():
            short = target[entry][name] - row[name]
            if read[entry] is not None and (short > DEAD_BAND or (row[name] == 0 and short > 0)):
                return True
    return False

"""What a tick has to tell: changes once, and standing facts when they begin.

A standing fact (a guard that holds, a shortage, a correlated fault) is told when it was not there a tick ago.
It is known by its kind and region, not by its sentence, so that a number that moves is not told each tick.
"""

from collections.abc import Iterable, Mapping

from leeward.core.capacity import Outlook, shown
from leeward.core.correlation import correlated
from leeward.core.memory import RegionMemory
from leeward.core.phases import OUT_OF_TRAFFIC
from leeward.core.plan import Note
from leeward.core.situation import Situation
from leeward.core.turns import Turn
from leeward.core.verdict import Verdict

WARNINGS = frozenset({Verdict.FAILED, Verdict.DEGRADED})


def changes(s: Situation, before: Mapping[str, RegionMemory], turn: Turn) -> list[Note]:
    """Verdicts and phases that are not what they were a tick ago."""
    notes = []
    for name, region in turn.regions.items():
        past = before.get(name)
        if past is None or past.verdict is not region.verdict:
            sentence = f"{name} is {region.verdict}: {region.reason}"
            notes.append(Note("VerdictChanged", name, sentence, region.verdict in WARNINGS))
        was = s.memory.region(name)
        if (was.phase, was.step) != (region.phase, region.step):
            sentence = f"{name} is {region.phase}: {region.phase_reason}"
            notes.append(Note("PhaseChanged", name, sentence, region.phase in OUT_OF_TRAFFIC))
    return notes


def standing(
    s: Situation, turn: Turn, refused: Mapping[str, str], write_held: str | None, outlook: Outlook
) -> list[Note]:
    """What holds, and what is short."""
    notes = [Note("FailoverHeld", name, f"{name} stays: {why}", True) for name, why in turn.held.items()]
    notes += [Note("EvacuationRefused", name, f"{name} is not evacuated: {why}", True) for name, why in refused.items()]
    notes += [Note("FailbackHeld", name, f"{name} stays out: {why}") for name, why in turn.waiting.items()]
    if write_held is not None:
        notes.append(Note("WeightsHeld", None, f"weights stay: {write_held}"))
    if s.pinned and s.snapshot.pin is not None:
        left_s = -(-(s.snapshot.pin.until_ms - s.now_ms) // 1000)
        notes.append(Note("Pinned", None, f"weights are pinned by a person for another {left_s} s"))
    if s.suspicion is not None:
        notes.append(Note("ObserverSuspectsItself", None, s.suspicion, True))
    fault = correlated(s)
    if fault is not None:
        notes.append(Note("CorrelatedFault", None, fault, True))
    if outlook.strain:
        notes.append(Note("Strained", None, f"the serving regions run {outlook.strain}"))
    if outlook.shortage:
        sentence = f"{shown(outlook.shortage)} requests/s more than the fleet can carry"
        notes.append(Note("Shortage", None, sentence, True))
    return notes


def not_yet_told(notes: Iterable[Note], told: tuple[str, ...]) -> tuple[list[Note], tuple[str, ...]]:
    """The notes whose fact is new, and the keys of all that stand now."""
    listed = list(notes)
    return [note for note in listed if _key(note) not in told], tuple(_key(note) for note in listed)


def _key(note: Note) -> str:
    return f"{note.kind}/{note.region or ''}"

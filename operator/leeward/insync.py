"""Telling whether all clusters hold an object alike: the condition `InSync` of each cluster's own object."""

from collections.abc import Iterable, Mapping

from leeward.core.differences import Difference, differences
from leeward.core.origins import EVERYWHERE, Held, Ruling, View
from leeward.notes import Spec
from leeward.record import Condit

_MOST = 5


def condition_in(name: str, ruling: Ruling, view: View, specs: Mapping[str, Spec], failed: Mapping[str, str]) -> Condit:
    """What one cluster's object says. `failed` is why a write to a cluster was refused last."""
    missing = [f"{each}: {failed[each]}" for each in sorted(failed)]
    silent = [each for each in view.clusters if each not in view.held]
    away = f"; {', '.join(silent)} does not answer" if silent else ""
    if ruling.origin == EVERYWHERE:
        return _by_votes(ruling, view, specs, missing, away)
    if name == ruling.origin:
        if missing:
            return "InSync", False, "CopiesMissing", f"no copy in {'; '.join(missing)}"
        return "InSync", True, "Origin", f"this is the origin; every cluster that answers has a copy{away}"
    if name in failed:
        return "InSync", False, "NotPutBack", f"this is not as in {ruling.origin}: {failed[name]}"
    return (
        "InSync",
        True,
        "Copy",
        f"a copy of {ruling.origin}'s: change it there, or move that here: leeward adopt{away}",
    )


def _by_votes(ruling: Ruling, view: View, specs: Mapping[str, Spec], missing: list[str], away: str) -> Condit:
    needed = f"{view.majority} of {len(view.clusters)} clusters"
    told = [f"{each}: {_told(ruling, view.held.get(each), specs)}" for each in ruling.differ]
    deleted = [each for each, held in sorted(view.held.items()) if held and held.deleted_ms is not None]
    told += [f"{each}: is being deleted, which takes {needed}" for each in deleted]
    if ruling.agreed is None:
        return "InSync", False, "NoMajority", f"nothing is in force: no spec is held by {needed}{away}"
    if ruling.undecided:
        why = f"no spec is held by {needed}; the last that was agreed stays in force"
        return "InSync", False, "NoMajority", "; ".join((why, *told)) + away
    if told:
        return "InSync", False, "Differs", f"in force is what {needed} hold; {'; '.join(told)}{away}"
    if missing:
        return "InSync", False, "Missing", f"{'; '.join(missing)}{away}"
    return "InSync", True, "Alike", f"every cluster that answers holds the same{away}"


def _told(ruling: Ruling, held: Held | None, specs: Mapping[str, Spec]) -> str:
    if held is None or ruling.agreed is None:
        return "is absent"
    return shown(differences(specs[ruling.agreed.spec].plain, specs[held.spec].plain))


def shown(found: Iterable[Difference]) -> str:
    """Differences as a sentence: field, what is there, and what counts."""
    rows = [f"{path} is {_value(live)}, not {_value(wanted)}" for path, wanted, live in found]
    more = f" and {len(rows) - _MOST} more" if len(rows) > _MOST else ""
    return ", ".join(rows[:_MOST]) + more


def _value(found: object) -> str:
    text = "absent" if found is None else str(found)
    return text if len(text) <= 60 else f"{text[:59]}…"

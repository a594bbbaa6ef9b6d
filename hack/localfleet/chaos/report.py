"""What a run of chaos showed: a table of its rounds, one of the promises, and all of it as JSON."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from corebench.tables import table
from localfleet.chaos.acts import ACTS
from localfleet.chaos.check import RULES
from localfleet.chaos.play import Found, Played


def as_json(found: Found, machine: dict[str, object]) -> dict[str, Any]:
    """Everything but the single requests."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": machine,
        "seed": found.seed,
        "rounds": [_figures(found, played) for played in found.played],
        "requests": len(found.records),
        "writes": found.writes,
        "epochs": found.epochs,
        "refused_by_the_fence": found.refused,
        "broken": [asdict(broken) for broken in found.broken],
    }


def _figures(found: Found, played: Played) -> dict[str, Any]:
    sent = played.of(found.records)
    return {
        "fault": played.round.fault,
        "region": played.region,
        "leads": played.region == played.leader,
        "seconds": round(played.healed - played.began, 1),
        "requests": len(sent),
        "failed": sum(record.failed for record in sent),
        "refused": sum(record.refused for record in sent),
        "terms": played.epochs[1] - played.epochs[0],
        "back_seconds": None if played.back is None else round(played.back - played.healed, 1),
    }


def markdown(found: Found) -> str:
    """Both tables, and the evidence of what broke."""
    rows = []
    for number, played in enumerate(found.played, 1):
        row = _figures(found, played)
        where = f"{row['region']}{' (leads)' if row['leads'] else ''}"
        cells = [number, row["fault"], where, row["seconds"], row["requests"], row["failed"], row["refused"]]
        rows.append([str(cell) for cell in (*cells, row["terms"], row["back_seconds"])])
    heads = ["", "fault", "at", "seconds", "requests", "failed", "refused", "new terms", "as before after"]
    kept = [[rule, sentence, _count(found, rule)] for rule, sentence in RULES.items()]
    late = ", ".join(f"{name} {count}" for name, count in sorted(found.refused.items())) or "none"
    parts = [
        table(heads, rows),
        table(["promise", "that is", "broken"], kept),
        f"{found.writes} writes in {found.epochs} terms; refused by the fence: {late}.",
        *(f"- {broken.rule}, {_moment(broken.t)}, {broken.where}: {broken.what}" for broken in found.broken),
    ]
    return "\n\n".join(parts)


def faults_table() -> str:
    """Every fault there is."""
    return table(["fault", "what is done", "breaks"], [[name, act.sentence, act.breaks] for name, act in ACTS.items()])


def _count(found: Found, rule: str) -> str:
    return str(sum(broken.rule == rule for broken in found.broken))


def _moment(t: float) -> str:
    return datetime.fromtimestamp(t, UTC).strftime("%H:%M:%S.%f")[:-3]

"""The figures as Markdown."""

from typing import Any

NEVER = "never"


def markdown(found: dict[str, Any]) -> str:
    """All tables, a short line over each."""
    parts = [
        f"Core figures of {found['date']}: {found['machine']}",
        "One tick of the core, milliseconds of processor time (median):\n\n" + _ticks(found["ticks"]),
        f"Storms on one core: {found['speed']}",
        "Faults of ten minutes, median / 95th percentile over the storms; seconds until the region had no weight, until"
        " 99 % of the requests were good for as long as the fault lasted, percent of requests lost, and the fullest"
        " other region in percent of its declared capacity:\n\n" + _faults(found["faults"]),
        "Shifts in quiet but noisy hours:\n\n" + _quiet(found["quiet"]),
    ]
    return "\n\n".join(parts) + "\n"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _ticks(rows: list[dict[str, Any]]) -> str:
    head = ["models × regions", "policy", "median ms", "least to most", "µs per model and region", "memory MB"]
    return table(
        head,
        [
            [
                f"{row['models']} × {row['regions']}",
                row["policy"],
                f"{row['median_ms']:g}",
                f"{row['least_ms']:g} to {row['most_ms']:g}",
                f"{row['microseconds_per_model_and_region']:g}",
                f"{row['memory_mb']:g}",
            ]
            for row in rows
        ],
    )


def _faults(rows: list[dict[str, Any]]) -> str:
    head = ["fault", "policy", "no weight, s", "99 % good again, s", "lost, %", "fullest survivor, %"]
    keys = ("drained_seconds", "good_again_seconds", "lost_percent", "peak_survivor_percent")
    return table(head, [[row["fault"], row["policy"], *(_spread(row[key]) for key in keys)] for row in rows])


def _spread(spread: dict[str, Any]) -> str:
    median, p95 = (NEVER if spread[key] is None else f"{spread[key]:.3g}" for key in ("median", "p95"))
    return median if median == p95 else f"{median} / {p95}"


def _quiet(rows: list[dict[str, Any]]) -> str:
    head = ["policy", "hours", "shifts", "per 1,000 hours"]
    return table(head, [[r["policy"], str(r["hours"]), str(r["shifts"]), f"{r['per_1000_hours']:g}"] for r in rows])

"""What happened in a storm, as plain values: the one language between the run, the checker, figures and transcript."""

from dataclasses import dataclass

OUT = frozenset({"drained", "draining"})
"""Phases that are out of traffic."""


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision. Regions go by index; `rows` is what is in force after it, `shown` what could be read
    of the clusters."""

    at_ms: int
    write: bool
    emergency: bool
    reason: str
    phases: tuple[str, ...]
    verdicts: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    shown: tuple[tuple[int, ...] | None, ...]
    notes: tuple[str, ...]
    definitive: bool = False


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that was broken."""

    at_ms: int
    rule: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A moment: requests so far, and per region its expected load over its declared capacity, and the largest weight
    that any entry that answers gives it."""

    at_ms: int
    asked: int
    good: float
    utilization: tuple[float, ...]
    weights: tuple[int, ...]

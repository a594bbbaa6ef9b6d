"""What was found where, and what to do about it."""

from dataclasses import dataclass

OK, WARN, FAIL, SKIP = "ok", "warn", "fail", "skip"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `state` is ok, warn, fail, or skip: it could not be looked at."""

    where: str
    what: str
    state: str
    sentence: str
    fix: str = ""

"""One record a request, as a JSON line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

TOO_MANY_REQUESTS = 429


@dataclass(slots=True)
class Record:
    """What became of one request. Times in seconds, `t` since the epoch, `ttft` and `total` since `t`."""

    t: float
    scheduled_delay: float  # how much later than scheduled it was sent: the load generator's own lateness
    entry: str  # the entry that answered, or the last one tried
    entries_tried: list[str] = field(default_factory=list)
    region: str = ""  # header x-served-region
    pod: str = ""  # header x-served-by
    status: int = 0  # 0: no answer
    stream: bool = False
    ttft: float | None = None  # first content; of an answer that is not streamed, the whole
    total: float = 0.0
    tokens: int = 0
    truncated: bool = False  # a stream without [DONE], a body that is short
    wrong: bool = False  # the content is not the right answer, nor its beginning
    error: str = ""
    good: bool = False

    @property
    def refused(self) -> bool:
        """Told to come back later: full, not broken."""
        return self.status == TOO_MANY_REQUESTS

    @property
    def failed(self) -> bool:
        """Neither good nor refused; a first token that came too late is a failure, too."""
        return not self.good and not self.refused

    @property
    def cause(self) -> str:
        """Why it is not good, in one word; empty for a good one. The first that applies."""
        if self.good:
            return ""
        if self.status and not 200 <= self.status < 300:
            return str(self.status)
        if self.error in {"timeout", "connect"}:
            return self.error
        if self.truncated:
            return "truncated"
        if self.wrong:
            return "wrong"
        if not self.tokens and not self.error:
            return "empty"
        return self.error or "slow"

    def to_line(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":")) + "\n"


def read_records(path: Path) -> list[Record]:
    """The records of a file, in the order in which they were finished. A last line cut short is left out."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return list(parse_lines(line for line in lines if line.endswith("\n")))


def parse_lines(lines: Iterable[str]) -> Iterable[Record]:
    for line in lines:
        yield Record(**json.loads(line))

"""What the API servers say of every write: their audit logs, read as values. Nothing of the operator is asked, or used.

Who wrote is told by the address that a request came from: all replicas are the same user.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

OPERATOR = "system:serviceaccount:leeward-system:leeward"
EPOCH = "leeward.dev/epoch"
FENCE = "leeward-fence"
LEASE = "leeward"
READS = frozenset({"get", "list", "watch"})


@dataclass(frozen=True, slots=True)
class Write:
    """One write as it was answered. `epoch` is what the object carries, None where the log does not show it.

    `weights` are those of a users route, by region and in percent, spares left out; None on anything else.
    """

    t: float  # seconds since 1970: when the answer was complete
    cluster: str
    source: str  # the region that it came from, or an address
    ours: bool  # by Leeward
    verb: str
    resource: str
    name: str  # namespace/name, or the name
    subresource: str
    code: int
    message: str = ""
    epoch: int | None = None
    holder: str = ""  # of a Lease
    fence: int | None = None  # what the ConfigMap of the fence says
    weights: Mapping[str, int] | None = field(default=None, hash=False)

    @property
    def taken(self) -> bool:
        return 200 <= self.code < 300

    @property
    def fenced(self) -> bool:
        """Refused because its term is over."""
        return not self.taken and FENCE in self.message


def read(folder: Path, cluster: str, sources: Mapping[str, str], since: float) -> list[Write]:
    """All writes of one API server since a moment, in the order of its log. `sources` are regions by address."""
    return [write for write in parse(kept(folder), cluster, sources) if write.t >= since]


def kept(folder: Path) -> Iterator[str]:
    """The lines that the API server of a region's folder kept, oldest first."""
    for path in sorted((folder / "logs").glob("audit*.jsonl"), key=lambda path: path.stat().st_mtime):
        yield from path.read_text(errors="replace").splitlines()


def answers(lines: Iterable[str], part: str = "") -> Iterator[dict[str, Any]]:
    """What was answered about objects, of lines that hold `part`. A line cut short by a crash is no line."""
    for line in lines:
        try:
            row = json.loads(line) if part in line else {}
        except ValueError:
            continue
        if row.get("stage") == "ResponseComplete" and "objectRef" in row:
            yield row


def parse(lines: Iterable[str], cluster: str, sources: Mapping[str, str]) -> Iterator[Write]:
    """Writes that were answered, dry runs and reads left out."""
    for row in answers(lines):
        if row["verb"] not in READS and "dryRun=" not in row["requestURI"]:
            yield _write(row, cluster, sources)


def _write(row: Mapping[str, Any], cluster: str, sources: Mapping[str, str]) -> Write:
    about, status = row["objectRef"], row.get("responseStatus") or {}
    found = row.get("responseObject") or {}
    shown = found.get("kind") not in (None, "Status")
    metadata = (found.get("metadata") or {}) if shown else {}
    annotations = metadata.get("annotations") or {}
    name = about.get("name") or metadata.get("name", "")
    address = (row.get("sourceIPs") or [""])[0]
    resource = about["resource"]
    return Write(
        datetime.fromisoformat(row["stageTimestamp"]).timestamp(),
        cluster,
        sources.get(address, address),
        row["user"]["username"] == OPERATOR,
        row["verb"],
        resource,
        f"{about['namespace']}/{name}" if about.get("namespace") else name,
        about.get("subresource", ""),
        int(status.get("code", 0)),
        str(status.get("message") or found.get("message") or ""),
        epoch=int(annotations[EPOCH]) if EPOCH in annotations else None,
        holder=(found.get("spec") or {}).get("holderIdentity") or "" if resource == "leases" else "",
        fence=_number((found.get("data") or {}).get("epoch")) if name == FENCE else None,
        weights=_weights(found) if resource == "httproutes" and name.endswith("-users") and shown else None,
    )


def _number(text: object) -> int | None:
    return int(text) if isinstance(text, str) and text.isdecimal() else None


def _weights(route: Mapping[str, Any]) -> dict[str, int]:
    """`<model>-<region>` are the backends of a route `<model>-users`; what ends in `-spare` waits for all others."""
    model = route["metadata"]["name"].removesuffix("-users")
    found: dict[str, int] = {}
    for rule in route["spec"].get("rules") or ():
        for backend in rule.get("backendRefs") or ():
            region = backend["name"].removeprefix(f"{model}-")
            if not region.endswith("-spare"):
                found[region] = found.get(region, 0) + int(backend.get("weight", 1))
    return found

"""What the chain needs from the outside, as Protocols, and the errors that cross the edge, named by remedy."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, Protocol

from leeward.core.snapshot import Counts, LoadReading

KubeObject = dict[str, Any]
"""A Kubernetes object as plain JSON."""


class PortError(Exception):
    """Something outside did not do what was asked. `reason` is CamelCase, for conditions; `remedy` tells what to do."""

    reason = "Error"
    remedy = "look at the operator's log"


class Unreachable(PortError):
    """No answer in time, or none that makes sense: wait, and try again next tick."""

    reason = "Unreachable"
    remedy = "wait; check the network and the API server if it lasts"


class Conflict(PortError):
    """Somebody else wrote at the same time: read again and retry."""

    reason = "Conflict"
    remedy = "nothing to do; it is retried"


class Denied(PortError):
    """Credentials are refused or rights are missing: a person has to act."""

    reason = "Denied"
    remedy = "renew the token, or grant the rights in config/member.yaml"


class Invalid(PortError):
    """The API server refuses the object: the spec has to be fixed."""

    reason = "Invalid"
    remedy = "fix the field that the message names"


class KindMissing(PortError):
    """The cluster does not serve this kind: a CRD has to be installed."""

    reason = "KindMissing"
    remedy = "install the CRD that the message names"


class BadReference(PortError):
    """A Secret, key or kubeconfig that a Region names is absent or not allowed: fix the Region."""

    reason = "BadReference"
    remedy = "mend what the Region's spec refers to, or the reference"


class RegionMissing(PortError):
    """A model names a Region that does not exist."""

    reason = "RegionMissing"
    remedy = "make the Region, or take it out of spec.regions"


class WitnessRegion(PortError):
    """A model names a Region that serves none."""

    reason = "WitnessRegion"
    remedy = "take it out of spec.regions, or give the Region a gateway"


class NotLeading(PortError):
    """This replica does not lead, or not any more: another one writes."""

    reason = "NotLeading"
    remedy = "nothing to do; the leader writes"


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to reach an API server, for a client that is not ours."""

    server: str
    ca_path: str | None
    ca_data: str | bytes | None
    token: str | None
    certificate_path: str | None
    private_key_path: str | None
    insecure: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind as the API names it."""

    api_version: str
    kind: str
    namespaced: bool = True


@dataclass(frozen=True, slots=True)
class Ref:
    """One object in one cluster. `namespace` is empty for cluster-scoped kinds."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.kind.kind} {place}"


class Cluster(Protocol):
    """One Kubernetes API server. Every call has a deadline of its own and raises only PortError."""

    async def read(self, ref: Ref) -> KubeObject | None: ...

    async def find(
        self,
        kind: Kind,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Sequence[KubeObject]: ...

    async def apply(self, body: KubeObject, *, dry_run: bool = False, writer: str = "") -> KubeObject: ...

    async def apply_status(self, body: KubeObject, *, writer: str = "") -> KubeObject: ...

    async def create(self, body: KubeObject) -> KubeObject: ...

    async def patch(self, ref: Ref, patch: KubeObject, *, subresource: str = "") -> KubeObject | None: ...

    async def delete(self, ref: Ref, *, uid: str = "", version: str = "") -> bool: ...

    async def close(self) -> None: ...


ModelKey = tuple[str, str]
"""Namespace and name of a ModelDeployment."""


@dataclass(frozen=True, slots=True)
class EntrySeen:
    """What one region's entry gateway saw of each serving region, and what entered there."""

    serving: Mapping[str, Counts]
    requests_per_second: Fraction | None


@dataclass(frozen=True, slots=True)
class MetricsSeen:
    """All signals of one region's Prometheus. A model without a reading has no entry, or `None`."""

    entries: Mapping[ModelKey, EntrySeen]
    engines: Mapping[ModelKey, Counts | None]
    latencies: Mapping[ModelKey, Counts | None]
    loads: Mapping[ModelKey, LoadReading]


class Metrics(Protocol):
    """A region's Prometheus."""

    async def see(self, objectives: dict[ModelKey, Fraction]) -> MetricsSeen: ...

    async def close(self) -> None: ...


class Outcome(StrEnum):
    """What became of one probe. `FULL` is an answer (429) that says nothing about health."""

    GOOD = "good"
    BAD = "bad"
    FULL = "full"
    NO_PATH = "no path"  # the entry that the probe went by does not answer: says nothing about the region


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """How to ask a model in a region: the region's serve listener, or another region's users listener."""

    model: ModelKey
    served_name: str
    hostname: str
    region: str
    url: str
    through: str = ""  # the entry region, empty: straight to the serve listener
    limit_seconds: float = 3.0
    health_path: str = "/health"
    tls: ssl.SSLContext | None = None  # who we are towards a serve listener of https
    server_name: str = ""  # and the name that its certificate has to be for


class Probes(Protocol):
    """Active requests to gateways."""

    async def complete(self, target: ProbeTarget) -> tuple[Outcome, str]: ...

    async def reach(self, target: ProbeTarget) -> tuple[bool | None, bool | None]: ...

    async def close(self) -> None: ...

"""The plan: a value that apply executes and record tells. Every part carries its reason sentence."""

from dataclasses import dataclass
from fractions import Fraction

from leeward.core.memory import Memory
from leeward.core.phases import Phase
from leeward.core.snapshot import Matrix
from leeward.core.verdict import Verdict

__all__ = ["Note", "Plan", "RegionPlan", "Verdict"]


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """One region after this tick. Weights are percent of all requests (demand-weighted over the entries)."""

    name: str
    verdict: Verdict
    verdict_reason: str
    phase: Phase
    phase_reason: str
    weight: int  # in force after this plan
    target_weight: int  # where it is going
    capacity: Fraction  # usable requests per second, U
    utilization_percent: int | None  # load over declared capacity
    replicas: int  # wanted
    listed: bool  # False: in no route at all (failed, drained, evacuated)
    standby: int = 0  # further replicas that nodes are kept warm for


@dataclass(frozen=True, slots=True)
class Note:
    """Something to tell: a change of verdict, phase or weight, or a guard that held. `kind` is CamelCase."""

    kind: str
    region: str | None
    sentence: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now. `write_weights` is False when the plan is a hold; `reason` says why either way.

    `weights` is what is in force after this plan: the new matrix, or the one last decided. `target` is
    where it is going (in Recommend mode: where it would go). `margins` are what the rest could carry beyond the demand
    if a region, or all regions of a failure domain, were lost, in requests per second; negative: what it would lack.
    `refused` are regions that a person wants evacuated and that stay in traffic, and why.
    """

    weights: Matrix
    target: Matrix
    write_weights: bool
    emergency: bool
    reason: str
    regions: tuple[RegionPlan, ...]
    notes: tuple[Note, ...]
    shortage: Fraction  # requests per second that the fleet cannot carry
    survivable: bool
    survivable_reason: str
    memory: Memory
    margins: tuple[tuple[str, Fraction], ...] = ()
    refused: tuple[tuple[str, str], ...] = ()

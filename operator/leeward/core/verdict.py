"""Verdict: what a region's readings establish. A file of its own because memory, health and plan share it."""

from enum import StrEnum


class Verdict(StrEnum):
    """What a region's readings establish."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    FAILED = "failed"
    UNKNOWN = "unknown"

"""How many machines a region's provider has: Karpenter reads the file at every order (hack/tools/karpenter).

Keys are a machine type, or a machine type and a kind of capacity (`gpu-8x-h100/spot`). What is not there has no limit.
Machines that run already stay when a limit falls below them.
"""

import json
from pathlib import Path

from localfleet.layout import RegionHost


def read(region: RegionHost) -> dict[str, int]:
    """The limits in force, by key."""
    return dict(json.loads(region.limits.read_text())) if region.limits.exists() else {}


def write(region: RegionHost, limits: dict[str, int]) -> None:
    """Put limits in force, all at once: a reader never sees half a file."""
    partial = Path(f"{region.limits}.partial")
    partial.write_text(json.dumps(limits))
    partial.rename(region.limits)


def change(region: RegionHost, key: str, machines: int | None) -> dict[str, int]:
    """Set one limit, or take it away (None); the limits in force then."""
    limits = {name: count for name, count in read(region).items() if name != key}
    if machines is not None:
        limits[key] = machines
    write(region, limits)
    return limits

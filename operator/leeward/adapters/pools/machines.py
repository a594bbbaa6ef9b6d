"""Which machine has which accelerators, per cloud, and what Karpenter's clouds call them. A table, nothing else.

Names are the clouds' own. A Region's `accelerators` comes first: what is listed there with `machine` is not looked up
here. Sources: the clouds' lists of accelerator-optimised machine types; not asked at run time.
"""

from dataclasses import dataclass

from leeward.adapters.pools.port import Ask, UnknownAccelerator


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine type and the accelerators of one such machine; `accelerator` as the cloud calls it."""

    type: str
    accelerators: int
    accelerator: str


MACHINES: dict[str, dict[str, tuple[tuple[int, str], ...]]] = {
    # cloud → accelerator type → (accelerators of one machine, machine type), smallest first
    "aws": {
        "nvidia-t4": ((1, "g4dn.2xlarge"), (4, "g4dn.12xlarge"), (8, "g4dn.metal")),
        "nvidia-a10g": ((1, "g5.4xlarge"), (4, "g5.12xlarge"), (8, "g5.48xlarge")),
        "nvidia-l4": ((1, "g6.4xlarge"), (4, "g6.12xlarge"), (8, "g6.48xlarge")),
        "nvidia-l40s": ((1, "g6e.4xlarge"), (4, "g6e.12xlarge"), (8, "g6e.48xlarge")),
        "nvidia-a100-40gb": ((8, "p4d.24xlarge"),),
        "nvidia-a100-80gb": ((8, "p4de.24xlarge"),),
        "nvidia-h100-80gb": ((1, "p5.4xlarge"), (8, "p5.48xlarge")),
        "nvidia-h200-141gb": ((8, "p5en.48xlarge"),),
        "nvidia-b200": ((8, "p6-b200.48xlarge"),),
    },
    "gcp": {
        "nvidia-l4": ((1, "g2-standard-12"), (2, "g2-standard-24"), (4, "g2-standard-48"), (8, "g2-standard-96")),
        "nvidia-a100-40gb": (
            (1, "a2-highgpu-1g"),
            (2, "a2-highgpu-2g"),
            (4, "a2-highgpu-4g"),
            (8, "a2-highgpu-8g"),
            (16, "a2-megagpu-16g"),
        ),
        "nvidia-a100-80gb": (
            (1, "a2-ultragpu-1g"),
            (2, "a2-ultragpu-2g"),
            (4, "a2-ultragpu-4g"),
            (8, "a2-ultragpu-8g"),
        ),
        "nvidia-h100-80gb": ((1, "a3-highgpu-1g"), (2, "a3-highgpu-2g"), (4, "a3-highgpu-4g"), (8, "a3-highgpu-8g")),
        "nvidia-h100-mega-80gb": ((8, "a3-megagpu-8g"),),
        "nvidia-h200-141gb": ((8, "a3-ultragpu-8g"),),
        "nvidia-b200": ((8, "a4-highgpu-8g"),),
    },
    "azure": {
        "nvidia-t4": ((1, "Standard_NC16as_T4_v3"), (4, "Standard_NC64as_T4_v3")),
        "nvidia-a10": ((1, "Standard_NV36ads_A10_v5"), (2, "Standard_NV72ads_A10_v5")),
        "nvidia-a100-40gb": ((8, "Standard_ND96asr_v4"),),
        "nvidia-a100-80gb": (
            (1, "Standard_NC24ads_A100_v4"),
            (2, "Standard_NC48ads_A100_v4"),
            (4, "Standard_NC96ads_A100_v4"),
            (8, "Standard_ND96amsr_A100_v4"),
        ),
        "nvidia-h100-80gb": ((8, "Standard_ND96isr_H100_v5"),),
        "nvidia-h100-94gb": ((1, "Standard_NC40ads_H100_v5"), (2, "Standard_NC80adis_H100_v5")),
        "nvidia-h200-141gb": ((8, "Standard_ND96isr_H200_v5"),),
    },
}

CLOUD_NAMES: dict[tuple[str, str], str] = {
    # (cloud, accelerator type) → the cloud's name, where it is another one
    ("gcp", "nvidia-a100-40gb"): "nvidia-tesla-a100",
}

KARPENTER_LABELS: dict[str, dict[str, dict[str, str]]] = {
    # group of the node class → accelerator type → node labels, where a Region lists none
    "karpenter.k8s.aws": {
        kind: {"karpenter.k8s.aws/instance-gpu-name": name} | memory
        for kind, name, memory in (
            ("nvidia-t4", "t4", {}),
            ("nvidia-a10g", "a10g", {}),
            ("nvidia-l4", "l4", {}),
            ("nvidia-l40s", "l40s", {}),
            ("nvidia-a100-40gb", "a100", {"karpenter.k8s.aws/instance-gpu-memory": "40960"}),
            ("nvidia-a100-80gb", "a100", {"karpenter.k8s.aws/instance-gpu-memory": "81920"}),
            ("nvidia-h100-80gb", "h100", {}),
            ("nvidia-h200-141gb", "h200", {}),
            ("nvidia-b200", "b200", {}),
        )
    },
}


def machine(ask: Ask, cloud: str) -> Machine:
    """The Region's own machine for the type, or the smallest of the table that has enough accelerators.

    Raises:
        UnknownAccelerator: neither names a machine; the message lists what the table has.
    """
    wanted = ask.model.spec.accelerator
    name = CLOUD_NAMES.get((cloud, wanted.type), wanted.type)
    listed = next((row for row in ask.pools.accelerators if row.type == wanted.type and row.machine), None)
    if listed is not None and listed.machine and listed.accelerators_per_node:
        found = Machine(listed.machine, listed.accelerators_per_node, name)
        if found.accelerators >= wanted.count:
            return found
        raise UnknownAccelerator(
            f"a replica needs {wanted.count} {wanted.type} on one node, and {found.type} has {found.accelerators}"
        )
    rows = MACHINES[cloud].get(wanted.type, ())
    if not rows:
        known = ", ".join(sorted(MACHINES[cloud]))
        raise UnknownAccelerator(f"no machine of {cloud} is known for accelerator type {wanted.type}; known: {known}")
    fitting = next((Machine(kind, count, name) for count, kind in rows if count >= wanted.count), None)
    if fitting is None:
        raise UnknownAccelerator(
            f"no machine of {cloud} has {wanted.count} {wanted.type}; the largest has {rows[-1][0]}"
        )
    return fitting

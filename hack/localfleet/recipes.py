"""Configuration files of a region's programs, as functions of the region."""

import json
from collections.abc import Mapping

import yaml

from leeward.ports import KubeObject
from localfleet.layout import REPOSITORY, RegionHost

SCRAPED = REPOSITORY / "examples" / "prometheus.yaml"
SPOT_PRICE = 0.4  # of the price on demand
MACHINES: dict[str, tuple[float, KubeObject]] = {
    # name → dollars an hour on demand, and what such a machine has; prices are of the size that clouds ask
    "gpu-8x-h100": (98.0, {"cpu": "192", "memory": "2Ti", "ephemeral-storage": "4Ti", "nvidia.com/gpu": "8"}),
    "gpu-8x-a100": (40.0, {"cpu": "96", "memory": "1152Gi", "ephemeral-storage": "8Ti", "nvidia.com/gpu": "8"}),
    "gpu-4x-l4": (4.6, {"cpu": "48", "memory": "192Gi", "ephemeral-storage": "3Ti", "nvidia.com/gpu": "4"}),
    "gpu-1x-l4": (1.3, {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "600Gi", "nvidia.com/gpu": "1"}),
    "cpu-16x": (0.8, {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "200Gi"}),
}
ACCELERATORS = {
    "nvidia-h100-80gb": ("gpu-8x-h100",),
    "nvidia-a100-80gb": ("gpu-8x-a100",),
    "nvidia-l4": ("gpu-4x-l4", "gpu-1x-l4"),
}
"""Machines by the accelerator type that a model names."""
CAPACITY_TYPES = ("on-demand", "spot")


def instance_types() -> str:
    """Karpenter's instance types for the fleet, on demand and spot, each in one zone."""

    def offering(capacity: str, price: float) -> KubeObject:
        return {
            "Price": price,
            "Available": True,
            "Requirements": [
                {"key": "karpenter.sh/capacity-type", "operator": "In", "values": [capacity]},
                {"key": "topology.kubernetes.io/zone", "operator": "In", "values": ["zone-a"]},
            ],
        }

    return json.dumps(
        [
            {
                "name": name,
                "architecture": "amd64",
                "operatingSystems": ["linux"],
                "resources": resources,
                "offerings": [offering("on-demand", price), offering("spot", price * SPOT_PRICE)],
            }
            for name, (price, resources) in MACHINES.items()
        ],
        indent=1,
    )


def prometheus_configuration(region: RegionHost, places: Mapping[str, KubeObject] | None = None) -> str:
    """The scrape jobs of examples/prometheus.yaml. `places` are fields by job: where its targets are found here."""
    jobs = yaml.safe_load(SCRAPED.read_text("utf-8"))["scrape_configs"]
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "5s", "scrape_timeout": "4s", "external_labels": {"region": region.name}},
            "scrape_configs": [{**job, **(places or {}).get(job["job_name"], {})} for job in jobs],
        }
    )

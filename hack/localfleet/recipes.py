"""Configuration files of a region's programs, as functions of the region."""

import json

import yaml

from leeward.ports import KubeObject
from localfleet.layout import RegionHost

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


def prometheus_configuration(region: RegionHost, pods: KubeObject, envoy: KubeObject, scrape_seconds: int = 5) -> str:
    """Scrape every model server pod (its engine's metrics) and the region's Envoy.

    `pods` says how Prometheus finds pods (one of kubernetes_sd_configs), `envoy` where it finds Envoy.
    """
    keep = "__meta_kubernetes_pod_label_app_kubernetes_io_component"
    model = "__meta_kubernetes_pod_label_leeward_dev_model"
    return yaml.safe_dump(
        {
            "global": {
                "scrape_interval": f"{scrape_seconds}s",
                "scrape_timeout": f"{scrape_seconds - 1}s",
                "external_labels": {"region": region.name},
            },
            "scrape_configs": [
                {
                    "job_name": "models",
                    "kubernetes_sd_configs": [pods],
                    "relabel_configs": [
                        {"source_labels": [keep], "regex": "model-server", "action": "keep"},
                        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
                        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
                        {"source_labels": [model], "target_label": "llm_model"},
                    ],
                },
                {
                    "job_name": "envoy",
                    "metrics_path": "/stats/prometheus",
                    **envoy,
                    "metric_relabel_configs": [
                        {
                            "source_labels": ["__name__"],
                            "action": "keep",
                            "regex": "envoy_cluster_endpoint_.*|envoy_cluster_upstream_rq.*|envoy_http_downstream_rq.*|"
                            "envoy_cluster_(membership|circuit).*",
                        }
                    ],
                },
            ],
        }
    )

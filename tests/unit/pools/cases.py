"""The Regions for which pools are translated: the examples as they are, and with one thing changed."""

from pathlib import Path
from typing import Any

import yaml

from leeward.adapters.pools import Pool, Range, Registry
from leeward.adapters.pools.port import merged
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "examples"
REPLICAS = Range(2, 3, 13)
"""Two at least, three now, twelve at most and one more while a rollout is under way."""

Change = dict[str, Any]
BY_LEEWARD: Change = {"sizeOwner": "Leeward", "capacityTypes": ["on-demand"]}
GCP: Change = {
    "clusterApi": {"infrastructureKind": "GCPManagedMachinePool"},
    "providerSpec": {"nodeLocations": ["us-east1-b", "us-east1-c"], "diskSize": None, "diskSizeGb": 500},
}
CASES: dict[str, tuple[str, Change]] = {
    # golden file → example, and what of spec.nodePools is laid over it
    "karpenter": ("karpenter", {}),
    "karpenter-static": ("karpenter", BY_LEEWARD),
    "machine-deployment": ("machine-deployment", {"capacityTypes": ["on-demand", "spot"]}),
    "machine-deployment-fixed": ("machine-deployment", BY_LEEWARD),
    "machine-pool": ("machine-pool", {"capacityTypes": ["spot"]}),
    "machine-pool-fixed": ("machine-pool", BY_LEEWARD),
    "machine-pool-gcp": ("machine-pool", GCP),
    "gke": ("gke", {}),
    "gke-fixed": ("gke", BY_LEEWARD),
    "eks": ("eks", {}),
    "eks-fixed-spot": ("eks", {"sizeOwner": "Leeward", "capacityTypes": ["spot"]}),
    "aks": ("aks", {"sizeOwner": "Autoscaler", "accelerators": [], "capacityTypes": ["spot"]}),
    "aks-fixed": ("aks", {}),
}


def model(**accelerator: Any) -> ModelDeployment:
    """The example model, with another accelerator if told so."""
    document = yaml.safe_load((EXAMPLES / "modeldeployment.yaml").read_text("utf-8"))
    document["spec"]["accelerator"] |= accelerator
    return ModelDeployment.read(document)


def region(example: str, change: Change | None = None) -> Region:
    """The first Region of an example, with `change` laid over its spec.nodePools."""
    document = next(yaml.safe_load_all((EXAMPLES / "pools" / f"{example}.yaml").read_text("utf-8")))
    document["spec"]["nodePools"] = _without_none(merged(document["spec"]["nodePools"], change or {}))
    return Region.read(document)


def _without_none(node: Change) -> Change:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in node.items()
        if value is not None
    }


def pools(case: str, replicas: Range = REPLICAS) -> tuple[Pool, ...]:
    """What a case's Region wants for the example model."""
    return Registry().pools(model(), region(*CASES[case]), replicas)


def shown(found: tuple[Pool, ...]) -> str:
    """Pools as YAML: each object as it is without its size, then its size and whether it is kept."""
    rows = [
        {
            "nodes": {key: list(values) for key, values in pool.node_labels.items()},
            "tolerated": [taint.wire() for taint in pool.taints],
            "objects": [
                {"object": made.body, "size": made.size.get("spec", {}), "sizeIsKept": made.keep_size}
                for made in pool.objects
            ],
        }
        for pool in found
    ]
    return yaml.safe_dump(rows, sort_keys=False, width=110)

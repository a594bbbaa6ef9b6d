"""A fleet's regions as Leeward sees them: Region objects, and the Secrets with which the home cluster reaches them.

The first region is home. Every connection is the operator's ServiceAccount with exactly the rights of config/.
"""

import asyncio

from leeward.adapters.clusters import KubernetesCluster
from leeward.ports import KubeObject
from localfleet import bootstrap, certificates
from localfleet.layout import (
    ACCELERATOR,
    ACCELERATOR_LABEL,
    GATEWAY_NAME,
    GATEWAY_NAMESPACE,
    KIND,
    NAMESPACES,
    REPOSITORY,
    SERVE_PORT,
    Fleet,
    RegionHost,
)
from localfleet.recipes import ACCELERATORS

_DOMAINS = ("aws", "gcp", "azure")
_NODE_POOLS: dict[str, KubeObject] = {
    NAMESPACES: {
        "provider": "karpenter",
        "nodeClassRef": {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "gpu"},
        "accelerators": [
            {"type": kind, "nodeLabels": {"node.kubernetes.io/instance-type": list(machines)}}
            for kind, machines in ACCELERATORS.items()
        ],
    },
    KIND: {
        "provider": "static",
        "accelerators": [{"type": ACCELERATOR, "nodeLabels": {ACCELERATOR_LABEL: [ACCELERATOR]}}],
    },
}


def region_object(fleet: Fleet, region: RegionHost, everywhere: bool = False) -> KubeObject:
    """The Region of one host of the fleet, as the home cluster has it or, the same for all, as `everywhere`."""
    home = region.index == 1 and not everywhere
    access = (
        {"local": {}}
        if home
        else {"kubeconfigSecretRef": {"name": f"{region.name}-kubeconfig", "namespace": GATEWAY_NAMESPACE}}
    )
    return {
        "apiVersion": "leeward.dev/v1alpha1",
        "kind": "Region",
        "metadata": {"name": region.name},
        "spec": {
            "cluster": access,
            "failureDomains": {"provider": _DOMAINS[(region.index - 1) % len(_DOMAINS)]},
            "prometheus": {"url": region.prometheus},
            "gateway": {
                "name": GATEWAY_NAME,
                "namespace": GATEWAY_NAMESPACE,
                "address": region.address,
                "usersPort": region.users_port,
                "servePort": SERVE_PORT,
                "tls": {
                    "caCertificates": certificates.authority(fleet).certificate,
                    "clientSecretRef": {"name": certificates.SECRET_NAME, "namespace": GATEWAY_NAMESPACE},
                },
            },
            "nodePools": _NODE_POOLS[fleet.backend],
        },
    }


def _secret(region: RegionHost) -> KubeObject:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": f"{region.name}-kubeconfig", "namespace": GATEWAY_NAMESPACE},
        "stringData": {"value": (region.folder / "kubeconfig-operator").read_text()},
    }


async def join_everywhere(fleet: Fleet) -> None:
    """Let a replica in each region know all of them: Secrets, Regions, the rights to elect a leader, and the fence."""
    config = REPOSITORY / "config"
    common = [*bootstrap.documents(config / "quorum.yaml"), *bootstrap.documents(config / "fence.yaml")]
    common += [_secret(region) for region in fleet.regions]
    common += [region_object(fleet, region, everywhere=True) for region in fleet.regions]

    async def one(region: RegionHost) -> None:
        cluster = await bootstrap.connect(region)
        try:
            await bootstrap.apply_all(cluster, common)
        finally:
            await cluster.close()

    await asyncio.gather(*(one(region) for region in fleet.regions))


async def join(fleet: Fleet) -> None:
    """Make the operator's kubeconfigs, and apply Secrets and Regions to the home cluster."""

    async def credentials(region: RegionHost) -> None:
        cluster = await bootstrap.connect(region)
        try:
            await bootstrap.operator_kubeconfig(region, cluster, region.folder / "kubeconfig-operator")
        finally:
            await cluster.close()

    await asyncio.gather(*(credentials(region) for region in fleet.regions))
    home: KubernetesCluster = await bootstrap.connect(fleet.regions[0])
    try:
        await bootstrap.apply_all(home, [_secret(region) for region in fleet.regions[1:]])
        await bootstrap.apply_all(home, [region_object(fleet, region) for region in fleet.regions])
    finally:
        await home.close()

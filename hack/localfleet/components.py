"""The programs of one region, as a table: what runs, where, and how one sees that it is up.

A component is a value; `launch.py` starts it. All of them are real except GPUs and kubelets (KWOK) and the model
servers (`modelserver/`, which says what it does not model).
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from localfleet.layout import (
    API_PORT,
    ENVOY_NAMESPACE,
    ETCD_PORT,
    METRICS_API_PORT,
    MODELS_PORT,
    PROMETHEUS_PORT,
    SYSTEM_NAMESPACE,
    Fleet,
    RegionHost,
)
from localfleet.metricsapi import aggregation

ASSETS = Path(__file__).parent / "assets"
_PYTHON_PATH = {"PYTHONPATH": str(Path(__file__).resolve().parents[1])}


@dataclass(frozen=True, slots=True)
class Component:
    """One program of a region. `host` is the network namespace; `root` a folder to chroot into, or None."""

    name: str
    host: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    root: Path | None = None


def _etcd(region: RegionHost, binaries: dict[str, Path]) -> Component:
    local = f"http://127.0.0.1:{ETCD_PORT}"
    return Component(
        "etcd",
        region.name,
        (
            str(binaries["etcd"]),
            "--data-dir",
            str(region.folder / "etcd"),
            "--unsafe-no-fsync",
            "--listen-client-urls",
            local,
            "--advertise-client-urls",
            local,
            "--listen-peer-urls",
            "http://127.0.0.1:2380",
            "--log-level",
            "warn",
        ),
    )


def _apiserver(region: RegionHost, binaries: dict[str, Path]) -> Component:
    keys = region.folder / "keys"
    return Component(
        "kube-apiserver",
        region.name,
        (
            str(binaries["kube-apiserver"]),
            f"--etcd-servers=http://127.0.0.1:{ETCD_PORT}",
            "--bind-address=0.0.0.0",
            f"--advertise-address={region.address}",
            f"--secure-port={API_PORT}",
            f"--cert-dir={region.folder / 'apiserver'}",
            f"--service-account-key-file={keys / 'service-account.key'}",
            f"--service-account-signing-key-file={keys / 'service-account.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-cluster-ip-range={region.service_cidr}",
            f"--token-auth-file={keys / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--allow-privileged",
            f"--audit-policy-file={ASSETS / 'audit-policy.yaml'}",
            f"--audit-log-path={region.folder / 'logs' / 'audit.jsonl'}",
            *aggregation.flags(region),
        ),
    )


def _kubernetes_controllers(region: RegionHost, binaries: dict[str, Path]) -> list[Component]:
    config = f"--kubeconfig={region.kubeconfig}"
    controllers = ",".join(
        f"{name}-controller"
        for name in (
            "deployment",
            "replicaset",
            "garbage-collector",
            "pod-garbage-collector",
            "namespace",
            "serviceaccount",
            "horizontal-pod-autoscaler",
            "endpointslice",
            "node-lifecycle",
            "node-ipam",
            "disruption",
        )
    )
    return [
        Component(
            "kube-controller-manager",
            region.name,
            (
                str(binaries["kube-controller-manager"]),
                config,
                "--leader-elect=false",
                f"--controllers={controllers}",
                "--allocate-node-cidrs",
                f"--cluster-cidr={region.pod_cidr}",
                "--node-cidr-mask-size=24",
                "--use-service-account-credentials=false",
                f"--service-account-private-key-file={region.folder / 'keys' / 'service-account.key'}",
                "--concurrent-deployment-syncs=2",
                "--node-monitor-grace-period=60s",
                "--horizontal-pod-autoscaler-sync-period=5s",  # as often as Prometheus scrapes here
            ),
        ),
        Component("kube-scheduler", region.name, (str(binaries["kube-scheduler"]), config, "--leader-elect=false")),
    ]


def _simulated_nodes(region: RegionHost, binaries: dict[str, Path]) -> list[Component]:
    return [
        Component(
            "kwok",
            region.name,
            (
                str(binaries["kwok"]),
                f"--kubeconfig={region.kubeconfig}",
                f"--config={ASSETS / 'kwok-stages.yaml'}",
                "--manage-all-nodes=true",
                f"--cidr={region.pod_cidr}",
                f"--node-ip={region.address}",
                "--node-lease-duration-seconds=40",
            ),
        ),
        Component(
            "karpenter",
            region.name,
            (str(binaries["karpenter-kwok"]),),
            {
                "KUBECONFIG": str(region.kubeconfig),
                "DISABLE_LEADER_ELECTION": "true",
                "CLUSTER_NAME": region.name,
                "INSTANCE_TYPES_FILE_PATH": str(region.folder / "instance-types.json"),
                "LIMITS_FILE_PATH": str(region.limits),
                "SYSTEM_NAMESPACE": SYSTEM_NAMESPACE,
                "METRICS_PORT": "8180",
                "HEALTH_PROBE_PORT": "8181",
                "LOG_LEVEL": "info",
                "BATCH_IDLE_DURATION": "500ms",
                "BATCH_MAX_DURATION": "2s",
            },
        ),
    ]


def _gateway_controller(region: RegionHost) -> Component:
    root = region.folder / "gateway-root"
    return Component(
        "envoy-gateway",
        region.gateway_host,
        ("/envoy-gateway", "server", "--config-path", "/config.yaml"),
        {"KUBECONFIG": "/kubeconfig", "ENVOY_GATEWAY_NAMESPACE": ENVOY_NAMESPACE},
        root,
    )


def _observed(fleet: Fleet, region: RegionHost, binaries: dict[str, Path]) -> list[Component]:
    return [
        Component(
            "prometheus",
            region.name,
            (
                str(binaries["prometheus"]),
                f"--config.file={region.folder / 'prometheus.yaml'}",
                f"--storage.tsdb.path={region.folder / 'prometheus'}",
                "--storage.tsdb.retention.time=2h",
                f"--web.listen-address={region.address}:{PROMETHEUS_PORT}",
                "--log.level=warn",
            ),
        ),
        Component(
            "models",
            region.name,
            (
                sys.executable,
                "-m",
                "localfleet.modelserver",
                "--kubeconfig",
                str(region.kubeconfig),
                "--region",
                region.name,
                "--control-port",
                str(MODELS_PORT),
                "--startup-seconds",
                str(fleet.timing.startup),
                "--seed",
                str(region.index),
            ),
            _PYTHON_PATH,
        ),
    ]


def _metrics_api(region: RegionHost) -> Component:
    return Component(
        "metrics-api",
        region.name,
        (
            sys.executable,
            "-m",
            "localfleet.metricsapi",
            "--address",
            region.address,
            "--port",
            str(METRICS_API_PORT),
            "--prometheus",
            region.prometheus,
            "--keys",
            str(region.folder / "keys"),
        ),
        _PYTHON_PATH,
    )


def control_plane(region: RegionHost, binaries: dict[str, Path]) -> list[Component]:
    """etcd and the API server, in the order of their start."""
    return [_etcd(region, binaries), _apiserver(region, binaries)]


def workers(fleet: Fleet, region: RegionHost, binaries: dict[str, Path]) -> list[Component]:
    """Everything that needs a running API server, except Envoy, whose arguments come from the cluster."""
    return [
        *_kubernetes_controllers(region, binaries),
        *_simulated_nodes(region, binaries),
        _gateway_controller(region),
        *_observed(fleet, region, binaries),
        _metrics_api(region),
    ]

"""What joins the metrics API to a region's kube-apiserver: two certificates, three objects and a few flags."""

import base64
import subprocess

from leeward.ports import KubeObject
from localfleet.layout import METRICS_API_PORT, SYSTEM_NAMESPACE, RegionHost
from localfleet.metricsapi.app import GROUP, VERSION

NAME = "metrics-api"
_SERVICE = {"name": NAME, "namespace": SYSTEM_NAMESPACE}
_PORT = {"name": "https", "protocol": "TCP"}


def make_keys(region: RegionHost) -> None:
    """Certificates, each its own authority: kube-apiserver's towards us, and ours towards kube-apiserver."""
    for name, subject, more in (
        ("front-proxy", "front-proxy-client", "extendedKeyUsage=clientAuth"),
        (NAME, NAME, f"subjectAltName=DNS:{NAME}.{SYSTEM_NAMESPACE}.svc"),
    ):
        path = region.folder / "keys" / name
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", "365", "-subj", f"/CN={subject}", "-addext", more]
        command += ["-keyout", f"{path}.key", "-out", f"{path}.crt"]
        subprocess.run(command, check=True, capture_output=True)


def flags(region: RegionHost) -> tuple[str, ...]:
    """kube-apiserver's: who it is towards aggregated APIs, and to go to endpoints, as no kube-proxy runs here."""
    front = region.folder / "keys" / "front-proxy"
    return (
        f"--requestheader-client-ca-file={front}.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        f"--proxy-client-cert-file={front}.crt",
        f"--proxy-client-key-file={front}.key",
        "--enable-aggregator-routing=true",
    )


def objects(region: RegionHost) -> list[KubeObject]:
    """A Service without selector, its endpoint on the region's own address, and the APIService that points to it."""
    authority = (region.folder / "keys" / f"{NAME}.crt").read_bytes()
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _SERVICE,
            "spec": {"ports": [{**_PORT, "port": 443, "targetPort": METRICS_API_PORT}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {**_SERVICE, "labels": {"kubernetes.io/service-name": NAME}},
            "addressType": "IPv4",
            "ports": [{**_PORT, "port": METRICS_API_PORT}],
            "endpoints": [{"addresses": [region.address], "conditions": {"ready": True}}],
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{VERSION}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "version": VERSION,
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": base64.b64encode(authority).decode(),
                "service": {**_SERVICE, "port": 443},
            },
        },
    ]

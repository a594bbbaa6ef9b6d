"""How a Region's cluster and its Prometheus are reached, and which Secrets that takes."""

from pydantic import ConfigDict, Field

from leeward.api.common import ApiModel, Label, ObjectName, SecretKey, SecretKeyRef
from leeward.api.markers import DNS_NAME, rule, rules


class LocalCluster(ApiModel):
    """The cluster that this operator replica runs in. It has no settings: write `local: {}`."""


class KubeconfigSecretRef(SecretKeyRef):
    """A Secret that holds a kubeconfig, in the shape that Cluster API and Flux use."""

    key: SecretKey = Field(default="value", description="Key within the Secret that holds the kubeconfig.")


class TokenSecretRef(SecretKeyRef):
    """A Secret that holds a bearer token."""

    key: SecretKey = Field(default="token", description="Key within the Secret that holds the token.")


class CaSecretRef(SecretKeyRef):
    """A Secret that holds certificates of authorities, as PEM."""

    key: SecretKey = Field(default="ca.crt", description="Key within the Secret that holds the certificates.")


class ClusterProfileRef(ApiModel):
    """A ClusterProfile of the cluster inventory API (multicluster.x-k8s.io)."""

    name: ObjectName = Field(description="Name of the ClusterProfile.")
    namespace: Label = Field(description="Namespace of the ClusterProfile.")


class ClusterAccess(ApiModel):
    """How to reach the member cluster. Exactly one of the fields is set."""

    local: LocalCluster | None = Field(
        default=None,
        description="The region's cluster is the one that this object lives in. Write `local: {}`.",
    )
    kubeconfig_secret_ref: KubeconfigSecretRef | None = Field(
        default=None,
        description="Reach the cluster with the kubeconfig in this Secret. The Secret is watched, so "
        "rotation needs no restart. Kubeconfigs that run commands (`exec`) are refused unless the "
        "operator allows the command.",
    )
    cluster_profile_ref: ClusterProfileRef | None = Field(
        default=None, description="Reach the cluster with the access that this ClusterProfile publishes."
    )


class PrometheusTls(ApiModel):
    """How the region's Prometheus proves who it is. Verification cannot be switched off."""

    ca_secret_ref: CaSecretRef | None = Field(
        default=None,
        description="Authorities to trust for this Prometheus instead of the system's.",
    )
    server_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        pattern=DNS_NAME,
        description="Name expected in the server's certificate, where it differs from the host in the url.",
    )


class TlsSecretRef(ApiModel):
    """A Secret of type kubernetes.io/tls in the cluster that holds this Region: a certificate and its key."""

    name: ObjectName = Field(description="Name of the Secret.")
    namespace: Label = Field(description="Namespace of the Secret.")


class ServeTls(ApiModel):
    """Mutual TLS on the serve listener. Verification cannot be switched off."""

    ca_certificates: str = Field(
        min_length=1,
        max_length=32_768,
        json_schema_extra=rules(
            rule(
                "self.contains('-----BEGIN CERTIFICATE-----') && !self.contains('PRIVATE KEY')",
                "caCertificates must be certificates as PEM, and no key",
            )
        ),
        description="Authorities, as PEM, one of which signed the certificate of this region's serve listener. It has "
        "to be issued for the DNS name REGION.region, such as us-east1.region.",
    )
    client_secret_ref: TlsSecretRef = Field(
        description="Certificate by which Leeward's own probes are let in by the serve listener. The Secret is "
        "watched, so rotation needs no restart."
    )


class Prometheus(ApiModel):
    """The Prometheus that scrapes the region's engines and gateway."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.tls) || self.url.startsWith('https://')",
                "tls is set but the url does not begin with https://: use an https url or remove tls",
                ".tls",
            )
        )
    )

    url: str = Field(
        min_length=8,
        max_length=2048,
        pattern=r"^https?://[^\s]+$",
        description="Address of the Prometheus API without /api/v1, such as http://prometheus.example.com:9090.",
    )
    token_secret_ref: TokenSecretRef | None = Field(default=None, description="Bearer token to send with each query.")
    tls: PrometheusTls | None = Field(default=None, description="Trust settings for an https url.")

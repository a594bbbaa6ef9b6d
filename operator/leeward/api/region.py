"""`Region`: one failure domain with one member cluster, and how to reach it. Cluster-scoped."""

from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from leeward.api.access import ClusterAccess, Prometheus, ServeTls
from leeward.api.common import ApiModel, Conditions, Epoch, Label, ObjectName, ObservedGeneration, Resource
from leeward.api.markers import rule, rules
from leeward.api.pools import LabelValue, NodePools

Port = Annotated[int, Field(ge=1, le=65535, json_schema_extra={"format": "int32"})]


class RegionGateway(ApiModel):
    """The region's Gateway (Gateway API), with a listener for users and one for the fleet's other gateways.

    The two listeners are the loop guard: requests that arrive on `serve` go to local pods only.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "self.usersPort != self.servePort",
                "usersPort and servePort must differ: the port is what keeps requests from looping between regions",
                ".servePort",
            ),
            rule(
                "self.usersListener != self.serveListener",
                "usersListener and serveListener must name two different listeners of the Gateway",
                ".serveListener",
            ),
        )
    )

    name: ObjectName = Field(description="Name of the Gateway object in the region's cluster.")
    namespace: Label = Field(description="Namespace of the Gateway object in the region's cluster.")
    address: str = Field(
        min_length=1,
        max_length=253,
        json_schema_extra=rules(
            rule(
                r"isIP(self) || self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
                "address must be a host name or an IP address without scheme, port or path, "
                "such as us-east1.models.example.com",
            ),
            rule(
                "!isIP(self) || !ip(self).isLinkLocalUnicast()",
                "address must not be link-local: no gateway is there, but a cloud's metadata may be",
            ),
        ),
        description="Host name or IP address at which the other regions' gateways and the probes reach "
        "this Gateway. Use host names in all regions of a fleet or IP addresses in all of them: a mix "
        "breaks cross-region retries.",
    )
    users_port: Port = Field(default=80, description="Port of the listener that users connect to.")
    serve_port: Port = Field(
        default=8081,
        description="Port of the listener for the fleet's own gateways. Let nobody else reach it.",
    )
    users_listener: Label = Field(default="users", description="Name of the Gateway's listener that users connect to.")
    serve_listener: Label = Field(
        default="serve", description="Name of the Gateway's listener for the fleet's own gateways."
    )
    tls: ServeTls | None = Field(
        default=None,
        description="Mutual TLS between gateways: the serve listener takes HTTPS from holders of a certificate only. "
        "Without it, requests cross from region to region in the clear.",
    )


_CLUSTER_REFS = "[has(self.cluster.local), has(self.cluster.kubeconfigSecretRef), has(self.cluster.clusterProfileRef)]"


class RegionSpec(ApiModel):
    """What the region is and how to reach it."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"has(self.cluster) && {_CLUSTER_REFS}.exists(x, x)",
                "say how to reach the cluster: set cluster.local, cluster.kubeconfigSecretRef or "
                "cluster.clusterProfileRef",
                ".cluster",
            ),
            rule(
                f"!has(self.cluster) || {_CLUSTER_REFS}.filter(x, x).size() <= 1",
                "cluster has more than one reference: keep one of local, kubeconfigSecretRef and "
                "clusterProfileRef, and remove the others",
                ".cluster",
            ),
        )
    )

    cluster: ClusterAccess = Field(
        default_factory=ClusterAccess,
        description="How to reach the member cluster: exactly one of local, kubeconfigSecretRef and clusterProfileRef.",
    )
    failure_domains: dict[str, LabelValue] = Field(
        default_factory=dict,
        max_length=16,
        json_schema_extra=rules(
            rule(
                "self.all(k, k.size() <= 63 && !(k in ['None', 'Region']))",
                "keys of failureDomains must be 63 characters at most and not None or Region, "
                "which redundancy.survive uses itself",
            )
        ),
        description="What this region shares with others and may lose together with them, such as "
        "{provider: aws, grid: us-east}. A ModelDeployment can ask to survive the loss of any value of a "
        "key.",
    )
    prometheus: Prometheus | None = Field(
        default=None,
        description="Prometheus of the region. Without one, Leeward judges by probes, readiness and reachability.",
    )
    gateway: RegionGateway | None = Field(
        default=None,
        description="Gateway of the region. Without one, the region serves no model: a witness, which "
        "only holds a Lease so that a fleet of two regions has a majority.",
    )
    node_pools: NodePools = Field(default=NodePools(), description="Where the region's GPU nodes come from.")


class RegionCapacity(ApiModel):
    """Accelerators in the region's cluster, as its nodes report them."""

    nodes: int = Field(
        default=0,
        json_schema_extra={"format": "int32", "minimum": 0},
        description="Ready nodes with at least one accelerator.",
    )
    accelerators: dict[str, int] = Field(
        default_factory=dict,
        json_schema_extra={"maxProperties": 32, "x-kubernetes-map-type": "atomic"},  # else {} is applied as null
        description="Allocatable accelerators on those nodes, by resource name such as nvidia.com/gpu.",
    )


class RegionStatus(ApiModel):
    """What the operator sees of the region."""

    conditions: Conditions = Field(
        default=(),
        description="Reachable: the cluster's API server answers. MetricsFresh: its Prometheus answers "
        "with fresh samples. Ready: models can be served here. CredentialsValid: its token and certificates do not "
        "end soon.",
    )
    capacity: RegionCapacity | None = Field(default=None, description="Accelerators in the region's cluster.")
    observed_generation: ObservedGeneration = Field(
        default=None, description="metadata.generation that this status was computed from."
    )
    epoch: Epoch = Field(default=None, description="Term of the leader that wrote this status.")


class Region(Resource):
    """A Region is one failure domain with one cluster in it, and how to reach it."""

    KIND: ClassVar[str] = "Region"

    kind: str = "Region"
    spec: RegionSpec
    status: RegionStatus = RegionStatus()

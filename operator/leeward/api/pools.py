"""`spec.nodePools` of a Region: where its GPU nodes come from, who owns their number, and what each provider needs."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from leeward.api.common import ApiModel, Label, ObjectName, RegionName
from leeward.api.markers import DNS_NAME, LABEL_KEY, LABEL_VALUE, Schema, atomic_list, keyed_list, rule, rules, set_list

PROVIDERS = ("karpenter", "machine-deployment", "machine-pool", "gke", "eks", "aks", "static")
"""Providers that Leeward brings. Others are plug-ins, whose names have a dot."""

AcceleratorType = Annotated[str, Field(min_length=1, max_length=63, pattern=LABEL_VALUE)]
CapacityType = Literal["on-demand", "spot", "reserved"]
Group = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_NAME)]
KindName = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Z][A-Za-z0-9]*$")]
LabelKey = Annotated[str, Field(min_length=1, max_length=316, pattern=LABEL_KEY)]
LabelValue = Annotated[str, Field(max_length=63)]
NodeLabelValues = Annotated[tuple[LabelValue, ...], Field(min_length=1, max_length=16, json_schema_extra=atomic_list())]
Word = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[^\s]+$")]
ANYTHING: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


class ObjectRef(ApiModel):
    """An object that an administrator made, next to the pools. Leeward never writes one."""

    group: Group = Field(description="API group, such as karpenter.k8s.aws.")
    kind: KindName = Field(description="Kind, such as EC2NodeClass.")
    name: ObjectName = Field(description="Name of the object.")


class AcceleratorNodes(ApiModel):
    """How this region gets and finds nodes with one type of accelerator."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!has(self.machine) || has(self.acceleratorsPerNode)",
                "machine is set: say with acceleratorsPerNode how many accelerators one such machine has",
                ".acceleratorsPerNode",
            ),
            rule(
                "(has(self.nodeLabels) && self.nodeLabels.size() > 0) || has(self.machine) || "
                "has(self.acceleratorsPerNode)",
                "say something of these nodes: nodeLabels (karpenter, static) or machine and acceleratorsPerNode",
            ),
        )
    )

    type: AcceleratorType = Field(
        description="Type of accelerator as ModelDeployments name it in spec.accelerator.type."
    )
    node_labels: dict[str, NodeLabelValues] = Field(
        default_factory=dict,
        max_length=8,
        description="Node labels and the values that they may have on such nodes, for example "
        "karpenter.k8s.aws/instance-gpu-name: [h100]. With providers karpenter and static they become "
        "requirements of the node pool and the pods.",
    )
    machine: Word | None = Field(
        default=None,
        description="Machine type to order, such as p5.48xlarge, where Leeward's table (docs/pools.md) knows none or "
        "another one is wanted. Changing it makes new node pools.",
    )
    accelerators_per_node: int | None = Field(
        default=None,
        ge=1,
        le=64,
        json_schema_extra={"format": "int32"},
        description="Accelerators of one such machine.",
    )


class Taint(ApiModel):
    """A taint of the pools' nodes. Leeward gives its pods the toleration."""

    key: LabelKey = Field(description="Key of the taint.")
    value: LabelValue = Field(default="", description="Value of the taint.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(
        default="NoSchedule", description="What the taint does, in Kubernetes' words for every provider."
    )


class MachineTemplate(ApiModel):
    """The infrastructure template that makes machines with one type of accelerator."""

    accelerator: AcceleratorType = Field(description="Type of accelerator.")
    capacity_type: Literal["on-demand", "spot"] = Field(
        default="on-demand", description="Kind of capacity that the template buys."
    )
    accelerators_per_node: int = Field(
        ge=1, le=64, json_schema_extra={"format": "int32"}, description="Accelerators of one machine."
    )
    infrastructure: ObjectRef = Field(description="The template, such as an AWSMachineTemplate.")


class ClusterApiPools(ApiModel):
    """What providers machine-deployment and machine-pool need."""

    cluster_name: Label = Field(description="Name of the Cluster object of this region.")
    version: Word | None = Field(default=None, description="Kubernetes version of the machines, such as v1.36.1.")
    bootstrap: ObjectRef | None = Field(
        default=None,
        description="Bootstrap template, such as a KubeadmConfigTemplate. Needed by machine-deployment.",
    )
    templates: tuple[MachineTemplate, ...] = Field(
        default=(),
        max_length=32,
        json_schema_extra=keyed_list("accelerator", "capacityType"),
        description="Infrastructure templates by accelerator and kind of capacity. Needed by machine-deployment.",
    )
    infrastructure_kind: Literal["AWSManagedMachinePool", "GCPManagedMachinePool"] | None = Field(
        default=None,
        description="Kind of the infrastructure object that Leeward writes beside each MachinePool. Needed by "
        "machine-pool.",
    )


class GkePools(ApiModel):
    """What provider gke needs (Config Connector)."""

    cluster: Word = Field(
        description="Name of the ContainerCluster object beside the pools, or the cluster as "
        "projects/<project>/locations/<location>/clusters/<name>."
    )
    location: Word = Field(description="Region or zone of the cluster, such as europe-west4.")
    node_locations: tuple[Word, ...] = Field(
        default=(),
        max_length=8,
        json_schema_extra=set_list(),
        description="Zones of the nodes. GKE counts fixed sizes per zone, so they are needed with sizeOwner Leeward.",
    )


class EksPools(ApiModel):
    """What provider eks needs (AWS Controllers for Kubernetes)."""

    cluster_name: Word = Field(description="Name of the EKS cluster.")
    node_role: Word = Field(description="ARN of the nodes' role.")
    subnets: tuple[Word, ...] = Field(
        min_length=1, max_length=16, json_schema_extra=set_list(), description="Subnets of the nodes."
    )
    ami_type: Word = Field(default="AL2023_x86_64_NVIDIA", description="Type of the nodes' image.")


class AksPools(ApiModel):
    """What provider aks needs (Azure Service Operator)."""

    cluster: Word = Field(
        description="Name of the ManagedCluster object beside the pools, or the cluster's ARM id (/subscriptions/…)."
    )
    version: Annotated[str, Field(max_length=32, pattern=r"^v1?(api)?[0-9]{8}(preview)?$")] = Field(
        default="v1api20250801",
        description="Version of containerservice.azure.com that the cluster serves; newer operators leave out `api`.",
    )


_BUILT_IN = str(list(PROVIDERS)).replace("'", '"')
_NEEDS = (
    ("karpenter", "has(self.nodeClassRef)", "nodeClassRef: name the node class that makes machines in this region"),
    (
        "machine-deployment",
        "has(self.clusterApi) && has(self.clusterApi.bootstrap) && has(self.clusterApi.templates)",
        "clusterApi with clusterName, bootstrap and templates: name the templates that make machines in this region",
    ),
    (
        "machine-pool",
        "has(self.clusterApi) && has(self.clusterApi.infrastructureKind)",
        "clusterApi with clusterName and infrastructureKind: say what kind of pool makes machines in this region",
    ),
    ("gke", "has(self.gke)", "gke: name the cluster and its location"),
    ("eks", "has(self.eks)", "eks: name the cluster, the nodes' role and their subnets"),
    ("aks", "has(self.aks)", "aks: name the cluster"),
)
_OWN = {"karpenter": ".nodeClassRef", "machine-deployment": ".clusterApi", "machine-pool": ".clusterApi"}
_IS_OURS = "has(self.provider) && self.provider in ['machine-deployment', 'machine-pool', 'gke', 'eks', 'aks']"
_FIXED = "has(self.sizeOwner) && self.sizeOwner == 'Leeward'"


class NodePools(ApiModel):
    """Where the region's GPU nodes come from."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            *(
                rule(
                    f"!has(self.provider) || self.provider != '{provider}' || ({needed})",
                    f"provider {provider} needs {message}",
                    _OWN.get(provider, f".{provider}"),
                )
                for provider, needed, message in _NEEDS
            ),
            rule(
                f"!({_IS_OURS}) || !has(self.capacityTypes) || !('reserved' in self.capacityTypes)",
                "capacityTypes reserved is known to karpenter only: take it out, and name the reservation in "
                "providerSpec",
                ".capacityTypes",
            ),
            rule(
                f"!({_FIXED}) || !has(self.capacityTypes) || self.capacityTypes.size() == 1",
                "sizeOwner Leeward orders a number of nodes, so capacityTypes must name exactly one kind of capacity",
                ".capacityTypes",
            ),
            rule(
                f"!({_FIXED}) || !has(self.provider) || self.provider != 'gke' || !has(self.gke) || "
                "has(self.gke.nodeLocations)",
                "sizeOwner Leeward with provider gke needs gke.nodeLocations: GKE counts nodes per zone",
                ".gke",
            ),
            rule(
                f"!has(self.managedIn) || ({_IS_OURS}) || (has(self.provider) && self.provider.contains('.'))",
                "managedIn is for pools that another cluster may hold: remove it with providers karpenter and static",
                ".managedIn",
            ),
        )
    )

    provider: Annotated[str, Field(max_length=63, pattern=DNS_NAME)] = Field(
        default="static",
        json_schema_extra=rules(
            rule(
                f"self in {_BUILT_IN} || self.contains('.')",
                f"provider must be one of {', '.join(PROVIDERS)}, or a plug-in's name, which has a dot, such as "
                "rack.example.com",
            )
        ),
        description="What makes the nodes. karpenter: a Karpenter NodePool. machine-deployment, machine-pool: Cluster "
        "API. gke: Config Connector. eks: AWS Controllers for Kubernetes. aks: Azure Service Operator. static: nodes "
        "are made by other means, and Leeward only places pods on them. A name with a dot is a plug-in. Except with "
        "static, Leeward writes a pool for each model.",
    )
    size_owner: Literal["Autoscaler", "Leeward"] = Field(
        default="Autoscaler",
        description="Who owns the number of nodes. Autoscaler: Leeward writes bounds and never the number. Leeward: "
        "it writes the number; let no autoscaler touch these pools.",
    )
    managed_in: RegionName | None = Field(
        default=None,
        description="Region whose cluster holds the pool objects, such as a management cluster; a Region without a "
        "gateway will do. Unset: this region's own cluster.",
    )
    namespace: Label | None = Field(
        default=None,
        description="Namespace of the pool objects, for example that of the Cluster object. Unset: the model's.",
    )
    node_class_ref: ObjectRef | None = Field(
        default=None,
        description="Node class for Karpenter's pools. Required with provider karpenter.",
    )
    cluster_api: ClusterApiPools | None = Field(
        default=None, description="Required with providers machine-deployment and machine-pool."
    )
    gke: GkePools | None = Field(default=None, description="Required with provider gke.")
    eks: EksPools | None = Field(default=None, description="Required with provider eks.")
    aks: AksPools | None = Field(default=None, description="Required with provider aks.")
    provider_spec: Annotated[dict[str, Any], Field(json_schema_extra=ANYTHING)] = Field(
        default_factory=dict,
        description="Fields of the pool's spec for which Leeward has no word, such as management: {autoUpgrade: false} "
        "with gke; with machine-pool, those of the infrastructure object. What Leeward writes itself wins. With a "
        "plug-in: its settings. Not used by karpenter and static. Changing it makes new node pools.",
    )
    accelerator_label: LabelKey | None = Field(
        default=None,
        description="Node label whose value is the accelerator type, for types that `accelerators` does "
        "not list. Unset: such nodes are chosen by the accelerator's resource name alone.",
    )
    accelerators: tuple[AcceleratorNodes, ...] = Field(
        default=(),
        max_length=32,
        json_schema_extra=keyed_list("type"),
        description="Machines and node labels of each accelerator type, where Leeward's table or one label with the "
        "type's own name is not enough.",
    )
    capacity_types: tuple[CapacityType, ...] = Field(
        default=("on-demand",),
        min_length=1,
        max_length=3,
        json_schema_extra=set_list(),
        description="Kinds of capacity that the pools may buy, the first one preferred for the minimum size. Spot "
        "never counts towards surviving a region's loss.",
    )
    labels: dict[str, LabelValue] = Field(
        default_factory=dict, max_length=16, description="More labels for the pools' nodes."
    )
    taints: tuple[Taint, ...] = Field(
        default=(),
        max_length=16,
        json_schema_extra=keyed_list("key", "effect"),
        description="More taints for the pools' nodes. One with the accelerator's resource name is always there.",
    )

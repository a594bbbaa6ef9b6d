"""What runs in each region: the model, its server or pod template, and its accelerators."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from leeward.api.common import ApiModel, ObjectName, SecretKey
from leeward.api.markers import LABEL_KEY, LABEL_VALUE, atomic_list, keyed_list, rule, rules
from leeward.api.units import Quantity

MODEL_NAME = r"^[A-Za-z0-9][-A-Za-z0-9._/:@+]*$"
DEFAULT_PORT = 8000
DEFAULT_RESOURCE = "nvidia.com/gpu"
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
POD_TEMPLATE = {
    "required": ["spec"],
    "properties": {
        "spec": {
            **ANYTHING,
            "description": "Specification of the pods, as in a Deployment.",
            "required": ["containers"],
            "properties": {
                "containers": {
                    "type": "array",
                    "description": "Containers of the pods. The first one is the model server.",
                    "minItems": 1,
                    "maxItems": 32,
                    "items": ANYTHING,
                    "x-kubernetes-list-type": "atomic",
                }
            },
        }
    },
}


class ModelRef(ApiModel):
    """Which model is served."""

    name: str = Field(
        min_length=1,
        max_length=253,
        pattern=MODEL_NAME,
        json_schema_extra=rules(
            rule(
                "self == oldSelf",
                "model.name cannot change: create another ModelDeployment for the other model, move its "
                "users, then delete this one",
            )
        ),
        description="Name that clients send as `model`, such as meta-llama/Llama-3.3-70B-Instruct. Immutable.",
    )
    revision: str | None = Field(
        default=None,
        min_length=1,
        max_length=63,
        pattern=LABEL_VALUE,
        description="Revision of the weights. It labels pods and metrics, so that a bad release can be "
        "told from a bad region.",
    )


class SecretKeySource(ApiModel):
    """One key of a Secret in the model's namespace."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: SecretKey = Field(description="Key within the Secret.")
    optional: bool | None = Field(default=None, description="Start even if the Secret or its key is missing.")


class ConfigMapKeySource(ApiModel):
    """One key of a ConfigMap in the model's namespace."""

    name: ObjectName = Field(description="Name of the ConfigMap.")
    key: SecretKey = Field(description="Key within the ConfigMap.")
    optional: bool | None = Field(default=None, description="Start even if the ConfigMap or its key is missing.")


class FieldSource(ApiModel):
    """A field of the pod itself."""

    field_path: str = Field(min_length=1, max_length=253, description="Path of the field, such as status.podIP.")


class EnvSource(ApiModel):
    """Where an environment variable takes its value from. Exactly one field is set."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef)].exists_one(x, x)",
                "set exactly one of secretKeyRef, configMapKeyRef and fieldRef",
            )
        )
    )

    secret_key_ref: SecretKeySource | None = Field(default=None, description="Take it from a Secret.")
    config_map_key_ref: ConfigMapKeySource | None = Field(default=None, description="Take it from a ConfigMap.")
    field_ref: FieldSource | None = Field(default=None, description="Take it from a field of the pod.")


class EnvVar(ApiModel):
    """One environment variable of the server."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                "!(has(self.value) && has(self.valueFrom))",
                "value and valueFrom exclude each other: remove one of them",
            )
        )
    )

    name: str = Field(
        min_length=1, max_length=253, pattern=r"^[^=\s]+$", description="Name of the environment variable."
    )
    value: str | None = Field(default=None, max_length=4096, description="Its value.")
    value_from: EnvSource | None = Field(
        default=None, description="Where its value comes from. Secrets must exist in every region's cluster."
    )


Amounts = Annotated[dict[str, Quantity], Field(max_length=16)]


class Resources(ApiModel):
    """Processors and memory of one replica. Accelerators are added from spec.accelerator."""

    requests: Amounts = Field(
        default_factory=dict, description="What the scheduler sets aside, such as {cpu: 16, memory: 200Gi}."
    )
    limits: Amounts = Field(default_factory=dict, description="What the replica may use at most.")


class Server(ApiModel):
    """A model server in one container, for which Leeward writes the pod."""

    engine: Literal["vllm", "sglang", "tgi", "triton", "llamacpp", "other"] = Field(
        default="vllm",
        description="Engine in the image. It tells which metrics to read. other: none; the gateway and "
        "the probes judge alone.",
    )
    image: str = Field(
        min_length=1,
        max_length=512,
        pattern=r"^[^\s]+$",
        description="Container image, best with a digest, so that every region runs the same bytes.",
    )
    args: tuple[Annotated[str, Field(max_length=4096)], ...] = Field(
        default=(),
        max_length=256,
        json_schema_extra=atomic_list(),
        description="Arguments of the server, one an entry.",
    )
    port: int = Field(
        default=DEFAULT_PORT,
        ge=1,
        le=65535,
        json_schema_extra={"format": "int32"},
        description="Port on which the server answers the OpenAI API and, for engines that have them, /metrics.",
    )
    env: tuple[EnvVar, ...] = Field(
        default=(),
        max_length=64,
        json_schema_extra=keyed_list("name"),
        description="Environment variables of the server.",
    )
    resources: Resources | None = Field(default=None, description="Processors and memory of one replica.")
    health_path: str = Field(
        default="/health",
        min_length=1,
        max_length=253,
        pattern=r"^/[^\s]*$",
        description="Path that answers 200 when the server can serve. Startup and readiness probes ask it.",
    )
    startup_seconds: int = Field(
        default=600,
        ge=1,
        le=86_400,
        json_schema_extra={"format": "int32"},
        description="How long a replica may take from its start until it serves, loading weights "
        "included, before it is restarted.",
    )


PodTemplate = Annotated[dict[str, Any], Field(json_schema_extra={**ANYTHING, **POD_TEMPLATE})]


class Accelerator(ApiModel):
    """The accelerators that one replica needs."""

    type: str = Field(
        min_length=1,
        max_length=63,
        pattern=LABEL_VALUE,
        description="Type of accelerator, such as nvidia-h100-80gb. Each Region says in spec.nodePools "
        "how its nodes of this type are labelled. Changing it makes new node pools.",
    )
    count: int = Field(
        default=1,
        ge=1,
        le=64,
        json_schema_extra={"format": "int32"},
        description="Accelerators of one replica, all on one node.",
    )
    resource_name: str = Field(
        default=DEFAULT_RESOURCE,
        min_length=1,
        max_length=253,
        pattern=LABEL_KEY,
        description="Name under which nodes offer the accelerator.",
    )

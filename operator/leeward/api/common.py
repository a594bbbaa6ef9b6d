"""What both resources share: the base model, object metadata, references and conditions.

Spec models check what they read. Status models do not: their limits stand in the schema only, so that a
status which another version of Leeward wrote can always be read, and a sentence that is too long is cut.
"""

from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from leeward.api.markers import DNS_LABEL, DNS_NAME, MAX_SENTENCE, Schema, keyed_list

GROUP = "leeward.dev"
VERSION = "v1alpha1"


class ApiModel(BaseModel):
    """Base of every part of a resource: camelCase outside, snake_case inside, immutable.

    Unknown fields are ignored: to refuse a misspelt one is the API server's part (strict field validation),
    and what it stored under an older or newer CRD must stay readable here.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=False,
    )

    def wire(self) -> dict[str, Any]:
        """This part as the API server takes it: camelCase, JSON types, nothing that is unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ObjectMeta(ApiModel):
    """The parts of a Kubernetes object's metadata that Leeward reads."""

    name: str
    namespace: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    generation: int | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class Resource(ApiModel):
    """Base of the two kinds. `key` tells objects of a kind apart."""

    KIND: ClassVar[str]

    api_version: str = f"{GROUP}/{VERSION}"
    kind: str
    metadata: ObjectMeta

    @property
    def key(self) -> str:
        """`namespace/name`, or the name alone where the kind is cluster-scoped."""
        namespace = self.metadata.namespace
        return f"{namespace}/{self.metadata.name}" if namespace else self.metadata.name

    @classmethod
    def read(cls, document: dict[str, Any]) -> Self:
        """The resource in an API server's object. Raises pydantic.ValidationError naming the bad field."""
        return cls.model_validate(document)


def _cut(sentence: str) -> str:
    return sentence if len(sentence) <= MAX_SENTENCE else sentence[: MAX_SENTENCE - 1] + "…"


Sentence = Annotated[str, AfterValidator(_cut), Field(json_schema_extra={"maxLength": MAX_SENTENCE})]
"""A reason for people, one sentence. Cut when too long: a long reason must never hold up a decision."""

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_NAME)]
Label = Annotated[str, Field(min_length=1, max_length=63, pattern=DNS_LABEL)]
SecretKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
RegionName = Annotated[str, Field(min_length=1, max_length=40, pattern=DNS_LABEL)]
"""Name of a Region object. 40 characters leave room for the names and labels that are made from it."""


class SecretKeyRef(ApiModel):
    """One key of a Secret in the cluster that holds this Region."""

    name: ObjectName = Field(description="Name of the Secret.")
    namespace: Label = Field(description="Namespace of the Secret.")
    key: SecretKey = Field(description="Key within the Secret that holds the value.")


def _limit(most: int) -> Schema:
    return {"maxLength": most}


class Condition(ApiModel):
    """One aspect of the state of the object, as seen last."""

    type: str = Field(
        description="Aspect that this condition tells about, in CamelCase.", json_schema_extra=_limit(316)
    )
    status: str = Field(
        description="Whether the condition holds: True, False or Unknown.",
        json_schema_extra={"enum": ["True", "False", "Unknown"]},
    )
    reason: str = Field(
        description="Why, as one CamelCase word for programs.",
        json_schema_extra={"minLength": 1, **_limit(256)},
    )
    message: Sentence = Field(default="", description="Why, as a sentence for people, with the remedy if there is one.")
    observed_generation: int | None = Field(
        default=None,
        description="metadata.generation that this condition was computed from; lower than the object's: out of date.",
        json_schema_extra={"format": "int64", "minimum": 0},
    )
    last_transition_time: str = Field(
        description="When the status of this condition last changed.",
        json_schema_extra={"format": "date-time", **_limit(64)},
    )


Conditions = Annotated[tuple[Condition, ...], Field(json_schema_extra={"maxItems": 16, **keyed_list("type")})]

ObservedGeneration = Annotated[int | None, Field(json_schema_extra={"format": "int64", "minimum": 0})]

Epoch = Annotated[int | None, Field(json_schema_extra={"format": "int64", "minimum": 0})]


def condition_of(conditions: tuple[Condition, ...], kind: str) -> Condition | None:
    """The condition of type `kind`, if it was ever set."""
    return next((each for each in conditions if each.type == kind), None)


def first_problem(error: ValidationError) -> str:
    """What does not fit first: its place, and why."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"

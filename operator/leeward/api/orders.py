"""What a person orders of one model for a while: annotations of a ModelDeployment, as JSON.

They stand beside the spec, so that what is kept in Git is not fought: nobody's manifest has them, and they end by
themselves.
"""

from typing import Annotated, ClassVar, Self

from pydantic import Field, ValidationError, field_validator

from leeward.api.common import ApiModel, RegionName, first_problem
from leeward.api.evacuation import Moment, Reason
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.units import moment_ms


class UnreadableOrder(ValueError):
    """An annotation that is no order; the message names it and what is wrong."""


class Order(ApiModel):
    """Who wants it, why, and until when; without an end until it is taken back."""

    ANNOTATION: ClassVar[str]

    reason: Reason
    requested_by: str = Field(default="", max_length=253)
    expires_at: Moment | None = None

    @classmethod
    def of(cls, model: ModelDeployment, now_ms: int) -> Self | None:
        """The order on a model, if one is in force.

        Raises:
            UnreadableOrder: the annotation cannot be read.
        """
        text = model.metadata.annotations.get(cls.ANNOTATION)
        if text is None:
            return None
        try:
            order = cls.model_validate_json(text)
        except ValidationError as error:
            raise UnreadableOrder(
                f"the annotation {cls.ANNOTATION} is ignored ({first_problem(error)}): remove or mend it"
            ) from error
        return order if order.expires_at is None or now_ms < moment_ms(order.expires_at) else None


class Freeze(Order):
    """Nothing of the model is changed."""

    ANNOTATION: ClassVar[str] = "leeward.dev/freeze"


class Pin(Order):
    """Percent of requests by region, for every entry; regions that are not named get none."""

    ANNOTATION: ClassVar[str] = "leeward.dev/pin"

    expires_at: Moment
    weights: dict[RegionName, Annotated[int, Field(ge=0)]] = Field(min_length=1, max_length=50)

    @field_validator("weights")
    @classmethod
    def _whole(cls, weights: dict[str, int]) -> dict[str, int]:
        if sum(weights.values()) != 100:
            raise ValueError(f"weights sum to {sum(weights.values())}, not 100")
        return weights


ANNOTATIONS = (Freeze.ANNOTATION, Pin.ANNOTATION)

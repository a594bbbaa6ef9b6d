"""What a placement is asked for: demand, what must be survived, and what each region offers.

Numbers are exact: decimals of the file become Fractions, so that a plan that holds by a hair is seen to hold.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

REGION = "region"
_LEAST, _MOST = -6, 9  # powers of ten


def _exact(value: Any) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("write a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"write a number, not {value!r}") from None
    if not number.is_finite() or (number and not _LEAST <= number.adjusted() < _MOST):  # 1e999999999 would hang below
        raise ValueError(f"write a number from 1e{_LEAST} to below 1e{_MOST}")
    return Fraction(number)


Amount = Annotated[Fraction, BeforeValidator(_exact), Field(ge=0)]
Positive = Annotated[Fraction, BeforeValidator(_exact), Field(gt=0)]
Percent = Annotated[int, Field(ge=1, le=100)]


class _Row(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True, arbitrary_types_allowed=True
    )


class Accelerator(_Row):
    """What one replica takes and carries on one kind of accelerator."""

    requests_per_second: Positive
    count: int = Field(default=1, ge=1, le=1_024, description="Accelerators that a replica takes.")


class Offer(_Row):
    """Accelerators that can be had in a region. Spot carries load in good times and never counts for survival."""

    accelerator: str
    price: Amount = Field(description="Of one accelerator for an hour, in any currency.")
    quota: int = Field(ge=0, le=1_000_000, description="Accelerators that can be had at most.")
    spot: bool = False


class Region(_Row):
    """One region's offers and failure domains."""

    name: str = Field(min_length=1)
    labels: dict[str, str] = Field(default_factory=dict)
    min_replicas: int = Field(default=1, ge=0, le=100_000)
    offers: tuple[Offer, ...] = Field(min_length=1)


class Utilization(_Row):
    """Percent of declared capacity: with all regions, and on those that are left after a loss."""

    normal: Percent = 75
    survivors: Percent = 90


class Problem(_Row):
    """A file of `leeward plan-capacity`."""

    demand: Positive = Field(description="Requests per second at the peak, over all entries.")
    survive: tuple[str, ...] = (REGION,)
    utilization: Utilization = Utilization()
    accelerators: dict[str, Accelerator] = Field(min_length=1)
    regions: tuple[Region, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        names = [region.name for region in self.regions]
        for name in {name for name in names if names.count(name) > 1}:
            raise ValueError(f"regions: {name} is there twice: name each once")
        for region in self.regions:
            for offer in region.offers:
                if offer.accelerator not in self.accelerators:
                    known = ", ".join(self.accelerators)
                    raise ValueError(
                        f"regions.{region.name}: {offer.accelerator!r} is no key of accelerators: "
                        f"add it there, or write one of {known}"
                    )
        keys = sorted({REGION, *(key for region in self.regions for key in region.labels)})
        for key in self.survive:
            if key not in keys:
                raise ValueError(f"survive: no region has the label {key!r}: write some of {', '.join(keys)}")
        return self


@dataclass(frozen=True, slots=True)
class Lot:
    """Replicas that can be had in one region by one offer."""

    region: str
    offer: Offer
    accelerators: int  # per replica
    rate: Fraction  # requests per second per replica
    most: int  # replicas

    @property
    def price(self) -> Fraction:
        """Of one replica for an hour."""
        return self.offer.price * self.accelerators


@dataclass(frozen=True, slots=True)
class Need:
    """Requests per second that some lots must carry together. `lost`: regions that are not there then."""

    name: str
    lots: tuple[int, ...]
    rate: Fraction
    utilization: Fraction
    lost: tuple[str, ...] = ()

    @property
    def capacity(self) -> Fraction:
        """Declared capacity that this takes."""
        return self.rate / self.utilization


class BadProblemError(ValueError):
    """A file that is no problem; the message names the place and the fix."""


def read(given: object) -> Problem:
    """A parsed file's problem.

    Raises:
        BadProblemError: something is missing, unknown or out of range.
    """
    if not isinstance(given, dict):
        raise BadProblemError("write a mapping with demand, accelerators and regions: `--example` prints one")
    try:
        return Problem.model_validate(given)
    except ValidationError as error:
        raise BadProblemError("\n".join(_told(error))) from error


def _told(error: ValidationError) -> Iterator[str]:
    for each in error.errors(include_url=False):
        place = ".".join(str(part) for part in each["loc"])
        told = str(each["ctx"]["error"]) if each["type"] == "value_error" else each["msg"]
        yield f"{place}: {told}" if place else told


def lots(problem: Problem) -> tuple[Lot, ...]:
    """Every offer as replicas, in the file's order."""
    return tuple(
        Lot(
            region.name,
            offer,
            problem.accelerators[offer.accelerator].count,
            problem.accelerators[offer.accelerator].requests_per_second,
            offer.quota // problem.accelerators[offer.accelerator].count,
        )
        for region in problem.regions
        for offer in region.offers
    )


def needs(problem: Problem, offered: tuple[Lot, ...]) -> tuple[Need, ...]:
    """The demand with all regions, and without each that may be lost (ΣC ≥ D/0.75 and ΣC − C_lost ≥ D/0.9)."""
    normal, survivors = (
        Fraction(percent, 100) for percent in (problem.utilization.normal, problem.utilization.survivors)
    )
    found = [Need("all regions", tuple(range(len(offered))), problem.demand, normal)]
    for name, lost in losses(problem):
        left = tuple(i for i, lot in enumerate(offered) if lot.region not in lost and not lot.offer.spot)
        found.append(Need(f"without {name}", left, problem.demand, survivors, lost))
    return tuple(found)


def losses(problem: Problem) -> list[tuple[str, tuple[str, ...]]]:
    """What must be survived: a name and its regions; a failure domain of one region is that region."""
    found: dict[tuple[str, ...], str] = {}
    if REGION in problem.survive:
        found |= {(region.name,): region.name for region in problem.regions}
    for key in (key for key in problem.survive if key != REGION):
        for value in sorted({region.labels[key] for region in problem.regions if key in region.labels}):
            inside = tuple(region.name for region in problem.regions if region.labels.get(key) == value)
            found.setdefault(inside, f"{key}={value}")
    return [(name, inside) for inside, name in found.items()]

"""What the commands of a person's orders share: who asks, until when, and for which models."""

import asyncio
import getpass
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click
from pydantic import TypeAdapter, ValidationError

from leeward.api.orders import Order
from leeward.api.units import Duration, duration_ms

if TYPE_CHECKING:
    from leeward.api.modeldeployment import ModelDeployment
    from leeward.cli.home import Home

F = TypeVar("F", bound=Callable[..., Any])
_DURATION: TypeAdapter[str] = TypeAdapter(Duration)
_WAIT_SECONDS = 0.5


class Length(click.ParamType[int]):
    """A length of time such as `90s`, `2m` or `1h30m`, in milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            length = duration_ms(_DURATION.validate_python(value))
        except ValidationError:
            length = 0
        if length <= 0:
            self.fail(f"{value!r} is no length of time: write hours, minutes and seconds, such as 2h, 90m or 1h30m")
        return length


reason_option = click.option("--reason", required=True, help="Why, for those who look later.")


def for_option(*, required: bool = False) -> Callable[[F], F]:
    """When the order ends."""
    told = "For how long, such as 2h or 1h30m." + ("" if required else " Otherwise until it is taken back.")
    return click.option("--for", "length", type=Length(), required=required, help=told)


def until(length_ms: int | None) -> str | None:
    """The end of an order, or None for one without."""
    if length_ms is None:
        return None
    return datetime.fromtimestamp(time.time() + length_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def who(home: "Home") -> str:
    """The person's name as the cluster knows it; where it does not say, as this machine does."""
    return await home.myself() or getpass.getuser()


async def chosen(home: "Home", name: str | None, everything: bool) -> "list[ModelDeployment]":
    """The model that is named, or all.

    Raises:
        click.ClickException: it does not exist, or there are none.
    """
    if (name is None) is not everything:
        raise click.UsageError("name a MODEL, or all of them with --all")
    if name is not None:
        return [await home.model(name)]
    models = await home.models()
    if not models:
        raise click.ClickException("there is no ModelDeployment: name another namespace, or another cluster")
    return models


async def give(home: "Home", model: "ModelDeployment", order: Order) -> None:
    """Write an order onto a model."""
    await home.annotate(model, {order.ANNOTATION: order.model_dump_json(by_alias=True, exclude_none=True)})


async def take_back(home: "Home", model: "ModelDeployment", kind: type[Order]) -> bool:
    """Remove an order from a model; False when it had none."""
    had = kind.ANNOTATION in model.metadata.annotations
    if had:
        await home.annotate(model, {kind.ANNOTATION: None})
    return had


async def pause() -> None:
    """Between two looks at what becomes of an order."""
    await asyncio.sleep(_WAIT_SECONDS)

"""`leeward freeze`, `thaw`, `pin` and `unpin`: a person's orders for one model, beside what is kept in Git."""

from typing import TYPE_CHECKING, Any

import click

from leeward.api.orders import Freeze, Order, Pin
from leeward.cli.console import console, plain
from leeward.cli.options import access, access_options, complete_model
from leeward.cli.orders import chosen, for_option, give, reason_option, take_back, until, who

if TYPE_CHECKING:
    from leeward.cli.home import Home

FREEZE_EPILOG = """\b
Examples:
  leeward freeze llama-70b -n models --reason "we look into it" --for 30m
  leeward freeze --all --reason "game day"
  leeward thaw --all

Exit codes: 0 done, 1 there is no such model, or the cluster does not answer, 2 wrong usage.
"""
PIN_EPILOG = """\b
Examples:
  leeward pin llama-70b us-east1=70,eu-west4=30 --for 1h --reason "canary of a region" -n models
  leeward unpin llama-70b -n models

Exit codes: 0 done, 1 there is no such model, or the cluster does not answer, 2 wrong usage.
"""
all_option = click.option("--all", "everything", is_flag=True, help="All models, of --namespace if it is given.")


@click.command("freeze", epilog=FREEZE_EPILOG)
@click.argument("model", required=False, shell_complete=complete_model)
@all_option
@reason_option
@for_option()
@access_options
def freeze(model: str | None, everything: bool, reason: str, length: int | None, **options: Any) -> None:
    """Stop all changes of MODEL: weights, replicas and nodes stay as they are, whatever happens."""

    async def order(home: "Home") -> None:
        held = Freeze(reason=reason, requested_by=await who(home), expires_at=until(length))
        for each in await chosen(home, model, everything):
            await give(home, each, held)
            _say(f"{each.key} is frozen{_until(held)}")

    access(options).ask(order)


@click.command("thaw", epilog=FREEZE_EPILOG)
@click.argument("model", required=False, shell_complete=complete_model)
@all_option
@access_options
def thaw(model: str | None, everything: bool, **options: Any) -> None:
    """Take back a freeze of MODEL."""

    async def order(home: "Home") -> None:
        for each in await chosen(home, model, everything):
            if await take_back(home, each, Freeze):
                _say(f"{each.key} is not frozen any more")
            elif each.spec.freeze:
                _say(f"{each.key} is frozen by its spec (spec.freeze): change it where that is kept")
            else:
                _say(f"{each.key} was not frozen")

    access(options).ask(order)


@click.command("pin", epilog=PIN_EPILOG)
@click.argument("model", shell_complete=complete_model)
@click.argument("weights", metavar="REGION=PERCENT,…")
@reason_option
@for_option(required=True)
@access_options
def pin(model: str, weights: str, reason: str, length: int, **options: Any) -> None:
    """Give MODEL fixed weights at every entry for a while; regions that are not named get none.

    While it lasts no region is taken out, whatever happens to it. A region that is out gets nothing by it.
    """
    row = _row(weights)

    async def order(home: "Home") -> None:
        found = await home.model(model)
        there = [entry.name for entry in found.spec.regions]
        if unknown := sorted(row.keys() - set(there)):
            raise click.ClickException(f"{found.key} has no region {unknown[0]}: name those of {', '.join(there)}")
        held = Pin(reason=reason, requested_by=await who(home), expires_at=until(length) or "", weights=row)
        await give(home, found, held)
        _say(f"{found.key} is pinned to {weights}{_until(held)}")

    access(options).ask(order)


@click.command("unpin", epilog=PIN_EPILOG)
@click.argument("model", shell_complete=complete_model)
@access_options
def unpin(model: str, **options: Any) -> None:
    """Take back fixed weights of MODEL."""

    async def order(home: "Home") -> None:
        found = await home.model(model)
        had = await take_back(home, found, Pin)
        _say(f"{found.key} {'goes by its rules again' if had else 'was not pinned'}")

    access(options).ask(order)


def _row(text: str) -> dict[str, int]:
    row: dict[str, int] = {}
    for part in text.split(","):
        name, _, percent = part.strip().partition("=")
        if not name or not percent.isdecimal() or name in row:
            raise click.UsageError(f"{part.strip()!r}: write each region once, such as us-east1=70,eu-west4=30")
        row[name] = int(percent)
    if sum(row.values()) != 100:
        raise click.UsageError(f"the weights sum to {sum(row.values())}: they have to sum to 100")
    return row


def _until(order: Order) -> str:
    return f" until {order.expires_at}" if order.expires_at else ""


def _say(sentence: str) -> None:
    console().print(plain(sentence))

"""`leeward evacuate` and `leeward restore`: take a region out of traffic, and let it come back."""

import time
from typing import TYPE_CHECKING, Any

import click

from leeward.cli.adopt import refuse_copy
from leeward.cli.console import console, plain
from leeward.cli.options import access, access_options, complete_region
from leeward.cli.orders import for_option, pause, reason_option, until, who

if TYPE_CHECKING:
    from leeward.api.evacuation import Evacuation
    from leeward.cli.home import Home

EVACUATE_EPILOG = """\b
Examples:
  leeward evacuate us-east1 --reason "network maintenance" --for 2h
  leeward evacuate us-east1 --reason "GPU driver" --model-label tier=batch
  leeward evacuate us-east1 --reason "the building burns" --force

Exit codes: 0 evacuated, 1 refused, not done in time, or the cluster does not answer, 2 wrong usage.
"""
RESTORE_EPILOG = """\b
Examples:
  leeward restore us-east1

Exit codes: 0 the order is taken back, 1 there is none, or the cluster does not answer, 2 wrong usage.
"""
SETTLED = {"Evacuated": 0, "Refused": 1, "NoSuchRegion": 1, "Expired": 1}
"""Reasons at which it is known what an order has come to, and the exit code."""


_GONE_SECONDS = 15.0


@click.command("evacuate", epilog=EVACUATE_EPILOG)
@click.argument("region", shell_complete=complete_region)
@reason_option
@for_option()
@click.option("--force", is_flag=True, help="Leave even if the other regions cannot carry the load.")
@click.option(
    "--model-label", "labels", multiple=True, metavar="KEY=VALUE", help="Only models with this label; repeat for more."
)
@click.option("--wait", default=60.0, show_default=True, help="Seconds to wait for what it comes to; 0: do not wait.")
@access_options
def evacuate(
    region: str,
    reason: str,
    length: int | None,
    force: bool,
    labels: tuple[str, ...],
    wait: float,
    **options: Any,
) -> None:
    """Take REGION out of traffic: all its users are served elsewhere from the next decision on.

    It makes an Evacuation of the region's name. What the other regions cannot carry is refused, and goes on by itself
    once they can. The last region that serves is never left.
    """
    wrong = next((each for each in labels if not each.partition("=")[2]), None)
    if wrong is not None:
        raise click.UsageError(f"--model-label {wrong!r}: write KEY=VALUE")
    chosen = dict(each.split("=", 1) for each in labels)

    async def order(home: "Home") -> int:
        there = await home.regions()
        if region not in there:
            raise click.ClickException(f"there is no Region {region}: name one of {', '.join(sorted(there))}")
        before = next((each for each in await home.evacuations() if each.metadata.name == region), None)
        spec = {
            "region": region,
            "modelLabels": chosen,
            "reason": reason,
            "requestedBy": await who(home),
            "force": force,
            **({"expiresAt": end} if (end := until(length)) else {}),
        }
        if before is not None:
            refuse_copy(before)
            await home.take_back(before)
            await _left(home, region)
        await home.order_evacuation(region, spec)
        return await _awaited(home, region, wait)

    raise SystemExit(access(options).ask(order))


async def _left(home: "Home", name: str) -> None:
    """Wait until an order that was taken back is gone: where replicas are many, its end is recorded first."""
    deadline = time.monotonic() + _GONE_SECONDS
    while any(each.metadata.name == name for each in await home.evacuations()):
        if time.monotonic() > deadline:
            raise click.ClickException(
                f"the order before does not go: is there a leader? See: kubectl describe evacuation {name}"
            )
        await pause()


async def _awaited(home: "Home", name: str, seconds: float) -> int:
    """Tell what an order comes to, as it changes."""
    from leeward.api.common import condition_of  # noqa: PLC0415 - see options.access

    deadline, told = time.monotonic() + seconds, ""
    while seconds > 0:
        found = next((each for each in await home.evacuations() if each.metadata.name == name), None)
        row = condition_of(found.status.conditions, "Evacuated") if found else None
        if row is not None and row.message != told:
            told = row.message
            console().print(plain(f"{row.reason}: {row.message}"))
        if row is not None and row.reason in SETTLED:
            return SETTLED[row.reason]
        if time.monotonic() > deadline:
            raise click.ClickException(f"not done after {seconds:g} s; see: kubectl describe evacuation {name}")
        await pause()
    return 0


@click.command("restore", epilog=RESTORE_EPILOG)
@click.argument("region", shell_complete=complete_region)
@access_options
def restore(region: str, **options: Any) -> None:
    """Take back every Evacuation of REGION; it comes back by its ramp."""

    async def take_back(home: "Home") -> None:
        evacuations = await home.evacuations()
        mine = [each for each in evacuations if each.spec.region == region]
        if not mine:
            left = ", ".join(sorted({each.spec.region for each in evacuations}))
            raise click.ClickException(
                f"{region} is not evacuated: " + (f"only {left} is" if left else "no region is, by anybody's order")
            )
        for each in mine:
            refuse_copy(each)
            await home.take_back(each)
            console().print(plain(f"{region} comes back by its ramp; it was evacuated {_why(each)}"))

    access(options).ask(take_back)


def _why(evacuation: "Evacuation") -> str:
    return f"by {evacuation.spec.requested_by or 'a person'}: {evacuation.spec.reason}"

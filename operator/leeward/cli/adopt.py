"""`leeward adopt`: the copy in this cluster becomes the origin, when the cluster that was it is lost."""

from typing import TYPE_CHECKING, Any

import click

from leeward.cli.console import console, plain
from leeward.cli.options import access, access_options

if TYPE_CHECKING:
    from leeward.api.evacuation import Evacuation
    from leeward.cli.home import Home

EPILOG = """\b
Examples:
  leeward adopt modeldeployment/llama-70b -n models --context ap-south1
  leeward adopt region/eu-west4
  leeward adopt evacuation/us-east1

Exit codes: 0 adopted, 1 it is no copy, or the cluster does not answer, 2 wrong usage.
"""
NAMES = {
    "modeldeployment": "ModelDeployment",
    "model": "ModelDeployment",
    "region": "Region",
    "evacuation": "Evacuation",
}
_IN_SYNC, _COPY = "InSync", ("Copy", "NotPutBack")


@click.command("adopt", epilog=EPILOG)
@click.argument("which", metavar="KIND/NAME")
@access_options
def adopt(which: str, **options: Any) -> None:
    """Make the copy of KIND/NAME in this cluster the origin: from then on it is changed here.

    For when the cluster that was the origin is lost, or is to be left. Once that answers again, it gets a copy, and
    what was changed there meanwhile is put back.
    """
    kind, _, name = which.partition("/")
    if kind.lower() not in NAMES or not name:
        raise click.UsageError(f"{which!r}: write KIND/NAME, with one of {', '.join(NAMES)}")

    async def move(home: "Home") -> None:
        found = await home.held(NAMES[kind.lower()], name)
        origin = copy_of(found)
        if origin is None:
            raise click.ClickException(f"{which} is not a copy here: change it in this cluster")
        await home.adopt(found)
        console().print(plain(f"{which} is changed in this cluster from now on; until now that was {origin}"))

    access(options).ask(move)


def copy_of(found: dict[str, Any]) -> str | None:
    """The origin of an object that is a copy; None for one that is not."""
    from leeward.adapters.objects import ORIGIN  # noqa: PLC0415 - see options.access

    rows = (found.get("status") or {}).get("conditions") or ()
    told = next((row["reason"] for row in rows if row["type"] == _IN_SYNC), "")
    origin = (found["metadata"].get("annotations") or {}).get(ORIGIN)
    return str(origin) if origin and told in _COPY else None


def refuse_copy(order: "Evacuation") -> None:
    """An order is taken back where it was given.

    Raises:
        click.ClickException: this cluster has only a copy of it.
    """
    origin = copy_of({"metadata": order.metadata.wire(), "status": order.status.wire()})
    if origin is not None:
        name = order.metadata.name
        raise click.ClickException(
            f"Evacuation {name} was ordered in {origin}, and this is a copy: go there with --context, "
            f"or if that is lost, first: leeward adopt evacuation/{name}"
        )

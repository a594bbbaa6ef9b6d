"""`leeward doctor`: is everything there that an install needs, and what to do if not."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from leeward.cli.console import NOT_HELD, console, document, output_option, plain
from leeward.cli.options import access, access_options
from leeward.settings import Settings

if TYPE_CHECKING:
    from leeward.cli.checkup.finding import Finding
    from leeward.cli.home import Home

EPILOG = """\b
Examples:
  leeward doctor
  kubectl -n leeward-system exec deploy/leeward -- leeward doctor --in-pod
  leeward doctor -o json | jq '.[] | select(.state == "fail")'

Exit codes: 0 nothing fails, 1 the home cluster cannot be asked at all, 2 wrong usage, 3 something fails.
"""
MARKS = {"ok": ("ok  ", "green"), "warn": ("warn", "yellow"), "fail": ("FAIL", "red"), "skip": ("skip", "dim")}


@click.command("doctor", epilog=EPILOG)
@click.option("--in-pod", is_flag=True, help="As the pod's own account: for use inside the operator's pod.")
@click.option("--region", default="", help="The Region whose cluster this is, where each has a replica.")
@output_option()
@access_options
def doctor(in_pod: bool, region: str, output: str, **options: Any) -> None:
    """Look at all that an install needs, in the home cluster and in every region's: API servers, clocks, CRDs, rights,
    tokens, gateways, node pools' kinds, metrics. Nothing is changed.

    Regions are reached as the operator reaches them, so it takes the right to read their Secrets: run it as an
    administrator, or in the operator's pod, which also sees what the network is like from there.
    """
    where = access(options, in_pod=in_pod)
    found = where.ask(lambda home: _examined(home, region, tell=output == "text"))
    if output == "text":
        console().print(plain(_summary(found)))
    else:
        click.echo(document(found, output))
    if any(each.state == "fail" for each in found):
        raise click.exceptions.Exit(NOT_HELD)


async def _examined(home: "Home", region: str, *, tell: bool) -> "list[Finding]":
    """All findings, each told as soon as it is known."""
    from leeward.adapters.members import Members  # noqa: PLC0415 - see options.access
    from leeward.cli.checkup import checkup  # noqa: PLC0415

    namespace = home.access.operator_namespace
    members = Members(home.cluster, Settings(namespace=namespace, region=region, allowed_exec=()))
    found: list[Finding] = []
    try:
        rows: AsyncIterator[Finding] = checkup(home.cluster, members, namespace, await home.myself())
        async for each in rows:
            found.append(each)
            if tell:
                console().print(_line(each))
    finally:
        await members.close()
    return found


def _line(each: "Finding") -> Text:
    mark, style = MARKS[each.state]
    fix = f": {each.fix}" if each.fix else ""
    return Text.assemble((mark, style), "  ", plain(f"{each.where}: {each.what}: {each.sentence}{fix}"))


def _summary(found: "list[Finding]") -> str:
    counts = Counter(each.state for each in found)
    words = {"ok": "fine", "warn": "to look at", "fail": "failed", "skip": "not looked at"}
    return "; ".join(f"{counts[state]} {word}" for state, word in words.items() if counts[state] or state == "ok")

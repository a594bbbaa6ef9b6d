"""`leeward plan-capacity`: the cheapest replicas that carry the demand, also after a loss."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from leeward.cli.console import NOT_HELD, console, contents, document, output_option, plain, table

if TYPE_CHECKING:
    from leeward.planning.answer import Answer

EXAMPLE = Path(__file__).with_name("plan-capacity.yaml")
EPILOG = """\b
Examples:
  leeward plan-capacity --example > fleet.yaml
  leeward plan-capacity fleet.yaml
  leeward plan-capacity fleet.yaml --demand 120 -o json

Exit codes: 0 answered, 1 the file cannot be read or the solver is not installed, 2 wrong usage, 3 what is offered does
not suffice.
"""


@click.command("plan-capacity", epilog=EPILOG)
@click.argument("file", required=False, type=click.Path(allow_dash=True))
@click.option("--demand", type=float, metavar="N", help="Requests per second at the peak, instead of the file's.")
@click.option("--seconds", default=60.0, show_default=True, help="How long to look for something cheaper.")
@click.option("--example", is_flag=True, help="Print a FILE to begin with.")
@output_option()
def plan_capacity(file: str | None, demand: float | None, seconds: float, example: bool, output: str) -> None:
    """Find the cheapest replicas over regions, accelerators, prices and quotas that carry the demand of FILE.

    They carry it at 75 % of declared capacity, and at 90 % without any one region, or any failure domain that the file
    names. Spot never counts for survival. The answer is compared with regions of equal size and with doubling each.
    """
    if example:
        click.echo(EXAMPLE.read_text(), nl=False)
        return
    if file is None:
        raise click.UsageError("name a FILE; --example prints one to begin with")
    if seconds <= 0:
        raise click.UsageError("--seconds: write a number above 0")
    found = _answered(_parsed(file), demand, seconds)
    if output == "text":
        show(found)
    else:
        click.echo(document(found, output))


def _parsed(file: str) -> Any:
    try:
        return yaml.safe_load(contents(file))
    except yaml.YAMLError as error:
        raise click.ClickException(f"{file} is no YAML: {error}") from error


def _answered(given: Any, demand: float | None, seconds: float) -> "Answer":
    """Raises click.ClickException for a bad file, and Exit for one that cannot be solved, after telling why."""
    try:
        from leeward.planning.answer import answer  # noqa: PLC0415 - the solver is an extra
        from leeward.planning.problem import BadProblemError, read  # noqa: PLC0415
        from leeward.planning.solve import SolverError, crowded, shortfalls  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error}: install it with `pip install 'leeward[plan]'`") from error
    try:
        problem = read(given if demand is None or not isinstance(given, dict) else given | {"demand": demand})
        short, tight = shortfalls(problem), crowded(problem)
        if not short and not tight:
            return answer(problem, seconds)
    except (BadProblemError, SolverError) as error:
        raise click.ClickException(str(error)) from error
    for each in short:
        carried, wanted = float(each.carried), float(each.wanted)
        click.echo(f"{each.name}: all that is offered carries {carried:.4g} of {wanted:.4g} requests/s", err=True)
    for name in tight:
        click.echo(f"{name}: its quotas do not hold its minReplicas", err=True)
    click.echo("raise a quota there, add an offer or a region, or plan for less", err=True)
    raise click.exceptions.Exit(NOT_HELD)


def show(found: "Answer") -> None:
    """Print what to buy, what it carries, and what it saves."""
    out = console()
    out.print(table(("region", "accelerator", "kind", "replicas", "accelerators", "price/h"), _purchases(found)))
    out.print()
    out.print(table(("case", "capacity", "load", "at most"), _cases(found)))
    out.print()
    sure = "no placement is cheaper" if not found.gap_percent else f"at most {found.gap_percent:g} % could be saved yet"
    out.print(plain(f"{found.demand:g} requests/s for {found.price_per_hour:,.2f} an hour; {sure}"))
    for peer in found.peers:
        if peer.price_per_hour is None:
            out.print(plain(f"{peer.name}: the quotas do not allow it"))
        else:
            saved = f"this saves {peer.saving_percent:g} %"
            out.print(plain(f"{peer.name}: {peer.price_per_hour:,.2f} an hour; {saved}"))


def _purchases(found: "Answer") -> Iterator[tuple[object, ...]]:
    for each in found.purchases:
        kind = "spot" if each.spot else "on-demand"
        yield each.region, each.accelerator, kind, each.replicas, each.accelerators, f"{each.price_per_hour:,.2f}"


def _cases(found: "Answer") -> Iterator[tuple[object, ...]]:
    for each in found.cases:
        yield each.name, f"{each.capacity:g}/s", f"{each.load_percent:g} %", f"{each.limit_percent:g} %"

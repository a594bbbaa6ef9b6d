"""`leeward what-if`: the weights, replicas, load and shortage if regions were lost, by the same core."""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import click

from leeward.cli.console import NOT_HELD, console, document, output_option, plain, stamp, table
from leeward.cli.decide import loaded
from leeward.cli.options import access, access_options, complete_loss, complete_model, labels
from leeward.cli.report import rows_in_words
from leeward.core.capacity import shown, signed
from leeward.core.spec import ModelSpec
from leeward.replay.decision import Decision
from leeward.replay.loss import Loss, lose
from leeward.replay.world import RegionAfter

EPILOG = """\b
Examples:
  leeward what-if --lose eu-west4 llama-70b -n models
  leeward what-if --lose provider=aws
  leeward what-if --lose eu-west4 --demand 2x --file decision.json
  leeward what-if --lose eu-west4 --check -o json

Exit codes: 0 answered, 1 the cluster or file cannot be read, or no such region, 2 wrong usage, 3 (--check) the demand
would not be carried.
"""
Case = tuple[Decision, str | None]
"""A decision to go on from, and the region that the operator runs in, where known."""


@click.command("what-if", epilog=EPILOG)
@click.argument("model", required=False, shell_complete=complete_model)
@click.option(
    "--lose",
    multiple=True,
    metavar="REGION|KEY=VALUE",
    shell_complete=complete_loss,
    help="A region, or every region of a failure domain such as provider=aws; repeat for several.",
)
@click.option("--demand", metavar="N|Nx", help="Requests per second in all (40), or a multiple of today's (2x).")
@click.option("-f", "--file", type=click.Path(allow_dash=True), help="A recorded decision instead of the cluster.")
@output_option()
@click.option("--check", is_flag=True, help="Exit with 3 unless Leeward carries the demand by itself and at once.")
@access_options
def what_if(
    model: str | None,
    lose: tuple[str, ...],
    demand: str | None,
    file: str | None,
    output: str,
    check: bool,
    **options: Any,
) -> None:
    """Say what becomes of MODEL (or NAMESPACE/MODEL; without it, of every model) when regions are lost.

    The last recorded decision goes on with those regions definitively failed until nothing changes any more, with the
    spec, regions and ready replicas of now, and the demand of that decision unless --demand says otherwise.
    """
    if not lose and demand is None:
        raise click.UsageError("name what is lost with --lose, or another --demand")
    if file is not None and model is not None:
        raise click.UsageError("name a MODEL of the cluster or a --file, not both")
    factor, total = parse_demand(demand)
    cases: list[Case] = [(loaded(file), None)] if file is not None else _live(model, options)
    answers = list(answered(cases, lose, factor, total, strict=len(cases) == 1))
    for at, answer in enumerate(answers):
        if at and output != "json":
            click.echo("---" if output == "yaml" else "")
        if output == "text":
            show(answer)
        else:
            click.echo(document(answer, output))
    if check and not all(answer.carried for answer in answers):
        raise click.exceptions.Exit(NOT_HELD)


def _live(model: str | None, options: dict[str, Any]) -> list[Case]:
    from leeward.cli.live import live_cases  # noqa: PLC0415 - the cluster's client takes half a second to load

    return access(options).ask(lambda home: live_cases(home, model))


def answered(
    cases: list[Case], lost: tuple[str, ...], factor: Fraction, total: Fraction | None, strict: bool
) -> Iterator[Loss]:
    """An answer for every model that has any of the regions.

    Raises:
        click.ClickException: a region or label that no model has (`strict`: that this model does not have).
    """
    there = sorted({name for case, _ in cases for name in (*case.spec.region_names, *labels(case.spec))})
    for name in lost:
        if name not in there:
            raise click.ClickException(f"there is no region or label {name!r}: name one of {', '.join(there)}")
    for decision, home in cases:
        names = {region for name in lost for region in matching(decision.spec, name)}
        if not names and lost and not strict:
            continue
        try:
            yield lose(decision, names, factor, total, home)
        except ValueError as error:
            raise click.ClickException(f"{error}: name less with --lose, or another model") from error


def matching(spec: ModelSpec, name: str) -> list[str]:
    """The model's regions that a name or `key=value` stands for."""
    key, is_label, value = name.partition("=")
    if not is_label:
        return [name] if name in spec.region_names else []
    return [region.name for region in spec.regions if (key, value) in region.failure_domains]


def parse_demand(text: str | None) -> tuple[Fraction, Fraction | None]:
    """Factor and total: `2x` is twice as much, `40` is 40 requests per second.

    Raises:
        click.BadParameter: it is neither.
    """
    if text is None:
        return Fraction(1), None
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(x?)", text)
    if match is None:
        raise click.BadParameter(
            f"{text!r} is neither a rate such as 40 nor a multiple such as 1.5x", param_hint="--demand"
        )
    value = Fraction(match[1])
    return (value, None) if match[2] else (Fraction(1), value)


def show(answer: Loss) -> None:
    """One answer, as a table and the sentences around it."""
    out = console()
    lost = ", ".join(answer.lost) or "nothing"
    out.print(
        plain(f"{answer.model}, losing {lost}, at {shown(answer.demand)} requests/s (as of {stamp(answer.at_ms)})")
    )
    if answer.by_itself:
        out.print("Leeward does this by itself.")
    else:
        out.print(plain(f"Leeward would not move by itself: {answer.held}."))
        out.print("The figures are those after the loss is established.")
    out.print()
    out.print(table(("region", "weight", "ready", "wanted", "load now", "at once", "with replicas"), _rows(answer)))
    out.print()
    for line in _sentences(answer):
        out.print(plain(line))


def _rows(answer: Loss) -> Iterator[tuple[object, ...]]:
    stages = (answer.before.regions, answer.at_once.regions, answer.with_replicas.regions)
    for before, now, then in zip(*stages, strict=True):
        weights = [before.weight, now.weight, *([then.weight] if then.weight != now.weight else [])]
        yield (
            f"{now.name} (lost)" if now.lost else now.name,
            " -> ".join(f"{weight} %" for weight in weights),
            before.ready,
            "-" if now.lost else now.replicas,
            *(_load(each) for each in (before, now, then)),
        )


def _load(each: RegionAfter) -> str:
    if each.utilization_percent is None:
        return f"{shown(each.load)}/s" if each.load else "-"
    return f"{shown(each.load)}/s  {each.utilization_percent} %"


def _sentences(answer: Loss) -> Iterator[str]:
    now, then = answer.at_once, answer.with_replicas
    if now.shortage:
        yield (
            f"Short of {shown(now.shortage)} requests/s at once, and of {shown(then.shortage)} with those wanted "
            "(by the demand with its margin)."
        )
    else:
        yield "The demand is carried."
    if now.misdirected:
        yield f"{shown(now.misdirected)} requests/s are still sent to lost regions: {now.reason}."
    if answer.margins:
        told = ", ".join(f"{lost} {signed(margin)}" for lost, margin in answer.margins)
        yield f"To spare at 90 % if one of these is lost, in requests/s, as things are: {told}."
    yield "Weights by entry, at once:"
    yield from (f"  {line}" for line in rows_in_words(now.weights))
    if then.weights != now.weights:
        yield "Weights by entry, with the wanted replicas:"
        yield from (f"  {line}" for line in rows_in_words(then.weights))

"""`leeward explain`: why a model's weights are what they are, from what the operator recorded."""

from typing import TYPE_CHECKING, Any

import click

from leeward.cli.console import console, document, output_option, plain
from leeward.cli.options import access, access_options, complete_model, complete_region
from leeward.cli.report import report
from leeward.replay.decision import Decision, unpacked
from leeward.replay.explanation import explain

if TYPE_CHECKING:
    from leeward.cli.home import Home

EPILOG = """\b
Examples:
  leeward explain llama-70b -n models
  leeward explain models/llama-70b --region eu-west4
  leeward explain llama-70b -n models --back 1
  leeward explain llama-70b -n models -o record > decision.json

Exit codes: 0 explained, 1 the cluster does not answer or has no record, 2 wrong usage.
"""


@click.command("explain", epilog=EPILOG)
@click.argument("model", shell_complete=complete_model)
@click.option("--region", shell_complete=complete_region, help="Only what concerns this region.")
@click.option(
    "--back", type=click.IntRange(min=0), default=0, show_default=True, help="How many decisions before the newest."
)
@output_option("record", note="How to print it; record: the recorded decision itself, for `leeward decide`.")
@access_options
def explain_model(model: str, region: str | None, back: int, output: str, **options: Any) -> None:
    """Say why the weights of MODEL (or NAMESPACE/MODEL) are what they are.

    Each region's verdict with the readings behind it, its phase, weight and target; the guards that hold; and what
    changed lately. It is told from the last decision that changed something, as the operator recorded it.
    """
    records, newest_reason = access(options).ask(lambda home: _records(home, model))
    if back >= len(records):
        raise click.ClickException(f"only {len(records)} decisions are kept: --back goes from 0 to {len(records) - 1}")
    chosen = records[: len(records) - back]
    raw, decision = chosen[-1]
    if region is not None and region not in decision.spec.region_names:
        there = ", ".join(decision.spec.region_names)
        raise click.ClickException(f"{decision.spec.key} has no region {region!r}: name one of {there}")
    if output == "record":
        click.echo(unpacked(raw))
        return
    told = explain(decision, decision.made, [each for _, each in chosen[:-1]], region)
    if output != "text":
        click.echo(document(told, output))
    else:
        report(console(), told)
        if back == 0 and newest_reason not in ("", told.reason):
            click.echo()
            console().print(plain(f"The model's status says since then: {newest_reason}"))


async def _records(home: "Home", name: str) -> tuple[list[tuple[bytes, Decision]], str]:
    """The recorded decisions, and the reason that the model's status gives now."""
    model = await home.model(name)
    reasons = [each.message for each in model.status.conditions if each.type == "Progressing"]
    return await home.decisions(model), next(iter(reasons), "")

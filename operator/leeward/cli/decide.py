"""`leeward decide`: a recorded input, decided anew by the same core."""

import json

import click

from leeward.cli.console import NOT_HELD, console, contents, document, output_option
from leeward.cli.report import report
from leeward.replay.decision import Decision, UnreadableError, first_difference, plan_text, read, schema_text
from leeward.replay.explanation import explain

EPILOG = """\b
Examples:
  leeward explain llama-70b -n models -o record > decision.json
  leeward decide decision.json
  leeward decide - -o json < decision.json
  leeward decide --check decision.json

Exit codes: 0 decided, 1 the file cannot be read or is no decision, 2 wrong usage, 3 (--check) another plan.
"""


@click.command(epilog=EPILOG)
@click.argument("file", required=False, type=click.Path(allow_dash=True))
@output_option()
@click.option("--check", is_flag=True, help="Exit with 3 unless the recorded plan comes out again, byte for byte.")
@click.option("--schema", "wants_schema", is_flag=True, help="Print the JSON Schema of the format, and nothing else.")
def decide(file: str | None, output: str, check: bool, wants_schema: bool) -> None:
    """Decide on a recorded input: FILE, or - for standard input.

    The plan is worked out anew and compared with the recorded one. As JSON it is one line, the same bytes as in the
    record.
    """
    if wants_schema:
        click.echo(schema_text(), nl=False)
        return
    if file is None:
        raise click.UsageError("name a FILE with a recorded decision, or - for standard input")
    decision = loaded(file)
    plan = decision.redo()
    if output == "json":
        click.echo(plan_text(plan))
    elif output == "yaml":
        click.echo(document(json.loads(plan_text(plan)), output))
    else:
        report(console(), explain(decision, plan))
        click.echo()
    difference = None if decision.plan is None else first_difference(decision.plan, plan)
    if decision.plan is None and check:
        raise click.ClickException(f"{file} holds no recorded plan to compare with: leave out --check")
    if decision.plan is not None:
        click.echo(
            f"not the recorded plan: {difference}" if difference else "the recorded plan, byte for byte", err=True
        )
    if difference and check:
        raise click.exceptions.Exit(NOT_HELD)


def loaded(file: str) -> Decision:
    """The decision in a file.

    Raises:
        click.ClickException: there is none, and what to do.
    """
    try:
        return read(contents(file))
    except UnreadableError as error:
        raise click.ClickException(f"{file}: {error}") from error

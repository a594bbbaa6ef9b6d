"""`leeward` and `kubectl leeward`: the command line."""

import click

from leeward.cli.completion import completion
from leeward.cli.decide import decide
from leeward.cli.explain import explain_model
from leeward.cli.plan_capacity import plan_capacity
from leeward.cli.run import run
from leeward.cli.simulate import simulate
from leeward.cli.what_if import what_if


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="leeward", prog_name="leeward")
def main() -> None:
    """Keeps AI models serving when a region does not."""


main.add_command(completion)
main.add_command(decide)
main.add_command(explain_model)
main.add_command(plan_capacity)
main.add_command(run)
main.add_command(simulate)
main.add_command(what_if)

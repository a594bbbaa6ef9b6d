"""`leeward` and `kubectl leeward`: the command line."""

import click

from leeward.cli.adopt import adopt
from leeward.cli.completion import completion
from leeward.cli.decide import decide
from leeward.cli.doctor import doctor
from leeward.cli.evacuate import evacuate, restore
from leeward.cli.explain import explain_model
from leeward.cli.hold import freeze, pin, thaw, unpin
from leeward.cli.join import join
from leeward.cli.plan_capacity import plan_capacity
from leeward.cli.run import run
from leeward.cli.simulate import simulate
from leeward.cli.status import status
from leeward.cli.what_if import what_if


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="leeward", prog_name="leeward")
def main() -> None:
    """Keeps AI models serving when a region does not."""


for command in (
    *(completion, decide, doctor, explain_model, plan_capacity, run, simulate, status, what_if),
    *(adopt, join, evacuate, restore, freeze, thaw, pin, unpin),
):
    main.add_command(command)

"""`leeward` and `kubectl leeward`: the command line."""

import click

from leeward.cli.run import run
from leeward.cli.simulate import simulate


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="leeward", prog_name="leeward")
def main() -> None:
    """Keeps AI models serving when a region does not."""


main.add_command(run)
main.add_command(simulate)

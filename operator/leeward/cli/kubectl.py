"""`kubectl_complete-leeward`: what kubectl runs to complete a line that begins with `kubectl leeward`."""

import sys

import click
from click.shell_completion import ShellComplete

from leeward.cli import main

FILES, NO_FILES = 0, 4
"""The directives of Cobra by which kubectl's script proposes files, or none."""


def complete() -> None:
    """Print a proposal a line, with its help behind a tab, for the words of the command line; then a directive."""
    *words, begun = sys.argv[1:] or [""]
    found = ShellComplete(main, {}, "kubectl leeward", "").get_completions(words, begun)
    for item in found:
        if item.type == "plain":
            click.echo(f"{item.value}\t{item.help or ''}".rstrip())
    click.echo(f":{NO_FILES if all(item.type == 'plain' for item in found) else FILES}")

"""`leeward completion`: the script by which a shell completes commands, options, models and regions."""

import click
from click.shell_completion import get_completion_class

VARIABLE = "_LEEWARD_COMPLETE"
EPILOG = """\b
Examples:
  bash:  leeward completion bash > ~/.local/share/bash-completion/completions/leeward
  zsh:   leeward completion zsh > "${fpath[1]}/_leeward"
  fish:  leeward completion fish > ~/.config/fish/completions/leeward.fish

Start a new shell afterwards. For this shell alone: eval "$(leeward completion bash)"
"""


@click.command(epilog=EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a SHELL.

    Names of models and regions are asked of the home cluster while you type, for a second and a half at most; without
    an answer nothing is proposed.
    """
    made = get_completion_class(shell)
    assert made is not None, f"click completes {shell}"
    click.echo(made(context.find_root().command, {}, "leeward", VARIABLE).source())

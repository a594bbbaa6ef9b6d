"""Where a person reads: the one console of the fleet's commands."""

from rich.console import Console

console = Console(highlight=False)

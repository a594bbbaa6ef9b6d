"""Options of the commands that ask the home cluster, and what completes them."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from leeward.core.spec import ModelSpec

if TYPE_CHECKING:
    from leeward.cli.home import Access, Home

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
COMPLETION_SECONDS = 1.5
_ACCESS = ("kubeconfig", "context", "namespace", "operator_namespace")


def access_options(command: F) -> F:
    """Where the home cluster is."""
    options = (
        click.option(
            "--kubeconfig",
            type=click.Path(dir_okay=False, path_type=Path),
            help="The home cluster's. Otherwise $KUBECONFIG, or ~/.kube/config.",
        ),
        click.option("--context", help="A context of the kubeconfig other than the current one."),
        click.option("-n", "--namespace", help="The model's namespace. Otherwise that of the context."),
        click.option(
            "--operator-namespace",
            default="leeward-system",
            show_default=True,
            help="Where the operator runs and keeps what it recorded.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def access(options: dict[str, Any], **more: Any) -> "Access":
    """The access that the options name. Imported late: it costs half a second that other commands need not wait."""
    from leeward.cli.home import Access  # noqa: PLC0415

    given = {name: options[name] for name in _ACCESS if options.get(name) is not None}
    return Access(**given, **more)


def labels(spec: ModelSpec) -> list[str]:
    """Every `key=value` by which some of a model's regions share a failure domain."""
    return sorted({f"{key}={value}" for region in spec.regions for key, value in region.failure_domains})


def complete_model(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Names of ModelDeployments, with their namespace where none is named."""

    async def ask(home: "Home") -> list[str]:
        models = await home.models()
        return [each.metadata.name if home.access.namespace else each.key for each in models]

    return _matching(_quietly(context, ask), typed)


def complete_region(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Names of Regions."""

    async def ask(home: "Home") -> list[str]:
        return list(await home.regions())

    return _matching(_quietly(context, ask), typed)


def complete_loss(context: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Names of Regions, and the failure domains that they share."""

    async def ask(home: "Home") -> list[str]:
        regions = await home.regions()
        domains = {f"{k}={v}" for region in regions.values() for k, v in region.spec.failure_domains.items()}
        return [*regions, *domains]

    return _matching(_quietly(context, ask), typed)


def _matching(names: list[str], typed: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in sorted(names) if name.startswith(typed)]


def _quietly(context: click.Context, question: "Callable[[Home], Coroutine[Any, Any, list[str]]]") -> list[str]:
    """An answer within a short time, or nothing: a shell that completes is no place for errors."""
    logging.disable()

    async def hurried(home: "Home") -> list[str]:
        async with asyncio.timeout(COMPLETION_SECONDS):
            return await question(home)

    try:
        return access(context.params, deadline_seconds=COMPLETION_SECONDS).ask(hurried)
    except Exception:  # noqa: BLE001 - whatever it is, there is nothing to complete with
        return []
    finally:
        logging.disable(logging.NOTSET)

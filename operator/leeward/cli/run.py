"""`leeward run`: read the settings and run the operator."""

import asyncio
import os
import sys
from pathlib import Path

import click

from leeward.ports import PortError
from leeward.settings import Settings

_DEFAULT = Settings()


@click.command()
@click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="KUBECONFIG",
    help="The home cluster. Inside a pod: its own cluster.",
)
@click.option(
    "--namespace",
    default=_DEFAULT.namespace,
    show_default=True,
    envvar="POD_NAMESPACE",
    help="Where the operator keeps its own record.",
)
@click.option(
    "--observer",
    default=os.environ.get("POD_NAME", _DEFAULT.observer),
    show_default=True,
    help="Name of this replica as an observer.",
)
@click.option("--region", default="", help="Name of the Region in whose cluster this replica runs.")
@click.option(
    "--quorum",
    is_flag=True,
    help="One of several replicas, each with its own --region and --observer: the one that holds a Lease in most "
    "clusters leads, the others watch. Without it this replica is alone.",
)
@click.option("--interval", default=_DEFAULT.interval, show_default=True, help="Seconds between slow ticks.")
@click.option(
    "--scrape-interval",
    default=_DEFAULT.scrape_interval,
    show_default=True,
    help="Scrape interval of the regions' Prometheus, in seconds.",
)
@click.option(
    "--listen",
    default=f"{_DEFAULT.listen_host}:{_DEFAULT.listen_port}",
    show_default=True,
    help="Where /metrics, /healthz and /readyz are served.",
)
@click.option("--allow-exec", multiple=True, help="A command that kubeconfigs may run; repeat for several.")
@click.option(
    "--keep-decisions",
    type=click.IntRange(min=0),
    default=_DEFAULT.keep_decisions,
    show_default=True,
    help="How many decisions are recorded for each model; 0 records none.",
)
@click.option("--dry-run", is_flag=True, help="Decide and tell, but write nothing.")
@click.option(
    "--log-format",
    type=click.Choice(["auto", "json", "console"]),
    default="auto",
    show_default=True,
    help="auto: for people at a terminal, JSON elsewhere.",
)
def run(
    kubeconfig: Path | None,
    namespace: str,
    observer: str,
    region: str,
    quorum: bool,
    interval: float,
    scrape_interval: float,
    listen: str,
    allow_exec: tuple[str, ...],
    keep_decisions: int,
    dry_run: bool,
    log_format: str,
) -> None:
    """Run the operator until it is told to stop (SIGTERM or Ctrl-C).

    \b
    Example:
      leeward run --kubeconfig home.kubeconfig --dry-run
    """
    host, _, port = listen.rpartition(":")
    if not port.isdigit():
        raise click.BadParameter(f"{listen!r} is not HOST:PORT", param_hint="--listen")
    if interval <= 0 or scrape_interval <= 0:
        raise click.BadParameter("intervals must be above 0 seconds")
    if quorum and not region:
        raise click.BadParameter("needs --region, the Region in whose cluster this replica runs", param_hint="--quorum")
    from leeward.cli.operate import configure_logs, operate  # noqa: PLC0415 - a second that no other command needs

    configure_logs(log_format == "json" or (log_format == "auto" and not sys.stderr.isatty()))
    settings = Settings(
        namespace=namespace,
        observer=observer,
        region=region,
        quorum=quorum,
        interval=interval,
        scrape_interval=scrape_interval,
        allowed_exec=allow_exec,
        listen_host=host,
        listen_port=int(port),
        keep_decisions=keep_decisions,
        dry_run=dry_run,
    )
    try:
        asyncio.run(operate(settings, kubeconfig))
    except PortError as error:
        raise click.ClickException(f"{error} ({error.remedy})") from error

"""`leeward run`: read the settings, wire the parts, run. The only place that knows everything."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click
import structlog

from leeward import intake
from leeward.adapters import pools, promql, telemetry
from leeward.adapters.clusters import from_file, in_pod
from leeward.adapters.members import Members
from leeward.adapters.probes import HttpProbes
from leeward.cleanup import Debts
from leeward.observe import Observer
from leeward.ports import PortError
from leeward.record import Recorder
from leeward.record_regions import RegionRecorder
from leeward.settings import Settings
from leeward.sightings import ProbeBook, ReachBook
from leeward.store import Store
from leeward.tick import Loop

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
@click.option("--dry-run", is_flag=True, help="Decide and tell, but write nothing.")
@click.option("--log-format", type=click.Choice(["auto", "json", "console"]), default="auto", show_default=True)
def run(
    kubeconfig: Path | None,
    namespace: str,
    observer: str,
    interval: float,
    scrape_interval: float,
    listen: str,
    allow_exec: tuple[str, ...],
    dry_run: bool,
    log_format: str,
) -> None:
    """Run the operator until it is told to stop (SIGTERM or Ctrl-C)."""
    host, _, port = listen.rpartition(":")
    if not port.isdigit():
        raise click.BadParameter(f"{listen!r} is not HOST:PORT", param_hint="--listen")
    if interval <= 0 or scrape_interval <= 0:
        raise click.BadParameter("intervals must be above 0 seconds")
    _configure_logs(log_format == "json" or (log_format == "auto" and not sys.stderr.isatty()))
    settings = Settings(
        namespace=namespace,
        observer=observer,
        interval=interval,
        scrape_interval=scrape_interval,
        allowed_exec=allow_exec,
        listen_host=host,
        listen_port=int(port),
        dry_run=dry_run,
    )
    try:
        asyncio.run(_run(settings, kubeconfig))
    except PortError as error:
        raise click.ClickException(f"{error} ({error.remedy})") from error


async def _run(settings: Settings, kubeconfig: Path | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    seen = telemetry.Telemetry()
    options: dict[str, Any] = {"deadline_seconds": settings.cluster_deadline, "on_write": seen.count_write}
    home = await from_file("home", kubeconfig, **options) if kubeconfig else in_pod("home", **options)
    store, liveness = Store(), telemetry.Liveness()
    probes = HttpProbes(settings.probe_deadline, settings.reach_deadline)
    books = ReachBook(), ProbeBook(promql.windows_ms(round(settings.scrape_interval * 1000)))
    members = Members(home, settings)
    loop = Loop(
        settings,
        store,
        members,
        Observer(settings, probes, *books),
        Recorder(home, seen, settings.dry_run),
        RegionRecorder(home, settings.dry_run),
        Debts(home, settings.namespace),
        seen,
        liveness,
        pools.load(),
    )
    runner = await telemetry.serve(seen, liveness, settings.listen_host, settings.listen_port)
    try:
        await asyncio.gather(
            intake.watch(store, home.credentials, stop),
            intake.sweep(store, home, stop, settings.sweep_interval),
            loop.run(stop),
        )
    finally:
        await runner.cleanup()
        await probes.close()
        await members.close()
        await home.close()


def _configure_logs(as_json: bool) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", stream=sys.stderr)
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )

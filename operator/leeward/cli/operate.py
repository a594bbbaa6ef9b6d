"""The operator, wired: the only place that knows everything."""

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

import structlog

from leeward import intake
from leeward.adapters import pools, promql, telemetry
from leeward.adapters.kubeconfigs import from_file, in_pod
from leeward.adapters.members import Members
from leeward.adapters.probes import HttpProbes
from leeward.cleanup import Debts
from leeward.observe import Observer
from leeward.record import Recorder
from leeward.record_decisions import DecisionLog
from leeward.record_regions import RegionRecorder
from leeward.settings import Settings
from leeward.sightings import ProbeBook, ReachBook
from leeward.store import Store
from leeward.tick import Loop


async def operate(settings: Settings, kubeconfig: Path | None) -> None:
    """Run until SIGTERM or Ctrl-C. Raises PortError when the home cluster cannot be used at all."""
    stop = asyncio.Event()
    intake.stop_on_signals(stop)
    seen = telemetry.Telemetry()
    options: dict[str, Any] = {"deadline_seconds": settings.cluster_deadline, "on_write": seen.count_write}
    home = await from_file("home", kubeconfig, **options) if kubeconfig else in_pod("home", **options)
    store, liveness = Store(), telemetry.Liveness()
    probes = HttpProbes(settings.probe_deadline, settings.reach_deadline)
    books = ReachBook(), ProbeBook(promql.windows_ms(round(settings.scrape_interval * 1000)))
    members = Members(home, settings)
    decisions = DecisionLog(home, settings.namespace, seen, 0 if settings.dry_run else settings.keep_decisions)
    loop = Loop(
        settings,
        store,
        members,
        Observer(settings, probes, *books),
        Recorder(home, seen, settings.dry_run),
        RegionRecorder(home, settings.dry_run),
        Debts(home, settings.namespace),
        decisions,
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
            decisions.run(stop),
        )
    finally:
        await runner.cleanup()
        await probes.close()
        await members.close()
        await home.close()


def configure_logs(as_json: bool) -> None:
    """Logs to standard error, for programs or for people."""
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

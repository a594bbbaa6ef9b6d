"""The operator, wired: the only place that knows everything."""

import asyncio
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import structlog

from leeward import intake
from leeward.adapters import pools, promql, telemetry
from leeward.adapters.fenced import FencedCluster
from leeward.adapters.kubeconfigs import from_file, in_pod
from leeward.adapters.members import Members
from leeward.adapters.probes import HttpProbes
from leeward.cleanup import Debts
from leeward.copies import Copies, Told
from leeward.holdings import Holdings
from leeward.leadership import Leadership
from leeward.observe import Observer
from leeward.ports import Cluster
from leeward.record import Recorder
from leeward.record_decisions import DecisionLog
from leeward.record_evacuations import EvacuationRecorder
from leeward.record_regions import RegionRecorder
from leeward.settings import Settings
from leeward.settling import Settling
from leeward.sightings import ProbeBook, ReachBook
from leeward.store import Store
from leeward.tick import Loop
from leeward.witness import Witness

log = structlog.get_logger("operate")


async def operate(settings: Settings, kubeconfig: Path | None) -> None:
    """Run until SIGTERM or Ctrl-C. Raises PortError when the home cluster cannot be used at all."""
    stop = asyncio.Event()
    intake.stop_on_signals(stop)
    seen = telemetry.Telemetry()
    options: dict[str, Any] = {"deadline_seconds": settings.cluster_deadline, "on_write": seen.count_write}
    home = await from_file("home", kubeconfig, **options) if kubeconfig else in_pod("home", **options)
    store, liveness = Store(), telemetry.Liveness()
    probes = HttpProbes(settings.probe_deadline, settings.reach_deadline)
    books = ReachBook(settings.observer), ProbeBook(promql.windows_ms(round(settings.scrape_interval * 1000)))
    members = Members(home, settings)
    leadership, copies = _stand(settings, members) if settings.quorum else (None, None)
    ours: Cluster = home
    if leadership is not None and copies is not None:
        ours = Told(home, lambda: leadership.writes(settings.region), copies)
    decisions = DecisionLog(ours, settings.namespace, seen, 0 if settings.dry_run else settings.keep_decisions)
    debts = Debts(ours, settings.namespace)
    sink, held = _hold(settings, store, members, leadership, copies, debts)
    loop = Loop(
        settings,
        store,
        members,
        Observer(settings, probes, *books),
        Recorder(ours, seen, settings.dry_run),
        RegionRecorder(ours, settings.dry_run),
        EvacuationRecorder(ours, settings.dry_run),
        debts,
        decisions,
        seen,
        liveness,
        pools.load(),
        leadership,
    )
    who = {"observer": settings.observer, "region": settings.region, "home": home.credentials().server}
    log.info("leeward starts", **who, quorum=settings.quorum, dry_run=settings.dry_run)
    runner = await telemetry.serve(seen, liveness, settings.listen_host, settings.listen_port)
    try:
        await asyncio.gather(
            intake.watch(sink, home.credentials, stop),
            intake.sweep(sink, home, stop, settings.sweep_interval),
            loop.run(stop),
            decisions.run(stop),
            *(beside.run(stop) for beside in (*held, *_company(settings, members, leadership, copies, loop))),
        )
    finally:
        await runner.cleanup()
        await probes.close()
        await members.close()
        await home.close()


def _company(
    settings: Settings, members: Members, leadership: Leadership | None, copies: Copies | None, loop: Loop
) -> Iterator[Leadership | Copies | Witness]:
    """What runs beside the loop where there are other replicas."""
    if leadership is None or copies is None:
        return

    def clusters() -> dict[str, Cluster]:
        return {name: member.bare for name, member in members.found.items() if member.bare}

    yield leadership
    yield copies
    yield Witness(settings.observer, settings.region, settings.namespace, clusters, loop.observer.reach, loop.alarm)


def _stand(settings: Settings, members: Members) -> tuple[Leadership, Copies]:
    """Stand for election in all clusters, fence every write with the epoch of the term, tell statuses everywhere."""

    def clusters() -> dict[str, Cluster | None]:
        return {name: member.bare for name, member in members.found.items()}

    def rank() -> int:
        return sorted(members.found).index(settings.region) if settings.region in members.found else 0

    leadership = Leadership(settings.observer, settings.namespace, clusters, rank)

    def fenced(name: str, cluster: Cluster) -> Cluster:
        return FencedCluster(cluster, lambda: leadership.writes(name))

    def others() -> dict[str, Cluster]:
        found = members.found.items()
        return {name: member.cluster for name, member in found if member.cluster and name != settings.region}

    members.fenced = fenced
    return leadership, Copies(others, lambda: leadership.epoch)


def _hold(
    settings: Settings,
    store: Store,
    members: Members,
    leadership: Leadership | None,
    copies: Copies | None,
    debts: Debts,
) -> tuple[intake.Sink, list[Holdings | Settling]]:
    """What is told of our own objects, and what runs for them: with other replicas, the store gets what counts of them
    in all clusters, and the leader brings them in line; alone it gets what the home cluster has."""
    if leadership is None or copies is None:
        return store, []

    def bare() -> dict[str, Cluster]:
        found = {name: member.bare for name, member in members.found.items() if member.bare}
        return {settings.region: members.home, **found}

    def fenced() -> dict[str, Cluster]:
        return {name: member.cluster for name, member in members.found.items() if member.cluster}

    holdings = Holdings(store, settings.region, settings.namespace, bare, lambda: leadership.epoch)
    settling = Settling(holdings, settings.namespace, fenced, copies.tell_again)
    debts.release = settling.release
    return holdings, [holdings] if settings.dry_run else [holdings, settling]


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

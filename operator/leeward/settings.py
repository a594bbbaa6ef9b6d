"""What the operator itself is told at its start; read once by the command line and passed in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one operator replica. Times are seconds.

    `observer` names this replica where several watch, `region` the Region whose cluster it runs in; where a `quorum`
    elects a leader, only that one writes. `interval` is the slow tick, `reach_interval` the fast one;
    `scrape_interval` is that of the regions' Prometheus, which bounds how young a reading can be.
    """

    namespace: str = "leeward-system"
    observer: str = "leeward"
    region: str = ""
    quorum: bool = False
    interval: float = 5.0
    reach_interval: float = 0.5
    reach_deadline: float = 1.0
    scrape_interval: float = 5.0
    cluster_deadline: float = 3.0
    query_deadline: float = 2.0
    probe_deadline: float = 10.0
    sweep_interval: float = 60.0
    allowed_exec: tuple[str, ...] = ()
    listen_host: str = "0.0.0.0"  # noqa: S104 - scraped and probed from outside the pod
    listen_port: int = 8080
    keep_decisions: int = 10  # recorded for each model
    dry_run: bool = False

"""Our own metrics, and the listener that serves them with /healthz and /readyz.

/healthz: the loop still turns. /readyz: our own resources have been listed and a tick ended not long ago.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from leeward.core.plan import Plan
from leeward.core.verdict import Verdict

_TICK_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


@dataclass
class Telemetry:
    """All metrics of this replica, in a registry of its own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        def gauge(name: str, text: str, labels: tuple[str, ...]) -> Gauge:
            return Gauge(name, text, labels, registry=self.registry)

        self.tick_seconds = Histogram(
            "leeward_tick_seconds",
            "Time that a tick took, waiting included.",
            buckets=_TICK_BUCKETS,
            registry=self.registry,
        )
        self.tick_cpu_seconds = Histogram(
            "leeward_tick_cpu_seconds", "Processor time of a tick.", buckets=_TICK_BUCKETS, registry=self.registry
        )
        self.staleness = gauge(
            "leeward_staleness_seconds", "Age of the newest answer of a region.", ("region", "source")
        )
        self.credentials = gauge(
            "leeward_credentials_valid",
            "1 while a region's token does not end soon.",
            ("region",),
        )
        self.weight = gauge(
            "leeward_weight_percent", "Weight in force, by entry and serving region.", ("model", "entry", "region")
        )
        self.target = gauge("leeward_target_weight_percent", "Weight to which a region is moving.", ("model", "region"))
        self.verdict = gauge("leeward_verdict", "1 for the verdict that holds.", ("model", "region", "verdict"))
        self.utilization = gauge(
            "leeward_utilization_percent", "Load in percent of declared capacity.", ("model", "region")
        )
        self.replicas = gauge("leeward_replicas", "Replicas of a region.", ("model", "region", "state"))
        self.shortage = gauge(
            "leeward_shortage_requests_per_second", "Demand that the regions cannot carry.", ("model",)
        )
        self.margin = gauge(
            "leeward_survival_margin_requests_per_second",
            "What the rest could carry beyond the demand if this were lost; negative: what it would lack.",
            ("model", "lost"),
        )
        self.writes = Counter(
            "leeward_writes_total", "Writes to API servers.", ("verb", "kind"), registry=self.registry
        )
        self.errors = Counter(
            "leeward_errors_total",
            "Failures of what is outside, by remedy.",
            ("region", "reason"),
            registry=self.registry,
        )
        self._count_decisions()

    def _count_decisions(self) -> None:
        self.decisions = Counter(
            "leeward_weight_decisions_total",
            "Plans that wrote weights.",
            ("model", "emergency"),
            registry=self.registry,
        )
        self.decision_records = Counter(
            "leeward_decision_records_total",
            "Recorded decisions, by what became of them.",
            ("outcome",),
            registry=self.registry,
        )

    def count_write(self, verb: str, kind: str) -> None:
        self.writes.labels(verb, kind).inc()

    def show(self, model: str, plan: Plan, ready: Mapping[str, int]) -> None:
        """Set the gauges of one model from its plan."""
        for entry, row in plan.weights:
            for region, percent in row:
                self.weight.labels(model, entry, region).set(percent)
        for line in plan.regions:
            self.target.labels(model, line.name).set(line.target_weight)
            for verdict in Verdict:
                self.verdict.labels(model, line.name, verdict).set(line.verdict is verdict)
            if line.utilization_percent is not None:
                self.utilization.labels(model, line.name).set(line.utilization_percent)
            self.replicas.labels(model, line.name, "ready").set(ready.get(line.name, 0))
            self.replicas.labels(model, line.name, "desired").set(line.replicas)
            self.replicas.labels(model, line.name, "standby").set(line.standby)
        self.shortage.labels(model).set(float(plan.shortage))
        for lost, margin in plan.margins:
            self.margin.labels(model, lost).set(float(margin))
        if plan.write_weights:
            self.decisions.labels(model, str(plan.emergency).lower()).inc()

    def show_staleness(self, region: str, now_ms: int, api_seen_ms: int, metrics_seen_ms: int) -> None:
        """Set the age of a region's newest answers; a source that never answered has no series."""
        for source, seen in (("api", api_seen_ms), ("metrics", metrics_seen_ms)):
            if seen:
                self.staleness.labels(region, source).set((now_ms - seen) / 1000)

    def show_credentials(self, region: str, valid: bool) -> None:
        """Do the token and the certificates of a region last?"""
        self.credentials.labels(region).set(valid)

    def forget(self, model: str) -> None:
        """Drop the series of a model that is gone."""
        shown = (self.weight, self.target, self.verdict, self.utilization, self.replicas, self.shortage, self.margin)
        for metric in shown:
            metric.remove_by_labels({"model": model})


@dataclass
class Liveness:
    """What the health endpoints tell the truth about. Times are monotonic seconds."""

    tick_started: float = field(default_factory=time.monotonic)
    tick_ended: float = 0.0
    listed: bool = False
    patience: float = 60.0

    def alive(self) -> bool:
        return time.monotonic() - self.tick_started < self.patience

    def ready(self) -> bool:
        return self.listed and self.tick_ended > 0 and time.monotonic() - self.tick_ended < self.patience / 2


async def serve(telemetry: Telemetry, liveness: Liveness, host: str, port: int) -> web.AppRunner:
    """Start the listener; the caller cleans the runner up."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(telemetry.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def answer(holds: Callable[[], bool], no: str) -> Callable[[web.Request], object]:
        async def handle(_: web.Request) -> web.Response:
            return web.Response(text="ok\n") if holds() else web.Response(text=f"{no}\n", status=503)

        return handle

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    application.router.add_get("/healthz", answer(liveness.alive, "the tick loop stands still"))  # type: ignore[arg-type]  # aiohttp's Handler is a private alias
    application.router.add_get("/readyz", answer(liveness.ready, "no tick has ended lately"))  # type: ignore[arg-type]  # as above
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner

"""A region's Prometheus behind the `Metrics` port, through prometheus-api-client in a thread pool of its own.

The client is synchronous and by default waits for ever and retries: it gets its own session, no retries and short
time-outs. It drops the warnings of partial answers (Thanos, Mimir), so a hook on the session turns one into an error:
a source that answers in part counts as one that does not answer. It can only put a query into the URL, where proxies
allow 8 KiB; the session sends it as a form instead. Where it may connect, and how much it reads, is bounded.
"""

import asyncio
import math
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import requests
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException
from urllib3.util.retry import Retry

from leeward.adapters import promql
from leeward.adapters.objects import HOST_SUFFIX
from leeward.adapters.outgoing import GuardedAdapter, bounded
from leeward.core.snapshot import Counts, LoadReading, Tally
from leeward.ports import EntrySeen, Metrics, MetricsSeen, ModelKey, Unreachable

Rows = list[dict[str, Any]]
_THREADS = 2  # one query at a time, and one that hangs must not hold up the next


class PrometheusSource(Metrics):
    """One region's Prometheus. One query is in flight at a time."""

    def __init__(
        self,
        region: str,
        url: str,
        *,
        token: str = "",
        ca_file: str = "",
        server_name: str | None = None,
        deadline_seconds: float = 2.0,
        scrape_interval_ms: int = 5_000,
    ) -> None:
        self._region = region
        self._windows = promql.windows_ms(scrape_interval_ms)
        session = _FormSession()
        session.trust_env = False
        session.verify = ca_file or True
        session.max_redirects = 0
        session.hooks["response"].append(_refuse_partial)
        if token:
            session.headers["Authorization"] = f"Bearer {token}"
        root = url.rstrip("/")
        self._client = PrometheusConnect(url=root, session=session, retry=Retry(0), timeout=(0.5, deadline_seconds))
        session.mount(root, GuardedAdapter(server_name, max_retries=Retry(0)))  # in place of the client's own
        self._deadline = deadline_seconds
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"prometheus-{region}")
        self._busy = asyncio.Lock()

    async def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def see(self, objectives: dict[ModelKey, Fraction]) -> MetricsSeen:
        """All signals of this region, for all models; `objectives` holds each model's TTFT in seconds.

        Raises:
            Unreachable: it does not answer in time, only in part, or with something else.
        """
        edges = tuple(sorted({promql.ttft_edge(seconds) for seconds in objectives.values()}))
        if self._busy.locked():
            raise Unreachable(f"Prometheus of {self._region}: the previous query is still under way")
        async with self._busy:
            rows = await self._query(promql.all_signals(self._windows, edges))
        try:
            return seen(rows, objectives, self._windows)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise Unreachable(f"Prometheus of {self._region} answers something else: {error!r}"[:300]) from error

    async def _query(self, query: str) -> Rows:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._deadline + 0.5):
                return await loop.run_in_executor(self._pool, self._client.custom_query, query)
        except (TimeoutError, requests.RequestException, PrometheusApiClientException, KeyError, ValueError) as error:
            raise Unreachable(f"Prometheus of {self._region}: {str(error)[:300] or 'no answer in time'}") from error


class _FormSession(requests.Session):
    def request(self, method: str | bytes, url: str | bytes, params: Any = None, **rest: Any) -> requests.Response:  # type: ignore[override]
        return super().request("POST", url, data=params, **rest | {"stream": True})


def _refuse_partial(response: requests.Response, *_: Any, **__: Any) -> None:
    bounded(response)
    if b'"warnings"' in response.content[-4096:] and response.json().get("warnings"):
        raise requests.RequestException(f"partial answer: {response.json()['warnings'][:1]}")


def seen(rows: Rows, objectives: dict[ModelKey, Fraction], windows: tuple[int, ...]) -> MetricsSeen:
    """What the rows of the one query say; windows in milliseconds."""
    signals = _by_signal(rows)
    entry, engine, latency, load = (signals[name] for name in ("entry", "engine", "latency", "load"))
    return MetricsSeen(
        entries=_entries(entry, load, windows),
        engines={key: _counts("engine", rows, windows) for key, rows in _by_model(engine).items()},
        latencies={
            key: _latency(rows, windows, promql.ttft_edge(objectives[key]))
            for key, rows in _by_model(latency).items()
            if key in objectives
        },
        loads={key: _load(rows) for key, rows in _by_model(load).items() if _value(rows, "running") is not None},
    )


def _by_signal(rows: Rows) -> dict[str, Rows]:
    found: dict[str, Rows] = defaultdict(list)
    for row in rows:
        found[row["metric"]["signal"]].append(row)
    return found


def _by_model(rows: Rows) -> dict[ModelKey, Rows]:
    found: dict[ModelKey, Rows] = {}
    for row in rows:
        metric = row["metric"]
        if "namespace" in metric and "llm_model" in metric:
            found.setdefault((metric["namespace"], metric["llm_model"]), []).append(row)
    return found


def _value(rows: Rows, kpi: str, edge: str | None = None) -> float | None:
    for row in rows:
        metric = row["metric"]
        if metric["kpi"] == kpi and (edge is None or _same_edge(metric.get("le"), edge)):
            value = float(row["value"][1])
            return value if math.isfinite(value) else None
    return None


def _same_edge(label: str | None, edge: str) -> bool:
    try:
        return label is not None and Fraction(label) == Fraction(edge)
    except ValueError:
        return False


def _age_ms(rows: Rows) -> int | None:
    age = _value(rows, "age")
    return None if age is None else max(0, round(age * 1000))


def _counts(sensor: str, rows: Rows, windows: tuple[int, ...]) -> Counts | None:
    age = _age_ms(rows)
    tallies = []
    for window in windows:
        total = _value(rows, f"total_{window}")
        if total is not None:
            bad = _value(rows, f"bad_{window}") or 0.0
            tallies.append(Tally(window, min(round(bad), round(total)), round(total)))
    return Counts(sensor, tuple(tallies), age) if tallies and age is not None else None


def _latency(rows: Rows, windows: tuple[int, ...], edge: str) -> Counts | None:
    age = _age_ms(rows)
    tallies = []
    for window in windows:
        total, within = _value(rows, f"total_{window}"), _value(rows, f"within_{window}", edge)
        if total is not None and within is not None:
            tallies.append(Tally(window, max(0, round(total) - round(within)), round(total)))
    return Counts("engine", tuple(tallies), age) if tallies and age is not None else None


def _load(rows: Rows) -> LoadReading:
    return LoadReading(
        _fraction(_value(rows, "rate")),
        round(_value(rows, "running") or 0),
        round(_value(rows, "waiting") or 0),
        _age_ms(rows) or 0,
        _percent(_value(rows, "kv")),
        _percent(_value(rows, "late")),
    )


def _percent(value: float | None) -> int | None:
    return None if value is None else max(0, round(value))


def _fraction(value: float | None) -> Fraction:
    return Fraction(value or 0).limit_denominator(1000)


def _entries(outcome: Rows, load: Rows, windows: tuple[int, ...]) -> dict[ModelKey, EntrySeen]:
    """Per model: what this entry saw of each serving region, and the requests per second that entered here."""
    grouped: dict[ModelKey, dict[str, Rows]] = {}
    for row in outcome:
        key = _model_of(row["metric"].get("envoy_cluster_name", ""))
        host = row["metric"].get("envoy_endpoint_hostname", "")
        if key and host.endswith(HOST_SUFFIX):
            grouped.setdefault(key, {}).setdefault(host.removesuffix(HOST_SUFFIX), []).append(row)
    entered = {
        _model_of(row["metric"].get("envoy_cluster_name", "")): float(row["value"][1])
        for row in load
        if row["metric"]["kpi"] == "entered"
    }
    return {
        key: EntrySeen(
            serving={
                region: counts
                for region, rows in by_region.items()
                if (counts := _counts("entry", rows, windows)) is not None
            },
            requests_per_second=_fraction(entered[key]) if math.isfinite(entered.get(key, math.nan)) else None,
        )
        for key, by_region in grouped.items()
    }


def _model_of(cluster: str) -> ModelKey | None:
    """`httproute/<namespace>/<model>-users/rule/0` names a model."""
    parts = cluster.split("/")
    return (parts[1], parts[2].removesuffix("-users")) if len(parts) == 5 and parts[2].endswith("-users") else None

"""PromQL, one query that covers all signals and all models of a region, and how its rows are named.

The query is a union whose parts carry the labels `signal` and `kpi`; a row that is absent means no reading, never
zero, except that errors which never happened have no series and count as zero beside a total that exists. Each signal
also brings the age of its newest sample, since an instant query looks back five minutes.

OUTCOME per entry comes from Envoy's statistics per endpoint (attempts, so it is the serving region's health; a 429 is
a success there); OUTCOME of the engine from vLLM's HTTP counters; LATENCY from the histogram of the time to the first
token, read at a bucket's edge, where it is exact.
"""

from fractions import Fraction

from leeward.core.kinds import shortest_window_ms

VLLM_TTFT_EDGES = (
    "0.001",
    "0.005",
    "0.01",
    "0.02",
    "0.04",
    "0.06",
    "0.08",
    "0.1",
    "0.25",
    "0.5",
    "0.75",
    "1.0",
    "2.5",
    "5.0",
    "7.5",
    "10.0",
    "20.0",
    "40.0",
    "80.0",
    "160.0",
    "640.0",
    "2560.0",
)
_USERS = 'envoy_cluster_name=~"httproute/.+-users/rule/0"'
_API = 'handler=~"/v1/.*"'
_ENGINE_KEY = "namespace,llm_model"
_SOON = "0.5"
"""Seconds, an edge of the histogram: who waits longer found the engine full."""


def windows_ms(scrape_interval_ms: int) -> tuple[int, ...]:
    """The windows that outcomes are counted over: 30 s or six scrapes, 1 m, 5 m, 15 m; rising, without repeats."""
    shortest = shortest_window_ms(scrape_interval_ms)
    return (shortest, *(window for window in (60_000, 300_000, 900_000) if window > shortest))


def ttft_edge(objective_seconds: Fraction) -> str:
    """The bucket edge at which an objective is read: the smallest one that is not below it."""
    return next((edge for edge in VLLM_TTFT_EDGES if Fraction(edge) >= objective_seconds), VLLM_TTFT_EDGES[-1])


def _labelled(expression: str, label: str, value: str) -> str:
    return f'label_replace({expression},"{label}","{value}","","")'


def _union(parts: dict[str, str]) -> str:
    return " or ".join(_labelled(expression, "kpi", kpi) for kpi, expression in parts.items())


def _age(series: str, by: str) -> str:
    return f"time()-max by ({by})(timestamp({series}))"


def all_signals(windows: tuple[int, ...], edges: tuple[str, ...]) -> str:
    """The union of the four signals below; each row tells by `signal` which of them it belongs to."""
    signals = {
        "entry": entry_outcome(windows),
        "engine": engine_outcome(windows),
        "latency": latency(windows, edges),
        "load": load(windows),
    }
    return " or ".join(_labelled(union, "signal", signal) for signal, union in signals.items())


def entry_outcome(windows: tuple[int, ...]) -> str:
    """Attempts and failed ones per model and serving region, as this region's entry gateway saw them."""
    by = "envoy_cluster_name,envoy_endpoint_hostname"
    parts = {"age": _age(f"envoy_cluster_endpoint_rq_total{{{_USERS}}}", by)}
    for window in windows:
        for kpi, metric in (("total", "rq_total"), ("bad", "rq_error")):
            series = f"envoy_cluster_endpoint_{metric}{{{_USERS}}}[{window}ms]"
            parts[f"{kpi}_{window}"] = f"sum by ({by})(increase({series}))"
    return _union(parts)


def engine_outcome(windows: tuple[int, ...]) -> str:
    """Requests and failed ones per model, as the engines themselves count them; a client's errors are left out."""
    parts = {"age": _age(f"http_requests_total{{{_API}}}", _ENGINE_KEY)}
    for window in windows:
        for kpi, status in (("total", 'status=~"2xx|5xx"'), ("bad", 'status="5xx"')):
            series = f"http_requests_total{{{_API},{status}}}[{window}ms]"
            parts[f"{kpi}_{window}"] = f"sum by ({_ENGINE_KEY})(increase({series}))"
    return _union(parts)


def latency(windows: tuple[int, ...], edges: tuple[str, ...]) -> str:
    """First tokens in all, and those within each of the edges, per model."""
    chosen = "|".join(sorted(edge.replace(".", "\\\\.") for edge in edges))
    parts = {"age": _age("vllm:time_to_first_token_seconds_count", _ENGINE_KEY)}
    for window in windows:
        counted = f"vllm:time_to_first_token_seconds_count[{window}ms]"
        within = f'vllm:time_to_first_token_seconds_bucket{{le=~"{chosen}"}}[{window}ms]'
        parts[f"total_{window}"] = f"sum by ({_ENGINE_KEY})(increase({counted}))"
        parts[f"within_{window}"] = f"sum by ({_ENGINE_KEY},le)(increase({within}))"
    return _union(parts)


def _queued(window_ms: int, part: str) -> str:
    """Requests that a part of the histogram of waiting times has counted."""
    return f"sum by ({_ENGINE_KEY})(increase(vllm:request_queue_time_seconds{part}[{window_ms}ms]))"


def load(windows: tuple[int, ...]) -> str:
    """What the engines are busy with, and how many requests per second enter at this region's gateway."""
    shortest = windows[0]
    queued, soon = _queued(shortest, "_count"), _queued(shortest, f'_bucket{{le="{_SOON}"}}')
    entered = (
        f"sum by (envoy_cluster_name)(rate(envoy_cluster_upstream_rq_total{{{_USERS}}}[{shortest}ms]))"
        f" - sum by (envoy_cluster_name)(rate(envoy_cluster_upstream_rq_retry{{{_USERS}}}[{shortest}ms]))"
    )
    return _union(
        {
            "age": _age("vllm:num_requests_running", _ENGINE_KEY),
            "running": f"sum by ({_ENGINE_KEY})(vllm:num_requests_running)",
            "waiting": f"sum by ({_ENGINE_KEY})(vllm:num_requests_waiting)",
            "rate": f"sum by ({_ENGINE_KEY})(rate(http_requests_total{{{_API}}}[{shortest}ms]))",
            "kv": f"100*max by ({_ENGINE_KEY})(vllm:kv_cache_usage_perc)",
            "late": f"100-100*{soon}/({queued}>0)",
            "entered": entered,
        }
    )

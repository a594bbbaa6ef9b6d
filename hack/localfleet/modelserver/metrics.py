"""vLLM's metrics page: exact names, labels, types and buckets of vLLM 0.32, one registry a pod.

The real server's blind spots are copied, because a failover that only works without them works nowhere:
- a client that goes away (also a stream cut by a fault or by the network) is counted in the first-token
  histogram, but neither in the end-to-end histogram nor in `request_success_total`, where `abort` stays 0;
- the same request is a `2xx` in `http_requests_total`: its headers were sent;
- answers of 400 and 404 are in `http_requests_total` alone;
- the page of a crashed pod is gone, and counters start at 0 when it is back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

ENGINE_LABELS = ("model_name", "engine")
TTFT_BUCKETS = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0,
    80.0, 160.0, 640.0, 2560.0,
)  # fmt: skip
ITL_BUCKETS = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
REQUEST_BUCKETS = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0,
    960.0, 1920.0, 7680.0,
)  # fmt: skip
FINISHED_REASONS = ("stop", "length", "abort", "error", "repetition")
REJECTION_REASONS = ("max_num_queued_reqs", "max_num_queued_tokens")
BLOCK_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Gauges:
    """Read at scrape time, so that the engine pays nothing for them."""

    running: Callable[[], float]
    waiting: Callable[[], float]
    kv_usage: Callable[[], float]


@dataclass(frozen=True, slots=True)
class FinishedTimes:
    """One finished request; all in seconds."""

    queue: float
    prefill: float
    decode: float


class EngineMetrics:
    """Everything one pod exposes at /metrics."""

    def __init__(self, model: str, gauges: Gauges, kv_cache_tokens: int, max_num_seqs: int) -> None:
        self.registry = CollectorRegistry()
        self._labels = {"model_name": model, "engine": "0"}
        self._add_gauges(gauges)
        self._add_counters(model)
        self._add_histograms()
        self._add_cache_config(kv_cache_tokens, max_num_seqs)
        self._http = Counter(
            "http_requests",
            "Total number of requests by method, status and handler.",
            ("handler", "method", "status"),
            registry=self.registry,
        )

    def page(self) -> bytes:
        """The metrics page in Prometheus' text format."""
        return generate_latest(self.registry)

    def answered(self, handler: str, method: str, status: int) -> None:
        """One HTTP answer, by class of status as vLLM's instrumentator groups it."""
        self._http.labels(handler, method, f"{status // 100}xx").inc()

    def rejected(self) -> None:
        self._rejections.inc()

    def first_token(self, ttft_seconds: float, prompt_tokens: int) -> None:
        self._ttft.observe(ttft_seconds)
        self._prompt_tokens.inc(prompt_tokens)
        self._generation_tokens.inc()

    def tokens(self, count: int, itl_seconds: float) -> None:
        """`count` more tokens, each `itl_seconds` after the one before."""
        self._generation_tokens.inc(count)
        for _ in range(count):
            self._itl.observe(itl_seconds)

    def finished(self, reason: str, times: FinishedTimes) -> None:
        """A request that ran to its end; aborted ones never come here."""
        self._success[reason].inc()
        self._queue.observe(times.queue)
        self._prefill.observe(times.prefill)
        self._decode.observe(times.decode)
        self._inference.observe(times.prefill + times.decode)
        self._e2e.observe(times.queue + times.prefill + times.decode)

    def _add_gauges(self, gauges: Gauges) -> None:
        for name, text, read in (
            ("num_requests_running", "Number of requests in model execution batches.", gauges.running),
            ("num_requests_waiting", "Number of requests waiting to be processed.", gauges.waiting),
            ("kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.", gauges.kv_usage),
        ):
            gauge = Gauge(f"vllm:{name}", text, ENGINE_LABELS, registry=self.registry)
            gauge.labels(**self._labels).set_function(read)

    def _add_counters(self, model: str) -> None:
        self._counter("num_preemptions", "Cumulative number of preemption from the engine.")
        self._prompt_tokens = self._counter("prompt_tokens", "Number of prefill tokens processed.")
        self._generation_tokens = self._counter("generation_tokens", "Number of generation tokens processed.")
        success = Counter(
            "vllm:request_success",
            "Count of successfully processed requests.",
            (*ENGINE_LABELS, "finished_reason"),
            registry=self.registry,
        )
        self._success = {reason: success.labels(finished_reason=reason, **self._labels) for reason in FINISHED_REASONS}
        rejections = Counter(
            "vllm:admission_rejections",
            "Number of admission attempts rejected by a queue limit, by reason.",
            ("model_name", "reason"),
            registry=self.registry,
        )
        self._rejections, _ = (rejections.labels(model, reason) for reason in REJECTION_REASONS)

    def _add_histograms(self) -> None:
        histogram = self._histogram
        self._ttft = histogram(
            "time_to_first_token_seconds", "Histogram of time to first token in seconds.", TTFT_BUCKETS
        )
        self._itl = histogram(
            "inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", ITL_BUCKETS
        )
        self._e2e = histogram(
            "e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", REQUEST_BUCKETS
        )
        self._queue, self._inference, self._prefill, self._decode = (
            histogram(
                f"request_{phase}_time_seconds",
                f"Histogram of time spent in {state} phase for request.",
                REQUEST_BUCKETS,
            )
            for phase, state in (
                ("queue", "WAITING"),
                ("inference", "RUNNING"),
                ("prefill", "PREFILL"),
                ("decode", "DECODE"),
            )
        )

    def _add_cache_config(self, kv_cache_tokens: int, max_num_seqs: int) -> None:
        config = {
            "block_size": str(BLOCK_TOKENS),
            "cache_dtype": "auto",
            "enable_prefix_caching": "False",
            "engine": "0",
            "gpu_memory_utilization": "0.92",
            "kv_cache_max_concurrency": str(float(max_num_seqs)),
            "kv_cache_size_tokens": str(kv_cache_tokens),
            "num_gpu_blocks": str(kv_cache_tokens // BLOCK_TOKENS),
        }
        Gauge(
            "vllm:cache_config_info",
            "Information of the LLMEngine CacheConfig",
            tuple(config),
            registry=self.registry,
        ).labels(**config).set(1)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"vllm:{name}", text, ENGINE_LABELS, registry=self.registry).labels(**self._labels)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"vllm:{name}", text, ENGINE_LABELS, buckets=buckets, registry=self.registry).labels(
            **self._labels
        )

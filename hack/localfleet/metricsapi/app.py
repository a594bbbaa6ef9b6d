"""The API itself: discovery, and one metric of the pods that a selector chooses."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp import web

GROUP, VERSION = "custom.metrics.k8s.io", "v1beta2"
ROOT = f"/apis/{GROUP}/{VERSION}"
OFFERED = ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc")
"""Told in discovery; any other gauge that Prometheus has of pods is served as well."""

_LABELS = {"leeward.dev/model": "llm_model", "app.kubernetes.io/component": "job"}
_VALUES = {("app.kubernetes.io/component", "model-server"): "models"}
_PROMETHEUS = web.AppKey("prometheus", str)
_SESSION = web.AppKey("session", aiohttp.ClientSession)


def query(metric: str, namespace: str, pod: str, selector: str) -> str:
    """PromQL for one value a pod. Raises ValueError, saying what is not understood."""
    if not re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", metric):
        raise ValueError(f"{metric!r} is no name of a metric")
    chosen = {"namespace": namespace} | ({} if pod == "*" else {"pod": pod})
    for part in filter(None, selector.split(",")):
        label, equals, value = part.partition("=")
        if not equals or label not in _LABELS:
            raise ValueError(f"the selector {part!r} is not understood: only equality of {', '.join(_LABELS)} is")
        chosen[_LABELS[label]] = _VALUES.get((label, value), value)
    matchers = ",".join(f"{name}={json.dumps(value)}" for name, value in chosen.items())
    return f"sum by (pod) ({metric}{{{matchers}}})"


def value_list(metric: str, namespace: str, rows: list[Any]) -> dict[str, Any]:
    """The answer for rows of an instant vector."""
    items = [
        {
            "describedObject": {
                "kind": "Pod",
                "namespace": namespace,
                "name": row["metric"]["pod"],
                "apiVersion": "/v1",
            },
            "metric": {"name": metric, "selector": None},
            "timestamp": datetime.fromtimestamp(row["value"][0], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "value": f"{round(float(row['value'][1]) * 1000)}m",
        }
        for row in rows
    ]
    return {"kind": "MetricValueList", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {}, "items": items}


def refusal(status: int, message: str) -> web.Response:
    """A Status, as API servers answer."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": status}
    return web.json_response(body, status=status)


async def _discovery(_: web.Request) -> web.Response:
    offered = [
        {"name": f"pods/{name}", "singularName": "", "namespaced": True, "kind": "MetricValueList", "verbs": ["get"]}
        for name in OFFERED
    ]
    body = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/{VERSION}", "resources": offered}
    return web.json_response(body)


async def _pods(request: web.Request) -> web.Response:
    metric, namespace = request.match_info["metric"], request.match_info["namespace"]
    try:
        asked = query(metric, namespace, request.match_info["pod"], request.query.get("labelSelector", ""))
    except ValueError as error:
        return refusal(400, str(error))
    url = f"{request.app[_PROMETHEUS]}/api/v1/query"
    try:
        async with request.app[_SESSION].get(url, params={"query": asked}) as answer:
            found = await answer.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return refusal(503, f"Prometheus does not answer: {error}")
    if found.get("status") != "success":
        return refusal(503, f"Prometheus refuses {asked}: {found.get('error')}")
    return web.json_response(value_list(metric, namespace, found["data"]["result"]))


async def _connected(app: web.Application) -> Any:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
        app[_SESSION] = session
        yield


def metrics_app(prometheus: str) -> web.Application:
    """The API in front of the Prometheus at this URL."""
    app = web.Application()
    app[_PROMETHEUS] = prometheus
    app.cleanup_ctx.append(_connected)
    app.router.add_get(ROOT, _discovery)
    app.router.add_get(f"{ROOT}/namespaces/{{namespace}}/pods/{{pod}}/{{metric}}", _pods)
    return app

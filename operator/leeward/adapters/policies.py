"""Traffic policies (Envoy Gateway's BackendTrafficPolicy) of the three routes; routes.py says why they are as they are.

The users route retries on `reset`, too: a region that is cut off or killed resets what was sent to it and not answered,
and with `reset-before-request` alone 22 of 690 requests begun after a cut failed where none does now (measured on the
local fleet). Pings every second tell a dead connection from a slow answer.
"""

from leeward.adapters.objects import ROUTE
from leeward.api.modeldeployment import ModelDeployment
from leeward.ports import KubeObject

RETRY_AFTER_SECONDS = 2
_PLENTY = 100_000


def health_path(model: ModelDeployment) -> str:
    """Path that a pod answers with 200 when it can serve."""
    return model.spec.server.health_path if model.spec.server else "/health"


def _target(route: str) -> list[KubeObject]:
    return [{"group": "gateway.networking.k8s.io", "kind": ROUTE.kind, "name": route}]


def users_policy(model: ModelDeployment, route: str) -> KubeObject:
    """What an entry does when a region does not answer: tries another, ejects, checks.

    It is merged into what people have set for the Gateway or its listener, such as rate limits, which it would
    otherwise put out of force for its route; where both say something, this one counts.
    """
    hostnames = model.spec.traffic.hostnames
    codes = [503, 429] if model.spec.traffic.retry_full else [503]
    checked: KubeObject = {"path": health_path(model), "method": "GET", "expectedStatuses": [200, 429]}
    checked |= {"hostname": hostnames[0]} if hostnames else {}
    return {
        "targetRefs": _target(route),
        "mergeType": "StrategicMerge",
        "timeout": {"tcp": {"connectTimeout": "1s"}},
        "retry": {
            "numRetries": 2,
            "numAttemptsPerPriority": 1,
            "retryOn": {
                "triggers": ["connect-failure", "refused-stream", "reset", "retriable-status-codes"],
                "httpStatusCodes": codes,
            },
        },
        "healthCheck": {
            "panicThreshold": 0,
            "active": {
                "type": "HTTP",
                "interval": "1s",
                "timeout": "1s",
                "unhealthyThreshold": 2,
                "healthyThreshold": 2,
                "http": checked,
            },
            "passive": {
                "interval": "1s",
                "baseEjectionTime": "5s",
                "maxEjectionPercent": 100,
                "splitExternalLocalOriginErrors": True,
                "consecutiveLocalOriginFailures": 3,
                "consecutive5XxErrors": 0,
                "consecutiveGatewayErrors": 0,
            },
        },
        "circuitBreaker": {
            "maxConnections": _PLENTY,
            "maxPendingRequests": _PLENTY,
            "maxParallelRequests": _PLENTY,
            "retryBudget": {"percent": {"numerator": 50}, "minRetryConcurrency": 20},
        },
        "http2": {"connectionKeepalive": {"interval": "1s", "timeout": "500ms"}},
    }


def probe_policy(route: str) -> KubeObject:
    """A probe asks one region and no other, once."""
    return {
        "targetRefs": _target(route),
        "timeout": {"tcp": {"connectTimeout": "1s"}},
        "retry": {"numRetries": 0},
        "healthCheck": {"panicThreshold": 0},
        "http2": {"connectionKeepalive": {"interval": "1s", "timeout": "500ms"}},
    }


def serve_policy(model: ModelDeployment, route: str, ready_replicas: int) -> KubeObject:
    """What a region takes: its ready replicas times their concurrency; beyond that it says 429."""
    parallel = max(1, ready_replicas) * model.spec.capacity.concurrency_per_replica
    full = {
        "match": {
            "statusCodes": [{"type": "Value", "value": 503}],
            "responseHeaders": [{"name": "x-envoy-overloaded", "value": {"type": "Exact", "value": "true"}}],
        },
        "response": {
            "statusCode": 429,
            "contentType": "application/json",
            "header": {"set": [{"name": "retry-after", "value": str(RETRY_AFTER_SECONDS)}]},
            "body": {
                "type": "Inline",
                "inline": '{"error":{"message":"this region is full, try again","type":"overloaded"}}',
            },
        },
    }
    return {
        "targetRefs": _target(route),
        "timeout": {"tcp": {"connectTimeout": "1s"}},
        "loadBalancer": {"type": "LeastRequest"},
        "retry": {
            "numRetries": 1,
            "retryOn": {"triggers": ["connect-failure", "refused-stream", "reset-before-request"]},
        },
        "healthCheck": {"panicThreshold": 0},
        "circuitBreaker": {"maxConnections": _PLENTY, "maxPendingRequests": 1024, "maxParallelRequests": parallel},
        "responseOverride": [full],
    }

"""The fleet's custom metrics API: what it asks Prometheus, and what it answers to an autoscaler."""

import pytest

from localfleet.metricsapi.app import query, value_list

RUNNING = "vllm:num_requests_running"


def test_a_selector_of_leewards_pods_becomes_matchers() -> None:
    selector = "app.kubernetes.io/component=model-server,leeward.dev/model=llama-70b"
    assert query(RUNNING, "models", "*", selector) == (
        'sum by (pod) (vllm:num_requests_running{namespace="models",job="models",llm_model="llama-70b"})'
    )


def test_one_pod_may_be_asked_for() -> None:
    assert query("up", "models", "a-1", "") == 'sum by (pod) (up{namespace="models",pod="a-1"})'


@pytest.mark.parametrize(
    ("metric", "selector", "said"),
    [
        ("rate(x[1m])", "", "is no name of a metric"),
        (RUNNING, "app=x", "the selector 'app=x' is not understood"),
        (RUNNING, "leeward.dev/model in (a)", "only equality of leeward.dev/model"),
    ],
)
def test_what_is_not_understood_is_refused(metric: str, selector: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"no name|not understood") as refusal:
        query(metric, "models", "*", selector)
    assert said in str(refusal.value)


def test_values_are_told_by_pod_in_thousandths() -> None:
    rows = [{"metric": {"pod": "a-1"}, "value": [1764100000.5, "2.5"]}]
    (item,) = value_list(RUNNING, "models", rows)["items"]
    assert item["describedObject"] == {"kind": "Pod", "namespace": "models", "name": "a-1", "apiVersion": "/v1"}
    assert (item["value"], item["timestamp"]) == ("2500m", "2025-11-25T19:46:40Z")

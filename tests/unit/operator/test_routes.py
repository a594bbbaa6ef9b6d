"""Routes as rendered, and read back."""

from pathlib import Path

import pytest
import yaml

from leeward.adapters import routes
from leeward.adapters.objects import differs
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
MODEL = ModelDeployment.read(yaml.safe_load((EXAMPLES / "modeldeployment.yaml").read_text()))
REGIONS = [Region.read(body) for body in yaml.safe_load_all((EXAMPLES / "regions.yaml").read_text())]
NAMES = tuple(region.metadata.name for region in REGIONS)


def row(*percents: int) -> tuple[tuple[str, int], ...]:
    return tuple(zip(NAMES, percents, strict=True))


def backends(route: dict) -> dict[str, int]:
    return {backend["name"]: backend["weight"] for backend in route["spec"]["rules"][0]["backendRefs"]}


def test_weights_are_written_and_read_back() -> None:
    route = routes.users_route(MODEL, REGIONS[0], row(50, 30, 20), frozenset())
    assert routes.read_row(route, MODEL.metadata.name, NAMES) == row(50, 30, 20)


def test_a_region_that_is_well_and_has_no_weight_is_a_spare() -> None:
    route = routes.users_route(MODEL, REGIONS[0], row(100, 0, 0), frozenset())
    assert backends(route) == {"llama-70b-us-east1": 100, "llama-70b-eu-west4-spare": 1, "llama-70b-ap-south1-spare": 1}
    assert routes.read_row(route, MODEL.metadata.name, NAMES) == row(100, 0, 0)


def test_a_region_that_is_out_is_listed_nowhere() -> None:
    route = routes.users_route(MODEL, REGIONS[0], row(60, 0, 40), frozenset({"eu-west4"}))
    assert backends(route) == {"llama-70b-us-east1": 60, "llama-70b-ap-south1": 40}


@pytest.mark.parametrize(
    ("hostnames", "covered"),
    [(MODEL.spec.traffic.hostnames, True), ([], False), ([*MODEL.spec.traffic.hostnames, "other.example.com"], False)],
)
def test_a_route_is_covered_that_has_no_host_names_of_its_own(hostnames: list[str], covered: bool) -> None:
    assert MODEL.spec.traffic.hostnames
    assert routes.covers(MODEL, {"spec": {"hostnames": list(hostnames)}}) is covered


def secured(region: Region, authority: str) -> Region:
    body = region.model_dump(by_alias=True)
    where = {"name": "leeward-serve", "namespace": "leeward-system"}
    body["spec"]["gateway"]["tls"] = {"caCertificates": authority, "clientSecretRef": where}
    return Region.read(body)


def test_entries_hold_a_region_with_tls_to_its_own_name() -> None:
    region = secured(REGIONS[1], "an authority")
    for backend in routes.backends(MODEL, region):
        assert backend["spec"]["tls"] == {
            "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "leeward-authorities"}],
            "sni": "eu-west4.region",
        }
    assert all("tls" not in backend["spec"] for backend in routes.backends(MODEL, REGIONS[1]))


def test_every_authority_is_told_once_and_in_the_same_order() -> None:
    one, two, three = secured(REGIONS[0], "b\n"), secured(REGIONS[1], "a"), secured(REGIONS[2], "b")
    (told,) = routes.authorities(MODEL, [one, two, three])
    assert told["data"] == {"ca.crt": "a\nb\n"}
    assert [told] == routes.authorities(MODEL, [three, two, one])
    assert told["metadata"]["namespace"] == MODEL.metadata.namespace
    assert routes.authorities(MODEL, REGIONS) == []


@pytest.mark.parametrize("rules", [[], [{"backendRefs": [{"name": "llama-70b-us-east1", "weight": 7}]}]])
def test_what_does_not_sum_to_100_is_not_read(rules: list) -> None:
    assert routes.read_row({"spec": {"rules": rules}}, MODEL.metadata.name, NAMES) is None


def test_no_backend_carries_a_filter_since_that_would_split_the_cluster() -> None:
    route = routes.users_route(MODEL, REGIONS[0], row(50, 30, 20), frozenset())
    assert all("filters" not in backend for backend in route["spec"]["rules"][0]["backendRefs"])


def test_the_serve_listener_admits_ready_replicas_times_concurrency() -> None:
    policy = routes.serve_objects(MODEL, REGIONS[0], 3)[1]
    assert policy["spec"]["circuitBreaker"]["maxParallelRequests"] == 3 * 64


def test_a_policy_without_ready_replicas_still_admits_one_replica() -> None:
    policy = routes.serve_objects(MODEL, REGIONS[0], 0)[1]
    assert policy["spec"]["circuitBreaker"]["maxParallelRequests"] == 64


def test_only_the_version_that_a_gateway_took_counts_as_accepted() -> None:
    conditions = [{"type": kind, "status": "True", "observedGeneration": 1} for kind in ("Accepted", "ResolvedRefs")]
    route = {"metadata": {"generation": 1}, "status": {"parents": [{"conditions": conditions}]}}
    assert routes.accepted(route)
    assert not routes.accepted({**route, "metadata": {"generation": 2}})
    assert not routes.accepted(None)


@pytest.mark.parametrize(
    ("wanted", "live", "expected"),
    [
        ({"a": 1}, {"a": 1, "added by the server": 2}, False),
        ({"a": 1}, {"a": 2}, True),
        ({"a": []}, {}, False),
        ({"a": {}}, {}, False),
        ({"a": [1, 2]}, {"a": [1]}, True),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, False),
        ({"a": ()}, {"a": [1]}, True),
        ({"requests": {"cpu": 16, "memory": "1024Mi"}}, {"requests": {"cpu": "16", "memory": "1Gi"}}, False),
        ({"limits": {"cpu": "0.5", "x/gpu": "8"}}, {"limits": {"cpu": "500m", "x/gpu": "8"}}, False),
        ({"limits": {"cpu": "0.5"}}, {"limits": {"cpu": "501m"}}, True),
        ({"limits": {"cpu": "1"}}, {"limits": {}}, True),
        ({"limits": {"x": "odd"}}, {"limits": {"x": "even"}}, True),
        ({"sizeLimit": "1e3k"}, {"sizeLimit": "1M"}, False),
        ({"args": ["1"]}, {"args": ["1.0"]}, True),
    ],
)
def test_differs_looks_only_at_what_is_wanted(wanted: dict, live: dict, expected: bool) -> None:
    assert differs(wanted, live) is expected

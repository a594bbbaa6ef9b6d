"""Whatever comes from outside is read, or refused in the words of its port: never another exception, never a hang."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from leeward.adapters import certificates, promql
from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.kubeconfigs import check_kubeconfig, credential_of, from_kubeconfig
from leeward.adapters.probes import HttpProbes
from leeward.adapters.prometheus import PrometheusSource
from leeward.api.common import Resource
from leeward.api.evacuation import Evacuation
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.core.memory import Memory
from leeward.known import recorded
from leeward.ports import BadReference, Kind, MetricsSeen, Outcome, PortError, ProbeTarget, Ref, Unreachable
from leeward.replay.decision import UnreadableError, read

ROOT = Path(__file__).resolve().parents[2]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["NaN", "+Inf", "-1", "1e400", "2026-11-27T00:00:00Z", "\x00", "models", "llama-70b"]),
)
WORDS = (
    "kind metadata spec name namespace users user clusters cluster contexts context exec command token choices message "
    "content model value server"
)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.text(max_size=10), st.sampled_from(WORDS.split())), inner, max_size=5),
    ),
    max_leaves=25,
)
DEEP = "[" * 50_000
bodies = st.one_of(documents.map(json.dumps), st.just("DEEP"), st.binary())


def sent(body: str | bytes) -> bytes:
    """A body as it comes over the wire."""
    text = DEEP if body == "DEEP" else body
    return text.encode() if isinstance(text, str) else text


@pytest.mark.parametrize("kind", [ModelDeployment, Region, Evacuation])
@given(body=documents, part=st.sampled_from(["spec", "metadata", "status", "apiVersion"]))
def test_objects_are_read_or_refused_with_the_field(kind: type[Resource], body: Any, part: str) -> None:
    whole = {"apiVersion": "leeward.dev/v1alpha1", "kind": kind.KIND, "metadata": {"name": "a"}, "spec": {}, part: body}
    for document in (body, whole):
        with suppress(ValidationError):
            kind.read(document)


@given(text=st.one_of(st.text(), documents.map(yaml.safe_dump), st.just(DEEP[:2000])))
def test_kubeconfigs_are_usable_or_refused(text: str) -> None:
    async def use() -> None:
        cluster = await from_kubeconfig("far", text, files=False)
        await cluster.close()

    for attempt in (lambda: check_kubeconfig(text), lambda: credential_of(text), lambda: asyncio.run(use())):
        with suppress(BadReference):
            attempt()


@given(text=st.one_of(st.text(), st.text().map("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----".format)))
def test_certificates_are_read_or_none(text: str) -> None:
    certificates.life(text)
    certificates.life(text.encode())
    certificates.dns_name(text)
    with suppress(BadReference):
        certificates.client_context(text, certificates.Pair(text, text))


SIGNALS = ("entry", "engine", "latency", "load", "other")
KPIS = ("total_30000", "bad_30000", "within_30000", "age", "running", "waiting", "rate", "kv", "late", "entered", "x")
labels = st.fixed_dictionaries(
    {},
    optional={
        "signal": st.sampled_from(SIGNALS),
        "kpi": st.sampled_from(KPIS),
        "namespace": st.sampled_from(["models", ""]),
        "llm_model": st.sampled_from(["llama-70b", ""]),
        "le": st.sampled_from(["1", "NaN", "x"]),
        "envoy_cluster_name": st.sampled_from(["httproute/models/llama-70b-users/rule/0", "a/b", ""]),
        "envoy_endpoint_hostname": st.sampled_from(["eu-west4.leeward", "eu-west4", ""]),
    },
)
values = st.one_of(
    st.tuples(st.integers(), st.sampled_from(["1", "-5", "NaN", "+Inf", "1e308", "1e-320", "x", ""])).map(list),
    documents,
)
sane_rows = st.lists(st.fixed_dictionaries({"metric": labels, "value": values}), max_size=12)
rows = st.one_of(sane_rows, documents)


class Answers(PrometheusSource):
    """A source whose query gives what it is told."""

    answer: Any

    async def _query(self, query: str) -> Any:
        assert query
        return self.answer


@given(answer=rows)
def test_answers_of_prometheus_are_read_or_refused(answer: Any) -> None:
    async def ask() -> MetricsSeen | None:
        source = Answers("far", "http://127.0.0.1:1")
        source.answer = answer
        try:
            return await source.see({("models", "llama-70b"): Fraction(1)})
        except Unreachable:
            return None
        finally:
            await source.close()

    seen = asyncio.run(ask())
    for counts in seen.engines.values() if seen else ():
        for tally in counts.tallies if counts else ():
            assert tally.window_ms in promql.windows_ms(5_000)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    created = asyncio.new_event_loop()
    yield created
    created.close()


@dataclass
class Says:
    """A server that answers everything with the same."""

    url: str = ""
    status: int = 200
    body: bytes = b""

    async def answer(self, _: web.Request) -> web.Response:
        return web.Response(status=self.status, body=self.body, content_type="application/json")


@pytest.fixture(scope="module")
def says(loop: asyncio.AbstractEventLoop) -> Iterator[Says]:
    told = Says()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", told.answer)
    server = TestServer(application)
    loop.run_until_complete(server.start_server(loop=loop))
    told.url = f"http://127.0.0.1:{server.port}"
    yield told
    loop.run_until_complete(server.close())


@pytest.fixture(scope="module")
def probes(loop: asyncio.AbstractEventLoop) -> Iterator[HttpProbes]:
    async def make() -> HttpProbes:
        return HttpProbes()

    made = loop.run_until_complete(make())
    yield made
    loop.run_until_complete(made.close())


@given(status=st.sampled_from([200, 204, 302, 404, 429, 503]), body=bodies)
def test_any_answer_to_a_probe_is_judged(
    loop: asyncio.AbstractEventLoop, says: Says, probes: HttpProbes, status: int, body: str | bytes
) -> None:
    says.status, says.body = status, sent(body)
    target = ProbeTarget(("models", "llama-70b"), "llama-70b", "", "far", says.url)
    outcome, why = loop.run_until_complete(probes.complete(target))
    assert outcome is not Outcome.GOOD and why, "nobody knew the word"
    loop.run_until_complete(probes.reach(target))


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: far
clusters: [{name: far, cluster: {server: "%s"}}]
users: [{name: far, user: {token: a-token}}]
contexts: [{name: far, context: {cluster: far, user: far}}]
"""


@pytest.fixture(scope="module")
def cluster(loop: asyncio.AbstractEventLoop, says: Says) -> Iterator[KubernetesCluster]:
    made = loop.run_until_complete(from_kubeconfig("far", KUBECONFIG % says.url))
    yield made
    loop.run_until_complete(made.close())


@given(status=st.sampled_from([200, 201, 400, 403, 404, 409, 422, 429, 500, 503]), body=bodies)
def test_any_answer_of_an_api_server_is_an_object_or_an_error(
    loop: asyncio.AbstractEventLoop, says: Says, cluster: KubernetesCluster, status: int, body: str | bytes
) -> None:
    says.status, says.body = status, sent(body)
    with suppress(PortError):
        assert isinstance(loop.run_until_complete(cluster.get("/version")), dict)
    with suppress(PortError):
        assert isinstance(loop.run_until_complete(cluster.post("/api/v1/x", {})), dict)


@given(items=documents)
def test_a_list_holds_objects(
    loop: asyncio.AbstractEventLoop, says: Says, cluster: KubernetesCluster, items: Any
) -> None:
    kind = Kind("v1", "ConfigMap")
    says.status, says.body = 200, b'{"resources": [{"kind": "ConfigMap", "name": "configmaps"}]}'
    loop.run_until_complete(cluster.read(Ref(kind, "a", "b")))
    says.body = json.dumps({"items": items}).encode()
    with suppress(PortError):
        for each in loop.run_until_complete(cluster.find(kind)):
            assert "name" in each["metadata"]


@given(body=bodies)
def test_a_record_is_read_or_refused(body: str | bytes) -> None:
    with suppress(UnreadableError):
        read(sent(body))


@given(text=st.one_of(st.text(), documents.map(json.dumps), st.just("DEEP")))
def test_a_memory_that_cannot_be_read_counts_as_none(text: str) -> None:
    text = DEEP if text == "DEEP" else text
    body = yaml.safe_load((ROOT / "examples" / "modeldeployment.yaml").read_text())
    model = ModelDeployment.read(body)
    kept = model.model_copy(update={"status": model.status.model_copy(update={"memory": text})})
    assert recorded(kept) == Memory()

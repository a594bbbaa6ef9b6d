"""Where connections may lead that a Region names, and how much an answer may bring, against servers on loopback."""

import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from leeward.adapters import outgoing
from leeward.adapters.kubeconfigs import from_kubeconfig
from leeward.adapters.probes import HttpProbes
from leeward.adapters.prometheus import PrometheusSource
from leeward.ports import BadReference, Kind, Outcome, ProbeTarget, Unreachable

METADATA = "169.254.169.254"


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        (METADATA, True),
        ("::ffff:169.254.169.254", True),
        ("fe80::1%eth0", True),
        ("fd00:ec2::254", True),
        ("100.100.100.200", True),
        ("168.63.129.16", True),
        ("10.0.0.1", False),
        ("127.0.0.1", False),
        ("fd00::1", False),
        ("100.100.100.201", False),
        ("models.example.com", False),
    ],
)
def test_metadata_addresses(address: str, is_one: bool) -> None:
    assert outgoing.is_metadata(address) is is_one


@pytest.fixture
def leads_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback counts as a metadata address, so that what is refused is a server that does answer."""
    monkeypatch.setattr(outgoing, "is_metadata", lambda address: address.startswith(("127.", "::1")))


class Hostile:
    """An HTTP server that says what `answer` is; it counts who asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.body = b"{}"
        self.endless = False
        self.to: str | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.to:
            return web.Response(status=302, headers={"Location": self.to})
        if not self.endless:
            return web.Response(body=self.body, content_type="application/json")
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        while True:
            await answer.write(b" " * 65_536)


@pytest.fixture
async def hostile() -> AsyncIterator[tuple[Hostile, str]]:
    told = Hostile()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", told.handle)
    server = TestServer(application)
    await server.start_server()
    yield told, f"http://127.0.0.1:{server.port}"
    await server.close()


def target(url: str) -> ProbeTarget:
    return ProbeTarget(("models", "llama"), "llama", "", "far", url, limit_seconds=5.0)


@pytest.fixture
async def probes() -> AsyncIterator[HttpProbes]:
    made = HttpProbes(deadline_seconds=5.0, reach_seconds=2.0)
    yield made
    await made.close()


async def test_a_probe_never_reaches_a_metadata_address(
    hostile: tuple[Hostile, str], probes: HttpProbes, leads_there: None
) -> None:
    told, url = hostile
    outcome, why = await probes.complete(target(url))
    assert (outcome, told.asked) == (Outcome.BAD, 0)
    assert "metadata address" in why
    assert await probes.reach(target(url)) == (False, None)


async def test_a_probe_follows_no_redirect_and_reads_no_endless_answer(
    hostile: tuple[Hostile, str], probes: HttpProbes
) -> None:
    told, url = hostile
    told.to = f"{url}/elsewhere"
    assert await probes.complete(target(url)) == (Outcome.BAD, "status 302")
    assert told.asked == 1
    told.to, told.endless = None, True
    outcome, why = await probes.complete(target(url))
    assert (outcome, why) == (Outcome.BAD, "the answer has more than 262144 bytes")


async def see(url: str, **options: Any) -> None:
    source = PrometheusSource("far", url, **options)
    try:
        await source.see({})
    finally:
        await source.close()


async def test_prometheus_is_not_asked_at_a_metadata_address(hostile: tuple[Hostile, str], leads_there: None) -> None:
    told, url = hostile
    with pytest.raises(Unreachable, match="metadata address"):
        await see(url)
    assert told.asked == 0


async def test_prometheus_may_not_send_its_token_on(hostile: tuple[Hostile, str]) -> None:
    told, url = hostile
    told.to = f"{url}/elsewhere"
    with pytest.raises(Unreachable, match="redirects"):
        await see(url, token="planted")
    assert told.asked == 1


async def test_an_endless_answer_of_prometheus_is_cut(
    hostile: tuple[Hostile, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told, url = hostile
    told.endless = True
    monkeypatch.setattr(outgoing.bounded, "__defaults__", (10**6,))
    with pytest.raises(Unreachable, match="more than 1000000 bytes"):
        await see(url, deadline_seconds=5.0)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of prometheus.internal that is its own authority, and its key."""
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    wanted = ("-subj", "/CN=far", "-addext", "subjectAltName=DNS:prometheus.internal")
    made = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1")
    subprocess.run([*made, *wanted, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    return certificate, key


@pytest.fixture
async def secure(pair: tuple[Path, Path]) -> AsyncIterator[tuple[str, str]]:
    """A Prometheus that answers over TLS, and the authority to trust for it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*pair)
    told = Hostile()
    told.body = b'{"status": "success", "data": {"resultType": "vector", "result": []}}'
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", told.handle)
    server = TestServer(application, scheme="https")
    await server.start_server(ssl=context)
    yield f"https://127.0.0.1:{server.port}", str(pair[0])
    await server.close()


async def test_a_certificate_is_checked_for_the_name_that_is_given(secure: tuple[str, str]) -> None:
    url, authority = secure
    await see(url, ca_file=authority, server_name="prometheus.internal")
    for wrong in ({"ca_file": authority}, {"ca_file": authority, "server_name": "other"}, {}):
        with pytest.raises(Unreachable, match=r"(?i)certificate"):
            await see(url, **wrong)


KUBECONFIG: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "far",
    "users": [{"name": "far", "user": {"token": "a-token"}}],
    "contexts": [{"name": "far", "context": {"cluster": "far", "user": "far"}}],
}


def kubeconfig(url: str) -> str:
    return yaml.safe_dump(KUBECONFIG | {"clusters": [{"name": "far", "cluster": {"server": url}}]})


async def test_an_api_server_is_not_asked_at_a_metadata_address(
    hostile: tuple[Hostile, str], leads_there: None
) -> None:
    told, url = hostile
    cluster = await from_kubeconfig("far", kubeconfig(url))
    try:
        with pytest.raises(Unreachable, match="metadata address"):
            await cluster.find(Kind("v1", "ConfigMap"))
    finally:
        await cluster.close()
    assert told.asked == 0


async def test_an_endless_answer_of_an_api_server_is_cut(
    hostile: tuple[Hostile, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told, url = hostile
    told.endless = True
    monkeypatch.setattr(outgoing.body, "__defaults__", (10**6,))
    cluster = await from_kubeconfig("far", kubeconfig(url), deadline_seconds=5.0)
    try:
        with pytest.raises(Unreachable, match="more than 1000000 bytes"):
            await cluster.get("/version")
    finally:
        await cluster.close()


@pytest.mark.parametrize(
    ("part", "inside", "key"),
    [
        ("users", "user", "tokenFile"),
        ("users", "user", "client-key"),
        ("users", "user", "client-certificate"),
        ("clusters", "cluster", "certificate-authority"),
    ],
)
async def test_a_secret_names_no_files_of_our_pod(part: str, inside: str, key: str) -> None:
    parsed = yaml.safe_load(kubeconfig("https://127.0.0.1:1"))
    parsed[part][0][inside][key] = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    with pytest.raises(BadReference, match=rf"names a file \({key}\)"):
        await from_kubeconfig("far", yaml.safe_dump(parsed), files=False)

"""Certificates between gateways, against a listener on loopback that asks for them."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from leeward.adapters.certificates import Life, Pair, client_context, dns_name, issue, life, make_authority
from leeward.adapters.handshake import CertificateRefused, admits_anybody, certificate_life
from leeward.adapters.objects import SERVED_HEADER
from leeward.adapters.probes import HttpProbes
from leeward.ports import BadReference, Outcome, ProbeTarget, Unreachable

HOUR = 3600
NAME = "far.region"
FLEET, OTHERS = make_authority("the fleet", HOUR), make_authority("somebody else", HOUR)


def test_a_certificate_is_for_one_name_and_as_long_as_was_asked() -> None:
    made = issue(FLEET, NAME, HOUR)
    assert dns_name(made.certificate) == NAME
    found = life(made.certificate)
    assert found is not None and found.until_ms - found.since_ms == (HOUR + 300) * 1000, "five minutes for slow clocks"
    assert life(ssl.PEM_cert_to_DER_cert(made.certificate)) == found
    assert made.key not in repr(made)


@pytest.mark.parametrize("text", ["", "x", FLEET.key, FLEET.certificate[:200]])
def test_what_is_no_certificate_has_no_end_and_no_name(text: str) -> None:
    assert life(text) is None
    assert life(text.encode()) is None
    assert dns_name(text) == ""


def test_an_authority_is_for_nobody() -> None:
    assert dns_name(FLEET.certificate) == ""


@pytest.mark.parametrize("authority", [Pair("x", FLEET.key), Pair(FLEET.certificate, "x")])
def test_an_authority_that_cannot_be_read_signs_nothing(authority: Pair) -> None:
    with pytest.raises(BadReference, match="cannot be read"):
        issue(authority, NAME, HOUR)


@pytest.mark.parametrize(
    ("authorities", "pair"),
    [
        ("", issue(FLEET, NAME, HOUR)),
        ("x", issue(FLEET, NAME, HOUR)),
        (FLEET.certificate, Pair("", "")),
        (FLEET.certificate, Pair(issue(FLEET, NAME, HOUR).certificate, FLEET.key)),
    ],
    ids=["no authority", "no certificate of one", "nothing of ours", "a key of another"],
)
def test_what_cannot_be_used_is_refused_with_the_field(authorities: str, pair: Pair) -> None:
    with pytest.raises(BadReference, match=r"spec\.gateway\.tls"):
        client_context(authorities, pair)


async def listening(shown: Pair, folder: Path, *, closed: bool) -> TestServer:
    """A serve listener that shows a certificate, and asks for one of the fleet's if it is `closed`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=FLEET.certificate)
    context.verify_mode = ssl.CERT_REQUIRED if closed else ssl.CERT_NONE
    path = folder / "pair.pem"
    path.write_text(shown.certificate + shown.key)
    context.load_cert_chain(path)

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({}, headers={SERVED_HEADER: "far"})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    server = TestServer(application, scheme="https")
    await server.start_server(ssl=context)
    return server


@pytest.fixture
async def listener(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, int]]:
    shown, closed = getattr(request, "param", (issue(FLEET, NAME, HOUR), True))
    server = await listening(shown, tmp_path, closed=closed)
    yield "127.0.0.1", server.port or 0
    await server.close()


def ours(by: Pair = FLEET) -> ssl.SSLContext:
    return client_context(FLEET.certificate, issue(by, "us.region", HOUR))


async def test_a_listener_says_until_when_it_is_good(listener: tuple[str, int]) -> None:
    found = await certificate_life(*listener, NAME, ours())
    assert isinstance(found, Life) and not found.ends_soon(found.since_ms)


BAD = {
    "another name": issue(FLEET, "near.region", HOUR),
    "over": issue(FLEET, NAME, -60),
    "another authority's": issue(OTHERS, NAME, HOUR),
}


@pytest.mark.parametrize("listener", [(pair, True) for pair in BAD.values()], ids=BAD, indirect=True)
async def test_a_certificate_that_does_not_hold_is_refused(listener: tuple[str, int]) -> None:
    with pytest.raises(CertificateRefused, match="does not hold"):
        await certificate_life(*listener, NAME, ours())


async def test_nobody_there_is_no_bad_certificate() -> None:
    with pytest.raises(Unreachable):
        await certificate_life("127.0.0.1", 1, NAME, ours())
    with pytest.raises(Unreachable, match="metadata address"):
        await certificate_life("169.254.169.254", 443, NAME, ours())


@pytest.mark.parametrize(
    ("listener", "anybody"),
    [((issue(FLEET, NAME, HOUR), closed), not closed) for closed in (True, False)],
    ids=["closed", "open"],
    indirect=["listener"],
)
async def test_whether_anybody_is_let_in(listener: tuple[str, int], anybody: bool) -> None:
    assert await admits_anybody(*listener, NAME, FLEET.certificate) is anybody


async def asked(listener: tuple[str, int], context: ssl.SSLContext) -> tuple[object, Outcome]:
    host, port = listener
    url = f"https://{host}:{port}"
    target = ProbeTarget(("models", "m"), "m", "m.example.com", "far", url, tls=context, server_name=NAME)
    probes = HttpProbes(deadline_seconds=3.0)
    try:
        return await probes.reach(target), (await probes.complete(target))[0]
    finally:
        await probes.close()


async def test_a_probe_is_let_in_by_its_certificate(listener: tuple[str, int]) -> None:
    assert await asked(listener, ours()) == ((True, True), Outcome.BAD), "it answers, though with no completion"


@pytest.mark.parametrize("listener", [(pair, True) for pair in BAD.values()], ids=BAD, indirect=True)
async def test_a_probe_that_finds_a_bad_certificate_says_nothing(listener: tuple[str, int]) -> None:
    assert await asked(listener, ours()) == ((None, None), Outcome.NO_PATH)


async def test_a_probe_that_is_refused_for_its_own_certificate_says_nothing(listener: tuple[str, int]) -> None:
    assert await asked(listener, ours(OTHERS)) == ((None, None), Outcome.NO_PATH)

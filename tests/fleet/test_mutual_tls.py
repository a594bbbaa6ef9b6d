"""Between regions: who is let in by a serve listener, and how certificates and authorities are changed under load."""

import asyncio
import base64
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import aiohttp
import pytest
from seen import KEY, SPEC, Run

from leeward.adapters.certificates import Life, Pair, client_context, issue, make_authority
from leeward.adapters.handshake import admits_anybody, certificate_life
from leeward.adapters.members import SECRET
from leeward.adapters.objects import AUTHORITIES, BACKEND, CONFIG_MAP, REGIONS, SERVED_HEADER, host_name
from leeward.adapters.routes import Names
from leeward.api.common import condition_of
from leeward.api.region import Region
from leeward.ports import Ref
from localfleet import certificates
from localfleet.bootstrap import wait_for
from localfleet.demo.stage import Stage
from localfleet.demo.users import users_load
from localfleet.layout import GATEWAY_NAMESPACE, SERVE_PORT
from localfleet.load.records import Record

pytestmark = pytest.mark.usefixtures("served")

NAME = "eu-west4"
HOST = SPEC["traffic"]["hostnames"][0]
WHERE = Ref(SECRET, GATEWAY_NAMESPACE, certificates.SECRET_NAME)
HOUR = 3600


@dataclass(frozen=True)
class Listener:
    """A region's serve listener as a client sees it that trusts the fleet's authority."""

    stage: Stage
    region: str = NAME

    @property
    def place(self) -> tuple[str, int, str]:
        return self.stage.fleet.region(self.region).address, SERVE_PORT, host_name(self.region)

    @property
    def authority(self) -> Pair:
        return certificates.authority(self.stage.fleet)

    def context(self, by: Pair | None = None) -> ssl.SSLContext:
        return certificates.client(self.stage.fleet, by)

    async def status(self, context: ssl.SSLContext | None, scheme: str = "https") -> tuple[int, str | None]:
        """The answer to the question whether pods can serve, and by which region; raises what TLS raises."""
        address, port, name = self.place
        options = {"ssl": context, "server_hostname": name} if scheme == "https" else {}
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
            session.get(f"{scheme}://{address}:{port}/v1/models", headers={"Host": HOST}, **options) as answer,
        ):
            return answer.status, answer.headers.get(SERVED_HEADER)

    async def life(self) -> Life:
        return await certificate_life(*self.place, self.context())


@pytest.fixture
def listener(stage: Stage) -> Listener:
    return Listener(stage)


def test_who_has_a_certificate_of_the_fleet_is_let_in(listener: Listener, run: Run) -> None:
    assert run(listener.status(listener.context())) == (200, NAME)


def test_who_has_none_is_not(listener: Listener, run: Run) -> None:
    assert not run(admits_anybody(*listener.place, listener.authority.certificate))
    with pytest.raises(aiohttp.ClientError):
        run(listener.status(ssl.create_default_context(cadata=listener.authority.certificate)))


def test_who_has_one_of_another_authority_is_not(listener: Listener, run: Run) -> None:
    with pytest.raises(aiohttp.ClientError):
        run(listener.status(listener.context(make_authority("somebody else", HOUR))))


def test_nothing_is_answered_without_tls(listener: Listener, run: Run) -> None:
    with pytest.raises(aiohttp.ClientError):
        run(listener.status(None, "http"))


async def trusts(stage: Stage, entry: str, authorities: str) -> bool | None:
    """Does an entry believe these authorities, and no others?"""
    found = await stage.clusters[entry].read(Ref(CONFIG_MAP, KEY[0], AUTHORITIES))
    return True if found and found["data"]["ca.crt"].strip() == authorities.strip() else None


def test_an_entry_holds_each_region_to_its_own_name(stage: Stage, run: Run, listener: Listener) -> None:
    for entry, cluster in stage.clusters.items():
        for region in stage.clusters:
            backend = run(cluster.read(Ref(BACKEND, KEY[0], Names(KEY[1]).backend(region))))
            assert backend["spec"]["tls"]["sni"] == host_name(region)
        run(wait_for(f"{entry} to trust it", partial(trusts, stage, entry, listener.authority.certificate), 60))


@pytest.fixture
def sound(stage: Stage, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Certificates and Regions as they were, afterwards."""
    run = loop.run_until_complete
    yield
    for name, cluster in stage.clusters.items():
        run(trust(stage, name, certificates.authority(stage.fleet).certificate))
        run(cluster.apply(certificates.secret(stage.fleet, name)))
    run(stage.settled())


async def trust(stage: Stage, region: str, authorities: str) -> None:
    """Whom entries believe when they talk to a region."""
    await stage.home.patch(Ref(REGIONS, "", region), {"spec": {"gateway": {"tls": {"caCertificates": authorities}}}})


async def valid(stage: Stage, region: str = NAME) -> tuple[str, str]:
    found = Region.read(await stage.home.read(Ref(REGIONS, "", region)))
    row = condition_of(found.status.conditions, "CredentialsValid")
    assert row is not None
    return row.status, row.reason


@pytest.mark.usefixtures("sound")
def test_a_certificate_that_does_not_hold_is_told_while_traffic_goes_on(stage: Stage, run: Run) -> None:
    """Connections that stand go on with it, so there is time to act."""

    async def told(wanted: tuple[str, str]) -> bool | None:
        return True if await valid(stage) == wanted else None

    async def good() -> list[Record]:
        load, stop = users_load(stage.fleet, 4.0, seed=3), asyncio.Event()
        sending = asyncio.create_task(load.run(stop))
        wrong = certificates.secret(stage.fleet, "us-east1")
        await stage.clusters[NAME].apply(wrong)
        await wait_for("the wrong name to be told", lambda: told(("False", "CertificateRefused")), 90)
        stop.set()
        await asyncio.gather(sending, return_exceptions=True)
        return load.records

    records = run(good())
    assert records and [record for record in records if not record.good] == []
    run(stage.clusters[NAME].apply(certificates.secret(stage.fleet, NAME)))
    run(wait_for("the right one to be told", lambda: told(("True", "Valid")), 90))


@pytest.mark.usefixtures("sound")
def test_certificates_and_the_authority_change_under_load(stage: Stage, run: Run, listener: Listener) -> None:
    """As docs/install.md says: both are trusted, then the new one signs, then the old one is trusted no more."""
    old, new = certificates.authority(stage.fleet), make_authority("the next", HOUR)
    both = f"{old.certificate}\n{new.certificate}"

    async def everywhere(trusted: str, by: Pair) -> None:
        for name, cluster in stage.clusters.items():
            body = certificates.secret(stage.fleet, name, by=by)
            body["data"]["ca.crt"] = base64.b64encode(trusted.encode()).decode()
            await cluster.apply(body)
            await trust(stage, name, trusted)
        for name in stage.clusters:
            await wait_for(f"{name} to trust it", partial(trusts, stage, name, trusted), 60)
        await asyncio.sleep(5)

    async def change() -> list[Record]:
        load, stop = users_load(stage.fleet, 8.0, seed=4), asyncio.Event()
        sending = asyncio.create_task(load.run(stop))
        await asyncio.sleep(5)
        await everywhere(both, old)
        await everywhere(both, new)
        await everywhere(new.certificate, new)
        seen = await listener.status(client_context(new.certificate, issue(new, "somebody.region", HOUR)))
        with pytest.raises(aiohttp.ClientError):
            await listener.status(listener.context())
        for trusted, by in ((both, new), (both, old), (old.certificate, old)):  # and back, since others go on with it
            await everywhere(trusted, by)
        assert seen == (200, NAME)
        stop.set()
        await asyncio.gather(sending, return_exceptions=True)
        return load.records

    records = run(change())
    assert records and [record for record in records if not record.good] == []

"""`leeward join` against real API servers: access is made, renewed and ended, with the least rights."""

import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from seen import KEY

from leeward.adapters import certificates
from leeward.adapters.kubeconfigs import from_kubeconfig
from leeward.adapters.members import SECRET
from leeward.adapters.objects import DEPLOYMENT, REGIONS
from leeward.api.common import condition_of
from leeward.api.region import Region
from leeward.cli import certifying
from leeward.ports import Denied, Kind, Ref
from localfleet import members
from localfleet.bootstrap import wait_for
from localfleet.demo.stage import Stage
from localfleet.layout import GATEWAY_NAMESPACE, REPOSITORY, RegionHost

pytestmark = [pytest.mark.fleet, pytest.mark.usefixtures("served")]

NAME = "eu-west4"
RBAC = "rbac.authorization.k8s.io/v1"
RIGHTS = (
    Ref(Kind("v1", "ServiceAccount"), GATEWAY_NAMESPACE, "leeward"),
    Ref(Kind(RBAC, "ClusterRoleBinding", namespaced=False), "", "leeward-member"),
    Ref(Kind(RBAC, "ClusterRole", namespaced=False), "", "leeward-member"),
)
Run = Callable[[Coroutine[Any, Any, Any]], Any]


def join(stage: Stage, member: RegionHost, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As an administrator of both clusters."""
    home = str(stage.fleet.regions[0].kubeconfig)
    command = [sys.executable, "-m", "leeward", "join", *arguments, "--kubeconfig", home]
    return subprocess.run(
        [*command, "--member-kubeconfig", str(member.kubeconfig)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "operator")},
    )


async def kept(stage: Stage, name: str = NAME) -> str:
    found = await stage.home.read(Ref(SECRET, GATEWAY_NAMESPACE, f"{name}-kubeconfig"))
    assert found is not None
    return base64.b64decode(found["data"]["value"]).decode()


async def asks(kubeconfig: str, kind: Kind) -> None:
    """Lists objects as the holder of a kubeconfig."""
    cluster = await from_kubeconfig("member", kubeconfig)
    try:
        await cluster.find(kind)
    finally:
        await cluster.close()


async def condition(stage: Stage, kind: str) -> tuple[str, str] | None:
    found = await stage.home.read(Ref(REGIONS, "", NAME))
    row = condition_of(Region.read(found).status.conditions, kind) if found else None
    return (row.status, row.reason) if row else None


def becomes(stage: Stage, run: Run, kind: str, status: str, reason: str) -> None:
    async def there() -> bool | None:
        return True if await condition(stage, kind) == (status, reason) else None

    run(wait_for(f"{kind} is {status}, {reason}", there, seconds=30))


@pytest.fixture(scope="module")
def joined(stage: Stage, served: object, loop: asyncio.AbstractEventLoop) -> Iterator[str]:
    """The region's account and rights are gone, and made anew; what was said."""
    run = loop.run_until_complete
    for ref in RIGHTS:
        run(stage.clusters[NAME].delete(ref))
    becomes(stage, run, "Reachable", "False", "Denied")
    result = join(stage, stage.fleet.region(NAME), NAME, "--token-for", "2h")
    assert result.returncode == 0, result.stderr
    yield result.stdout
    run(members.join(stage.fleet))  # other tests use the fleet's own tokens, which ended with the account


def test_a_region_without_access_gets_it_back(stage: Stage, run: Run, joined: str) -> None:
    becomes(stage, run, "Reachable", "True", "Answers")
    becomes(stage, run, "CredentialsValid", "True", "Valid")
    assert f"{NAME}: applied ClusterRole leeward-member" in joined
    assert f"home: wrote the kubeconfig into Secret {GATEWAY_NAMESPACE}/{NAME}-kubeconfig, key value" in joined


def test_the_token_has_the_least_rights_and_is_not_printed(stage: Stage, run: Run, joined: str) -> None:
    made = run(kept(stage))
    token = made.split("token: ")[1].split()[0]
    assert token not in joined and token.split(".")[1] not in joined
    run(asks(made, DEPLOYMENT))
    with pytest.raises(Denied):
        run(asks(made, SECRET))


def test_joining_again_ends_the_token_of_before(stage: Stage, run: Run, joined: str) -> None:
    before = run(kept(stage))
    result = join(stage, stage.fleet.region(NAME), NAME, "--overlap", "8")
    assert result.returncode == 0, result.stderr
    assert "ended the token of Secret" in result.stdout
    run(asks(run(kept(stage)), DEPLOYMENT))

    async def ended() -> bool | None:
        try:
            await asks(before, DEPLOYMENT)
        except Denied:
            return True
        return None

    run(wait_for("the old token is refused", ended, seconds=15))  # API servers remember a good token for ten seconds
    becomes(stage, run, "Reachable", "True", "Answers")


def test_a_witness_is_made_and_rights_of_others_are_left_alone(stage: Stage, run: Run) -> None:
    try:
        result = join(stage, stage.fleet.region("ap-south1"), "tiebreaker", "--witness")
        assert result.returncode == 0, result.stderr
        assert f"tiebreaker: left ServiceAccount {GATEWAY_NAMESPACE}/leeward to those who made it" in result.stdout
        found = run(stage.home.read(Ref(REGIONS, "", "tiebreaker")))
        assert "gateway" not in found["spec"]
        run(asks(run(kept(stage, "tiebreaker")), DEPLOYMENT))
    finally:
        run(stage.home.delete(Ref(REGIONS, "", "tiebreaker")))
        run(stage.home.delete(Ref(SECRET, GATEWAY_NAMESPACE, "tiebreaker-kubeconfig")))


@pytest.fixture
def gateway_elsewhere(stage: Stage, loop: asyncio.AbstractEventLoop) -> Iterator[tuple[str, ...]]:
    """What joins a Region with a Gateway of another namespace, where no other certificate is; all undone afterwards."""
    yield "more", "--gateway", f"{KEY[0]}/inference", "--address", "more.example.com"
    run, far = loop.run_until_complete, stage.clusters["ap-south1"]
    run(stage.home.delete(Ref(REGIONS, "", "more")))
    run(stage.home.delete(Ref(SECRET, GATEWAY_NAMESPACE, "more-kubeconfig")))
    run(stage.home.delete(certifying.AUTHORITY))
    run(far.delete(Ref(SECRET, KEY[0], certifying.SERVE)))


def test_a_certificate_is_issued_and_renewed(stage: Stage, run: Run, gateway_elsewhere: tuple[str, ...]) -> None:
    where, far = Ref(SECRET, KEY[0], certifying.SERVE), stage.fleet.region("ap-south1")

    def issued() -> dict[str, str]:
        secret = run(stage.clusters["ap-south1"].read(where))
        return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}

    result = join(stage, far, *gateway_elsewhere)
    assert result.returncode == 0, result.stderr
    first, said = issued(), result.stdout
    assert "more: wrote a certificate for more.region into Secret models/leeward-serve, good until" in said
    assert f"home: left Secret {GATEWAY_NAMESPACE}/leeward-serve" not in said, "it is another's, and good for probes"
    assert not [line for line in first["tls.key"].splitlines() if "PRIVATE" not in line and line in said]
    assert certificates.dns_name(first["tls.crt"]) == "more.region"
    made = Region.read(run(stage.home.read(Ref(REGIONS, "", "more"))))
    assert made.spec.gateway and made.spec.gateway.tls
    assert made.spec.gateway.tls.ca_certificates == first["ca.crt"]
    assert made.spec.gateway.tls.client_secret_ref.name == certifying.SERVE
    certificates.client_context(first["ca.crt"], certificates.Pair(first["tls.crt"], first["tls.key"]))

    again = join(stage, far, "more", "--keep-old", "--certificate-for", "1h")
    assert again.returncode == 0, again.stderr
    second = issued()
    assert second["ca.crt"] == first["ca.crt"] and second["tls.key"] != first["tls.key"]
    life = certificates.life(second["tls.crt"])
    assert life and 3_600_000 <= life.until_ms - life.since_ms < 4_000_000


def test_the_certificates_of_another_authority_are_left_alone(stage: Stage, run: Run) -> None:
    before = run(stage.clusters[NAME].read(Ref(SECRET, GATEWAY_NAMESPACE, certifying.SERVE)))
    result = join(stage, stage.fleet.region(NAME), NAME, "--keep-old")
    assert result.returncode == 0 and "certificate" not in result.stdout, result.stdout + result.stderr
    assert run(stage.home.read(certifying.AUTHORITY)) is None
    assert run(stage.clusters[NAME].read(Ref(SECRET, GATEWAY_NAMESPACE, certifying.SERVE))) == before


def test_what_cannot_be_joined_is_refused_with_the_fix(stage: Stage) -> None:
    home, member = stage.fleet.regions[0], stage.fleet.region("ap-south1")
    for host, arguments, code, sentence in (
        (home, ["us-east1"], 1, "us-east1 is the home cluster's own: --serve-tls issues"),
        (member, ["us-east1"], 1, "reached without a Secret"),
        (home, ["more", "--witness"], 1, "this is the home cluster itself"),
        (member, ["more"], 2, "there is no Region more yet: say --gateway and --address, or --witness"),
        (member, [NAME, "--server", "http://10.0.0.1"], 1, "http://10.0.0.1 is not https"),
        (member, ["more", "--gateway", "a/b", "--address", "http://x"], 1, "address must be a host name"),
        (member, ["more", "--gateway", "models"], 2, "give --gateway and --address together"),
    ):
        result = join(stage, host, *arguments)
        assert (result.returncode, sentence in result.stderr) == (code, True), result.stderr

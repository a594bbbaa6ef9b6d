"""`leeward join` against real API servers: access is made, renewed and ended, with the least rights."""

import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from leeward.adapters.kubeconfigs import from_kubeconfig
from leeward.adapters.members import SECRET
from leeward.adapters.objects import DEPLOYMENT, REGIONS
from leeward.api.common import condition_of
from leeward.api.region import Region
from leeward.ports import Denied, Kind, Ref
from localfleet import members
from localfleet.bootstrap import REPOSITORY, wait_for
from localfleet.demo.stage import Stage
from localfleet.layout import GATEWAY_NAMESPACE, RegionHost

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


def test_what_cannot_be_joined_is_refused_with_the_fix(stage: Stage) -> None:
    home, member = stage.fleet.regions[0], stage.fleet.region("ap-south1")
    for host, arguments, code, sentence in (
        (home, ["us-east1"], 1, "reached without a Secret"),
        (home, ["more", "--witness"], 1, "this is the home cluster itself"),
        (member, ["more"], 2, "there is no Region more yet: say --gateway and --address, or --witness"),
        (member, [NAME, "--server", "http://10.0.0.1"], 1, "http://10.0.0.1 is not https"),
        (member, ["more", "--gateway", "a/b", "--address", "http://x"], 1, "address must be a host name"),
        (member, ["more", "--gateway", "models"], 2, "give --gateway and --address together"),
    ):
        result = join(stage, host, *arguments)
        assert (result.returncode, sentence in result.stderr) == (code, True), result.stderr

"""Connections to regions while the cluster that has their Secrets answers, does not, and answers again."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from leeward import sweep
from leeward.adapters import pools
from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.members import SECRET, Members, unusable
from leeward.api.region import Region
from leeward.cleanup import Debts
from leeward.observe import Observer
from leeward.ports import BadReference, KubeObject, PortError, Ref, Unreachable
from leeward.settings import Settings
from leeward.sightings import ProbeBook, ReachBook
from leeward.store import Store

KUBECONFIG = yaml.safe_dump(
    {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "far",
        "clusters": [{"name": "far", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "far", "user": {"token": "a-token"}}],
        "contexts": [{"name": "far", "context": {"cluster": "far", "user": "far"}}],
    }
)


class Home:
    """Holds every Secret, or none, or raises."""

    def __init__(self) -> None:
        self.error: PortError | None = None
        values = {"value": KUBECONFIG, "token": "another-token", "ca.crt": ""}
        data = {key: base64.b64encode(text.encode()).decode() for key, text in values.items()}
        self.secret: KubeObject | None = {"data": data}

    def on_write(self, *_: str) -> None: ...

    async def read(self, _: Ref) -> KubeObject | None:
        if self.error is not None:
            raise self.error
        return self.secret


@pytest.fixture
def home() -> Home:
    return Home()


@pytest.fixture
async def members(home: Home) -> AsyncIterator[Members]:
    made = Members(cast("KubernetesCluster", home), Settings())
    yield made
    await made.close()


@pytest.fixture(scope="module")
def regions() -> dict[str, Region]:
    path = Path(__file__).resolve().parents[3] / "examples" / "regions.yaml"
    bodies: list[dict[str, Any]] = list(yaml.safe_load_all(path.read_text()))
    body = next(each for each in bodies if "kubeconfigSecretRef" in each["spec"]["cluster"])
    return {body["metadata"]["name"]: Region.read(body)}


async def test_a_home_cluster_that_does_not_answer_breaks_no_connection(
    members: Members, home: Home, regions: dict[str, Region]
) -> None:
    await members.refresh(regions)
    before = {name: member.cluster for name, member in members.found.items()}
    assert unusable(regions, members.found) == {}
    home.error = Unreachable("too many requests")
    await members.refresh(regions)
    assert unusable(regions, members.found) == {}
    home.error = None
    await members.refresh(regions)
    assert {name: member.cluster for name, member in members.found.items()} == before


async def test_a_region_that_could_not_be_reached_at_first_is_connected_later(
    members: Members, home: Home, regions: dict[str, Region]
) -> None:
    home.error = Unreachable("too many requests")
    await members.refresh(regions)
    assert [type(each) for each in unusable(regions, members.found).values()] == [Unreachable]
    home.error = None
    await members.refresh(regions)
    assert unusable(regions, members.found) == {}


async def test_a_secret_that_is_gone_ends_the_connection_until_it_is_back(
    members: Members, home: Home, regions: dict[str, Region]
) -> None:
    await members.refresh(regions)
    secret, home.secret = home.secret, None
    await members.refresh(regions)
    assert [each.reason for each in unusable(regions, members.found).values()] == ["BadReference"]
    assert [member.cluster for member in members.found.values()] == [None]
    home.secret = secret
    await members.refresh(regions)
    assert unusable(regions, members.found) == {}


async def test_a_secret_that_is_mended_is_used_within_seconds(
    members: Members, home: Home, regions: dict[str, Region], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever mends a Secret watches; a sweep comes once a minute."""
    store = Store()
    store.regions.update(regions)
    settings = members.settings
    debts = Debts(members.home, settings.namespace, loaded=True)
    observer = Observer(settings, members.home, ReachBook(), ProbeBook((30_000,)))
    made = sweep.Sweep(settings, store, members, observer, pools.load(), debts)
    secret, home.secret = home.secret, None
    assert await made.when_due()
    assert [type(member.problem) for member in members.found.values()] == [BadReference]
    home.secret = secret
    assert not await made.when_due(), "not at once: it asks every five seconds"
    monkeypatch.setattr(sweep, "MEND_SECONDS", -1.0)
    assert await made.when_due()
    assert unusable(regions, members.found) == {}
    assert not await made.when_due(), "nothing to mend is left"


async def test_a_connection_that_was_renewed_meanwhile_does_not_answer(
    home: Home, members: Members, regions: dict[str, Region]
) -> None:
    """What runs beside the loop may still hold the one of before."""
    await members.refresh(regions)
    (member,) = members.found.values()
    held = member.cluster
    home.secret = {"data": {**home.secret["data"], "value": renewed()}}  # type: ignore[index]
    await members.refresh(regions)
    assert held is not None and member is not next(iter(members.found.values()))
    with pytest.raises(Unreachable, match="was renewed meanwhile"):
        await held.read(Ref(SECRET, "a", "b"))


def renewed() -> str:
    return base64.b64encode(KUBECONFIG.replace("a-token", "the-next-token").encode()).decode()

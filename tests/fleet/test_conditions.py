"""What only the operator can see becomes a condition with its reason and its remedy, and everything else goes on."""

import base64
import copy
from collections.abc import Awaitable, Callable, Iterator

import pytest
import yaml
from seen import KEY, Run

from leeward.ports import Kind, KindMissing, KubeObject, Ref
from localfleet.bootstrap import CRD, SECRET, wait_for
from localfleet.demo.stage import MODELS, Stage

pytestmark = pytest.mark.usefixtures("served")

REGION = Kind("leeward.dev/v1alpha1", "Region", namespaced=False)
BROKEN = Ref(REGION, "", "broken")
REFERENCE = {"name": "broken-kubeconfig", "namespace": "leeward-system"}


def _exec(user: dict, _: dict) -> None:
    user.clear()
    user["exec"] = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sh", "interactiveMode": "Never"}


def _token(user: dict, _: dict) -> None:
    user["token"] = "nobody-knows-this-one"


def _address(_: dict, cluster: dict) -> None:
    cluster["server"] = "https://10.77.250.1:6443"


BREAK: dict[str, tuple[Callable[[dict, dict], None], str, str]] = {
    "a command in the kubeconfig": (_exec, "BadReference", "allow"),
    "a wrong token": (_token, "Denied", ""),
    "an address without a server": (_address, "Unreachable", ""),
}


@pytest.fixture
def region(stage: Stage, run: Run) -> Iterator[KubeObject]:
    """A Region like eu-west4, to be broken; gone afterwards."""
    template = run(stage.home.read(Ref(REGION, "", "eu-west4")))
    spec = copy.deepcopy(template["spec"])
    spec["cluster"] = {"kubeconfigSecretRef": REFERENCE}
    del spec["gateway"]["tls"]  # its listener has a certificate for eu-west4 alone
    yield {"apiVersion": template["apiVersion"], "kind": "Region", "metadata": {"name": "broken"}, "spec": spec}
    run(stage.home.delete(BROKEN))
    run(stage.home.delete(Ref(SECRET, REFERENCE["namespace"], REFERENCE["name"])))
    assert run(stage.model())["status"]["health"] == "healthy"


def unready(read: Callable[[], Awaitable[KubeObject | None]], reason: str) -> Callable[[], Awaitable[str | None]]:
    async def look() -> str | None:
        rows = ((await read()) or {}).get("status", {}).get("conditions") or ()
        ready = next((row for row in rows if row["type"] == "Ready"), {"status": "", "reason": ""})
        return str(ready["message"]) if (ready["status"], ready["reason"]) == ("False", reason) else None

    return look


def test_a_secret_that_does_not_exist(stage: Stage, run: Run, region: KubeObject) -> None:
    run(stage.home.apply(region))
    message = run(wait_for("its condition", unready(lambda: stage.home.read(BROKEN), "BadReference"), 30))
    assert "Secret leeward-system/broken-kubeconfig does not exist" in message


@pytest.mark.parametrize("what", BREAK)
def test_a_kubeconfig_that_does_not_work(stage: Stage, run: Run, region: KubeObject, what: str) -> None:
    act, reason, remedy = BREAK[what]
    working = run(stage.home.read(Ref(SECRET, "leeward-system", "eu-west4-kubeconfig")))
    config = yaml.safe_load(base64.b64decode(working["data"]["value"]))
    act(config["users"][0]["user"], config["clusters"][0]["cluster"])
    run(
        stage.home.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": REFERENCE,
                "stringData": {"value": yaml.safe_dump(config)},
            }
        )
    )
    run(stage.home.apply(region))
    message = run(wait_for("its condition", unready(lambda: stage.home.read(BROKEN), reason), 45))
    assert remedy in message
    assert "nobody-knows-this-one" not in message


def test_a_gateway_that_does_not_exist(stage: Stage, run: Run, region: KubeObject) -> None:
    region["spec"]["cluster"] = {"kubeconfigSecretRef": {"name": "eu-west4-kubeconfig", "namespace": "leeward-system"}}
    region["spec"]["gateway"]["name"] = "elsewhere"
    run(stage.home.apply(region))
    message = run(wait_for("its condition", unready(lambda: stage.home.read(BROKEN), "GatewayMissing"), 45))
    assert "elsewhere" in message


def test_a_kind_that_is_not_installed(stage: Stage, run: Run) -> None:
    with pytest.raises(KindMissing, match="install its CRD") as missing:
        run(stage.clusters["eu-west4"].find(Kind("nothing.example.com/v1", "Nothing")))
    assert missing.value.reason == "KindMissing"


@pytest.fixture
def other(stage: Stage, run: Run) -> Iterator[tuple[KubeObject, Ref]]:
    """A second ModelDeployment, to be spoilt; gone afterwards."""
    found = run(stage.home.read(Ref(MODELS, *KEY)))
    spec = copy.deepcopy(found["spec"])
    spec["traffic"]["hostnames"] = ["other.example.com"]
    reference = Ref(MODELS, KEY[0], "other")
    yield (
        {
            "apiVersion": found["apiVersion"],
            "kind": "ModelDeployment",
            "metadata": {"name": "other", "namespace": KEY[0]},
            "spec": spec,
        },
        reference,
    )
    run(stage.home.delete(reference))


def test_a_model_none_of_whose_regions_exists(stage: Stage, run: Run, other: tuple[KubeObject, Ref]) -> None:
    body, reference = other
    body["spec"]["regions"] = [{**body["spec"]["regions"][0], "name": "nowhere"}]
    run(stage.home.apply(body))
    message = run(wait_for("its condition", unready(lambda: stage.home.read(reference), "RegionMissing"), 30))
    assert "nowhere" in message
    assert "make the Region" in message


def test_an_object_that_this_version_cannot_read(stage: Stage, run: Run, other: tuple[KubeObject, Ref]) -> None:
    """As after a downgrade: the stored CRD allows what this version does not know."""
    body, reference = other
    name = Ref(CRD, "", "modeldeployments.leeward.dev")
    installed = run(stage.home.read(name))
    kept = {"apiVersion": CRD.api_version, "kind": CRD.kind, "metadata": {"name": name.name}, "spec": installed["spec"]}
    wider = copy.deepcopy(kept)
    schema = wider["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    schema["spec"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    body["spec"]["traffic"]["policy"] = "Sideways"
    run(stage.home.apply(wider))

    async def taken() -> bool:
        await stage.home.apply(body)
        return True

    try:
        run(wait_for("the wider CRD", taken, 20))
        message = run(wait_for("its condition", unready(lambda: stage.home.read(reference), "Unreadable"), 30))
        assert "policy" in message
    finally:
        run(stage.home.delete(reference))
        run(stage.home.apply(kept))

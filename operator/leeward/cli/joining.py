"""What joins a region to the fleet: rights and a token in its cluster, a Secret and a Region at home.

Each step can be done again. A token is bound to a Secret of its own in the member, empty and only there to be deleted:
with it the token ends at once (Kubernetes, "bound service account tokens").
"""

import asyncio
import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.kubeconfigs import check_kubeconfig, from_kubeconfig
from leeward.adapters.members import SECRET
from leeward.adapters.objects import DEPLOYMENT, MANAGED_BY, REGIONS, ref_of
from leeward.api.common import SecretKeyRef
from leeward.api.region import Region
from leeward.ports import BadReference, Denied, Kind, KubeObject, Ref

JOINED = "leeward-join"
NAMESPACE = Kind("v1", "Namespace", namespaced=False)
ACCOUNT = "leeward"
KEY = "value"
_LOOPBACK = ("localhost", "127.", "[::1]", "::1")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Way:
    """How a cluster is reached, as a kubeconfig's cluster entry: server, and what it is trusted by."""

    entry: KubeObject

    @property
    def server(self) -> str:
        return str(self.entry["server"])


def way_of(text: str, folder: Path, context: str | None, server: str | None) -> Way:
    """The way that a kubeconfig names, with its authority's certificate in it.

    Raises:
        BadReference: there is no such context, its TLS is not verified, or only this machine reaches it.
    """
    parsed = check_kubeconfig(text, None)
    name = context or parsed.get("current-context")
    row = next((each["context"] for each in parsed.get("contexts") or () if each.get("name") == name), None)
    there = (each["cluster"] for each in parsed["clusters"] if row and each.get("name") == row.get("cluster"))
    found = next(there, None)
    if found is None:
        raise BadReference(f"the member's kubeconfig has no context {name!r} with a cluster: name one of its contexts")
    if found.get("insecure-skip-tls-verify"):
        raise BadReference("the member's kubeconfig does not verify TLS: give it the cluster's certificate-authority")
    address = server or str(found["server"])
    if urlsplit(address).scheme != "https":
        raise BadReference(f"{address} is not https: name the API server's address with --server")
    host = urlsplit(address).hostname or ""
    if server is None and host.startswith(_LOOPBACK):
        raise BadReference(f"only this machine reaches {address}: name an address for the operator with --server")
    entry = {key: found[key] for key in ("certificate-authority-data", "tls-server-name", "proxy-url") if key in found}
    if path := found.get("certificate-authority"):
        entry["certificate-authority-data"] = base64.b64encode((folder / path).read_bytes()).decode()
    return Way({"server": address, **entry})


def kubeconfig(region: str, way: Way, token: str) -> str:
    """A kubeconfig for the operator."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": region,
            "clusters": [{"name": region, "cluster": way.entry}],
            "users": [{"name": ACCOUNT, "user": {"token": token}}],
            "contexts": [{"name": region, "context": {"cluster": region, "user": ACCOUNT}}],
        }
    )


def rights(namespace: str) -> list[KubeObject]:
    """What config/member.yaml grants, for an operator's namespace."""
    text = files("leeward").joinpath("cli/rights/member.yaml").read_text("utf-8")
    documents = list(yaml.safe_load_all(text.replace("namespace: leeward-system", f"namespace: {namespace}")))
    for each in documents:
        each["metadata"]["labels"] = {MANAGED_BY: JOINED}
    return documents


async def differ(home: KubernetesCluster, member: KubernetesCluster) -> bool:
    """Are they two clusters? Told by the namespace kube-system, whose uid is the cluster's identity."""
    ref = Ref(NAMESPACE, "", "kube-system")
    one, other = await asyncio.gather(home.read(ref), member.read(ref))
    return one is None or other is None or one["metadata"]["uid"] != other["metadata"]["uid"]


async def grant(member: KubernetesCluster, namespace: str, say: Say) -> None:
    """The ServiceAccount and its rights; those that a chart or Git manages are left as they are."""
    if await member.read(Ref(NAMESPACE, "", namespace)) is None:
        await member.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        say(f"made the Namespace {namespace}")
    for body in rights(namespace):
        ref = ref_of(body)
        there = await member.read(ref)
        if there is not None and (there["metadata"].get("labels") or {}).get(MANAGED_BY) != JOINED:
            say(f"left {ref} to those who made it")
            continue
        await member.apply(body, writer=JOINED)
        say(f"applied {ref}")


async def make_token(member: KubernetesCluster, namespace: str, seconds: int, say: Say) -> tuple[str, str]:
    """A token of the ServiceAccount, and the name of the Secret that it ends with."""
    name = f"{ACCOUNT}-token-{datetime.now(UTC):%Y%m%d%H%M%S%f}"
    labels = {MANAGED_BY: JOINED}
    bound = await member.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace, "labels": labels}}
    )
    reference = {"apiVersion": "v1", "kind": "Secret", "name": name, "uid": bound["metadata"]["uid"]}
    made = await member.post(
        f"/api/v1/namespaces/{namespace}/serviceaccounts/{ACCOUNT}/token",
        {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds, "boundObjectRef": reference},
        },
    )
    say(f"made a token that ends at {made['status']['expirationTimestamp']}, or when Secret {namespace}/{name} goes")
    return str(made["status"]["token"]), name


async def check(region: str, text: str, seconds: float) -> None:
    """Does the cluster answer to the new kubeconfig, and grant what is needed?

    Raises:
        PortError: it does not.
    """
    found = await from_kubeconfig(region, text, deadline_seconds=seconds)
    try:
        for last in (False, False, False, True):
            try:
                await found.find(DEPLOYMENT)
                return
            except Denied:
                if last:
                    raise
                await asyncio.sleep(1)  # an API server takes note of new rights within moments
    finally:
        await found.close()


async def keep(home: KubernetesCluster, where: SecretKeyRef, text: str, say: Say) -> None:
    """Put the kubeconfig into its Secret; other keys of it stay."""
    ref = Ref(SECRET, where.namespace, where.name)
    data = {where.key: base64.b64encode(text.encode()).decode()}
    if await home.patch(ref, {"data": data}) is None:
        metadata = {"name": where.name, "namespace": where.namespace, "labels": {MANAGED_BY: JOINED}}
        await home.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
    say(f"wrote the kubeconfig into {ref}, key {where.key}")


async def make_region(home: KubernetesCluster, region: Region, say: Say, *, dry_run: bool = False) -> None:
    """The Region object; `dry_run`: only ask whether the API server would take it."""
    body = {
        "apiVersion": REGIONS.api_version,
        "kind": REGIONS.kind,
        "metadata": {"name": region.metadata.name},
        "spec": region.spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True),
    }
    await home.apply(body, dry_run=dry_run, writer=JOINED)
    if not dry_run:
        say(f"made the Region {region.metadata.name}")


async def others(member: KubernetesCluster, namespace: str, kept: str) -> list[str]:
    """The Secrets of tokens that were made here before."""
    found = await member.find(SECRET, namespace, {MANAGED_BY: JOINED})
    names = [str(each["metadata"]["name"]) for each in found]
    return [name for name in names if name != kept and name.startswith(f"{ACCOUNT}-token-")]


async def revoke(member: KubernetesCluster, namespace: str, names: Sequence[str], say: Say) -> None:
    """End tokens."""
    for name in names:
        await member.delete(Ref(SECRET, namespace, name))
        say(f"ended the token of Secret {namespace}/{name}")

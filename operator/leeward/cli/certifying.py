"""The certificate of a region's serve listener, where `leeward join` is what issues it.

The fleet's authority is a Secret of the home cluster in a namespace of its own, which the operator may not read. What
it signs lies in the Secret `leeward-serve` beside each region's Gateway; probes show that of their own cluster.
"""

import base64
from datetime import UTC, datetime, timedelta

from leeward.adapters.certificates import Pair, dns_name, issue, make_authority, secret_of
from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.members import SECRET
from leeward.adapters.objects import MANAGED_BY, host_name
from leeward.api.access import ServeTls, TlsSecretRef
from leeward.api.region import Region
from leeward.cli.joining import JOINED, NAMESPACE, Say
from leeward.ports import KubeObject, Ref

AUTHORITY = Ref(SECRET, "leeward-authority", "leeward-authority")
SERVE = "leeward-serve"
_TEN_YEARS = 10 * 365 * 86_400


async def authority(home: KubernetesCluster, say: Say, *, make: bool) -> Pair | None:
    """The fleet's. Where there is none, it is made, or None if it is not to be made."""
    found = await home.read(AUTHORITY)
    if found is not None:
        return Pair(_decoded(found, "tls.crt"), _decoded(found, "tls.key"))
    if not make:
        return None
    if await home.read(Ref(NAMESPACE, "", AUTHORITY.namespace)) is None:
        await home.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": AUTHORITY.namespace}})
    made = make_authority("leeward fleet", _TEN_YEARS)
    await home.create(_secret(AUTHORITY, made, made.certificate))
    say(f"made the fleet's authority, {AUTHORITY}: whoever has its key can pass for any region")
    return made


def trusting(by: Pair, namespace: str) -> ServeTls:
    """What a Region says whose gateway has a certificate of this authority."""
    where = TlsSecretRef(name=SERVE, namespace=namespace)
    return ServeTls(ca_certificates=by.certificate, client_secret_ref=where)


async def certify(member: KubernetesCluster, region: Region, by: Pair, seconds: int, say: Say) -> None:
    """Issue a region's certificate anew, beside its Gateway; those that something else issues are left to it."""
    gateway = region.spec.gateway
    assert gateway is not None, "only a region with a gateway has a listener"
    if gateway.tls is not None and by.certificate.strip() not in gateway.tls.ca_certificates:
        say("left the serve listener's certificate to those who issue it: the Region names another authority")
        return
    await _issue(member, Ref(SECRET, gateway.namespace, SERVE), host_name(region.metadata.name), by, seconds, say)


async def certify_probes(home: KubernetesCluster, namespace: str, by: Pair, seconds: int, say: Say) -> None:
    """Probes show what the gateway of their own cluster shows; where the home cluster has none, one is issued."""
    ref, name = Ref(SECRET, namespace, SERVE), host_name("leeward")
    found = await home.read(ref)
    if found is None or dns_name(_decoded(found, "tls.crt")) == name:
        await _issue(home, ref, name, by, seconds, say)


async def _issue(cluster: KubernetesCluster, ref: Ref, name: str, by: Pair, seconds: int, say: Say) -> None:
    found = await cluster.read(ref)
    if found is not None and (found["metadata"].get("labels") or {}).get(MANAGED_BY) != JOINED:
        say(f"left {ref} to those who made it")
        return
    made = issue(by, name, seconds)
    await cluster.apply(_secret(ref, made, by.certificate), writer=JOINED)
    end = datetime.now(UTC) + timedelta(seconds=seconds)
    say(f"wrote a certificate for {name} into {ref}, good until {end:%Y-%m-%d %H:%M} UTC")


def _decoded(secret: KubeObject, key: str) -> str:
    return base64.b64decode((secret.get("data") or {}).get(key, "")).decode(errors="replace")


def _secret(ref: Ref, pair: Pair, trusted: str) -> KubeObject:
    body = secret_of(ref.namespace, ref.name, pair, trusted)
    return {**body, "metadata": {**body["metadata"], "labels": {MANAGED_BY: JOINED}}}

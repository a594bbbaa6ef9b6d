"""Connections to the regions: made from Region objects and Secrets of the home cluster, and renewed when those change.

Whatever is wrong with one region (a missing Secret, a kubeconfig with a forbidden `exec`, a Gateway that is not there)
becomes that region's problem, with reason and remedy, and everything else goes on.
"""

import base64
import hashlib
import ssl
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from leeward.adapters.certificates import Credential, Pair, client_context, life
from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.handshake import CertificateRefused, certificate_life
from leeward.adapters.kubeconfigs import credential_of, from_kubeconfig
from leeward.adapters.objects import GATEWAY, host_name
from leeward.adapters.prometheus import PrometheusSource
from leeward.api.common import SecretKeyRef
from leeward.api.region import Region
from leeward.ports import BadReference, Cluster, Kind, Metrics, PortError, Ref, RegionMissing, WitnessRegion
from leeward.settings import Settings

SECRET = Kind("v1", "Secret")


@dataclass
class Member:
    """A region and what is connected of it. `problem` says why it is not, or what is wrong with it."""

    region: Region
    cluster: Cluster | None = None
    bare: Cluster | None = None  # the same without a fence: for leases and the fence itself
    metrics: Metrics | None = None
    problem: PortError | None = None
    made_from: str = ""
    serve_tls: ssl.SSLContext | None = None  # who we are towards its serve listener
    credentials: tuple[Credential, ...] = ()  # what it is reached with, where that ends
    listener: Credential | CertificateRefused | None = None  # what its serve listener showed last


@dataclass
class Members:
    """All regions, by name. `fenced` puts a fence around what writes to a region."""

    home: KubernetesCluster
    settings: Settings
    fenced: Callable[[str, Cluster], Cluster] = lambda _, cluster: cluster
    found: dict[str, Member] = field(default_factory=dict)

    async def refresh(self, regions: Mapping[str, Region]) -> None:
        """Follow the Region objects and their Secrets; connections that need no change are kept."""
        for name in set(self.found) - set(regions):
            await self._close(self.found.pop(name))
        for name, region in list(regions.items()):  # they may change while one is waited for
            await self._refresh_one(name, region)

    async def _refresh_one(self, name: str, region: Region) -> None:
        before = self.found.get(name)
        try:
            kubeconfig = await self._kubeconfig(region)
            token, authority = await self._prometheus_secrets(region)
            pair = await self._client_pair(region)
        except PortError as error:
            if before and before.cluster and not isinstance(error, BadReference):
                before.region = region  # a home cluster that does not answer breaks no connection that stands
                return
            if before:
                await self._close(before)
            self.found[name] = Member(region, problem=error)
            return
        mark = _digest(kubeconfig, token, authority, pair.certificate, pair.key, region.spec.model_dump_json())
        if before and before.made_from == mark:
            before.region = region
            return
        if before:
            await self._close(before)
        member = Member(region, made_from=mark)
        await self._connect(member, kubeconfig, pair)
        member.metrics = self._metrics(region, token, authority)
        self.found[name] = member

    async def _connect(self, member: Member, kubeconfig: str, pair: Pair) -> None:
        region = member.region
        name, gateway = region.metadata.name, region.spec.gateway
        try:
            member.bare = (
                self.home
                if self._is_home(region)
                else await from_kubeconfig(
                    name,
                    kubeconfig,
                    allowed_commands=self.settings.allowed_exec,
                    files=False,
                    deadline_seconds=self.settings.cluster_deadline,
                    on_write=self.home.on_write,
                )
            )
            member.cluster = self.fenced(name, member.bare)
            probes = life(pair.certificate)
            held = (
                credential_of(kubeconfig) if kubeconfig else None,
                probes and Credential("probes' certificate", probes),
            )
            member.credentials = tuple(each for each in held if each)
            if gateway is not None and gateway.tls is not None:
                member.serve_tls = client_context(gateway.tls.ca_certificates, pair)
        except PortError as error:
            member.problem = error

    def _metrics(self, region: Region, token: str, authority: str) -> Metrics | None:
        source, name = region.spec.prometheus, region.metadata.name
        if source is None:
            return None
        return PrometheusSource(
            name,
            source.url,
            token=token,
            ca_file=_authority_file(name, authority),
            server_name=source.tls.server_name if source.tls else None,
            deadline_seconds=self.settings.query_deadline,
            scrape_interval_ms=round(self.settings.scrape_interval * 1000),
        )

    async def _close(self, member: Member) -> None:
        if member.bare is not None and member.bare is not self.home:
            await member.bare.close()
        if member.metrics is not None:
            await member.metrics.close()

    def _is_home(self, region: Region) -> bool:
        """Is it the cluster that this replica runs in?"""
        if self.settings.region:
            return region.metadata.name == self.settings.region
        return region.spec.cluster.local is not None

    async def close(self) -> None:
        for member in self.found.values():
            await self._close(member)

    async def _kubeconfig(self, region: Region) -> str:
        access = region.spec.cluster
        if self._is_home(region):
            return ""
        if access.kubeconfig_secret_ref is not None:
            return await self._secret(access.kubeconfig_secret_ref)
        if access.cluster_profile_ref is not None:
            raise BadReference("clusterProfileRef is not supported yet: use kubeconfigSecretRef")
        raise BadReference("spec.cluster names no cluster: set local or kubeconfigSecretRef")

    async def _prometheus_secrets(self, region: Region) -> tuple[str, str]:
        source = region.spec.prometheus
        token = await self._secret(source.token_secret_ref) if source and source.token_secret_ref else ""
        tls = source.tls if source else None
        authority = await self._secret(tls.ca_secret_ref) if tls and tls.ca_secret_ref else ""
        return token.strip(), authority

    async def _client_pair(self, region: Region) -> Pair:
        """What our probes show to the serve listener; empty where it takes no TLS."""
        tls = region.spec.gateway.tls if region.spec.gateway else None
        if tls is None:
            return Pair("", "")
        where = tls.client_secret_ref
        keys = [SecretKeyRef(name=where.name, namespace=where.namespace, key=key) for key in ("tls.crt", "tls.key")]
        return Pair(*[await self._secret(key) for key in keys])

    async def _secret(self, reference: SecretKeyRef) -> str:
        found = await self.home.read(Ref(SECRET, reference.namespace, reference.name))
        if found is None:
            raise BadReference(f"Secret {reference.namespace}/{reference.name} does not exist")
        value = (found.get("data") or {}).get(reference.key)
        if value is None:
            raise BadReference(f"Secret {reference.namespace}/{reference.name} has no key {reference.key!r}")
        return base64.b64decode(value).decode()


def unusable(names: Iterable[str], found: Mapping[str, Member]) -> dict[str, PortError]:
    """Which of these regions cannot be used, and why."""
    problems: dict[str, PortError] = {}
    for name in names:
        member = found.get(name)
        problem = member.problem if member is not None else RegionMissing(f"there is no Region {name}")
        if member is not None and member.region.spec.gateway is None:
            problem = WitnessRegion(f"Region {name} is a witness: it has no gateway and serves no models")
        if problem is not None:
            problems[name] = problem
    return problems


async def check_gateway(member: Member) -> None:
    """Is the region's Gateway there, with both listeners? Sets or clears the member's problem.

    Raises:
        PortError: the cluster could not be asked.
    """
    gateway = member.region.spec.gateway
    if gateway is None or member.cluster is None:
        return
    found = await member.cluster.read(Ref(GATEWAY, gateway.namespace, gateway.name))
    listeners = {row["name"] for row in (found or {}).get("spec", {}).get("listeners", [])}
    wanted = {gateway.users_listener, gateway.serve_listener}
    if found is None:
        member.problem = GatewayMissing(
            f"Gateway {gateway.namespace}/{gateway.name} does not exist in {member.region.metadata.name}"
        )
    elif wanted - listeners:
        member.problem = GatewayMissing(
            f"Gateway {gateway.namespace}/{gateway.name} of {member.region.metadata.name} "
            f"has no listener {', '.join(sorted(wanted - listeners))}"
        )
    elif isinstance(member.problem, GatewayMissing):
        member.problem = None


async def check_listener(member: Member) -> None:
    """What certificate does the serve listener show? One that cannot be asked now said what it said last."""
    gateway = member.region.spec.gateway
    if gateway is None or member.serve_tls is None:
        return
    name = host_name(member.region.metadata.name)
    try:
        seen = await certificate_life(gateway.address, gateway.serve_port, name, member.serve_tls)
        member.listener = Credential("serve listener's certificate", seen)
    except CertificateRefused as error:
        member.listener = error
    except PortError:
        return


class GatewayMissing(PortError):
    """The Gateway that routes attach to is not as needed."""

    reason = "GatewayMissing"
    remedy = "make the Gateway with a users and a serve listener, as in examples/gateway.yaml"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _authority_file(name: str, authority: str) -> str:
    if not authority:
        return ""
    path = Path(tempfile.mkdtemp(prefix=f"leeward-{name}-")) / "ca.crt"
    path.write_text(authority)
    return str(path)

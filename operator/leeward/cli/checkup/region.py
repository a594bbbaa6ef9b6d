"""A region's cluster, reached as the operator reaches it."""

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction

from leeward.adapters import pools
from leeward.adapters.certificates import Credential
from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.handshake import CertificateRefused, admits_anybody
from leeward.adapters.members import Member, check_gateway, check_listener
from leeward.adapters.objects import AUTOSCALER, BACKEND, DEPLOYMENT, POLICY, ROUTE, host_name
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.units import parse_decimal
from leeward.cli.checkup.clusters import answers
from leeward.cli.checkup.finding import FAIL, OK, SKIP, WARN, Finding
from leeward.cli.checkup.rights import Right, granted
from leeward.ports import BadReference, Denied, Kind, KindMissing, PortError, Ref

ADMISSION = (
    Kind("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", namespaced=False),
    Kind("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", namespaced=False),
)
FENCE = "leeward-fence"


async def region_cluster(
    name: str, member: Member, models: Sequence[ModelDeployment], rights_of: Sequence[Right]
) -> AsyncIterator[Finding]:
    """All that is looked at there; `rights_of` the operator, where it has an account of its own there."""
    cluster = member.bare
    if not isinstance(cluster, KubernetesCluster):
        yield _unconnected(name, member)
        return
    try:
        for finding in await answers(name, cluster):
            yield finding
    except PortError as error:
        yield Finding(name, "API server", FAIL, str(error), error.remedy)
        return
    for credential in member.credentials:
        yield _credential(name, credential)
    if rights_of:
        yield await granted(name, cluster, rights_of, "rights", None)
    async for finding in _kinds(name, member, cluster):
        yield finding
    async for finding in _serving(name, member, models):
        yield finding


async def _serving(name: str, member: Member, models: Sequence[ModelDeployment]) -> AsyncIterator[Finding]:
    """What a region needs to serve models; a witness needs none of it."""
    if member.region.spec.gateway is None:
        return
    yield await _gateway(name, member)
    async for finding in _between(name, member):
        yield finding
    async for finding in _metrics(name, member, models):
        yield finding


def _unconnected(name: str, member: Member) -> Finding:
    problem = member.problem or BadReference("it is not connected")
    if isinstance(problem, Denied):
        return Finding(name, "connection", SKIP, str(problem), "run it as an administrator, or with --in-pod")
    return Finding(name, "connection", FAIL, str(problem), problem.remedy)


def _credential(name: str, held: Credential) -> Finding:
    life = held.life
    soon = life.ends_soon(time.time_ns() // 1_000_000)
    end = f"ends at {datetime.fromtimestamp(life.until_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    return Finding(name, held.what, WARN if soon else OK, end, f"leeward join {name}" if soon else "")


async def _kinds(name: str, member: Member, cluster: KubernetesCluster) -> AsyncIterator[Finding]:
    """Are the kinds served that models and pools of this region are made of?"""
    wanted: list[Kind] = [DEPLOYMENT, AUTOSCALER]
    if member.region.spec.gateway is not None:
        wanted += [ROUTE, BACKEND, POLICY]
    try:
        wanted += pools.load().kind(member.region.spec.node_pools.provider).kinds(member.region.spec.node_pools)
    except PortError as error:
        yield Finding(name, "node pools", FAIL, str(error), error.remedy)
    for kind in wanted:
        try:
            await cluster.read(Ref(kind, namespace="default" if kind.namespaced else "", name="leeward-doctor"))
        except KindMissing as error:
            yield Finding(name, kind.kind, FAIL, "is not served", str(error))
        except PortError as error:
            yield Finding(name, kind.kind, FAIL, str(error), error.remedy)
        else:
            yield Finding(name, kind.kind, OK, f"{kind.api_version} is served")


async def fence(name: str, member: Member) -> Finding:
    """Is it there that keeps out those who do not lead any more?"""
    cluster = member.bare
    if cluster is None:
        return Finding(name, "fence", SKIP, "the cluster is not connected", "see its other lines")
    try:
        there = [await cluster.read(Ref(kind, "", FENCE)) for kind in ADMISSION]
    except PortError:
        return Finding(name, "fence", SKIP, "you may not read admission policies", "ask somebody who may")
    if None in there:
        return Finding(name, "fence", FAIL, "is missing", "install the chart with fence.install, or config/fence.yaml")
    return Finding(name, "fence", OK, "is installed")


async def _gateway(name: str, member: Member) -> Finding:
    try:
        await check_gateway(member)
    except PortError as error:
        return Finding(name, "Gateway", FAIL, str(error), error.remedy)
    if member.problem is not None:
        return Finding(name, "Gateway", FAIL, str(member.problem), member.problem.remedy)
    return Finding(name, "Gateway", OK, "has both listeners")


async def _between(name: str, member: Member) -> AsyncIterator[Finding]:
    """Is what gateways send each other closed to others?"""
    what, gateway = "serve listener", member.region.spec.gateway
    assert gateway is not None, "a witness has none"
    if gateway.tls is None or member.serve_tls is None:
        fix = "set spec.gateway.tls of the Region: docs/install.md, Between regions"
        yield Finding(name, what, WARN, "requests from other regions come in the clear", fix)
        return
    await check_listener(member)
    if isinstance(member.listener, CertificateRefused):
        yield Finding(name, what, FAIL, str(member.listener), member.listener.remedy)
    elif member.listener is not None:
        yield _credential(name, member.listener)
    place = gateway.address, gateway.serve_port, host_name(name), gateway.tls.ca_certificates
    try:
        if await admits_anybody(*place):
            fix = "have its ClientTrafficPolicy ask for certificates, as in examples/gateway.yaml"
            yield Finding(name, what, FAIL, "answers to clients without a certificate", fix)
        else:
            yield Finding(name, what, OK, "takes TLS, and clients with a certificate only")
    except PortError as error:
        yield Finding(name, what, SKIP, str(error), "run it where the gateways are, such as with --in-pod")


async def _metrics(name: str, member: Member, models: Sequence[ModelDeployment]) -> AsyncIterator[Finding]:
    """Does Prometheus answer, and does it know each model's engine and this region's entry?"""
    if member.metrics is None:
        yield Finding(
            name,
            "Prometheus",
            WARN,
            "none is named; probes and readiness judge alone",
            "set spec.prometheus of the Region",
        )
        return
    served = [each for each in models if any(region.name == name for region in each.spec.regions)]
    objectives = {_key(each): _first_token(each) for each in served}
    try:
        seen = await member.metrics.see(objectives)
    except PortError as error:
        yield Finding(name, "Prometheus", FAIL, str(error), "mend spec.prometheus of the Region, or the way to it")
        return
    yield Finding(name, "Prometheus", OK, "answers")
    for key in objectives:
        told: Mapping[str, bool] = {
            "engine's load": key in seen.loads,
            "engine's answers": seen.engines.get(key) is not None,
            "gateway's answers": key in seen.entries,
        }
        yield _signals(name, "/".join(key), [what for what, there in told.items() if not there])


def _signals(name: str, model: str, missing: Iterable[str]) -> Finding:
    absent = ", ".join(missing)
    if not absent:
        return Finding(name, f"metrics of {model}", OK, "engine and gateway are seen")
    fix = "let Prometheus scrape as examples/prometheus.yaml says; without requests there are no series"
    return Finding(name, f"metrics of {model}", WARN, f"nothing of: {absent}", fix)


def _key(model: ModelDeployment) -> tuple[str, str]:
    return model.metadata.namespace or "", model.metadata.name


def _first_token(model: ModelDeployment) -> Fraction:
    return parse_decimal(model.spec.objectives.ttft.seconds)

"""The home cluster: CRDs, the operator, its rights, who leads."""

from collections.abc import AsyncIterator

from leeward.adapters import leases
from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.objects import DEPLOYMENT, OPERATOR_LABELS, differs
from leeward.api.crd import crds
from leeward.cli.checkup.clusters import answers
from leeward.cli.checkup.finding import FAIL, OK, SKIP, WARN, Finding
from leeward.cli.checkup.rights import granted, rights
from leeward.ports import Denied, Kind, PortError, Ref

CRD = Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", namespaced=False)
HOME = "home"


async def home_cluster(home: KubernetesCluster, namespace: str, me: str) -> AsyncIterator[Finding]:
    """All that is looked at there; `me` is who asks, as the cluster knows them.

    Raises:
        PortError: its API server does not answer.
    """
    for finding in await answers(HOME, home):
        yield finding
    async for finding in _definitions(home):
        yield finding
    async for finding in _operator(home, namespace):
        yield finding
    account = f"system:serviceaccount:{namespace}:leeward"
    for name in ("home", "member"):
        wanted = list(rights(name, namespace))
        yield await granted(HOME, home, wanted, f"rights of config/{name}.yaml", None if me == account else account)


async def _definitions(home: KubernetesCluster) -> AsyncIterator[Finding]:
    for body in crds().values():
        name = body["metadata"]["name"]
        try:
            live = await home.read(Ref(CRD, "", name))
        except Denied:
            yield Finding(HOME, f"CRD {name}", SKIP, "you may not read CRDs", "ask somebody who may")
            continue
        if live is None:
            yield Finding(HOME, f"CRD {name}", FAIL, "is missing", "kubectl apply --server-side -f crds/")
        elif differs(body["spec"], live["spec"]):
            yield Finding(HOME, f"CRD {name}", WARN, "is of another version", "kubectl apply --server-side -f crds/")
        else:
            yield Finding(HOME, f"CRD {name}", OK, "is the one of this version")


async def _operator(home: KubernetesCluster, namespace: str) -> AsyncIterator[Finding]:
    try:
        found = await home.find(DEPLOYMENT, namespace, OPERATOR_LABELS)
    except PortError as error:
        yield Finding(HOME, "operator", SKIP, str(error), error.remedy)
        return
    if not found:
        fix = "install the chart, or --operator-namespace"
        yield Finding(HOME, "operator", WARN, f"no Deployment of it in {namespace}", fix)
    for each in found:
        name, ready = each["metadata"]["name"], (each.get("status") or {}).get("readyReplicas", 0)
        fix = f"kubectl -n {namespace} describe deployment {name}; kubectl -n {namespace} logs deploy/{name}"
        state, remedy = (OK, "") if ready else (FAIL, fix)
        yield Finding(HOME, "operator", state, f"Deployment {name} has {ready} ready", remedy)


async def election(home: KubernetesCluster, namespace: str) -> tuple[bool, Finding | None]:
    """Is a leader elected, as far as can be seen, and who; a single operator has no Lease, and nothing is told."""
    try:
        lease = await leases.read(home, namespace)
    except PortError as error:
        return False, Finding(HOME, "leader", SKIP, str(error), error.remedy)
    if not lease.version:
        return False, None
    if lease.holder:
        return True, Finding(HOME, "leader", OK, f"{lease.holder}, epoch {lease.epoch}")
    fix = "see the replicas' logs: a majority must answer"
    return True, Finding(HOME, "leader", WARN, "nobody holds the Lease", fix)

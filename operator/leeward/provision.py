"""Node pools in the regions: ordered, watched, and removed when a move is over. The I/O around `adapters/pools`.

Two writers share a pool object. `leeward` applies everything but the size; `leeward-size` applies the size alone, and
where an autoscaler owns it, only once, when the object is made. So we neither take the size back from the autoscaler
nor delete it by leaving it out. The first write of an object is by `leeward-size` and whole, so that no provider ever
sees a pool without its size; it then gives up all but the size.

A pool that cannot be had harms nothing that serves: pods that exist stay where they are placed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from leeward.adapters.members import Member
from leeward.adapters.objects import (
    COMPONENT_LABEL,
    DEPLOYMENT,
    EPOCH,
    EVENT,
    MODEL_LABEL,
    MODEL_SERVER,
    NODE,
    POD,
    differs,
    labels_of,
    ref_of,
)
from leeward.adapters.pools import Pool, Range, Registry, karpenter
from leeward.adapters.pools.move import Move, left_over, plan_move
from leeward.adapters.pools.nodes import NodeCount, NodeSeen, count, node_seen
from leeward.adapters.pools.port import REGION_LABEL, Claim, PoolObject, SettingsMissing, merged
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.pools import Taint
from leeward.core.plan import RegionPlan
from leeward.ports import Cluster, Denied, KindMissing, KubeObject, PortError, Ref

WRITER, SIZE_WRITER = "leeward", "leeward-size"
SURGE = 1  # replicas that a rollout has beyond the wanted ones


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model's pods in a region shall run, and what came of ordering nodes for them.

    With an `error` the pools are not as they should be, and pods that exist keep their place. `refusal`: why there
    is no machine for them, in the provider's words.
    """

    pools: tuple[Pool, ...] = ()
    claims: tuple[Claim, ...] = ()
    move: str = ""
    error: PortError | None = None
    deployment: KubeObject | None = None
    autoscaled: int = 0  # replicas that an autoscaler has ordered
    refusal: str = ""

    @property
    def node_labels(self) -> dict[str, list[str]]:
        """Labels, with the values allowed, of the nodes of all pools."""
        found: dict[str, list[str]] = {}
        for pool in self.pools:
            for key, values in pool.node_labels.items():
                found[key] = sorted({*found.get(key, ()), *values})
        return found

    @property
    def keeps_nodes(self) -> bool:
        """Do the pools by themselves keep nodes that no pod uses yet?"""
        return all(pool.keeps_nodes for pool in self.pools)

    @property
    def taints(self) -> tuple[Taint, ...]:
        return tuple(dict.fromkeys(taint for pool in self.pools for taint in pool.taints))


@dataclass(frozen=True, slots=True)
class Provider:
    """The kinds of pools there are, and the regions' clusters."""

    registry: Registry
    members: Mapping[str, Member]

    async def provide(self, model: ModelDeployment, line: RegionPlan) -> tuple[Placement, list[str]]:
        """Order what the model needs in a region, and go on with a move. Returns what was written, too.

        Raises:
            PortError: the region's own cluster does not answer.
        """
        member, written, region = self.members[line.name], list[str](), line.name
        assert member.cluster is not None
        ref = Ref(DEPLOYMENT, model.metadata.namespace or "", model.metadata.name)
        deployment = await member.cluster.read(ref)
        entry = next(row for row in model.spec.regions if row.name == region)
        ordered, there = (((deployment or {}).get(part) or {}).get("replicas", 0) for part in ("spec", "status"))
        running = max(ordered, there)  # an autoscaler may have ordered more than the plan wants
        kept = line.replicas + line.standby
        least = kept if line.standby else entry.replicas.min
        wanted = Range(least, max(kept, running), entry.replicas.max + SURGE)
        pools: tuple[Pool, ...] = ()
        try:
            pools = self.registry.pools(model, member.region, wanted)
            holder, claims = self._holder(member), list[Claim]()
            for pool in pools:
                lives = [await order(holder, made, written) for made in pool.objects]
                # The last object is the pool; others only describe its machines.
                claims += [self.registry.claim(member.region.spec.node_pools.provider, live) for live in lives[-1:]]
            refusal = await self._refusal(member, holder, pools, deployment)
            move = await self._retire(model, member, holder, pools, deployment)
            written += [f"{body['kind']} {body['metadata']['name']} (removed)" for body in move.remove]
        except PortError as error:
            return Placement(pools, error=error, deployment=deployment), written
        autoscaled = ordered if model.spec.autoscaling else 0
        return Placement(pools, tuple(claims), move.sentence, None, deployment, autoscaled, refusal), written

    async def _refusal(
        self, member: Member, holder: Cluster, pools: Sequence[Pool], deployment: KubeObject | None
    ) -> str:
        """Why nodes were refused, where pods wait for them and the provider tells it in Events alone."""
        status = (deployment or {}).get("status") or {}
        waits = status.get("readyReplicas", 0) < status.get("replicas", 0)
        if not waits or member.region.spec.node_pools.provider != "karpenter":
            return ""
        try:
            events = await holder.find(EVENT, karpenter.REFUSED_NAMESPACE, fields=karpenter.REFUSED)
        except Denied:
            return ""  # the right may be left out: the sentence is shorter then
        return karpenter.refusal(events, [pool.name for pool in pools], datetime.now(UTC))

    def _holder(self, member: Member) -> Cluster:
        """The cluster that holds the region's pool objects."""
        name = member.region.spec.node_pools.managed_in
        found = member if name is None else self.members.get(name)
        if found is None or found.cluster is None:
            raise SettingsMissing(f"managedIn names Region {name}, which is not there or cannot be reached")
        return found.cluster

    async def _retire(
        self,
        model: ModelDeployment,
        member: Member,
        holder: Cluster,
        pools: Sequence[Pool],
        deployment: KubeObject | None,
    ) -> Move:
        """Remove what a move has left behind, once the pods are gone from it."""
        live = await self._live(model, member, holder)
        if not left_over(pools, live):
            return Move()
        assert member.cluster is not None
        labels = {MODEL_LABEL: model.metadata.name, COMPONENT_LABEL: MODEL_SERVER}
        pods = await member.cluster.find(POD, model.metadata.namespace or "", labels)
        nodes = [node_seen(body) for body in await member.cluster.find(NODE)]
        move = plan_move(pools, live, deployment, pods, {node.name: node for node in nodes})
        for body in move.remove:
            await holder.delete(ref_of(body), uid=body["metadata"]["uid"])
        return move

    async def _live(self, model: ModelDeployment, member: Member, holder: Cluster) -> list[KubeObject]:
        """The model's pool objects for this region, of every kind that can be listed."""
        region = member.region.metadata.name
        found: dict[str, KubeObject] = {}
        kinds = self.registry.object_kinds([member.region])
        for kind in kinds.known:
            labels = labels_of(model.metadata.namespace or "", model.metadata.name)
            try:
                rows = await holder.find(kind, labels=labels)
            except PortError as error:
                if kind in kinds.used and not isinstance(error, KindMissing):
                    raise
                continue  # what another provider's kind has to do with us can wait
            for body in rows:
                where = body["metadata"]["labels"].get(REGION_LABEL)
                if where == region or (where is None and holder is member.cluster):
                    found.setdefault(
                        body["metadata"]["uid"], {**body, "apiVersion": kind.api_version, "kind": kind.kind}
                    )
        return list(found.values())


async def order(cluster: Cluster, wanted: PoolObject, written: list[str]) -> KubeObject:
    """Bring one pool object in line; returns it as it is then. Twice is once.

    Raises:
        PortError: the cluster does not take it.
    """
    body, metadata = wanted.body, wanted.body["metadata"]
    identity = {key: metadata[key] for key in ("name", "namespace") if key in metadata}
    found = await cluster.read(ref_of(body))
    told = f"{body['kind']} {metadata['name']}"
    if found is None and wanted.size:
        found = await cluster.apply(merged(body, wanted.size), writer=SIZE_WRITER)
        written.append(f"{told} (made)")
    if found is None or not owned(found, WRITER) or differs(body, found) or owns_beyond(found, WRITER, body):
        found = await cluster.apply(body, writer=WRITER)
        written.append(told)
    size = wanted.size_for(found)
    alone = {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": identity, **size}
    if wanted.size and (differs(size, found) or owns_beyond(found, SIZE_WRITER, alone)):
        found = await cluster.apply(alone, writer=SIZE_WRITER)
        written.append(f"{told} (size)")
    return found


def owned(live: KubeObject, writer: str) -> list[KubeObject]:
    """The fields that a writer owns by applying, as the API server keeps them; empty: it never applied, or lost all."""
    return [
        entry.get("fieldsV1") or {}
        for entry in live["metadata"].get("managedFields") or []
        if (entry.get("manager"), entry.get("operation")) == (writer, "Apply") and not entry.get("subresource")
    ]


def owns_beyond(live: KubeObject, writer: str, wanted: KubeObject) -> bool:
    """Does a writer, by what it applied before, own fields that it does not want any more? The epoch is none."""
    metadata = wanted.get("metadata") or {}
    stamped = {**metadata, "annotations": {**(metadata.get("annotations") or {}), EPOCH: ""}}
    return any(_beyond(fields, {**wanted, "metadata": stamped}) for fields in owned(live, writer))


def _beyond(fields: KubeObject, wanted: KubeObject) -> bool:
    """Only mappings are looked into: lists are compared by what is wanted."""
    for key, below in fields.items():
        if not key.startswith("f:"):
            continue
        name = key.removeprefix("f:")
        if name not in wanted:
            return True
        if isinstance(wanted[name], dict) and _beyond(below, wanted[name]):
            return True
    return False


def nodes_condition(
    model: ModelDeployment,
    lines: Sequence[RegionPlan],
    placements: Mapping[str, Placement],
    nodes: Mapping[str, Sequence[NodeSeen]],
) -> tuple[str, bool | None, str, str]:
    """The condition NodesReady: do Ready nodes with allocatable accelerators carry the wanted replicas?

    False names the first region that is short, what its pool says of itself, and the remedy if there is one; Unknown:
    some region's nodes have not been seen.
    """
    accelerator, key = model.spec.accelerator, (model.metadata.namespace or "", model.metadata.name)
    moves = [f"{line.name}: {move}" for line in lines if (move := placements.get(line.name, Placement()).move)]
    for line in lines:
        placement = placements.get(line.name, Placement())
        if placement.error is not None:
            error = placement.error
            return "NodesReady", False, error.reason, f"{line.name}: {error}; {error.remedy}"
    for line in lines:
        if line.name not in placements or line.name not in nodes:
            return "NodesReady", None, "NotSeen", f"the nodes of {line.name} have not been seen yet"
        placement = placements[line.name]
        seen = count(nodes[line.name], placement.node_labels, accelerator.resource_name, accelerator.count, key)
        wanted = max(line.replicas, placement.autoscaled)
        if seen.replicas < wanted + line.standby:
            offer = _offer(seen, accelerator.resource_name)
            reserve = f" and of {line.standby} more in reserve" if line.standby else ""
            sentence = f"{line.name}: {offer} {seen.replicas} of {wanted} replicas{reserve}"
            why = placement.refusal or "; ".join(claim.sentence for claim in placement.claims if claim.sentence)
            reason = "NodesRefused" if placement.refusal else "NodesMissing"
            return "NodesReady", False, reason, f"{sentence}; {why}" if why else sentence
    if moves:
        return "NodesReady", True, "PoolsChanging", "; ".join(moves)
    return "NodesReady", True, "NodesReady", "every region has Ready nodes for its replicas"


def _offer(seen: NodeCount, resource: str) -> str:
    """Nodes and their accelerators in words, up to the verb."""
    others = f", {seen.others} of them given to other models," if seen.others else ""
    return f"{seen.nodes} Ready nodes with {seen.accelerators} {resource}{others} carry"

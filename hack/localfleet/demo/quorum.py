"""A replica of the operator in each region: started, watched by the Leases that they hold, and taken away again."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from leeward.adapters.leases import LEASE
from leeward.adapters.leases import NAME as LEASE_NAME
from leeward.adapters.leases import read as read_lease
from leeward.adapters.objects import ADOPTIONS, AGREED, CONFIG_MAP, EVACUATIONS, ORIGIN, REGIONS
from leeward.notes import DELETIONS
from leeward.ports import Kind, KubeObject, PortError, Ref
from localfleet import members
from localfleet.bootstrap import wait_for
from localfleet.demo.stage import MODELS, Operator, Stage
from localfleet.layout import RegionHost

SPACE = "leeward-system"
Term = tuple[str, int]
"""Who leads, and the epoch."""


@dataclass
class Quorum:
    """The replicas by region, on a fleet where all clusters know all Regions."""

    stage: Stage
    key: tuple[str, str]
    program: Callable[[RegionHost], tuple[str, ...]] = lambda _: ("-m", "leeward")
    replicas: dict[str, Operator] = field(default_factory=dict)

    async def begin(self, body: KubeObject, folder: Path) -> None:
        """Rights, Regions and the model in every cluster, and a replica in every region."""
        await members.join_everywhere(self.stage.fleet)
        for cluster in self.stage.clusters.values():
            await cluster.apply(body)
        for region in self.stage.fleet.regions:
            options = "--quorum", "--region", region.name
            log = folder / f"{region.name}.jsonl"
            self.replicas[region.name] = Operator(self.stage.fleet, log, options, region, self.program(region))
            self.replicas[region.name].start()

    def stop(self) -> None:
        """Stop all replicas, and leave what they made."""
        for operator in self.replicas.values():
            operator.stop()

    async def end(self) -> None:
        """Delete the model everywhere, with a single replica at work, and take the fence down."""
        self.stop()
        await self.forget_notes()
        await members.join(self.stage.fleet)
        for cluster in self.stage.clusters.values():
            for kind in ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"):
                for name in ("leeward-fence", "leeward-fence-rises"):
                    policy = Kind("admissionregistration.k8s.io/v1", kind, namespaced=False)
                    await cluster.delete(Ref(policy, "", name))
            await cluster.delete(Ref(CONFIG_MAP, SPACE, "leeward-fence"))
            await cluster.delete(Ref(LEASE, SPACE, LEASE_NAME))
        alone = Operator(self.stage.fleet, next(iter(self.replicas.values())).log)
        alone.start()
        try:
            for cluster in self.stage.clusters.values():
                await cluster.delete(Ref(MODELS, *self.key))
                if cluster is not self.stage.home:
                    await cluster.patch(Ref(MODELS, *self.key), {"metadata": {"finalizers": None}})

            async def gone() -> bool | None:
                return True if await self.stage.model(*self.key) is None else None

            await wait_for("deleting the model", gone, 120)
        finally:
            alone.stop()

    async def forget_notes(self) -> None:
        """Take what the leader notes off all objects, so that a single operator, or another quorum, begins anew."""
        notes: KubeObject = {"annotations": dict.fromkeys((ORIGIN, ADOPTIONS, AGREED)), "finalizers": None}
        for cluster in self.stage.clusters.values():
            for kind in (REGIONS, EVACUATIONS, MODELS):
                for found in await cluster.find(kind):
                    metadata = found["metadata"]
                    ref = Ref(kind, metadata.get("namespace", ""), metadata["name"])
                    kept = {**notes, "finalizers": metadata.get("finalizers")} if kind is MODELS else notes
                    await cluster.patch(ref, {"metadata": kept})
            await cluster.delete(Ref(CONFIG_MAP, SPACE, DELETIONS))

    async def leases(self) -> dict[str, Term]:
        """Holder and epoch of the Lease in each cluster that answers."""
        found = {}
        for name, cluster in self.stage.clusters.items():
            try:
                lease = await read_lease(cluster, SPACE)
            except PortError:
                continue
            found[name] = lease.holder, lease.epoch
        return found

    async def leader(self) -> Term | None:
        """Who holds most of the Leases."""
        held = list((await self.leases()).values())
        return next((each for each in held if each[0] and held.count(each) > len(self.stage.clusters) // 2), None)

    async def now(self) -> Term:
        """The leader, once there is one."""
        return await wait_for("a leader", self.leader, 15)

    async def another(self, before: Term, seconds: float) -> tuple[Term, float]:
        """The leader of a later term, and how many seconds that took."""
        began = time.monotonic()

        async def look() -> Term | None:
            found = await self.leader()
            return found if found and found[1] > before[1] and found[0] != before[0] else None

        return await wait_for("another leader", look, seconds), time.monotonic() - began

    async def status(self, region: str) -> KubeObject:
        """What a cluster's copy of the model says."""
        return dict((await self.stage.clusters[region].read(Ref(MODELS, *self.key)) or {}).get("status") or {})

    async def settled(self, seconds: float) -> None:
        """Wait until the leader's own cluster tells that all is well."""

        async def look() -> bool | None:
            found = await self.leader()
            told = await self.status(found[0]) if found else {}
            rows = {row["type"]: row["status"] for row in told.get("conditions") or ()}
            calm = rows.get("Ready") == "True" and rows.get("Progressing") == "False"
            ours = found is not None and told.get("epoch") == found[1]
            return True if ours and calm and told.get("health") == "healthy" else None

        await wait_for("a healthy and settled model", look, seconds)

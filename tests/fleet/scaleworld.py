"""A model whose pods never start, and a real API server that tells which numbers were written."""

from typing import Any

from cases import model as example
from cases import region
from seen import Run

from leeward.adapters import workload
from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.objects import AUTOSCALER, DEPLOYMENT, SCALED_OBJECT
from leeward.adapters.pools.port import merged
from leeward.api.modeldeployment import ModelDeployment
from leeward.elasticity import Order, bring
from leeward.ports import KubeObject, PortError, Ref
from localfleet.bootstrap import documents
from localfleet.layout import REPOSITORY

KEY = ("models", "elastic")
WORKLOAD, HPA, KEDA = (Ref(kind, *KEY) for kind in (DEPLOYMENT, AUTOSCALER, SCALED_OBJECT))
GATED = {
    "spec": {"schedulingGates": [{"name": "example.com/test"}], "containers": [{"name": "server", "image": "none"}]}
}
RUNNING = {
    "type": "Pods",
    "pods": {"metric": {"name": "vllm:num_requests_running"}, "target": {"type": "AverageValue"}},
}
METRICS = [merged(RUNNING, {"pods": {"target": {"averageValue": "12.5"}}})]
BY_HPA = {"metrics": METRICS, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 120}}}
EXAMPLE = documents(REPOSITORY / "examples" / "autoscaling" / "scaledobject.yaml")[0]
BY_KEDA = EXAMPLE["spec"]["autoscaling"]


def model(autoscaling: Any = None, scale_down_after: str = "15m") -> ModelDeployment:
    """The example model, with gated pods."""
    document = example().wire()
    document["metadata"] = {"namespace": KEY[0], "name": KEY[1]}
    document["spec"].pop("server")
    document["spec"] |= {"template": GATED} | ({"autoscaling": autoscaling} if autoscaling else {})
    document["spec"]["capacity"]["scaleDownAfter"] = scale_down_after
    return ModelDeployment.read(document)


def body(of: ModelDeployment) -> KubeObject:
    return workload.workload_objects(of, region("karpenter"), {}, ())[0]


class Watched:
    """The API server, with every number that a write of ours left behind."""

    def __init__(self, server: KubernetesCluster, run: Run) -> None:
        self.server, self.run = server, run
        self.numbers: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.server, name)

    async def apply(self, wanted: KubeObject, **options: Any) -> KubeObject:
        taken = await self.server.apply(wanted, **options)
        if taken["kind"] == DEPLOYMENT.kind:
            self.numbers.append(taken["spec"]["replicas"])
        return taken

    def bring(self, of: ModelDeployment, wanted: int, most: int = 12, held: bool = False) -> PortError | None:
        problem, self.written = self.run(bring(self, body(of), Order(of, wanted, most, held)))  # type: ignore[arg-type]
        return problem

    def scale(self, number: int) -> None:
        """As an autoscaler does."""
        assert self.run(self.server.patch(WORKLOAD, {"spec": {"replicas": number}}, subresource="scale"))
        self.numbers.clear()

    def seen(self, ref: Ref) -> Any:
        return self.run(self.server.read(ref))

    @property
    def number(self) -> int:
        return int(self.seen(WORKLOAD)["spec"]["replicas"])

    def owners(self) -> set[str]:
        """Who owns the number."""
        rows = self.seen(WORKLOAD)["metadata"]["managedFields"]
        return {row["manager"] for row in rows if "f:replicas" in row["fieldsV1"].get("f:spec", {})}


class Hasty(Watched):
    """An autoscaler that writes just before we do, so many times."""

    times = 1

    async def apply(self, wanted: KubeObject, **options: Any) -> KubeObject:
        if options.get("writer") == "leeward-size" and self.times:
            self.times -= 1
            await self.server.patch(WORKLOAD, {"spec": {"replicas": 9 - self.times}}, subresource="scale")
        return await super().apply(wanted, **options)

"""Setting the stage inside a fleet: the operator, the model, and a fleet that serves it.

The operator runs on the home region's host under its ServiceAccount, exactly as a pod there would.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from leeward.adapters.clusters import KubernetesCluster
from leeward.ports import Kind, KubeObject, Ref
from localfleet import bootstrap
from localfleet.layout import REPOSITORY, Fleet, RegionHost
from localfleet.network import in_host

MODEL_FILE = REPOSITORY / "examples" / "local" / "modeldeployment.yaml"
MODELS = Kind("leeward.dev/v1alpha1", "ModelDeployment")
KEY = ("models", "llama-70b")
"""Namespace and name of that model."""
OPERATOR_PORT = 8090


@dataclass
class Operator:
    """The operator as a program on a region's host, home if none is named; its log is JSON lines."""

    fleet: Fleet
    log: Path
    options: tuple[str, ...] = ()
    at: RegionHost | None = None
    program: tuple[str, ...] = ("-m", "leeward")
    _child: "subprocess.Popen[bytes] | None" = None
    _read: int = 0

    def start(self) -> None:
        home = self.host
        command = in_host(
            home.name,
            [
                sys.executable,
                *self.program,
                "run",
                "--kubeconfig",
                str(home.folder / "kubeconfig-operator"),
                "--observer",
                home.name,
                "--listen",
                f"{home.address}:{OPERATOR_PORT}",
                "--log-format",
                "json",
                *self.options,
            ],
        )
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "operator")}
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(command, env=environment, stdout=output, stderr=output)

    @property
    def host(self) -> RegionHost:
        return self.at or self.fleet.regions[0]

    @property
    def pid(self) -> int:
        assert self._child is not None, "the operator was not started"
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.running:
            os.kill(self.pid, number)

    def revive(self) -> None:
        """Start it when it has ended, let it go on when it was stopped by a signal."""
        if self.running:
            self.send(signal.SIGCONT)
        else:
            self.start()

    def stop(self, seconds: float = 10.0) -> None:
        if self._child is None or self._child.poll() is not None:
            return
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    @property
    def metrics(self) -> str:
        return f"http://{self.host.address}:{OPERATOR_PORT}/metrics"

    def said(self) -> Iterator[dict[str, object]]:
        """Lines of the log since the last call."""
        if not self.log.exists():
            return
        with self.log.open("rb") as lines:
            lines.seek(self._read)
            for raw in lines:
                if not raw.endswith(b"\n"):
                    break
                self._read += len(raw)
                if raw.startswith(b"{"):
                    yield json.loads(raw)


@dataclass
class Stage:
    """A fleet with admin connections to every region."""

    fleet: Fleet
    clusters: dict[str, KubernetesCluster] = field(default_factory=dict)

    async def open(self) -> None:
        for region in self.fleet.regions:
            self.clusters[region.name] = await bootstrap.connect(region, deadline_seconds=3.0)

    async def close(self) -> None:
        for cluster in self.clusters.values():
            await cluster.close()

    @property
    def home(self) -> KubernetesCluster:
        return self.clusters[self.fleet.regions[0].name]

    async def apply_model(self, path: Path = MODEL_FILE) -> KubeObject:
        """Apply a ModelDeployment to the home cluster; its regions become those of this fleet."""
        body = bootstrap.documents(path)[0]
        return await self.home.apply(body)

    async def model(self, namespace: str = KEY[0], name: str = KEY[1]) -> KubeObject | None:
        return await self.home.read(Ref(MODELS, namespace, name))

    async def settled(self, seconds: float = 180.0) -> KubeObject:
        """Wait until every region is ready and healthy and the weights are where they should be.

        Raises:
            TimeoutError: they are not; what the status says instead comes with it.
        """
        status: KubeObject = {}

        async def look() -> KubeObject | None:
            nonlocal status
            found = await self.model()
            status = (found or {}).get("status") or {}
            good = {row["type"]: row["status"] for row in status.get("conditions") or ()}
            known = found is not None and status.get("observedGeneration") == found["metadata"]["generation"]
            calm = known and good.get("Ready") == "True" and good.get("Progressing") == "False"
            return found if calm and status.get("health") == "healthy" else None

        try:
            return await bootstrap.wait_for("a healthy and settled model", look, seconds)
        except TimeoutError as error:
            rows = [*(status.get("conditions") or ()), *(status.get("regions") or ())]
            error.add_note("\n".join(map(str, rows)) or "the model has no status")
            raise

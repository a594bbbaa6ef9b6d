"""Names, addresses and folders of a fleet: the one place that knows them.

Region i (from 1) is a network namespace with the address 10.77.i.1 on one bridge; 10.77.0.1 is the users' host.
Envoy Gateway has a host of its own behind the region (10.78.i.2), because its ports collide with Envoy's.
Pods get addresses from 10.(100+i).0.0/16; all of them are local to the region, where one program plays them.
A fleet of kind clusters (`kind/`) has the addresses that Docker gave its nodes.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DEFAULT_REGIONS = ("us-east1", "eu-west4", "ap-south1")
NAMESPACES, KIND = "namespaces", "kind"
"""What a fleet is made of; `backends.py` holds what each can do."""
MARK = "LEEWARD_FLEET"
"""Environment variable that every process of a fleet carries; its value is the fleet's name."""

USERS_ADDRESS = "10.77.0.1"
API_PORT, ETCD_PORT, PROMETHEUS_PORT, MODELS_PORT, METRICS_API_PORT = 6443, 2379, 9090, 9500, 6480
USERS_PORT = 10080  # what Envoy Gateway makes of port 80 inside its pods; a cloud's load balancer maps it
SERVE_PORT, ENVOY_STATS_PORT, ENVOY_READY_PORT = 8081, 19001, 19003
GATEWAY_NAMESPACE, GATEWAY_NAME, SYSTEM_NAMESPACE = "leeward-system", "inference", "leeward-system"
ENVOY_NAMESPACE = "envoy-gateway-system"
ENVOY_LABELS = {"gateway.envoyproxy.io/owning-gateway-name": GATEWAY_NAME}
"""Envoy Gateway puts these on whatever it makes for our Gateway."""
ACCELERATOR, ACCELERATOR_LABEL = "nvidia-h100-80gb", "leeward.dev/accelerator"


@dataclass(frozen=True, slots=True)
class RegionHost:
    """One region's place in the fleet; `index` counts from 1. Users connect to `address` at `users_port`."""

    name: str
    index: int
    folder: Path
    address: str
    users_port: int = USERS_PORT

    @property
    def inner_address(self) -> str:
        """The region's own side of the link to its Envoy Gateway host."""
        return f"10.78.{self.index}.1"

    @property
    def gateway_host_address(self) -> str:
        return f"10.78.{self.index}.2"

    @property
    def gateway_host(self) -> str:
        """Network namespace of Envoy Gateway."""
        return f"{self.name}-gw"

    @property
    def pod_cidr(self) -> str:
        return f"10.{100 + self.index}.0.0/16"

    @property
    def service_cidr(self) -> str:
        return f"10.{200 + self.index}.0.0/16"

    @property
    def kubeconfig(self) -> Path:
        """Admin kubeconfig for use inside the fleet's namespaces."""
        return self.folder / "kubeconfig"

    @property
    def outside_kubeconfig(self) -> Path:
        """Admin kubeconfig for use on the machine itself, by way of a loopback port."""
        return self.folder / "kubeconfig-outside"

    @property
    def limits(self) -> Path:
        """How many machines of a type Karpenter can have; `limits.py` writes it."""
        return self.folder / "limits.json"

    def log(self, component: str) -> Path:
        return self.folder / "logs" / f"{component}.log"

    @property
    def api_server(self) -> str:
        return f"https://{self.address}:{API_PORT}"

    @property
    def prometheus(self) -> str:
        return f"http://{self.address}:{PROMETHEUS_PORT}"

    @property
    def models_control(self) -> str:
        """Control address of the model servers' simulator."""
        return f"http://{self.address}:{MODELS_PORT}"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds that the simulated parts take."""

    startup: float = 4.0
    node_registration: float = 2.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet's name, regions and folder. `addresses`, one per region, are known once kind's nodes run."""

    name: str
    region_names: tuple[str, ...]
    timing: Timing = Timing()
    backend: str = NAMESPACES
    addresses: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return fleets_folder() / self.name

    @property
    def regions(self) -> tuple[RegionHost, ...]:
        return tuple(self._host(name, index) for index, name in enumerate(self.region_names, 1))

    def _host(self, name: str, index: int) -> RegionHost:
        folder = self.folder / name
        if self.backend == NAMESPACES:
            return RegionHost(name, index, folder, f"10.77.{index}.1")
        return RegionHost(name, index, folder, self.addresses[index - 1] if self.addresses else "", users_port=80)

    def region(self, name: str) -> RegionHost:
        """Raises LookupError, naming the regions there are."""
        found = next((region for region in self.regions if region.name == name), None)
        if found is None:
            raise LookupError(f"no region {name!r} in fleet {self.name!r}; it has: {', '.join(self.region_names)}")
        return found

    @property
    def is_saved(self) -> bool:
        """Is a fleet of this name up, or was it not taken down?"""
        return (self.folder / "fleet.json").exists()

    def save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "fleet.json").write_text(json.dumps(asdict(self), indent=1))


def fleets_folder() -> Path:
    """`$XDG_STATE_HOME/leeward/fleets` (or below ~/.local/state)."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "leeward" / "fleets"


def load(name: str) -> Fleet:
    """Read a running fleet's layout.

    Raises:
        LookupError: there is no such fleet; the message lists those there are.
    """
    path = fleets_folder() / name / "fleet.json"
    if not path.exists():
        known = sorted(found.parent.name for found in fleets_folder().glob("*/fleet.json"))
        raise LookupError(f"no fleet {name!r} is up (up: {', '.join(known) or 'none'}); start it with `hack/fleet up`")
    stored = json.loads(path.read_text())
    return Fleet(
        stored["name"],
        tuple(stored["region_names"]),
        Timing(**stored["timing"]),
        stored.get("backend", NAMESPACES),
        tuple(stored.get("addresses", ())),
    )

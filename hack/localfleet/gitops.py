"""CRDs of Argo CD, Flux, cert-manager and the Prometheus Operator, which examples/ and the chart are checked against.

Most lie in their projects' Go modules. That of HelmRelease does not, so controller-gen makes it from the API types, as
its own project does.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from localfleet import tools

MODULE = "helm-release"


def crds() -> Iterator[Path]:
    """The CRD files; the first call downloads modules and takes a few minutes.

    Raises:
        ToolError: a module is not to be had, or the CRD cannot be made.
    """
    yield from tools.manifests("gitops")
    yield _helm_release()


def _helm_release() -> Path:
    target = tools.cache_folder() / "manifests" / f"{MODULE}-{tools.pin(MODULE)}.yaml"
    if not target.exists():
        made = tools.run_go(
            tools.go_toolchain(),
            tools.TOOLS_FOLDER / MODULE,
            "tool",
            "controller-gen",
            "crd",
            "paths=github.com/fluxcd/helm-controller/api/v2",
            "output:crd:stdout",
        )
        if made.returncode:
            raise tools.ToolError(f"the CRD of HelmRelease could not be made: {made.stderr[-1000:]}")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".partial-{os.getpid()}")
        partial.write_text(made.stdout)
        partial.rename(target)
    return target

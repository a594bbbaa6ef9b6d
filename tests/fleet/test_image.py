"""The built image's root file system, started as a pod would start it, and asked whether it is ready.

Needs buildah and `make image`, as .ci/run has them.
"""

import base64
import json
import os
import shutil
import subprocess
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
import yaml
from kubernetes import client, config

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
IMAGE = os.environ.get("IMAGE", f"localhost/leeward:{VERSION}")
PORT, USER = 18080, 65532
# Read-only but for /tmp, with the ServiceAccount's files in their place.
START = """
set -euo pipefail
mount --bind "$1" "$1"
mkdir -p "$1/run/secrets/kubernetes.io/serviceaccount"
mount --bind "$2" "$1/run/secrets/kubernetes.io/serviceaccount"
mount --bind -o ro /dev "$1/dev"
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
mount -o remount,bind,ro "$1"
shift 2
exec "$@"
"""


class Cluster(Protocol):
    """What the fixture `api` gives."""

    kubeconfig: Path


def buildah(*arguments: str) -> str:
    return subprocess.run(["buildah", *arguments], capture_output=True, text=True, check=True, timeout=300).stdout


@pytest.fixture
def root() -> Iterator[tuple[Path, dict[str, Any]]]:
    """The image's files, and its configuration."""
    if shutil.which("buildah") is None:
        pytest.skip("buildah is not installed")
    if os.geteuid() or int(Path("/proc/self/uid_map").read_text().split()[2]) <= USER:
        pytest.skip("only root can start a program as another user")
    if subprocess.run(["buildah", "inspect", "--type=image", IMAGE], capture_output=True, check=False).returncode:
        pytest.skip(f"{IMAGE} is not built: run `make image`")
    described = json.loads(buildah("inspect", "--type=image", IMAGE))["OCIv1"]["config"]
    container = buildah("from", "--pull-never", IMAGE).strip()
    yield Path(buildah("mount", container).strip()), described
    buildah("rm", container)


def service_account(api: Cluster, folder: Path) -> tuple[str, int]:
    """Write what a pod of the operator's ServiceAccount finds; returns where the API server is."""
    made: Any = config.new_client_from_config(str(api.kubeconfig))  # type: ignore[no-untyped-call]
    with made as connection:
        answer: Any = client.CoreV1Api(connection).create_namespaced_service_account_token(
            "leeward", "leeward-system", {"spec": {"expirationSeconds": 600}}
        )
    cluster = yaml.safe_load(api.kubeconfig.read_text())["clusters"][0]["cluster"]
    folder.mkdir(mode=0o755)
    (folder / "token").write_text(answer.status.token)
    (folder / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    place = urlsplit(cluster["server"])
    return str(place.hostname), place.port or 443


def status(path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_the_image_gets_ready_with_the_rights_of_its_service_account(
    root: tuple[Path, dict[str, Any]], api: Cluster, tmp_path: Path
) -> None:
    folder, described = root
    host, port = service_account(api, tmp_path / "account")
    tmp_path.chmod(0o755)
    assert described["User"] == f"{USER}:{USER}"
    pod = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port, "POD_NAMESPACE": "leeward-system"}
    variables = [*described["Env"], *(f"{name}={value}" for name, value in pod.items())]
    program = [
        *described["Entrypoint"],
        *described["Cmd"],
        "--dry-run",
        f"--listen=127.0.0.1:{PORT}",
        "--log-format=json",
    ]
    inside = ["chroot", f"--userspec={described['User']}", str(folder), "/usr/bin/env", "-i", *variables, *program]
    log = tmp_path / "log"
    with log.open("w") as written:
        started = subprocess.Popen(
            ["unshare", "--mount", "bash", "-c", START, "start", str(folder), str(tmp_path / "account"), *inside],
            stdout=written,
            stderr=written,
        )
    try:
        deadline = time.monotonic() + 60
        while status("/readyz") != 200:
            assert started.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        assert status("/healthz") == 200
        assert "the watch of our own resources ended" not in log.read_text()
    finally:
        started.terminate()
        assert started.wait(20) == 0, log.read_text()

"""What the watches are given to log in with is the bare token, wherever it comes from."""

from pathlib import Path

import certifi
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.kubeconfigs import from_kubeconfig

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: a
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: a, user: {token: abc.def}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
"""


async def test_token_of_a_kubeconfig() -> None:
    cluster = await from_kubeconfig("a", KUBECONFIG)
    try:
        assert cluster.credentials().token == "abc.def"
    finally:
        await cluster.close()


async def test_token_of_a_pod(tmp_path: Path) -> None:
    """By the library's own loader, with a ServiceAccount's files in another place."""
    token = tmp_path / "token"
    token.write_text("abc.def")
    configuration = Configuration()
    InClusterConfigLoader(
        token_filename=str(token),
        cert_filename=certifi.where(),
        environ={"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"},
    ).load_and_set(configuration)
    cluster = KubernetesCluster("home", ApiClient(configuration))
    try:
        assert cluster.credentials().token == "abc.def"
    finally:
        await cluster.close()

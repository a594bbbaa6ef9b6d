"""What the watches are given to log in with is the bare token, wherever it comes from."""

import base64
import json
from pathlib import Path

import certifi
import pytest
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

from leeward.adapters.certificates import Credential, Life
from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.kubeconfigs import credential_of, from_kubeconfig
from leeward.record_regions import credentials_condition

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


DAY = 86_400_000


def with_token(claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return KUBECONFIG.replace("abc.def", f"head.{payload}.signature")


def test_the_credential_of_a_token_is_read_from_its_own_words() -> None:
    assert credential_of(with_token({"iat": 100, "exp": 200})) == Credential("token", Life(100_000, 200_000))


@pytest.mark.parametrize("claims", [{}, [], "x", {"exp": "soon"}, {"exp": None}, {"exp": 1e400}])
def test_a_token_that_tells_no_end_has_none(claims: object) -> None:
    assert credential_of(with_token(claims)) is None


@pytest.mark.parametrize("token", ["abc.def", "..", "a.%.c", "a.e30.c", ""])
def test_what_is_no_such_token_has_no_end(token: str) -> None:
    assert credential_of(KUBECONFIG.replace("abc.def", json.dumps(token))) is None


@pytest.mark.parametrize(
    ("days", "left", "reason"),
    [
        (90, 8, "Valid"),
        (90, 6.9, "ExpireSoon"),
        (1, 0.11, "Valid"),
        (1, 0.09, "ExpireSoon"),
        (90, 0, "Expired"),
        (90, -1, "Expired"),
    ],
)
def test_the_condition_warns_in_good_time(days: float, left: float, reason: str) -> None:
    now = 1_800_000_000_000
    end = now + round(left * DAY)
    (row,) = credentials_condition([Credential("token", Life(end - round(days * DAY), end))], None, now)
    assert (row[0], row[1], row[2]) == ("CredentialsValid", reason == "Valid", reason)


def test_a_region_without_such_a_token_says_nothing() -> None:
    assert credentials_condition([], None, 0) == []

"""Connections from kubeconfigs: refused where they would run a command in our pod, or where nobody can use them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client import ApiClient, Configuration

from leeward.adapters.clusters import KubernetesCluster
from leeward.ports import BadReference, KubeObject


def check_kubeconfig(text: str, allowed_commands: Sequence[str] | None = ()) -> KubeObject:
    """Parse a kubeconfig and refuse what would run commands in our pod; None allows all, to a person at a terminal.

    Raises:
        BadReference: not a kubeconfig, or a user with an `exec` or `auth-provider` that is not on the allow-list.
    """
    try:
        parsed = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadReference(f"the kubeconfig is not YAML: {error}") from error
    if not isinstance(parsed, dict) or not parsed.get("clusters"):
        raise BadReference("the kubeconfig names no cluster")
    for entry in parsed.get("users") or []:
        user = entry.get("user") or {}
        command = (user.get("exec") or {}).get("command")
        if command and allowed_commands is not None and command not in allowed_commands:
            raise BadReference(
                f"the kubeconfig runs the command {command!r}, which is not on the allow-list: use a "
                "token, or start the operator with --allow-exec " + str(command)
            )
        if user.get("auth-provider"):
            raise BadReference("the kubeconfig uses an auth-provider: use a token instead")
    return parsed


async def from_kubeconfig(
    name: str, text: str, *, allowed_commands: Sequence[str] | None = (), context: str | None = None, **options: Any
) -> KubernetesCluster:
    """A cluster from the text of a kubeconfig.

    Raises:
        BadReference: the kubeconfig is not usable or not allowed.
    """
    parsed = check_kubeconfig(text, allowed_commands)
    configuration = Configuration()
    configuration.retries = None
    try:
        await kubernetes_config.load_kube_config_from_dict(parsed, context, client_configuration=configuration)
    except Exception as error:
        raise BadReference(f"the kubeconfig of {name} cannot be used: {error}") from error
    return KubernetesCluster(name, ApiClient(configuration), **options)


async def from_file(name: str, path: Path, **options: Any) -> KubernetesCluster:
    """A cluster from a kubeconfig file."""
    return await from_kubeconfig(name, path.read_text(), **options)  # noqa: ASYNC240 - once, at the start


def in_pod(name: str, **options: Any) -> KubernetesCluster:
    """The cluster that this pod runs in."""
    configuration = Configuration()
    configuration.retries = None
    kubernetes_config.load_incluster_config(client_configuration=configuration)
    return KubernetesCluster(name, ApiClient(configuration), **options)

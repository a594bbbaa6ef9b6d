"""Connections from kubeconfigs: refused where they would run a command in our pod, or where nobody can use them."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.rest import RESTClientObject

from leeward.adapters import certificates
from leeward.adapters.certificates import Credential, Life
from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.outgoing import connector
from leeward.ports import BadReference, KubeObject

_PARTS = {"clusters": "cluster", "users": "user", "contexts": "context"}
_FILES = frozenset({"tokenFile", "client-certificate", "client-key", "certificate-authority"})


def check_kubeconfig(text: str, allowed_commands: Sequence[str] | None = ()) -> KubeObject:
    """Parse a kubeconfig and refuse what would run commands in our pod; None allows all, to a person at a terminal.

    Raises:
        BadReference: not a kubeconfig, or a user with an `exec` or `auth-provider` that is not on the allow-list.
    """
    try:
        parsed = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)  # the error's own words quote the text, token and all
        where = f", line {mark.line + 1}" if mark else ""
        raise BadReference(f"the kubeconfig is not YAML{where}") from None
    if not isinstance(parsed, dict) or not parsed.get("clusters"):
        raise BadReference("the kubeconfig names no cluster")
    _check_shape(parsed)
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


def _check_shape(parsed: KubeObject) -> None:
    for part, inside in _PARTS.items():
        entries = parsed.get(part) or []
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            raise BadReference(f"the kubeconfig's {part} are no list of objects")
        held = [each.get(inside) or {} for each in entries]
        held += [each.get("exec") or {} for each in held if isinstance(each, dict)]
        if not all(isinstance(each, dict) for each in held):
            raise BadReference(f"the kubeconfig's {part} hold a {inside} that is no object")


async def from_kubeconfig(
    name: str,
    text: str,
    *,
    allowed_commands: Sequence[str] | None = (),
    context: str | None = None,
    files: bool = True,
    **options: Any,
) -> KubernetesCluster:
    """A cluster from the text of a kubeconfig; `files`: may it name files of this machine?

    Raises:
        BadReference: the kubeconfig is not usable or not allowed.
    """
    parsed = check_kubeconfig(text, allowed_commands)
    if not files:
        _refuse_files(parsed)
    configuration = Configuration()
    configuration.retries = None
    try:
        await kubernetes_config.load_kube_config_from_dict(parsed, context, client_configuration=configuration)
    except Exception as error:
        raise BadReference(f"the kubeconfig of {name} cannot be used: {error}") from error
    client = ApiClient(configuration)
    client.rest_client = _GuardedRest(configuration)
    return KubernetesCluster(name, client, **options)


def _refuse_files(parsed: KubeObject) -> None:
    """Whoever may write the Secret could otherwise have our own pod's token sent to a server of theirs."""
    for part, inside in _PARTS.items():
        for entry in parsed.get(part) or []:
            if named := _FILES & set(entry.get(inside) or {}):
                raise BadReference(
                    f"the kubeconfig names a file ({', '.join(sorted(named))}): put its content in instead"
                )


class _GuardedRest(RESTClientObject):
    def _create_connector(self) -> Any:
        return connector(limit=self.maxsize, ssl=self.ssl_context)


async def from_file(name: str, path: Path, **options: Any) -> KubernetesCluster:
    """A cluster from a kubeconfig file."""
    return await from_kubeconfig(name, path.read_text(), **options)  # noqa: ASYNC240 - once, at the start


def in_pod(name: str, **options: Any) -> KubernetesCluster:
    """The cluster that this pod runs in."""
    configuration = Configuration()
    configuration.retries = None
    kubernetes_config.load_incluster_config(client_configuration=configuration)
    return KubernetesCluster(name, ApiClient(configuration), **options)


def credential_of(text: str) -> Credential | None:
    """The first token or client certificate in a kubeconfig to end, by its own words (RFC 7519, 5280).

    None where none tells.
    """
    told = list[tuple[str, Life | None]]()
    for entry in check_kubeconfig(text, None).get("users") or []:
        user = entry.get("user") or {}
        told.append(("token", _token_life(str(user.get("token") or ""))))
        told.append(("client certificate", _certificate_life(user.get("client-certificate-data"))))
    found = [Credential(what, life) for what, life in told if life]
    return min(found, key=lambda each: each.life.until_ms, default=None)


def _certificate_life(data: object) -> Life | None:
    try:
        return certificates.life(base64.b64decode(str(data or "")).decode())
    except ValueError:
        return None


def _token_life(token: str) -> Life | None:
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        until = int(claims["exp"])
        return Life(int(claims.get("iat", until)) * 1000, until * 1000)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None

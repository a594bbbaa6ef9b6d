"""One Kubernetes API server behind the `Cluster` port, through `kubernetes.aio`.

The generated client does transport, TLS and credentials. Paths come from discovery, one request per group and
version, kept in memory: the library's dynamic client keeps its discovery in a file under /tmp that outlives the
cluster. Every call has its own deadline, so that a dead cluster costs its deadline and nobody else's.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime

import aiohttp
from kubernetes.aio.client import ApiClient

from leeward.adapters import outgoing
from leeward.adapters.objects import ref_of
from leeward.ports import (
    Conflict,
    Credentials,
    Denied,
    Invalid,
    Kind,
    KindMissing,
    KubeObject,
    PortError,
    Ref,
    Unreachable,
)

FIELD_MANAGER = "leeward"
_NOT_SERVED = "404 page not found"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_ERRORS: dict[int, type[PortError]] = {
    400: Invalid,
    401: Denied,
    403: Denied,
    404: Invalid,
    409: Conflict,
    410: Conflict,
    422: Invalid,
}


class KubernetesCluster:
    """A reachable API server. `name` is the region's, for messages; `deadline_seconds` bounds every call."""

    def __init__(
        self,
        name: str,
        client: ApiClient,
        *,
        deadline_seconds: float = 3.0,
        on_write: Callable[[str, str], None] | None = None,
        field_manager: str = FIELD_MANAGER,
    ) -> None:
        self.name = name
        self._client = client
        self._deadline = deadline_seconds
        self.on_write = on_write or (lambda verb, kind: None)
        self._manager = field_manager
        self._plurals: dict[str, dict[str, str]] = {}
        self._closed = False

    def credentials(self) -> Credentials:
        """Host, trust and token as they are now: a pod's token rotates."""
        where = self._client.configuration
        key = where.api_key.get("BearerToken") or where.api_key.get("authorization") or ""
        return Credentials(
            server=where.host,
            ca_path=where.ssl_ca_cert,
            ca_data=where.ca_cert_data,
            token=key.rpartition(" ")[2] or None,  # after the scheme: in a pod the library writes it "bearer"
            certificate_path=where.cert_file,
            private_key_path=where.key_file,
            insecure=not where.verify_ssl,
        )

    async def close(self) -> None:
        """For good: whoever still asks, since a connection was renewed meanwhile, gets no answer."""
        self._closed = True
        await self._client.close()

    async def read(self, ref: Ref) -> KubeObject | None:
        """The object, or None when it does not exist."""
        return await self._maybe(self._call("GET", await self._path(ref.kind, ref.namespace, ref.name)))

    async def find(
        self,
        kind: Kind,
        namespace: str = "",
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> Sequence[KubeObject]:
        """All objects of a kind, in one namespace or in all, that carry the labels and have the fields."""
        wanted = {"labelSelector": labels or {}, "fieldSelector": fields or {}}
        query = [(name, ",".join(f"{k}={v}" for k, v in each.items())) for name, each in wanted.items() if each]
        found = await self._maybe(self._call("GET", await self._path(kind, namespace), query=query))
        if found is None:  # a kind without objects is an empty list
            raise KindMissing(f"{self.name} serves no {kind.kind} ({kind.api_version}) any more: install its CRD")
        return found.get("items") or []

    async def apply(self, body: KubeObject, *, dry_run: bool = False, writer: str = "") -> KubeObject:
        """Server-side apply as field manager `writer`; conflicts are taken over, since what we apply is ours."""
        ref = ref_of(body)
        query = [("fieldManager", writer or self._manager), ("force", "true"), ("fieldValidation", "Strict")]
        query += [("dryRun", "All")] if dry_run else []
        applied = await self._call(
            "PATCH", await self._path(ref.kind, ref.namespace, ref.name), body=body, query=query, content=_APPLY
        )
        if not dry_run:
            self.on_write("apply", ref.kind.kind)
        return applied

    async def apply_status(self, body: KubeObject, *, writer: str = "") -> KubeObject:
        """Server-side apply of the status subresource, as field manager `writer`."""
        ref = ref_of(body)
        path = await self._path(ref.kind, ref.namespace, ref.name)
        applied = await self._call(
            "PATCH",
            f"{path}/status",
            body=body,
            content=_APPLY,
            query=[("fieldManager", writer or self._manager), ("force", "true")],
        )
        self.on_write("status", ref.kind.kind)
        return applied

    async def create(self, body: KubeObject) -> KubeObject:
        """Create an object that must not exist yet (Conflict when it does)."""
        ref = ref_of(body)
        created = await self._call(
            "POST", await self._path(ref.kind, ref.namespace), body=body, query=[("fieldManager", self._manager)]
        )
        self.on_write("create", ref.kind.kind)
        return created

    async def patch(self, ref: Ref, patch: KubeObject, *, subresource: str = "") -> KubeObject | None:
        """Merge patch; None when the object does not exist."""
        path = await self._path(ref.kind, ref.namespace, ref.name)
        patched = await self._maybe(
            self._call(
                "PATCH",
                f"{path}/{subresource}".rstrip("/"),
                body=patch,
                query=[("fieldManager", self._manager)],
                content=_MERGE,
            )
        )
        if patched is not None:
            self.on_write("patch", ref.kind.kind)
        return patched

    async def delete(self, ref: Ref, *, uid: str = "", version: str = "") -> bool:
        """Delete in the background, only that object and version if they are given; False when it was gone already."""
        options: KubeObject = {"propagationPolicy": "Background"}
        only = {key: value for key, value in (("uid", uid), ("resourceVersion", version)) if value}
        if only:
            options["preconditions"] = only
        deleted = await self._maybe(
            self._call("DELETE", await self._path(ref.kind, ref.namespace, ref.name), body=options)
        )
        if deleted is not None:
            self.on_write("delete", ref.kind.kind)
        return deleted is not None

    async def post(self, path: str, body: KubeObject) -> KubeObject:
        """POST to a path outside the kinds' own (token requests)."""
        return await self._call("POST", path, body=body)

    async def get(self, path: str) -> KubeObject:
        """GET of any JSON path, such as /version."""
        return await self._call("GET", path)

    async def clock(self) -> float:
        """Seconds since 1970 by the API server's clock, to the second, from the head of its answer."""
        try:
            async with asyncio.timeout(self._deadline):
                request = await self._client.param_serialize("GET", "/version", auth_settings=["BearerToken"])
                response = await self._client.call_api(*request, _request_timeout=self._deadline)
                await response.read()
                return parsedate_to_datetime(response.headers["Date"]).timestamp()
        except (TimeoutError, aiohttp.ClientError, OSError, LookupError, ValueError, TypeError) as error:
            raise Unreachable(f"API server of {self.name} tells no time: {error}") from error

    async def _path(self, kind: Kind, namespace: str = "", name: str = "") -> str:
        root = f"/apis/{kind.api_version}" if "/" in kind.api_version else f"/api/{kind.api_version}"
        plural = await self._plural(kind, root)
        inside = f"/namespaces/{namespace}" if kind.namespaced and namespace else ""
        return f"{root}{inside}/{plural}" + (f"/{name}" if name else "")

    async def _plural(self, kind: Kind, root: str) -> str:
        if kind.kind not in self._plurals.get(root, {}):
            found = await self._maybe(self._call("GET", root)) or {}
            self._plurals[root] = {
                row["kind"]: row["name"] for row in found.get("resources", []) if "/" not in row["name"]
            }
        try:
            return self._plurals[root][kind.kind]
        except KeyError:
            raise KindMissing(f"{self.name} serves no {kind.kind} ({kind.api_version}): install its CRD") from None

    async def _maybe(self, call: Awaitable[KubeObject]) -> KubeObject | None:
        try:
            return await call
        except _NotFound:
            return None

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: list[tuple[str, str]] | None = None,
        content: str = "application/json",
    ) -> KubeObject:
        try:
            if self._closed:
                raise RuntimeError("closed")
            async with asyncio.timeout(self._deadline):
                return await self._exchange(method, path, body, query or [], content)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            text = str(error) or f"no answer within {self._deadline:g} s"
            raise Unreachable(f"API server of {self.name}: {text}") from error
        except RuntimeError as error:  # the client's word for it
            if not self._closed:
                raise
            raise Unreachable(f"API server of {self.name}: its connection was renewed meanwhile") from error

    async def _exchange(
        self, method: str, path: str, body: object, query: list[tuple[str, str]], content: str
    ) -> KubeObject:
        headers = {"Accept": "application/json", "Content-Type": content}
        request = await self._client.param_serialize(
            method, path, query_params=query, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        response = await self._client.call_api(*request, _request_timeout=self._deadline)
        text = await outgoing.body(response.response)
        if 200 <= response.status <= 299:
            return self._parsed(text) if text else {}
        raise self._error(response.status, _message(text) or str(response.reason), method)

    def _parsed(self, text: bytes) -> KubeObject:
        """The object of an answer. Whoever calls may rely on it being one, and a list one of objects."""
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Unreachable(f"API server of {self.name} breaks off, or does not answer in JSON: {error}") from error
        items = found.get("items") or [] if isinstance(found, dict) else None
        if not isinstance(items, list) or not all(_is_object(each) for each in items):
            raise Unreachable(f"API server of {self.name} answers with something that is no Kubernetes object")
        return dict(found)

    def _error(self, status: int, message: str, method: str) -> PortError:
        said = f"{self.name}: {message}"
        if status == 404 and message == _NOT_SERVED:
            self._plurals.clear()  # a CRD that was there is gone: what is served is asked anew
        if status == 404 and method in ("GET", "DELETE", "PATCH"):
            return _NotFound(said)
        if status == 500 and "failed to create typed patch object" in message:
            return Invalid(said)  # how server-side apply refuses an unknown field
        return _ERRORS.get(status, Unreachable)(said)


def _message(text: bytes) -> str:
    """What a refusal says: a Status, or plain text where not even the API group is known."""
    try:
        return str(json.loads(text)["message"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return text.decode(errors="replace").strip()[:300]


def _is_object(found: object) -> bool:
    return isinstance(found, dict) and isinstance(found.get("metadata"), dict) and "name" in found["metadata"]


class _NotFound(Invalid):
    reason = "NotFound"

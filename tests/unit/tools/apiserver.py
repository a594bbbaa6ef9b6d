"""An API server of a few lines, for the real client to talk to."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from aiohttp import web

SERVED = {
    "/api/v1": {"configmaps": "ConfigMap"},
    "/apis/leeward.dev/v1alpha1": {
        "modeldeployments": "ModelDeployment",
        "regions": "Region",
        "evacuations": "Evacuation",
    },
    "/apis/coordination.k8s.io/v1": {"leases": "Lease"},
    "/apis/apps/v1": {"deployments": "Deployment"},
}


@dataclass
class ApiServer:
    """What it holds by path, what it was asked, and with what it refuses."""

    folder: Path
    objects: dict[str, dict[str, object]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    refuse: int = 0
    refused_methods: tuple[str, ...] = ("GET", "PATCH", "DELETE")
    port: int = 0

    @property
    def kubeconfig(self) -> Path:
        path = self.folder / "kubeconfig"
        document = {
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "u", "user": {"token": "secret-token"}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "models"}}],
            "current-context": "x",
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def put(self, plural: str, body: dict[str, object]) -> None:
        """Hold an object, at the path where its kind is served."""
        root = next(root for root, kinds in SERVED.items() if plural in kinds)
        metadata = body["metadata"]
        assert isinstance(metadata, dict)
        inside = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
        self.objects[f"{root}{inside}/{plural}/{metadata['name']}"] = body

    def writes(self) -> list[str]:
        return [line for line in self.asked if not line.startswith("GET")]

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        if self.refuse and request.method in self.refused_methods:
            return web.json_response({"message": "not now"}, status=self.refuse)
        if request.path in SERVED:
            rows = [{"name": name, "kind": kind} for name, kind in SERVED[request.path].items()]
            return web.json_response({"resources": rows})
        found = self.objects.get(request.path)
        if request.method == "PATCH":
            found = self.objects[request.path] = json.loads(await request.text())
        if request.method == "DELETE":
            self.objects.pop(request.path, None)
        if found is None and request.path.rsplit("/", 1)[1] in {name for kinds in SERVED.values() for name in kinds}:
            return web.json_response({"items": self._under(request.path)})
        return web.json_response(found or {"message": "not found"}, status=200 if found else 404)

    def _under(self, path: str) -> list[dict[str, object]]:
        """A list in one namespace, or in all."""
        root, _, plural = path.rpartition("/")
        return [
            {name: part for name, part in body.items() if name not in ("kind", "apiVersion")}
            for key, body in self.objects.items()
            if key.startswith(f"{root}/") and key.rsplit("/", 2)[1] == plural
        ]


@contextmanager
def serving(folder: Path) -> Iterator[ApiServer]:
    """The server, in a thread of its own."""
    server = ApiServer(folder)
    loop = asyncio.new_event_loop()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, access_log=None)

    async def start() -> None:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        server.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]  # it is listening

    loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield server
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()

"""The control API: switch faults, see the pods.

- `GET /faults` → `{"region": {...}, "pods": {"name": {...}}}`
- `PUT /faults` with `{"faults": {"errors": 0.2, ...}, "pods": ["name", ...] or null}` → the same as GET.
  What is left out of `faults` is healthy; without pods it holds for the whole region, also for pods to
  come, and replaces what single pods had.
- `DELETE /faults` heals everything → the same as GET
- `GET /state` → `{"region": "...", "pods": [{"name", "ready", "running", "waiting", "served", ...}]}`

Bad input is answered 400 with `{"error": "<a sentence>"}`.
"""

from __future__ import annotations

import json

from aiohttp import web

from .faults import FaultBook, Faults, parse_faults
from .pods import Crew


def control_app(region: str, crew: Crew, faults: FaultBook) -> web.Application:
    """The application behind --control-port."""

    async def read(_: web.Request) -> web.Response:
        return web.json_response(faults.to_json())

    async def put(request: web.Request) -> web.Response:
        try:
            wanted, pods = _parse_put(await request.read(), crew.names())
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        faults.put(wanted, pods)
        return await read(request)

    async def heal(request: web.Request) -> web.Response:
        faults.clear()
        return await read(request)

    async def state(_: web.Request) -> web.Response:
        pods = sorted(crew.pods.values(), key=lambda pod: pod.spec.name)
        return web.json_response({"region": region, "pods": [pod.state() for pod in pods]})

    app = web.Application()
    app.router.add_get("/faults", read)
    app.router.add_put("/faults", put)
    app.router.add_delete("/faults", heal)
    app.router.add_get("/state", state)
    return app


def _parse_put(raw: bytes, known: set[str]) -> tuple[Faults, list[str] | None]:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise ValueError(f"The body is not JSON: {error}.") from None
    if not isinstance(body, dict) or "faults" not in body:
        raise ValueError('The body must be an object such as {"faults": {"errors": 0.2}, "pods": null}.')
    surplus = sorted(set(body) - {"faults", "pods"})
    if surplus:
        raise ValueError(f"There is no field named {surplus[0]!r}; known are faults and pods.")
    pods = body.get("pods")
    if pods is None:
        return parse_faults(body["faults"]), None
    if not isinstance(pods, list) or not pods or not all(isinstance(pod, str) for pod in pods):
        raise ValueError("pods must be null or a list of pod names that is not empty.")
    unknown = sorted(set(pods) - known)
    if unknown:
        raise ValueError(f"No pod named {unknown[0]!r} is played here; there are {', '.join(sorted(known)) or 'none'}.")
    return parse_faults(body["faults"]), pods

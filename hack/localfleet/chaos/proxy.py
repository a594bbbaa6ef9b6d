"""An API server's front door, for Leeward's replicas alone, that misbehaves when it is told to.

It speaks with the API server's own certificate and hands every request on as it came, token and all, with the client's
address, so that the audit log still tells who asked. How it misbehaves is a file in the region's folder, read at every
request.
"""

import asyncio
import json
import random
import ssl
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp
import click
from aiohttp import web
from yarl import URL

from localfleet.components import Component
from localfleet.layout import API_PORT, RegionHost

PORT = 6444
NAME = "api-proxy"
HELD_SECONDS = 4.0
_PER_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "host"}
_REASONS = {409: "Conflict", 410: "Expired", 429: "TooManyRequests", 500: "InternalError"}
_WRITES = {"PATCH", "POST", "PUT", "DELETE"}


@dataclass(frozen=True, slots=True)
class Fault:
    """How to misbehave: `refuse`, `409`, `410`, `429`, `500`, `hang` or `truncate` in the middle of an answer, or
    `hold` what writes routes for a while; `share` of the requests, and only those of the address `client` if given.
    """

    mode: str = ""
    share: float = 1.0
    client: str = ""

    def concerns(self, request: web.BaseRequest) -> bool:
        """Is this one of the requests that it is about?"""
        if not self.mode or (self.client and request.remote != self.client):
            return False
        if self.mode == "409":
            return request.method in _WRITES
        if self.mode == "410":
            return request.method == "GET" and bool({"resourceVersion", "watch"} & request.query.keys())
        return self.mode != "hold" or (request.method == "PATCH" and "/httproutes/" in request.path)


def component(region: RegionHost) -> Component:
    """The program, on the region's host."""
    command = (sys.executable, "-m", "localfleet.chaos.proxy", str(region.folder), region.address)
    hack = Path(__file__).resolve().parents[2]
    return Component(NAME, region.name, command, {"PYTHONPATH": f"{hack}:{hack.parent / 'operator'}"})


def misbehave(region: RegionHost, fault: Fault) -> None:
    """From the next request on; `Fault()` behaves."""
    _file(region.folder).write_text(json.dumps(asdict(fault)))


def _file(folder: Path) -> Path:
    return folder / "api-fault.json"


class Door:
    """The front door of one API server."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession, upstream: str) -> None:
        self._folder, self._session, self._upstream = folder, session, upstream
        self._chance = random.Random()

    def fault(self) -> Fault:
        """As the file says now."""
        try:
            return Fault(**json.loads(_file(self._folder).read_text()))
        except (OSError, ValueError):
            return Fault()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Hand one request on, or not."""
        fault = self.fault()
        mode = fault.mode if fault.concerns(request) and self._chance.random() < fault.share else ""
        if mode == "refuse":
            return _cut(request)
        if mode.isdecimal():
            return _told(int(mode))
        if mode == "hold":
            await asyncio.sleep(HELD_SECONDS)
        headers = [(name, text) for name, text in request.headers.items() if name.lower() not in _PER_HOP]
        headers.append(("X-Forwarded-For", request.remote or ""))
        body = await request.read()
        url = URL(self._upstream + request.raw_path, encoded=True)
        try:
            async with self._session.request(
                request.method, url, headers=headers, data=body or None, server_hostname="localhost"
            ) as answer:
                return await self._pass_on(request, answer, mode)
        except (aiohttp.ClientError, OSError):
            return _cut(request)

    async def _over(self, mode: str) -> None:
        """Wait until it misbehaves so no more; a client that goes away meanwhile is no reason to ask sooner."""
        while self.fault().mode == mode:  # noqa: ASYNC110 - a file tells
            await asyncio.sleep(0.2)

    async def _pass_on(self, request: web.BaseRequest, answer: aiohttp.ClientResponse, mode: str) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status)
        for name, text in answer.headers.items():
            if name.lower() not in _PER_HOP:
                response.headers.add(name, text)
        await response.prepare(request)
        async for block in answer.content.iter_any():
            if mode in ("hang", "truncate"):
                await response.write(block[: len(block) // 2])
                if mode == "hang":
                    await self._over(mode)
                return _cut(request)
            await response.write(block)
        await response.write_eof()
        return response


def _told(code: int) -> web.Response:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": _REASONS[code]}
    return web.json_response(
        {**status, "message": "chaos"}, status=code, headers={"Retry-After": "1"} if code == 429 else None
    )


def _cut(request: web.BaseRequest) -> web.Response:
    """Close the connection, whatever was sent of the answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def serve(folder: Path, address: str) -> None:
    """Until the process ends."""
    certificate = folder / "apiserver" / "apiserver.crt"
    inside = ssl.create_default_context(cafile=str(certificate))
    outside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    outside.load_cert_chain(certificate, certificate.with_suffix(".key"))
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=inside, limit=0),
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
    )
    async with session:
        door = Door(folder, session, f"https://{address}:{API_PORT}")
        runner = web.ServerRunner(web.Server(door.handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, address, PORT, ssl_context=outside).start()
        await asyncio.Event().wait()


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("address")
def main(folder: Path, address: str) -> None:
    """Stand before the API server at ADDRESS; keys and fault are in the region's FOLDER."""
    asyncio.run(serve(folder, address))


if __name__ == "__main__":
    main()

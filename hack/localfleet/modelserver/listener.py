"""A pod's open port: how it starts, drains and dies."""

from __future__ import annotations

import contextlib
import socket
import struct

from aiohttp import web

# SO_LINGER on with 0 s: closing sends a reset at once, as the peer of a killed host's connection would see.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Listener:
    """Serves one application on one address."""

    def __init__(self, app: web.Application, address: str, port: int, grace_seconds: float) -> None:
        self._address = address
        self._port = port
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,  # a client that leaves frees its place in the batch, as in vLLM
            shutdown_timeout=grace_seconds,
        )

    async def open(self) -> None:
        """Start to accept. Raises OSError when the address is not there yet or the port is taken."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._address, self._port, backlog=1024).start()
        except OSError:
            await self._runner.cleanup()
            raise

    async def drain(self) -> None:
        """Stop to accept, let running requests finish for the grace time, close."""
        await self._runner.cleanup()

    async def crash(self) -> None:
        """Stop to accept and reset every connection now."""
        for site in list(self._runner.sites):
            await site.stop()
        server = self._runner.server
        if server is not None:
            for connection in server.connections:
                transport = connection.transport
                if transport is None:
                    continue
                peer = transport.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                transport.abort()
        await self._runner.cleanup()

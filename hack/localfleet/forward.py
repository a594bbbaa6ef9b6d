"""Loopback ports of the machine that lead to the API servers inside the fleet, for kubectl outside.

The listening sockets are made outside and handed to a program that lives inside, so nothing needs a route.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys

import yaml

from localfleet import sandbox
from localfleet.layout import API_PORT, Fleet, RegionHost


def start(fleet: Fleet) -> None:
    """Open one loopback port per region and write its kubeconfig for use outside."""
    listeners = {region: _listener() for region in fleet.regions}
    targets = [f"{listener.fileno()}={region.address}:{API_PORT}" for region, listener in listeners.items()]
    pid = sandbox.holder(fleet.name)
    if pid is None:
        raise sandbox.SandboxError(f"fleet {fleet.name!r} is not up")
    command = sandbox.enter_command(pid, [sys.executable, "-m", "localfleet.forward", *targets])
    subprocess.Popen(
        command,
        env=sandbox.enter_environment(fleet.name),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=[listener.fileno() for listener in listeners.values()],
    )
    for region, listener in listeners.items():
        _write_kubeconfig(region, listener.getsockname()[1])
        listener.close()


def _listener() -> socket.socket:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.set_inheritable(True)
    return listener


def _write_kubeconfig(region: RegionHost, port: int) -> None:
    config = yaml.safe_load(region.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    region.outside_kubeconfig.write_text(yaml.safe_dump(config))
    region.outside_kubeconfig.chmod(0o600)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await reader.read(65536):
            writer.write(block)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


async def _serve(descriptor: int, host: str, port: int) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    server = await asyncio.start_server(handle, sock=socket.socket(fileno=descriptor))
    await server.serve_forever()


async def _main(targets: list[str]) -> None:
    parsed = [target.partition("=") for target in targets]
    await asyncio.gather(
        *(
            _serve(int(descriptor), address.rpartition(":")[0], int(address.rpartition(":")[2]))
            for descriptor, _, address in parsed
        )
    )


if __name__ == "__main__":
    os.environ.pop("PYTHONSTARTUP", None)
    asyncio.run(_main(sys.argv[1:]))

"""The model servers' image: what is put into it runs by itself, and plays the pod that it runs in."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from localfleet.bootstrap import documents
from localfleet.kind import faults, lines
from localfleet.kind.backend import _image_folder
from localfleet.layout import KIND, MODELS_PORT, Fleet

ROOT = Path(__file__).resolve().parents[3]
FLEET = Fleet("test", ("west",), backend=KIND)
POD = {"metadata": {"namespace": "models", "name": "llama-0"}}


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return _image_folder(FLEET)


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def pins(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+) \\$", text, re.MULTILINE))


def test_the_image_installs_what_was_tested() -> None:
    ours, tested = pins("modelserver.txt"), pins("dev.txt")
    assert ours and ours.items() <= tested.items()


def test_the_image_holds_all_that_the_simulator_imports(image: Path) -> None:
    program = """
import importlib.metadata, sys, localfleet.modelserver.__main__
imported = {name.partition(".")[0] for name in sys.modules}
found = importlib.metadata.packages_distributions()
print(*{distribution for name in imported for distribution in found.get(name, ())})
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(image)}, capture_output=True, text=True, check=True
    )
    imported = {name.lower().replace("_", "-") for name in done.stdout.split()}
    assert "aiohttp" in imported
    of_every_environment = {"pip", "setuptools", "leeward"}
    assert not imported - of_every_environment - set(pins("modelserver.txt"))


@asynccontextmanager
async def container(image: Path, engine_port: int, control_port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """The image's entry point with the arguments of examples/kind, as a kubelet would start it."""
    entry = json.loads(re.search(r"^ENTRYPOINT (.*)$", (image / "Dockerfile").read_text(), re.MULTILINE)[1])  # type: ignore[index]
    (model,) = documents(ROOT / "examples/kind/modeldeployment.yaml")
    line = [sys.executable, *entry[1:], *model["spec"]["server"]["args"], f"--port={engine_port}"]
    line[line.index(f"--control-port={MODELS_PORT}")] = f"--control-port={control_port}"
    environment = {"PYTHONPATH": str(image), "MODELSERVER_STARTUP_SECONDS": "0", "PATH": os.environ["PATH"]}
    running = await asyncio.create_subprocess_exec(
        *line, cwd=image, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.terminate()
        await asyncio.wait_for(running.wait(), 10)


async def test_a_container_plays_its_own_pod(image: Path) -> None:
    engine_port, control_port = free_port(), free_port()
    engine, control = f"http://127.0.0.1:{engine_port}", f"http://127.0.0.1:{control_port}"
    async with container(image, engine_port, control_port) as running, aiohttp.ClientSession() as session:

        async def status(url: str) -> int | None:
            try:
                async with session.get(url) as answer:
                    return answer.status
            except aiohttp.ClientError:
                return None

        async def eventually(url: str, wanted: Callable[[int | None], bool]) -> None:
            async with asyncio.timeout(10):
                while not wanted(await status(url)):
                    await asyncio.sleep(0.05)

        await eventually(f"{engine}/health", lambda found: found == 200)
        async with session.get(f"{engine}/v1/models") as answer:
            assert (await answer.json())["data"][0]["id"] == "meta-llama/Llama-3.3-70B-Instruct"
        async with session.get(f"{engine}/metrics") as answer:
            assert "vllm:num_requests_running{" in await answer.text()

        _, body = faults.put(lines.cluster(FLEET, FLEET.regions[0]), POD, {"crash": True})
        async with session.put(f"{control}/faults", data=body) as answer:
            assert answer.status == 200
        await eventually(f"{engine}/health", lambda found: found is None)
        async with session.delete(f"{control}/faults") as answer:
            assert answer.status == 200
        await eventually(f"{engine}/health", lambda found: found == 200)
    assert running.returncode == 0


def test_arguments_of_an_engine_need_a_pod_to_play() -> None:
    line = [sys.executable, "-m", "localfleet.modelserver", "--region=kind", "--control-port=0", "--", "--model=x"]
    done = subprocess.run(line, env={"PYTHONPATH": str(ROOT / "hack")}, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Give --kubeconfig, --own-pod, or at least one --static-pod." in done.stderr

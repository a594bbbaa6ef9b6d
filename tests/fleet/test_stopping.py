"""An operator that is told to stop does so at once, by itself: a pod is replaced only after its end."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Protocol

import pytest

ROOT = Path(__file__).resolve().parents[2]
PORT = 18082


class Cluster(Protocol):
    """What the fixture `api` gives."""

    kubeconfig: Path


def ready() -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_operator(api: Cluster, tmp_path: Path, number: signal.Signals) -> None:
    options = ["--kubeconfig", str(api.kubeconfig), "--dry-run", f"--listen=127.0.0.1:{PORT}", "--log-format=json"]
    log = tmp_path / "log"
    with log.open("w") as written:
        operator = subprocess.Popen(
            [sys.executable, "-m", "leeward", "run", *options],
            env=os.environ | {"PYTHONPATH": str(ROOT / "operator")},
            stdout=written,
            stderr=written,
        )
    try:
        deadline = time.monotonic() + 60
        while not ready():
            assert operator.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        operator.send_signal(number)
        assert operator.wait(10) == 0, log.read_text()
    finally:
        operator.kill()
        operator.wait()

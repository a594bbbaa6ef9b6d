"""The line that lives while a load runs on a terminal."""

from __future__ import annotations

import asyncio
import time

from rich.console import Console
from rich.live import Live
from rich.text import Text

from .analysis import percentile
from .generator import Load

REFRESH_SECONDS = 0.5


def live_line(load: Load, elapsed: float, rps: float) -> Text:
    """`rps` is requests started per second of late; percentiles are of the latest streamed answers."""
    counts = load.counts
    good = f"{100 * counts.good / counts.finished:5.1f} %" if counts.finished else "    -"
    ttft = [percentile(counts.recent_ttft, share) for share in (0.50, 0.95)]
    p50, p95 = ("-" if value is None else f"{value:.2f} s" for value in ttft)
    line = Text(f"{elapsed:6.1f} s  in flight {counts.in_flight:4d}  {rps:5.1f} req/s  ")
    line.append(f"good {good}", style="green" if not counts.failed else "yellow")
    line.append(f"  429 {counts.refused}", style="yellow" if counts.refused else "")
    line.append(f"  failed {counts.failed}", style="red" if counts.failed else "")
    line.append(f"  TTFT p50 {p50} p95 {p95}")
    return line


async def show(load: Load, console: Console) -> None:
    """Until cancelled."""
    began = last_time = time.monotonic()
    last_started = 0
    with Live(console=console, auto_refresh=False) as live:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            now, started = time.monotonic(), load.counts.started
            rps = (started - last_started) / (now - last_time)
            last_time, last_started = now, started
            live.update(live_line(load, now - began, rps), refresh=True)

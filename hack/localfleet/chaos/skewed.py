"""`python skewed.py FILE …`: the operator with a clock that is wrong by the seconds in FILE.

What decides reads the wall clock by `time.time` and `time.time_ns`, which are replaced; deadlines and the election read
the monotonic clock, which steps for nobody. Moments that are only shown to people stay right.
"""

import sys
import time
from pathlib import Path

_EVERY_SECONDS = 0.2


class Skew:
    """The offset in seconds, read anew a few times a second; a file that is absent or empty means none."""

    def __init__(self, path: Path) -> None:
        self._path, self._read_at, self._offset = path, 0.0, 0.0

    def seconds(self) -> float:
        now = time.monotonic()
        if now - self._read_at >= _EVERY_SECONDS:
            self._read_at = now
            try:
                self._offset = float(self._path.read_text() or 0)
            except OSError:
                self._offset = 0.0
        return self._offset


def install(skew: Skew) -> None:
    """From now on this process has that clock."""
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + skew.seconds()
    time.time_ns = lambda: right_ns() + round(skew.seconds() * 1e9)


def program(path: Path) -> tuple[str, ...]:
    """What to start Python with. It runs as a file, so that the operator finds nothing of the test bed to import."""
    return "-P", __file__, str(path)


if __name__ == "__main__":
    install(Skew(Path(sys.argv.pop(1))))
    from leeward.cli import main

    main(prog_name="leeward")

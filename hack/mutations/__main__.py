"""`hack/mutation-check`: break the core in a copy, one rule at a time, and see who notices."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from rich.console import Console

from mutations.breaks import BREAKS, Break, RuleMovedError

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("operator", "tests", "hack", "pyproject.toml", "docs", "crds")
PYTEST = ("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", "not fleet and not long")
FIRST_SEED = 0
console = Console(highlight=False, soft_wrap=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--storms", default=400, show_default=True, help="Seeds that the storms are given.")
@click.option("--all", "everyone", is_flag=True, help="Ask everyone, not only until the first that notices.")
@click.option("--only", multiple=True, help="Only breaks whose name holds this text.")
def main(storms: int, everyone: bool, only: tuple[str, ...]) -> None:
    """Apply each break to a copy of the core, and print which of transcripts, properties and storms catch it.

    Ends with 1 if any break survives, and with 2 if a rule moved so that its break has to be mended.
    """
    chosen = [each for each in BREAKS if not only or any(text in each.name for text in only)]
    sound = _failing_seeds(ROOT, range(FIRST_SEED, FIRST_SEED + storms))
    askers: dict[str, Callable[[Path], str]] = {
        "transcripts": lambda copy: _pytest(copy, "tests/scenarios"),
        "storms": lambda copy: _storms(copy, sound, storms),
        "properties": lambda copy: _pytest(copy, "tests/properties"),
    }
    rows = []
    try:
        for each in chosen:
            started = time.monotonic()
            rows.append((each.name, _caught(each, askers, everyone)))
            console.print(
                f"{time.monotonic() - started:6.1f} s  {each.name}: {rows[-1][1] or 'SURVIVES'}", markup=False
            )
    except RuleMovedError as error:
        console.print(str(error), markup=False)
        sys.exit(2)
    _tell(rows)
    sys.exit(int(any(not caught for _, caught in rows)))


def _caught(each: Break, askers: dict[str, Callable[[Path], str]], everyone: bool) -> str:
    """Who notices, with a word about how; empty if nobody does."""
    found = []
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, copy / name)
        each.apply(copy / "operator" / "leeward" / "core")
        for name, ask in askers.items():
            told = ask(copy)
            if told:
                found.append(f"{name} ({told})")
                if not everyone:
                    break
    return ", ".join(found)


def _run(copy: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    paths = [str(copy / "operator"), str(copy / "hack")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)


def _pytest(copy: Path, folder: str) -> str:
    """The first test that fails, if any does."""
    ran = _run(copy, [*PYTEST, folder])
    failed = [line for line in ran.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if ran.returncode == 0:
        return ""
    return failed[0].partition("::")[2].partition(" ")[0] if failed else "the tests do not run"


def _storms(copy: Path, sound: set[str], storms: int) -> str:
    """The first storm that ends differently from the one of the sound core, in a broken rule."""
    broken = sorted(_failing_seeds(copy, range(FIRST_SEED, FIRST_SEED + storms)) - sound)
    return f"{len(broken)} more seeds: {broken[0]}" if broken else ""


def _failing_seeds(copy: Path, seeds: range) -> set[str]:
    """`seed: rule` of every storm that breaks one."""
    ran = _run(copy, ["-m", "mutations.storms", str(seeds.start), str(seeds.stop)])
    if ran.returncode != 0:
        return {f"the storms do not run: {ran.stderr.strip().splitlines()[-1]}"}
    return set(ran.stdout.splitlines())


def _tell(rows: Sequence[tuple[str, str]]) -> None:
    console.print("\n| broken rule | caught by |\n| --- | --- |", markup=False)
    for name, caught in rows:
        console.print(f"| {name} | {caught or 'nobody: it survives'} |", markup=False)


if __name__ == "__main__":
    main()

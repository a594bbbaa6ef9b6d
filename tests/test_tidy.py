"""House style that a linter does not know: sizes, names, docstrings, and what may never stand in a file.

Every exception stands in a table below with its reason; one that is not needed any more fails too. To see the sizes:

    .venv/bin/python tests/test_tidy.py
"""

import ast
import re
import statistics
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

MAX_FUNCTION_LINES = 50
MAX_MEDIAN_FUNCTION_LINES = 12
MAX_FILE_LINES = 300
BANNED_WORDS = frozenset({"manager", "helper", "helpers", "utils", "util", "process", "processes", "data", "info"})

# --- Exceptions: where, and why --------------------------------------------------------------------------------------

LONG_FUNCTIONS: dict[str, str] = {}  # "path::function": reason
LONG_FILES: dict[str, str] = {  # "path": reason
    "tests/fleet/test_crds.py": "tables of what the API server must refuse, a line each",
}
BANNED_NAMES: dict[str, str] = {}  # "path::name": reason
PLACES: dict[str, str] = {}  # "path": reason why it names a place of somebody's machine or a registry

# Character classes keep these patterns from finding themselves.
_PLACES = (
    (
        re.compile(r"(?<![\w.$}/-])/(?:[w]ork|[r]oot|[h]ome/[a-z]\w*|[U]sers/\w+|[o]pt/wheels)(?=[/\s\"'`:),]|$)"),
        "a path of one machine",
    ),
    (
        re.compile(
            r"\b(?:[p]ypi\.|[p]ythonhosted\.|[r]egistry\.npmjs|[r]egistry\.yarnpkg|[s]tatic\.crates\.io|"
            r"[i]ndex\.crates\.io|[p]roxy\.golang|[s]um\.golang|[r]epo1?\.maven|[d]eb\.debian)"
        ),
        "a package registry's host",
    ),
    (
        re.compile(r"--(?:extra-)?[i]ndex-url|--[f]ind-links|--[t]rusted-host|\b[G]OPROXY="),
        "an address to download from",
    ),
)
_IGNORE = re.compile(r"#\s*(?:noqa(?P<noqa_code>:\s*[A-Z]+\d+)?|type:\s*ignore(?P<type_code>\[[\w-]+)?)")

# --- Reading the tree ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Function:
    """One function: where it stands and how many lines it has, its docstring included, its decorators not."""

    path: str
    name: str
    lines: int


@cache
def files() -> tuple[str, ...]:
    """What git tracks or would track, relative to the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return tuple(sorted({name for name in listed if name and (ROOT / name).is_file()}))


@cache
def text(path: str) -> str:
    """A file's text; empty where it is none."""
    try:
        return (ROOT / path).read_text("utf-8")
    except UnicodeDecodeError:
        return ""


@cache
def tree(path: str) -> ast.Module:
    return ast.parse(text(path), path)


def modules() -> list[str]:
    """Every Python file; programs without an ending are known by their first line."""
    return [path for path in files() if path.endswith(".py") or re.match(r"#!.*\bpython", text(path))]


def functions() -> Iterator[Function]:
    for path in modules():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield Function(path, node.name, (node.end_lineno or node.lineno) - node.lineno + 1)


def names() -> Iterator[tuple[str, str]]:
    """Path and name of every module, folder with modules, class and function; a test's name is a sentence, not one."""
    for path in modules():
        yield from ((path, part) for part in Path(path).with_suffix("").parts)
        for node in ast.walk(tree(path)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if not node.name.startswith("test_"):
                yield path, node.name


def words(name: str) -> set[str]:
    """`HTTPInfo_of` is made of `http`, `info` and `of`."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def lines(matches: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """Path, and `path:line: what`, of every line for which `matches` says what is wrong."""
    for path in files():
        for number, line in enumerate(text(path).splitlines(), 1):
            if what := matches(line):
                yield path, f"{path}:{number}: {what}"


def check(found: list[tuple[str, str]], excused: dict[str, str]) -> None:
    """Fail with every (key, finding) that no exception covers, and with every exception that covers nothing."""
    wrong = [finding for key, finding in found if key not in excused]
    idle = [f"the exception for {key} is not needed any more" for key in excused if key not in dict(found)]
    assert not wrong + idle, "\n" + "\n".join(wrong + idle)


# --- Sizes -----------------------------------------------------------------------------------------------------------


def test_functions_are_short() -> None:
    found = [
        (f"{each.path}::{each.name}", f"{each.path}::{each.name} has {each.lines} lines, not {MAX_FUNCTION_LINES}")
        for each in functions()
        if each.lines > MAX_FUNCTION_LINES
    ]
    check(found, LONG_FUNCTIONS)


def test_most_functions_are_very_short() -> None:
    median = statistics.median(each.lines for each in functions())
    assert median <= MAX_MEDIAN_FUNCTION_LINES, f"the median function has {median} lines"


def test_files_hold_one_idea() -> None:
    counted = {path: len(text(path).splitlines()) for path in modules()}
    check(
        [
            (path, f"{path} has {count} lines, not {MAX_FILE_LINES}")
            for path, count in counted.items()
            if count > MAX_FILE_LINES
        ],
        LONG_FILES,
    )


# --- Names and documentation -----------------------------------------------------------------------------------------


def test_names_say_what_things_are() -> None:
    found = {
        f"{path}::{name}": f"{path}: {name} says {', '.join(sorted(words(name) & BANNED_WORDS))}"
        for path, name in names()
        if words(name) & BANNED_WORDS
    }
    check(list(found.items()), BANNED_NAMES)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("cd /" + "work/somewhere", True),
        ("cache: /" + "root/.cache", True),
        ("pip --" + "index-url x", True),
        ("pip-compile --no-emit-index-url", False),
        ("see operator/work/x and $HOME/root/", False),
    ],
)
def test_a_place_is_found(line: str, found: bool) -> None:
    assert any(pattern.search(line) for pattern, _ in _PLACES) is found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("field_manager", {"field", "manager"}),
        ("HTTPInfo", {"http", "info"}),
        ("database", {"database"}),
        ("information_of2", {"information", "of"}),
    ],
)
def test_words_of_a_name(name: str, expected: set[str]) -> None:
    assert words(name) == expected


def test_the_source_root_is_no_package() -> None:
    """The standard library has a module `operator`; an __init__.py here would stand in for it."""
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_every_public_module_says_what_it_is_for() -> None:
    public = [path for path in modules() if not Path(path).stem.startswith("_") or Path(path).stem.startswith("__")]
    check([(path, f"{path} has no docstring") for path in public if not ast.get_docstring(tree(path))], {})


# --- What may not stand in a file ------------------------------------------------------------------------------------


def test_no_place_of_one_machine_and_no_download_address() -> None:
    def place(line: str) -> str:
        return next((what for pattern, what in _PLACES if pattern.search(line)), "")

    check(list(lines(place)), PLACES)


def test_every_ignore_says_what_it_ignores() -> None:
    def bare(line: str) -> str:
        found = [match for match in _IGNORE.finditer(line) if not (match["noqa_code"] or match["type_code"])]
        return f"`{found[0].group()}` carries no code" if found else ""

    python = set(modules())
    check([(path, what) for path, what in lines(bare) if path in python], {})


def _report() -> None:
    sizes = sorted(functions(), key=lambda each: each.lines, reverse=True)
    print(f"{len(sizes)} functions, median {statistics.median(each.lines for each in sizes):g} lines; the longest:")
    for each in sizes[:10]:
        print(f"{each.lines:5} {each.path}::{each.name}")
    print("the longest files:")
    for count, path in sorted(((len(text(path).splitlines()), path) for path in modules()), reverse=True)[:10]:
        print(f"{count:5} {path}")


if __name__ == "__main__":
    _report()

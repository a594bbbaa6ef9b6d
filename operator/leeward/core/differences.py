"""How two specs differ: as sentences for people, and as the merge patch that turns one into the other."""

from collections.abc import Iterator, Mapping, Sequence

Tree = Mapping[str, object]
Difference = tuple[str, object, object]
"""Path of a field, what counts there, and what is there; None where the field is absent."""


def differences(wanted: object, live: object, path: str = "spec") -> Iterator[Difference]:
    """Every field that differs, deepest first named by its path, such as `spec.regions[1].share`."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        for key in sorted(wanted.keys() | live.keys()):
            yield from differences(wanted.get(key), live.get(key), f"{path}.{key}")
    elif _is_list(wanted) and _is_list(live) and len(wanted) == len(live):  # type: ignore[arg-type]
        for number, pair in enumerate(zip(wanted, live, strict=True)):  # type: ignore[call-overload]
            yield from differences(pair[0], pair[1], f"{path}[{number}]")
    elif wanted != live:
        yield path, wanted, live


def _is_list(found: object) -> bool:
    return isinstance(found, Sequence) and not isinstance(found, str)


def merge_patch(wanted: Tree, live: Tree) -> dict[str, object]:
    """The JSON merge patch (RFC 7386) that makes `wanted` of `live`; lists are replaced as a whole."""
    patch: dict[str, object] = {key: None for key in live if key not in wanted}
    for key, value in wanted.items():
        there = live.get(key)
        if isinstance(value, Mapping) and isinstance(there, Mapping):
            if inner := merge_patch(value, there):
                patch[key] = inner
        elif value != there:
            patch[key] = value
    return patch

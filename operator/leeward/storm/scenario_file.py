"""A storm written by a person: YAML to a scenario, with errors that name the place and the fix."""

import difflib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml

from leeward.storm.scenario import KINDS, Fault, FaultKind, FleetShape, RegionShape, Scenario, Weather

FORMAT = """\b
fleet:
  policy: LocalFirst            # or Shares
  regions:                      # two to ten
  - {name: a, share: 34, replicas: 4, rate: 9}     # rate: requests/s that enter there
  - {name: b, share: 33, replicas: 4, rate: 9, replicas_max: 12, provider: p}
  - {name: c, share: 33, replicas: 4, rate: 9}
  settings: {interval: 5, scrape_interval: 5, bake: 20, clean_after_failed: 45}   # seconds, optional
weather: {background_errors: 0.001, jitter: 0.05, retries: true}                  # optional
faults:
- {at: 60, for: 120, kind: errors, regions: [b], size: 0.2}
- {at: 60, for: 120, kind: metrics gone, regions: [b]}
hours: 4                        # ends at the latest; optional
"""

_FLEET_SECONDS = {
    "interval": "interval_ms",
    "scrape_interval": "scrape_interval_ms",
    "min_interval": "min_interval_ms",
    "bake": "bake_ms",
    "clean_after_degraded": "clean_after_degraded_ms",
    "clean_after_failed": "clean_after_failed_ms",
    "cooldown": "cooldown_ms",
    "scale_down_after": "scale_down_after_ms",
}
_FLEET_PLAIN = (
    "requests_per_second_per_replica",
    "concurrency_per_replica",
    "availability",
    "max_step",
    "steps",
    "min_requests",
    "failovers_per_hour",
    "writes_per_hour",
    "flap_penalty_resume",
)
_ALL_OVER = frozenset(
    {
        FaultKind.REACH_BLIPS,
        FaultKind.OPERATOR_CUT,
        FaultKind.OPERATOR_CRASH,
        FaultKind.OPERATOR_FORGETS,
        FaultKind.OPERATOR_STALE,
        FaultKind.OPERATOR_PAUSE,
        FaultKind.FREEZE,
    }
)


class BadScenarioError(ValueError):
    """The file does not say a storm; the message names the place and what to write there."""


def read(path: Path, seed: int = 0) -> Scenario:
    """The scenario of a file.

    Raises:
        BadScenarioError: the file is no scenario.
    """
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadScenarioError(f"{path} cannot be read as YAML: {error}") from error
    return parse(document, seed)


def parse(document: object, seed: int = 0) -> Scenario:
    """The scenario of a parsed document."""
    top = _mapping(document, "the file", ("fleet", "weather", "faults", "hours"))
    fleet = _fleet(_mapping(top.get("fleet"), "fleet", ("policy", "regions", "settings")))
    weather = _weather(top.get("weather") or {})
    names = [region.name for region in fleet.regions]
    rows = top.get("faults") or []
    if not isinstance(rows, list):
        raise BadScenarioError("faults: write a list, one fault a line")
    faults = tuple(_fault(row, f"faults[{i}]", names) for i, row in enumerate(rows))
    end = max((fault.end_ms for fault in faults), default=120_000)
    limit = round(_number(top.get("hours", 4), "hours", 0, 24 * 366) * 3_600_000)
    if limit < end:
        raise BadScenarioError(f"hours: the last fault ends after {end / 3_600_000:.2f} hours; write more")
    return Scenario(seed, fleet, tuple(sorted(faults, key=lambda fault: fault.start_ms)), weather, end, limit)


def _fleet(source: Mapping[str, Any]) -> FleetShape:
    rows = source.get("regions")
    if not isinstance(rows, list) or not 2 <= len(rows) <= 10:
        raise BadScenarioError("fleet.regions: write a list of two to ten regions")
    regions = tuple(_region(row, f"fleet.regions[{i}]") for i, row in enumerate(rows))
    names = [region.name for region in regions]
    if len(set(names)) < len(names):
        raise BadScenarioError(f"fleet.regions: {', '.join(names)}: give every region a name of its own")
    if sum(region.share for region in regions) != 100:
        raise BadScenarioError(f"fleet.regions: shares sum to {sum(r.share for r in regions)}, make it 100")
    policy = source.get("policy", "LocalFirst")
    if policy not in ("LocalFirst", "Shares"):
        raise BadScenarioError(f"fleet.policy: {policy!r}: write LocalFirst or Shares")
    return replace(FleetShape(regions, policy), **_settings(source.get("settings") or {}))


def _region(row: object, where: str) -> RegionShape:
    source = _mapping(row, where, ("name", "share", "replicas", "replicas_max", "rate", "provider"))
    for needed in ("name", "share", "replicas", "rate"):
        if needed not in source:
            raise BadScenarioError(f"{where}: {needed} is missing")
    replicas = int(_number(source["replicas"], f"{where}.replicas", 1, 10_000))
    return RegionShape(
        str(source["name"]),
        int(_number(source["share"], f"{where}.share", 0, 100)),
        replicas,
        int(_number(source.get("replicas_max", 2 * replicas), f"{where}.replicas_max", replicas, 100_000)),
        _number(source["rate"], f"{where}.rate", 0, 1_000_000),
        str(source.get("provider", "p")),
    )


def _settings(row: object) -> dict[str, Any]:
    source = _mapping(row, "fleet.settings", (*_FLEET_SECONDS, *_FLEET_PLAIN))
    found: dict[str, Any] = {}
    for key, value in source.items():
        where = f"fleet.settings.{key}"
        if key in _FLEET_SECONDS:
            least = 1 if key.endswith("interval") else 0
            found[_FLEET_SECONDS[key]] = round(_number(value, where, least, 86_400) * 1000)
        elif key == "steps":
            if not isinstance(value, list) or not value:
                raise BadScenarioError(f"{where}: write a list of percents, such as [5, 25, 100]")
            found[key] = tuple(int(_number(step, where, 1, 100)) for step in value)
        elif key == "availability":
            found[key] = _number(value, where, 0.5, 1)
        else:
            found[key] = int(_number(value, where, 1, 1_000_000))
    return found


def _weather(row: object) -> Weather:
    names = tuple(f.name for f in fields(Weather))
    source = _mapping(row, "weather", names)
    found: dict[str, Any] = {}
    for key, value in source.items():
        if key == "retries":
            if not isinstance(value, bool):
                raise BadScenarioError("weather.retries: write true or false")
            found[key] = value
        else:
            number = _number(value, f"weather.{key}", 0, 1 if not key.endswith("_ms") else 86_400_000)
            found[key] = round(number) if key.endswith("_ms") else number
    return Weather(**found)


def _fault(row: object, where: str, names: list[str]) -> Fault:
    source = _mapping(row, where, ("at", "for", "kind", "regions", "size"))
    for needed in ("at", "for", "kind"):
        if needed not in source:
            raise BadScenarioError(f"{where}: {needed} is missing")
    kind = _kind(source["kind"], where)
    regions = source.get("regions", [])
    if not isinstance(regions, list) or any(name not in names for name in regions):
        raise BadScenarioError(f"{where}.regions: {regions!r}: name some of {', '.join(names)}")
    _check_regions(kind, regions, where)
    size, limits = source.get("size", 0), KINDS[kind].size
    if limits is not None:
        if "size" not in source:
            raise BadScenarioError(f"{where}: {kind} needs a size ({KINDS[kind].unit})")
        size = _number(size, f"{where}.size", *limits)
    start = round(_number(source["at"], f"{where}.at", 0, 1e9) * 1000)
    lasts = round(_number(source["for"], f"{where}.for", 0.001, 1e9) * 1000)
    return Fault(kind, start, start + lasts, tuple(regions), float(size))


def _check_regions(kind: FaultKind, regions: list[str], where: str) -> None:
    if kind is FaultKind.LINK_CUT and len(regions) != 2:
        raise BadScenarioError(f"{where}.regions: a link has two ends: name two regions")
    if kind is FaultKind.LYING_ENTRY and len(regions) != 2:
        raise BadScenarioError(f"{where}.regions: a lying entry needs two: who lies, and about whom")
    if not regions and kind not in _ALL_OVER:
        raise BadScenarioError(f"{where}: {kind} needs regions, such as [a]")


def _kind(value: object, where: str) -> FaultKind:
    try:
        return FaultKind(str(value))
    except ValueError:
        kinds = [kind.value for kind in FaultKind]
        near = difflib.get_close_matches(str(value), kinds, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"write one of {', '.join(kinds)}"
        raise BadScenarioError(f"{where}.kind: {value!r}: {hint}") from None


def _mapping(value: object, where: str, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadScenarioError(f"{where}: write a mapping with {', '.join(keys)}")
    for key in value:
        if key not in keys:
            near = difflib.get_close_matches(str(key), keys, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(keys)}"
            raise BadScenarioError(f"{where}: {key!r} is unknown; {hint}")
    return value


def _number(value: object, where: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise BadScenarioError(f"{where}: {value!r}: write a number from {least:g} to {most:g}")
    return float(value)

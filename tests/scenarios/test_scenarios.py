"""Transcripts: what the core decides over time, readable from top to bottom.

A scenario is a text file: comments and commands, a line of dashes, and the transcript that they must produce.
`pytest tests/scenarios --rewrite` writes the transcripts anew; read the difference before you keep it.

    model policy=Shares rate=30 failback=short mode=Recommend max_step=20 shares=50/50/0 standby=None
    run 60                      seconds; notes and writes are printed as they happen, then the state
    fault b errors=20           percent; or slow=90, crashed, cut, metrics, api
    heal b
    isolate | reunite           the observer from everyone else
    observer b                  the snapshot is taken from here
    freeze | thaw | mode X | evacuate b | return b | rate 50 | edit a 50 30 20 | restart
    pin a 50 25 25 for 600      a person's row for entry a, for so many seconds
    residency a a,b             what enters at a may be served in a and b only
    nearest a c,b               a's excess goes to c first
    revision a r2               what is deployed in a
    add d 25 | remove b         a region comes with its share, or goes
    sold_out b | supply b       b has no machine for a single replica; it gets them
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from world import STARTUP_SECONDS, Region, World, short_failback, three_regions

from leeward.core.plan import Plan, RegionPlan
from leeward.core.snapshot import Pin
from leeward.core.spec import FailoverMode, RegionSpec, Standby, TrafficPolicy, TrafficSpec

FOLDER = Path(__file__).parent
RULE = "----\n"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_transcript(path: Path, request: pytest.FixtureRequest) -> None:
    script, _, expected = path.read_text().partition(RULE)
    actual = "".join(f"{line}\n" for line in Scenario().play(script.splitlines()))
    if request.config.getoption("--rewrite"):
        path.write_text(script + RULE + actual)
    else:
        assert actual == expected


class Scenario:
    """Plays commands on a world."""

    def __init__(self) -> None:
        self.world = World(three_regions())

    def play(self, lines: list[str]) -> Iterator[str]:
        for line in lines:
            words = line.partition("#")[0].split()
            if words:
                command: Callable[..., Iterator[str] | None] = getattr(self, f"do_{words[0]}")
                if words[0] != "run":
                    yield f"> {' '.join(words)}"
                yield from command(*words[1:]) or ()

    def do_model(self, *words: str) -> None:
        options = dict(word.split("=") for word in words)
        traffic = TrafficSpec(
            policy=TrafficPolicy(options.get("policy", "LocalFirst")), max_step=int(options.get("max_step", 10))
        )
        spec = three_regions(traffic=traffic, failover=FailoverMode(options.get("mode", "Automatic")))
        if options.get("failback") == "short":
            spec = replace(spec, failback=short_failback())
        if "shares" in options:
            shares = map(int, options["shares"].split("/"))
            spec = replace(spec, regions=tuple(replace(r, share=s) for r, s in zip(spec.regions, shares, strict=True)))
        spec = replace(spec, standby=Standby(options.get("standby", "Replicas")))
        self.world = World(spec, float(options.get("rate", 30)))

    def do_run(self, seconds: str) -> Iterator[str]:
        for at, plan in self.world.run(int(seconds)):
            yield from shown(at, plan)
            last = plan
        yield from state(self.world, last)

    def do_fault(self, name: str, what: str) -> None:
        region, (kind, _, value) = self.world.regions[name], what.partition("=")
        if kind in ("errors", "slow"):
            setattr(region, kind, float(value) / 100)
        elif kind == "cut":
            region.cut_since = self.world.now
        else:
            setattr(region, kind, kind == "crashed")

    def do_heal(self, name: str) -> None:
        before = self.world.regions[name]
        self.world.regions[name] = Region(ready=before.ready, desired=before.desired, ready_at=before.ready_at)

    def do_isolate(self) -> None:
        self.world.isolated = True

    def do_reunite(self) -> None:
        self.world.isolated = False

    def do_observer(self, name: str) -> None:
        self.world.observer = name

    def do_freeze(self) -> None:
        self.world.spec = replace(self.world.spec, frozen=True)

    def do_thaw(self) -> None:
        self.world.spec = replace(self.world.spec, frozen=False)

    def do_mode(self, mode: str) -> None:
        self.world.spec = replace(self.world.spec, failover=FailoverMode(mode))

    def do_evacuate(self, name: str) -> None:
        self.world.evacuated = (*self.world.evacuated, name)

    def do_return(self, name: str) -> None:
        self.world.evacuated = tuple(other for other in self.world.evacuated if other != name)

    def do_rate(self, rate: str) -> None:
        self.world.rate = float(rate)

    def do_edit(self, entry: str, *weights: str) -> None:
        names = self.world.spec.region_names
        self.world.rows[entry] = {name: int(weight) for name, weight in zip(names, weights, strict=True)}

    def do_pin(self, entry: str, *words: str) -> None:
        names, weights = self.world.spec.region_names, words[: words.index("for")]
        row = tuple((name, int(weight)) for name, weight in zip(names, weights, strict=True))
        self.world.pin = Pin(((entry, row),), self.world.now_ms + 1000 * int(words[-1]))

    def do_residency(self, entry: str, serving: str) -> None:
        self._change(entry, served_by=tuple(serving.split(",")))

    def do_nearest(self, entry: str, order: str) -> None:
        self._change(entry, distances=tuple((name, rank) for rank, name in enumerate(order.split(","))))

    def _change(self, entry: str, **changes: object) -> None:
        regions = self.world.spec.regions
        changed = tuple(replace(r, **changes) if r.name == entry else r for r in regions)  # type: ignore[arg-type]
        self.world.spec = replace(self.world.spec, regions=changed)

    def do_revision(self, name: str, revision: str) -> None:
        self.world.regions[name].revision = revision

    def do_sold_out(self, name: str) -> None:
        self.world.regions[name].ready, self.world.regions[name].sold_out = 0, True

    def do_supply(self, name: str) -> None:
        region = self.world.regions[name]
        region.sold_out, region.ready_at = False, self.world.now + STARTUP_SECONDS

    def do_add(self, name: str, share: str) -> None:
        self.world.change((*self.world.spec.regions, RegionSpec(name, int(share), 4, 12)))

    def do_remove(self, name: str) -> None:
        self.world.change(tuple(region for region in self.world.spec.regions if region.name != name))

    def do_restart(self) -> None:
        self.world.restart()


def shown(at: int, plan: Plan) -> Iterator[str]:
    """One tick, if it has anything to tell."""
    for note in plan.notes:
        yield f"{at:5d} s  {'!' if note.warning else ' '} {note.kind}: {note.sentence}"


def _size(region: RegionPlan) -> str:
    """Replicas, and those that nodes are kept warm for."""
    return f"{region.replicas}+{region.standby}" if region.standby else str(region.replicas)


def state(world: World, plan: Plan) -> Iterator[str]:
    """How things stand."""
    regions = ", ".join(f"{r.name} {r.weight} % {r.verdict}/{r.phase} x{_size(r)}" for r in plan.regions)
    yield f"{world.now:5d} s  = {regions}; {plan.reason}"

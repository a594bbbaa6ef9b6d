"""What if regions were lost: the same core, asked tick by tick until nothing changes any more.

The world of a recorded decision goes on: every region that is left keeps its readings, and its load follows from the
weights. The lost regions do not answer, and nothing that stands in them is heard. Their users arrive at the entries
that are left, in proportion to what enters there. All guards hold as they would.

Two stages: *at once*, with the replicas that are ready now, and *with replicas*, when those that were ordered are up.

If the core by itself does not leave the lost regions (an observer that reaches fewer than half of the others suspects
itself; a guard or a person holds), the reason is kept, and the figures are those after the loss is established
another way: no replica ready there, every probe failing, and an observer that reaches everyone else.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from leeward.core.demand import MARGIN, entry_demand
from leeward.core.phases import OUT_OF_TRAFFIC
from leeward.core.plan import Plan
from leeward.replay.decision import Decision
from leeward.replay.explanation import holding
from leeward.replay.world import Stage, World

NO_REASON_TO_HOLD = frozenset({"Strained", "Shortage", "Drift", "RouteMissing"})


@dataclass(frozen=True, slots=True)
class Loss:
    """The answer. `by_itself`: Leeward leaves the lost regions without a person; if not, `held` says why.

    `margins` are those of the single losses as things were, in requests per second.
    """

    format: Literal["leeward.dev/what-if"]
    version: Literal[1]
    model: str
    at_ms: int
    lost: tuple[str, ...]
    demand: Fraction
    by_itself: bool
    held: str
    before: Stage
    at_once: Stage
    with_replicas: Stage
    margins: tuple[tuple[str, Fraction], ...]

    @property
    def carried(self) -> bool:
        """Does Leeward carry the demand by itself, at once?"""
        return self.by_itself and self.at_once.shortage == 0


def lose(
    decision: Decision,
    lost: Iterable[str],
    factor: Fraction = Fraction(1),
    total: Fraction | None = None,
    home: str | None = None,
) -> Loss:
    """What becomes of a model when `lost` regions are gone and demand is `factor` times what it was, or `total`.

    `home` is the region that the operator runs in, where that is known.

    Raises:
        ValueError: nothing is left, a region is not the model's, or there are no weights yet.
    """
    gone = frozenset(lost)
    decision = decision.model_copy(update={"plan": decision.made})
    _check(decision, gone)
    rates = _entry_rates(decision, factor, total)
    before = World(decision, frozenset(), _entry_rates(decision, Fraction(1), None))
    world = World(decision, gone, rates)
    plan = world.settle()
    held = _held(world, plan, gone & {home, decision.snapshot.observer})
    if held:
        world = World(decision, gone, rates, established=True)
        plan = world.settle()
    at_once = world.stage(plan)
    world.bring_up(plan)
    return Loss(
        format="leeward.dev/what-if",
        version=1,
        model=decision.spec.key,
        at_ms=decision.now_ms,
        lost=tuple(name for name in decision.spec.region_names if name in gone),
        demand=sum(rates.values(), Fraction(0)),
        by_itself=not held,
        held=held,
        before=before.stage(decision.made),
        at_once=at_once,
        with_replicas=world.stage(world.settle()),
        margins=decision.made.margins,
    )


def _check(decision: Decision, gone: frozenset[str]) -> None:
    names = set(decision.spec.region_names)
    if gone - names:
        raise ValueError(f"{decision.spec.key} has no region {', '.join(sorted(gone - names))}")
    if gone >= names:
        raise ValueError(f"no region of {decision.spec.key} would be left")
    if not decision.made.weights:
        raise ValueError(f"no weights are known of {decision.spec.key} yet")


def _held(world: World, plan: Plan, seat: frozenset[str | None]) -> str:
    """Why the core by itself does not leave the lost regions; empty when it does."""
    if seat:
        return f"Leeward runs in {', '.join(sorted(filter(None, seat)))}: nothing moves until it runs elsewhere"
    if not world.still_serving():
        return ""
    notes = [note for note in holding(world.as_decision()) if note.kind not in NO_REASON_TO_HOLD]
    return "; ".join(note.sentence for note in notes) or plan.reason


def _entry_rates(decision: Decision, factor: Fraction, total: Fraction | None) -> dict[str, Fraction]:
    """Requests per second that enter at each region, as the core knows them, brought to the demand asked about.

    An entry that is out of traffic and tells nothing has no users any more: they are counted where they went.
    """
    regions = decision.made.memory.regions
    told = {each.name for each in decision.snapshot.regions if each.entry_requests_per_second is not None}
    rates = {
        name: Fraction(0) if regions[name].phase in OUT_OF_TRAFFIC and name not in told else rate / MARGIN
        for name, rate in entry_demand(decision.spec, regions).items()
    }
    whole = sum(rates.values(), Fraction(0))
    if total is not None and not whole:
        return dict.fromkeys(rates, total / len(rates))
    scale = factor if total is None else total / whole
    return {name: rate * scale for name, rate in rates.items()}

"""A placement as it is told, in a form that is the same for people and for JSON. Rates are requests per second."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from leeward.planning import peers
from leeward.planning.problem import Problem
from leeward.planning.solve import Placement, cheapest

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Purchase:
    """Replicas of one offer."""

    region: str
    accelerator: str
    spot: bool
    replicas: int
    accelerators: int
    price_per_hour: float


@dataclass(frozen=True, slots=True)
class Case:
    """One need: the capacity that is there, the load of it in percent, and the most that is allowed."""

    name: str
    lost: tuple[str, ...]
    capacity: float
    load_percent: float
    limit_percent: float


@dataclass(frozen=True, slots=True)
class Peer:
    """A simpler sizing; None: quotas do not allow it. `saving_percent` is what the cheapest saves against it."""

    name: str
    price_per_hour: float | None
    saving_percent: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What to buy, what it carries, and what it saves. `gap_percent`: how much cheaper it could be at most."""

    demand: float
    price_per_hour: float
    gap_percent: float
    purchases: tuple[Purchase, ...]
    cases: tuple[Case, ...]
    peers: tuple[Peer, ...]


def answer(problem: Problem, seconds: float) -> Answer:
    """The cheapest placement of a problem that has one, beside simpler ones.

    Raises:
        SolverError: no placement was found within so many seconds.
    """
    best = cheapest(problem, seconds)
    others = {"equal regions": peers.equal(problem, seconds), "every region twice": peers.doubled(problem, seconds)}
    gap = Fraction(0) if best.proven or not best.price else (best.price - best.bound) / best.price
    return Answer(
        _number(problem.demand),
        _number(best.price),
        _percent(gap),
        tuple(_purchases(best)),
        tuple(_cases(best)),
        tuple(_peer(name, other, best) for name, other in others.items()),
    )


def _purchases(best: Placement) -> Iterator[Purchase]:
    for lot, n in zip(best.lots, best.replicas, strict=True):
        if n:
            price = _number(lot.price * n)
            yield Purchase(lot.region, lot.offer.accelerator, lot.offer.spot, n, n * lot.accelerators, price)


def _cases(best: Placement) -> Iterator[Case]:
    for need in best.needs:
        capacity = best.capacity(need)
        yield Case(
            need.name,
            need.lost,
            _number(capacity),
            _percent(need.rate / capacity),
            _percent(need.utilization),
        )


def _peer(name: str, other: Placement | None, best: Placement) -> Peer:
    if other is None:
        return Peer(name, None, None)
    saving = (other.price - best.price) / other.price if other.price else Fraction(0)
    return Peer(name, _number(other.price), _percent(saving))


def _number(value: Fraction) -> float:
    return round(float(value), _SHOWN)


def _percent(value: Fraction) -> float:
    return round(float(100 * value), 1)

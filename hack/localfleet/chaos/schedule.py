"""Which fault comes when and where: drawn from a seed, and nothing else, so that a run can be played again."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_LEADER_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Round:
    """One fault, at `region` or, with `at_leader`, wherever the leader runs then. `other` is another region."""

    number: int
    fault: str
    region: str
    other: str
    at_leader: bool
    seconds: float
    amount: float  # 0 to 1, of what the fault has a size of


def rounds(seed: int, faults: Sequence[str], regions: Sequence[str]) -> Iterator[Round]:
    """Rounds without end. Every fault comes once before any of them comes again."""
    chance, number = random.Random(seed), 0
    while True:
        for fault in chance.sample(faults, len(faults)):
            number += 1
            region, other = chance.sample(regions, 2)
            seconds, amount = float(chance.randint(20, 45)), chance.random()
            yield Round(number, fault, region, other, chance.random() < _LEADER_SHARE, seconds, amount)


def target(played: Round, leader: str, spares_leader: bool) -> str:
    """The region that a round is about, now that it is known who leads."""
    if spares_leader:
        return played.other if played.region == leader else played.region
    return leader if played.at_leader else played.region

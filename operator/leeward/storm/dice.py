"""Random counts that are cheap to draw: exact where they are small, normal where they are many."""

from math import exp, sqrt
from random import Random

MANY = 12.0


def arrivals(rng: Random, mean: float) -> int:
    """A Poisson count."""
    if mean <= 0.0:
        return 0
    if mean > MANY:
        return max(0, int(rng.gauss(mean, sqrt(mean)) + 0.5))
    limit, count, product = exp(-mean), 0, rng.random()
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def share_of(rng: Random, count: int, share: float) -> int:
    """A binomial count: how many of `count` are struck, each with probability `share`."""
    if count <= 0 or share <= 0.0:
        return 0
    if share >= 1.0:
        return count
    mean = count * share
    if count <= MANY:
        return sum(rng.random() < share for _ in range(count))
    if mean < MANY and share < 0.1:
        return min(count, arrivals(rng, mean))
    return min(count, max(0, int(rng.gauss(mean, sqrt(mean * (1.0 - share))) + 0.5)))

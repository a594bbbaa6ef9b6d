"""Correlated faults: most regions turn bad together, so it is no region's own fault.

When max(2, 60 %) of the regions turn bad within two minutes, the cause is a shared dependency, a bad release or
the client. Leaving one of them for another would move the load and not the fault. Weights hold, and what only
the bad regions have in common is named: revision, provider, dependency.
"""

from fractions import Fraction

from leeward.core.memory import RegionMemory
from leeward.core.phases import OUT_OF_TRAFFIC
from leeward.core.situation import Situation

CORRELATED_WITHIN_MS = 120_000
CORRELATED_SHARE = Fraction(3, 5)


def correlated(s: Situation) -> str | None:
    """Did max(2, 60 %) of the regions turn bad within two minutes? Definitive outages do not count.

    A region that is out of traffic turned bad when it fell: what its few probes say since comes and goes.
    """
    turned = sorted(
        (since, name)
        for name, region in s.memory.regions.items()
        if (since := _turned_bad(region)) is not None and not s.assessments[name].definitive
    )
    enough = max(2, -(-len(s.spec.regions) * CORRELATED_SHARE.numerator // CORRELATED_SHARE.denominator))
    for (since, _), (until, _) in zip(turned, turned[enough - 1 :], strict=False):
        if until - since <= CORRELATED_WITHIN_MS:
            names = sorted(name for _, name in turned)
            return f"correlated fault: {', '.join(names)} turned bad together{_shared(s, names)}"
    return None


def _shared(s: Situation, bad: list[str]) -> str:
    """What the bad regions have in common and no other region has."""
    facts = {region.name: set(region.failure_domains) for region in s.spec.regions}
    for name, read in s.readings.items():
        if read.revision:
            facts[name].add(("revision", read.revision))
    others = [facts[name] for name in facts if name not in bad]
    common = set.intersection(*(facts[name] for name in bad)).difference(*others)
    if not others:
        return ", so no region's own fault"
    shared = " and ".join(f"{key} {value}" for key, value in sorted(common))
    return f"; only they have {shared}" if shared else ", so no region's own fault"


def _turned_bad(region: RegionMemory) -> int | None:
    if region.phase in OUT_OF_TRAFFIC:
        return region.fell_ms if region.bad_since_ms is not None else None
    return region.bad_since_ms

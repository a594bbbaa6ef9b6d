"""What the storms have found and the operator does not yet do right: one row each, with a seed that shows it.

The seeds are strict expected failures: once a row is mended its seed passes, and the row has to go. Until then other
storms that end in the same way are counted apart, so that a new kind of failure is seen at once.
"""

import re
from dataclasses import dataclass

from leeward.storm.campaign import Result, scenario_of


@dataclass(frozen=True)
class Known:
    """A known failure: the rule that breaks, how its sentence reads, a seed, and why it is so."""

    name: str
    rule: str
    sentence: str
    seed: int
    reason: str
    least_regions: int = 2
    fate: str = ""  # a kind of fault that has to be there

    def covers(self, result: Result) -> bool:
        """Is this how the storm ended?"""
        first = result.violations[0] if result.violations else None
        if first is None or first.rule != self.rule or not re.search(self.sentence, first.sentence):
            return False
        scenario = scenario_of(result.seed)
        kinds = {fault.kind.value for fault in scenario.faults}
        return len(scenario.fleet.regions) >= self.least_regions and (not self.fate or self.fate in kinds)


KNOWN = (
    Known(
        "overload is judged as failure",
        "a region falls only for a fault of its own",
        r"requests slower than the objective|probes bad",
        55,
        "a full region is slow for probes too: LATENCY and PROBE fail it together, and it drops its load on the others",
    ),
    Known(
        "an operator that is cut off at home fails the only other region",
        "a region falls only for a fault of its own",
        r"gateway does not answer leeward; PROBE bad too",
        14,
        "the operator counts its own region among the others that it reaches: with two regions that makes it trusted",
    ),
    Known(
        "unknown demand is guessed from shares",
        "quiet means quiet",
        r"moves towards its target",
        17,
        "the share of serving says nothing about where users enter: 3 requests/s at b (5 %) make 54 at a (90 %)",
    ),
    Known(
        "with four regions an observer through an entry is never trusted about a lost region",
        "a dead region loses its weight in time",
        r"is gone and entry",
        311,
        "it is asked about two regions and measured against all others; one sensor is left, and its probes were lost",
        least_regions=4,
    ),
    Known(
        "a hold writes what a stale record says",
        "users of healthy regions are moved in small steps",
        r"jumps from",
        834,
        "routes that differ from the plan are written in a hold too, and the record is trusted over the clusters",
        fate="operator stale",
    ),
    Known(
        "after a lost record a crashed region counts as starting",
        "a dead region loses its weight in time",
        r"is gone and entry",
        473,
        "it carries weight, so it was ready once; the record does not say so, and the grace is a quarter of an hour",
    ),
    Known(
        "a failed region that a guard keeps pins all of its load",
        "nobody is overloaded while others have room",
        r"requests/s, while",
        618,
        "it is held at what it carries, above its capacity, until the guard lets it fall",
    ),
)

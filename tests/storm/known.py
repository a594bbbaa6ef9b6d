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
        420,
        "a full region is slow for probes too; it is excused only while its load is known and near what was declared",
    ),
    Known(
        "a sensor with few samples speaks of long ago",
        "a region falls only for a fault of its own",
        r"responses bad in 300 s",
        617,
        "an entry that sends little needs 5 m for its samples, and calls bad what its region's engine knows to be over",
    ),
    Known(
        "a failed region that a guard keeps pins all of its load",
        "the fleet comes home",
        r"not home",
        775,
        "it is held at what it carries, above its capacity, and so it never gets clean",
    ),
    Known(
        "a dead region stays while all others count as failed",
        "a dead region loses its weight in time",
        r"is gone and entry",
        1226,
        "the last region that serves is never drained, and errors that are over count for five minutes more",
    ),
)

"""The rule breaks, written down before anything was tried: exact edits of the core's files.

An edit whose text is not found, or found twice, is an error: the rule moved, and the break has to be mended.
"""

from dataclasses import dataclass
from pathlib import Path


class RuleMovedError(RuntimeError):
    """The text that a break replaces is not where it was."""


@dataclass(frozen=True, slots=True)
class Break:
    """One broken rule: `before` stands once in `file` below operator/leeward/core and becomes `after`."""

    name: str
    file: str
    before: str
    after: str

    def apply(self, core: Path) -> None:
        """Edit the file in a copy of the core.

        Raises:
            RuleMovedError: the text is not there exactly once.
        """
        path = core / self.file
        text = path.read_text("utf-8") if path.exists() else ""
        found = text.count(self.before)
        if found != 1:
            raise RuleMovedError(
                f"{self.name}: the rule moved: mend the mutation in hack/mutations/breaks.py "
                f"({self.file} holds its text {found} times, not once)"
            )
        path.write_text(text.replace(self.before, self.after), "utf-8")


BREAKS = (
    Break(
        "the last region that serves may be drained",
        "guards.py",
        "    last_region,\n",
        "",
    ),
    Break(
        "a correlated fault holds nothing",
        "guards.py",
        "    correlated_fault,\n",
        "",
    ),
    Break("no cooldown between failovers", "guards.py", "    cooldown,\n", ""),
    Break(
        "a region is left for one that is no better",
        "guards.py",
        "    advantage,\n",
        "",
    ),
    Break(
        "the first ticks act",
        "guards.py",
        "    starting,\n",
        "",
    ),
    Break(
        "a freeze does not hold weights",
        "guards.py",
        "WRITE_GUARDS: tuple[WriteGuard, ...] = (\n    frozen,\n",
        "WRITE_GUARDS: tuple[WriteGuard, ...] = (\n",
    ),
    Break("no time between writes", "guards.py", "    min_interval,\n", ""),
    Break(
        "an evacuated region comes back",
        "guards.py",
        "    evacuated,\n",
        "",
    ),
    Break(
        "an isolated observer believes itself",
        "health.py",
        "    if any(2 * reading.reached_others < reading.total_others for reading in own):\n",
        "    if any(reading.total_others < 0 for reading in own):\n",
    ),
    Break(
        "isolated observers are heard about others",
        "kinds.py",
        "    trusted = [r for r in sound if r.total_others > 0 and 2 * r.reached_others >= r.total_others]\n",
        "    trusted = sound\n",
    ),
    Break(
        "an outage is certain after half a minute", "kinds.py", "REACH_DOWN_MS = 3_000\n", "REACH_DOWN_MS = 30_000\n"
    ),
    Break("stale readings count", "kinds.py", "    return 0 <= age_ms <= limit_ms\n", "    return True\n"),
    Break(
        "few samples count like many",
        "wilson.py",
        "    distance = bad * whole - total * part\n",
        "    distance = 10**9 * (bad * whole - total * part)\n",
    ),
    Break(
        "what is over goes on",
        "responses.py",
        "    if level is Level.BAD and _is_over(tallies, tally, rules):\n",
        "    if level is Level.BAD and False:\n",
    ),
    Break(
        "one sensor is enough",
        "responses.py",
        "        proof=sorted((h.proof for h in bad), reverse=True)[1] if len(bad) > 1 else 0,\n",
        "        proof=max((h.proof for h in bad), default=0),\n",
    ),
    Break(
        "one bad tick is enough",
        "settle.py",
        "    failed = votes.count(Verdict.FAILED)\n",
        "    failed = 2 * votes.count(Verdict.FAILED)\n",
    ),
    Break(
        "a failed region is well with its first clean tick",
        "settle.py",
        "    healed = seen.clean and clean_ms >= clean_after.get(before, 0)\n",
        "    healed = seen.clean\n",
    ),
    Break(
        "a region that comes back takes everything at once",
        "capacity.py",
        "        usable *= Fraction(ramp_percent(spec, memory), 100)\n",
        "        usable *= 1\n",
    ),
    Break(
        "a region that is out has capacity",
        "capacity.py",
        "    if memory.phase in OUT_OF_TRAFFIC:\n        return Fraction(0)\n",
        "",
    ),
    Break(
        "filling forgets the caps",
        "weights.py",
        "        full = [name for name, share in open_regions.items() if caps[name] <= level * share]\n",
        "        full: list[str] = []\n",
    ),
    Break(
        "a step moves everything",
        "weights.py",
        "    budget = min(sum(losses.values()), sum(forced.values()) + max(0, max_step))\n",
        "    budget = sum(losses.values())\n",
    ),
    Break(
        "rounding loses points",
        "weights.py",
        "    missing = total - sum(row.values())\n",
        "    missing = 0\n",
    ),
    Break("demand is a tenth of what it is", "demand.py", "MARGIN = Fraction(11, 10)\n", "MARGIN = Fraction(1, 10)\n"),
    Break(
        "unknown regions are not held",
        "decide.py",
        "        and (region.verdict in (Verdict.UNKNOWN, Verdict.FAILED) or name in turn.held)\n",
        "        and (region.verdict is Verdict.FAILED or name in turn.held)\n",
    ),
    Break(
        "falling again and again costs nothing",
        "turns.py",
        "        flapping=region.flapping or penalty >= s.spec.guards.flap_penalty_stop,\n",
        "        flapping=False,\n",
    ),
)

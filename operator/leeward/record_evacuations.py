"""Recording what became of Evacuations: a condition and an Event, written only when they change."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import structlog

from leeward.api.common import condition_of
from leeward.api.evacuation import Evacuation
from leeward.core.phases import Phase
from leeward.known import Known
from leeward.orders import concerns
from leeward.ports import Cluster, PortError
from leeward.record import Condit, condition, event_body
from leeward.store import Store

REMEDY = "it goes on by itself once they can; to leave all the same, set spec.force"
GOES = "the region comes back by its ramp"

log = structlog.get_logger("record")


@dataclass
class EvacuationRecorder:
    """Writes each Evacuation's condition to the home cluster."""

    home: Cluster
    dry_run: bool = False
    _marks: dict[str, Condit] = field(default_factory=dict)

    async def record_all(self, store: Store, known: Mapping[str, Known], now_ms: int) -> None:
        """Write what changed; a failure is tried again by the next tick."""
        self._marks = {key: row for key, row in self._marks.items() if key in store.evacuations}
        for key, evacuation in store.evacuations.items():
            stages = {
                each.key: _stage(known[each.key], evacuation.spec.region)
                for each in store.alive().values()
                if each.key in known and concerns(evacuation, each)
            }
            row = outcome(evacuation, store.regions, stages, now_ms)
            if self.dry_run or self._marks.get(key) == row:
                continue
            try:
                await self._write(evacuation, row)
                self._marks[key] = row
            except PortError as error:
                log.warning("an Evacuation's status could not be written", evacuation=key, error=str(error))

    async def _write(self, evacuation: Evacuation, row: Condit) -> None:
        made = condition(evacuation.status.conditions, row, evacuation.metadata.generation)
        await self.home.apply_status(
            {
                "apiVersion": evacuation.api_version,
                "kind": evacuation.kind,
                "metadata": {"name": evacuation.metadata.name},
                "status": {"conditions": [made.wire()], "observedGeneration": evacuation.metadata.generation},
            }
        )
        before = condition_of(evacuation.status.conditions, made.type)
        if before is None or before.reason != made.reason:
            warns = made.reason in ("Refused", "NoSuchRegion")
            await self.home.create(event_body(evacuation, made.reason, made.message, warns))


def _stage(known: Known, region: str) -> tuple[str, str]:
    """What has become of it for one model: a word, and what is in the way."""
    if region in known.refused:
        return "Refused", known.refused[region]
    phase = known.memory.region(region).phase
    return ("Evacuated", "") if phase is Phase.DRAINED else ("Draining", "")


def outcome(
    evacuation: Evacuation, regions: Collection[str], stages: Mapping[str, tuple[str, str]], now_ms: int
) -> Condit:
    """The condition `Evacuated`, from what has become of it for each model."""
    spec, until = evacuation.spec, evacuation.spec.expires_at
    if not evacuation.in_force(now_ms):
        return "Evacuated", False, "Expired", f"the order ended at {until}; {GOES}"
    if spec.region not in regions:
        there = ", ".join(sorted(regions)) or "none"
        return "Evacuated", False, "NoSuchRegion", f"there is no Region {spec.region}: there is {there}"
    refused = [f"{key}: {why}" for key, (stage, why) in sorted(stages.items()) if stage == "Refused"]
    if refused:
        return "Evacuated", False, "Refused", f"{'; '.join(refused)}; {REMEDY}"
    draining = sorted(key for key, (stage, _) in stages.items() if stage == "Draining")
    if draining:
        return "Evacuated", False, "Draining", f"still carrying {', '.join(draining)}"
    end = f" until {until}" if until else ""
    return "Evacuated", True, "Evacuated", f"no model has weight in {spec.region}{end}"

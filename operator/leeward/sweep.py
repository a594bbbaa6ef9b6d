"""The sweep: now and then, follow Regions and their Secrets, look at Gateways, forget what is gone, pay debts."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from leeward.adapters.members import Member, Members, check_gateway
from leeward.adapters.pools import Registry
from leeward.cleanup import Debts
from leeward.observe import Observer
from leeward.ports import Cluster, ModelKey, PortError
from leeward.settings import Settings
from leeward.store import Store
from leeward.targets import model_key

log = structlog.get_logger("sweep")


@dataclass
class Sweep:
    """What has to be looked at less often than each tick."""

    settings: Settings
    store: Store
    members: Members
    observer: Observer
    registry: Registry
    debts: Debts
    _swept: float = 0.0

    async def when_due(self) -> bool:
        """Sweep if it is time to, or a Region has changed; whether it was done."""
        due = time.monotonic() - self._swept > self.settings.sweep_interval
        if not due and {name: member.region for name, member in self.members.found.items()} == self.store.regions:
            return False
        self._swept = time.monotonic()
        await self.members.refresh(self.store.regions)
        await asyncio.gather(*(_check(member) for member in self.members.found.values() if self._answers(member)))
        self.debts.pools = self.registry.object_kinds(member.region for member in self.members.found.values())
        self.observer.forget({model_key(model) for model in self.store.alive().values()}, set(self.members.found))
        return True

    async def pay(self, wants: Callable[[str, ModelKey], bool]) -> None:
        """Remove what is still owed to regions that answer again; `wants` says what a model does want after all."""
        try:
            await self.debts.pay(self.within_reach(), wants)
        except PortError as error:
            log.warning("the record of what is owed cannot be kept", error=str(error), remedy=error.remedy)

    def within_reach(self) -> dict[str, Cluster | None]:
        """Every region's API server, None where it does not answer: nobody waits for those."""
        return {name: member.cluster if self._answers(member) else None for name, member in self.members.found.items()}

    def _answers(self, member: Member) -> bool:
        sight = self.observer.regions.get(member.region.metadata.name)
        return sight is None or sight.api_error is None


async def _check(member: Member) -> None:
    try:
        await check_gateway(member)
    except PortError as error:
        log.info("a region's Gateway cannot be looked at", region=member.region.metadata.name, error=str(error))

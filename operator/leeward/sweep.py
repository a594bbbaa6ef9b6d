"""The sweep: now and then, follow Regions and their Secrets, look at Gateways, forget what is gone, pay debts."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from leeward.adapters.members import Member, Members, check_gateway, check_listener
from leeward.adapters.pools import Registry
from leeward.cleanup import Debts
from leeward.observe import Observer
from leeward.ports import Cluster, Denied, ModelKey, PortError
from leeward.settings import Settings
from leeward.store import Store
from leeward.targets import model_key

MEND_SECONDS = 5.0  # how often a region that cannot be used is tried anew: people are mending its Secret just then

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
    _tried: float = 0.0

    async def when_due(self) -> bool:
        """Sweep if it is time to, or a Region has changed; whether it was done."""
        due = time.monotonic() - self._swept > self.settings.sweep_interval
        same = {name: member.region for name, member in self.members.found.items()} == self.store.regions
        if not due and same and not await self._mended():
            return False
        self._swept = self._tried = time.monotonic()
        await self.members.refresh(self.store.regions)
        answering = [member for member in self.members.found.values() if self._answers(member)]
        await asyncio.gather(*(check(member) for check in (_check, check_listener) for member in answering))
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

    async def _mended(self) -> bool:
        """Try the regions that refuse or cannot be used anew; whether that changed any of them."""
        refusing = [name for name, member in self.members.found.items() if self._refuses(member)]
        if not refusing or time.monotonic() - self._tried <= MEND_SECONDS:
            return False
        self._tried = time.monotonic()
        before = self._connections()
        await self.members.refresh(self.store.regions)
        await asyncio.gather(*(_check(self.members.found[name]) for name in refusing))
        return self._connections() != before

    def _connections(self) -> dict[str, tuple[str, bool]]:
        return {name: (member.made_from, member.problem is None) for name, member in self.members.found.items()}

    def _answers(self, member: Member) -> bool:
        return self._error(member) is None

    def _refuses(self, member: Member) -> bool:
        return member.problem is not None or isinstance(self._error(member), Denied)

    def _error(self, member: Member) -> PortError | None:
        sight = self.observer.regions.get(member.region.metadata.name)
        return None if sight is None else sight.api_error


async def _check(member: Member) -> None:
    try:
        await check_gateway(member)
    except PortError as error:
        log.info("a region's Gateway cannot be looked at", region=member.region.metadata.name, error=str(error))

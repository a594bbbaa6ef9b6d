"""What is owed to regions out of reach is known to whoever leads next, in whichever cluster it runs."""

import asyncio

from seen import Run

from leeward.adapters.objects import CONFIG_MAP
from leeward.cleanup import OWED, Debts
from leeward.copies import Copies, Told
from leeward.ports import Ref
from localfleet.bootstrap import wait_for
from localfleet.demo.stage import Stage

SPACE = "leeward-system"
RECORD = Ref(CONFIG_MAP, SPACE, OWED)
KEY = ("models", "gone-model")


def test_the_next_leader_knows_what_is_owed(stage: Stage, run: Run) -> None:
    home, other = stage.clusters["us-east1"], stage.clusters["eu-west4"]

    async def play() -> None:
        for cluster in (home, other):
            await cluster.delete(RECORD)  # an empty one that other tests have left would count as arrived
        copies, stop = Copies(lambda: {"eu-west4": other}, lambda: 3), asyncio.Event()
        beside = asyncio.create_task(copies.run(stop))
        try:
            first = Debts(Told(home, lambda: 3, copies), SPACE)
            await first.add("ap-south1", KEY)

            async def arrived() -> bool | None:
                return await other.read(RECORD) is not None or None

            await wait_for("the record in the other cluster", arrived, 10)
            second = Debts(other, SPACE)
            await second.pay({}, lambda region, key: False)
            assert second.owed == {"ap-south1": {KEY}}
        finally:
            stop.set()
            await beside
            for cluster in (home, other):
                await cluster.delete(RECORD)

    run(play())

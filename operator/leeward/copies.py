"""Records in every control cluster, so that whoever leads next finds them, wherever it runs: what was decided is in
statuses, and what is owed to regions out of reach in a ConfigMap.

The home cluster's is written at once and its errors are the caller's. All others follow beside the loop: the newest
record of each kind and name goes to every cluster that has not taken it yet, also when that was out of reach meanwhile.
A cluster without the object has no status to take.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from leeward.adapters.fenced import FencedCluster
from leeward.cleanup import OWED
from leeward.ports import Cluster, Invalid, KubeObject, PortError
from leeward.waiting import first_of

_AGAIN_SECONDS = 2.0

log = structlog.get_logger("copies")

_Key = tuple[str, str, str]


@dataclass
class Copies:
    """What is still to be told where. `clusters` are the other control clusters, as far as they are connected, and
    `term` the epoch that this replica leads with: what it wrote in an earlier term is not told any more."""

    clusters: Callable[[], Mapping[str, Cluster]]
    term: Callable[[], int]
    newest: dict[_Key, tuple[int, KubeObject]] = field(default_factory=dict)
    taken: dict[tuple[str, _Key], KubeObject] = field(default_factory=dict)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, body: KubeObject) -> None:
        """A record that was just written at home: an object with nothing but its status, or a whole one."""
        metadata = body["metadata"]
        self.newest[body["kind"], metadata.get("namespace", ""), metadata["name"]] = self.term(), body
        self._more.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set."""
        while not stop.is_set():
            self._more.clear()
            await asyncio.gather(*(self._bring(name, cluster) for name, cluster in self.clusters().items()))
            await first_of(stop, self._more, seconds=_AGAIN_SECONDS)

    async def tell_again(self, cluster: Cluster, key: _Key) -> None:
        """Bring the newest record of a kind, namespace and name to a cluster whose object was just made anew.

        Raises:
            PortError: the cluster does not take it.
        """
        epoch, body = self.newest.get(key, (0, {}))
        if epoch and epoch == self.term():
            await cluster.apply_status(body)

    async def _bring(self, name: str, cluster: Cluster) -> None:
        for key, (epoch, body) in list(self.newest.items()):
            if self.taken.get((name, key)) is body or epoch != self.term():
                continue
            try:
                await (cluster.apply_status(body) if "status" in body else cluster.apply(body))
            except Invalid as error:
                log.debug("a cluster takes no such record", cluster=name, error=str(error))
            except PortError as error:
                log.debug("a record waits for a cluster", cluster=name, error=str(error))
                return
            self.taken[name, key] = body


class Told(FencedCluster):
    """The home cluster, whose records are told to all others as well."""

    def __init__(self, inner: Cluster, term: Callable[[], int], copies: Copies) -> None:
        super().__init__(inner, term)
        self._copies = copies

    async def apply_status(self, body: KubeObject, *, writer: str = "") -> KubeObject:
        taken = await super().apply_status(body, writer=writer)
        self._copies.note(body)
        return taken

    async def apply(self, body: KubeObject, *, dry_run: bool = False, writer: str = "") -> KubeObject:
        taken = await super().apply(body, dry_run=dry_run, writer=writer)
        if body["metadata"]["name"] == OWED:
            self._copies.note(body)
        return taken

"""What an install needs, looked at piece by piece: each finding says what to do if it is not as it should be."""

from collections.abc import AsyncIterator

from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.members import Members
from leeward.adapters.objects import MODELS, REGIONS
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.cli.checkup.finding import FAIL, Finding
from leeward.cli.checkup.home import HOME, election, home_cluster
from leeward.cli.checkup.region import fence, region_cluster
from leeward.cli.checkup.rights import rights
from leeward.ports import PortError


async def checkup(home: KubernetesCluster, members: Members, namespace: str, me: str) -> AsyncIterator[Finding]:
    """Everything, the home cluster first; `me` is who asks, as that cluster knows them.

    Raises:
        PortError: the home cluster does not answer.
    """
    async for finding in home_cluster(home, namespace, me):
        yield finding
    elected, leader = await election(home, namespace)
    if leader is not None:
        yield leader
    try:
        regions = [Region.read({**each, "kind": Region.KIND}) for each in await home.find(REGIONS)]
        models = [ModelDeployment.read({**each, "kind": ModelDeployment.KIND}) for each in await home.find(MODELS)]
    except (PortError, ValueError) as error:
        yield Finding(HOME, "Regions and models", FAIL, f"they cannot be read: {error}", "apply crds/, and mend them")
        return
    if not regions:
        yield Finding(HOME, "Regions", FAIL, "there is none", "make one for each cluster: leeward join, or examples/")
    await members.refresh({each.metadata.name: each for each in regions})
    parts = ("member", "quorum") if elected else ("member",)
    wanted = [right for part in parts for right in rights(part, namespace)]
    for name, member in sorted(members.found.items()):
        async for finding in region_cluster(name, member, models, [] if member.bare is home else wanted):
            yield finding
        if elected:
            yield await fence(name, member)

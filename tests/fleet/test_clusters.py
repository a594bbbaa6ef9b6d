"""What a real API server says to the adapter becomes the error that names the remedy."""

import pytest
from seen import Run

from leeward.adapters.kubeconfigs import from_file
from leeward.adapters.objects import ref_of
from leeward.api.common import GROUP, VERSION
from leeward.api.region import Region, RegionCapacity, RegionStatus
from leeward.ports import Kind, KindMissing
from localfleet.demo.stage import Stage


@pytest.mark.parametrize("version", ["nobody.example.com/v1", "apps/v1", "apps/v9"])
def test_a_kind_that_is_not_served_is_named(api: object, run: Run, version: str) -> None:
    """An API server answers for a group that it does not know with plain text, and for one that it knows with JSON."""

    async def look() -> None:
        cluster = await from_file("home", api.kubeconfig)  # type: ignore[attr-defined]
        try:
            await cluster.find(Kind(version, "Nothing"))
        finally:
            await cluster.close()

    with pytest.raises(KindMissing, match="home serves no Nothing"):
        run(look())


def test_a_region_that_lost_its_last_accelerator_can_say_so(stage: Stage, run: Run) -> None:
    """An API server turns a map whose keys are all taken back into null, which its own schema then refuses."""
    region = {"apiVersion": f"{GROUP}/{VERSION}", "kind": Region.KIND, "metadata": {"name": "spare"}}
    run(stage.home.apply({**region, "spec": {"cluster": {"local": {}}}}))
    told = []
    for accelerators in ({"nvidia.com/gpu": 8}, {}):
        status = RegionStatus(capacity=RegionCapacity(nodes=1, accelerators=accelerators))
        found = run(stage.home.apply_status({**region, "status": status.wire()}))
        told.append(found["status"]["capacity"]["accelerators"])
    run(stage.home.delete(ref_of(region)))
    assert told == [{"nvidia.com/gpu": 8}, {}]

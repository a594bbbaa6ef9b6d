"""What a real API server says to the adapter becomes the error that names the remedy."""

import pytest
from seen import Run

from leeward.adapters.kubeconfigs import from_file
from leeward.ports import Kind, KindMissing


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

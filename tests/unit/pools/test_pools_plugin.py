"""Kinds that others add, by real entry points: installed as a wheel would be, in a folder on the path."""

import importlib
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from cases import EXAMPLES, REPLICAS, model

from leeward.adapters import pools
from leeward.adapters.pools.port import PluginFailed, SettingsMissing, UnknownProvider
from leeward.api.region import Region

PLUGIN = EXAMPLES / "pool-plugin"
NAME = "rack.example.com"
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Lays modules and their dist-info into a folder on the path, and takes them out again."""
    loaded: list[str] = []

    def lay(project: str, entries: dict[str, str], *sources: Path) -> None:
        record = tmp_path / f"{project.replace('-', '_')}-1.0.0.dist-info"
        record.mkdir()
        (record / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {project}\nVersion: 1.0.0\n", "utf-8")
        rows = "".join(f"{name} = {value}\n" for name, value in entries.items())
        (record / "entry_points.txt").write_text(f"[leeward.pools]\n{rows}", "utf-8")
        for source in sources:
            shutil.copy(source, tmp_path)
            loaded.append(source.stem)
        importlib.invalidate_caches()

    monkeypatch.syspath_prepend(str(tmp_path))
    yield lay
    for module in loaded:
        sys.modules.pop(module, None)


@pytest.fixture
def rack(install: Install) -> None:
    """The example, with the entry points that its pyproject.toml declares."""
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text("utf-8"))["project"]
    install(project["name"], project["entry-points"]["leeward.pools"], PLUGIN / "rack_pool.py")


def region(**settings: object) -> Region:
    document = yaml.safe_load((PLUGIN / "region.yaml").read_text("utf-8"))
    document["spec"]["nodePools"] |= settings
    return Region.read(document)


def test_an_installed_plug_in_makes_pools(rack: None) -> None:
    registry = pools.load()
    assert not registry.broken
    (pool,) = registry.pools(model(), region(), REPLICAS)
    (made,) = pool.objects
    assert (made.body["apiVersion"], made.body["kind"]) == ("rack.example.com/v1", "RackClaim")
    assert (made.body["spec"]["minimum"], made.body["spec"]["maximum"]) == (2, 13)
    assert (made.size, made.keep_size) == ({"spec": {"machines": 3}}, True)
    assert pool.node_labels == {"leeward.dev/pool": (pool.name,)}
    assert made.body["spec"]["labels"]["leeward.dev/pool"] == pool.name


def test_its_objects_are_looked_for_when_a_model_is_removed(rack: None) -> None:
    kinds = pools.load().object_kinds([region()])
    assert [kind.kind for kind in kinds.used] == ["RackClaim"]
    assert "RackClaim" in [kind.kind for kind in pools.load().object_kinds([]).known]


def test_its_settings_are_its_own_to_check(rack: None) -> None:
    with pytest.raises(SettingsMissing, match=r"needs providerSpec\.hall"):
        pools.load().pools(model(), region(providerSpec={}), REPLICAS)


def test_a_plug_in_that_fails_is_told_as_such(rack: None) -> None:
    with pytest.raises(PluginFailed, match="made no pool: TypeError"):
        pools.load().pools(model(), region(providerSpec={"hall": "north", "acceleratorsPerMachine": "8"}), REPLICAS)


def test_without_the_plug_in_the_provider_is_unknown() -> None:
    with pytest.raises(UnknownProvider, match=r"no kind of node pools named rack\.example\.com"):
        pools.load().pools(model(), region(), REPLICAS)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("import a_module_that_is_not_there", "ModuleNotFoundError"),
        ("MIXES_CAPACITY = True", "it lacks kinds, pool, claim"),
    ],
)
def test_a_plug_in_that_cannot_be_loaded_stops_nobody(
    install: Install, tmp_path_factory: pytest.TempPathFactory, source: str, why: str
) -> None:
    module = tmp_path_factory.mktemp("source") / "broken_pool.py"
    module.write_text(source, "utf-8")
    install("broken-pool", {NAME: "broken_pool"}, module)
    registry = pools.load()
    assert set(registry.kinds) == set(pools.registry.BUILT_IN)
    with pytest.raises(UnknownProvider) as refusal:
        registry.pools(model(), region(), REPLICAS)
    assert f"the plug-in {NAME} cannot be loaded: " in str(refusal.value)
    assert why in str(refusal.value)


@pytest.mark.parametrize("taken", ["karpenter", "rack"])
def test_a_plug_in_cannot_take_a_name_of_leewards_own(install: Install, taken: str) -> None:
    install("rack-pool", {taken: "rack_pool"}, PLUGIN / "rack_pool.py")
    registry = pools.load()
    assert registry.kinds["karpenter"] is pools.registry.BUILT_IN["karpenter"]
    assert "rack" not in registry.kinds

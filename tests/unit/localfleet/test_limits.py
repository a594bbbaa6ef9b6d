"""Machines of the local fleet: what there is to order, and limits of how many."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from localfleet import certificates, cli, cli_faults, limits, recipes
from localfleet.layout import KIND, Fleet, load
from localfleet.members import region_object

assert cli_faults, "it registers its commands"


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """A fleet's layout without the fleet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    made = Fleet("limits", ("us-east1",))
    made.save()
    made.regions[0].folder.mkdir()
    certificates.make(made)
    return made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["--name", "limits", "limit", *arguments], env={"COLUMNS": "200"})


def test_every_machine_is_to_be_had_on_demand_and_cheaper_as_spot() -> None:
    for machine in json.loads(recipes.instance_types()):
        prices = {row["Requirements"][0]["values"][0]: row["Price"] for row in machine["offerings"]}
        assert set(prices) == set(recipes.CAPACITY_TYPES)
        assert 0 < prices["spot"] < prices["on-demand"]


def test_a_region_lists_a_machine_for_every_accelerator(fleet: Fleet) -> None:
    rows = region_object(fleet, fleet.regions[0])["spec"]["nodePools"]["accelerators"]
    assert {row["type"] for row in rows} == {"nvidia-h100-80gb", "nvidia-a100-80gb", "nvidia-l4"}
    for row in rows:
        assert set(row["nodeLabels"]["node.kubernetes.io/instance-type"]) <= set(recipes.MACHINES)


def test_limits_are_set_changed_and_lifted(fleet: Fleet) -> None:
    region = fleet.regions[0]
    assert limits.read(region) == {}
    assert run("us-east1", "gpu-8x-h100", "2").output == "us-east1: 2 gpu-8x-h100\n"
    run("us-east1", "gpu-8x-h100", "0", "--capacity-type", "spot")
    assert limits.read(region) == {"gpu-8x-h100": 2, "gpu-8x-h100/spot": 0}
    run("us-east1", "gpu-8x-h100", "--capacity-type", "spot")
    assert run("us-east1", "gpu-8x-h100").output == "us-east1: any number of machines\n"
    assert json.loads(region.limits.read_text()) == {}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("us-east1", "gpu-9x", "1"), "gpu-8x-h100"),
        (("us-east1", "gpu-8x-h100", "-1"), "such option"),
        (("nowhere", "gpu-8x-h100", "1"), "no region 'nowhere'"),
    ],
)
def test_a_mistake_is_told(fleet: Fleet, arguments: tuple[str, ...], told: str) -> None:
    result = run(*arguments)
    assert result.exit_code != 0
    assert told in result.output


def test_kind_has_no_limits(fleet: Fleet) -> None:
    Fleet("limits", ("us-east1",), backend=KIND, addresses=("172.18.0.2",)).save()
    assert load("limits").backend == KIND
    assert "need the backend namespaces" in run("us-east1", "gpu-8x-h100", "1").output

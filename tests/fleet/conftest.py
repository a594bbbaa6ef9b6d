"""The local fleet as fixtures. `make test` runs pytest inside one; elsewhere these tests say how to get one."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import poolworld
import pytest
from seen import KEY, Run
from supply import at_work, lift_limits, operating

from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.kubeconfigs import from_file
from localfleet import faults, layout, sandbox
from localfleet.bootstrap import documents
from localfleet.demo.quorum import Quorum
from localfleet.demo.stage import MODEL_FILE, Operator, Stage
from localfleet.layout import MARK, Fleet


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.fleet)
            if not sandbox.inside():
                item.add_marker(pytest.mark.skip(reason="needs the local fleet: run `make test`"))


@pytest.fixture(scope="session")
def fleet() -> Fleet:
    return layout.load(os.environ[MARK])


@dataclass(frozen=True)
class Api:
    """The home region's API server, for tests that need nothing else."""

    kubeconfig: Path


@pytest.fixture(scope="session")
def api(fleet: Fleet) -> Api:
    return Api(fleet.regions[0].kubeconfig)


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One event loop for everything that outlives a test: connections and the operator."""
    created = asyncio.new_event_loop()
    yield created
    created.close()


@pytest.fixture
def run(loop: asyncio.AbstractEventLoop) -> Run:
    """Runs a coroutine on that loop."""
    return loop.run_until_complete


@pytest.fixture(scope="session")
def stage(fleet: Fleet, loop: asyncio.AbstractEventLoop) -> Iterator[Stage]:
    """Admin connections to every region."""
    opened = Stage(fleet)
    loop.run_until_complete(opened.open())
    yield opened
    loop.run_until_complete(opened.close())


@pytest.fixture(scope="module")
def served(
    stage: Stage, loop: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """The operator at work, and the model of examples/local served and settled."""
    with operating(stage, loop, tmp_path_factory.mktemp("operator")) as operator:
        loop.run_until_complete(stage.apply_model())
        loop.run_until_complete(stage.settled())
        yield operator


@pytest.fixture(scope="module")
def quorum(stage: Stage, loop: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quorum]:
    """Three replicas at work and the model settled; all undone afterwards."""
    run, made = loop.run_until_complete, Quorum(stage, KEY)
    run(made.begin(documents(MODEL_FILE)[0], tmp_path_factory.mktemp("quorum")))
    try:
        run(made.settled(240))
        yield made
    finally:
        for region in stage.fleet.regions:
            run(faults.heal(region))
        run(made.end())


@pytest.fixture(scope="module")
def supplied(
    stage: Stage, loop: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    """The operator at work, and the model served from three regions; ap-south1 prefers spot machines."""
    yield from at_work(stage, loop, tmp_path_factory.mktemp("capacity"))


@pytest.fixture
def unlimited(stage: Stage) -> Iterator[None]:
    """Whatever a test has limited is to be had again afterwards."""
    yield
    lift_limits(stage)


@pytest.fixture(scope="session")
def pool_crds(api: Api, loop: asyncio.AbstractEventLoop) -> Iterator[KubernetesCluster]:
    """The home region's API server with every CRD of node pools that is at hand."""
    run = loop.run_until_complete
    cluster = run(from_file("home", api.kubeconfig, deadline_seconds=20.0))
    run(poolworld.install(cluster, list(poolworld.crds().values())))
    run(poolworld.default_account(cluster))
    yield cluster
    run(cluster.close())


@pytest.fixture
def pool_server(pool_crds: KubernetesCluster, run: Run) -> Iterator[KubernetesCluster]:
    """The same, without the pools, nodes and pods of these tests afterwards."""
    yield pool_crds
    run(poolworld.tidy(pool_crds))

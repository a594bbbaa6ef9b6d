"""From a version to the next and back, replica after replica under load, with both versions alive in between.

There is no second release yet: the next version is a copy of this one that keeps its memory in another form. It reads
this one's, and this one cannot read what the next has kept.
"""

import asyncio
import shutil
import time
from collections.abc import Mapping

import pytest
from seen import Run

from localfleet.chaos import audit, check
from localfleet.demo.quorum import Quorum
from localfleet.demo.stage import Stage
from localfleet.demo.users import users_load
from localfleet.layout import REPOSITORY
from localfleet.load.records import Record

NEXT = {
    ("core/memory.py", "    return record\n"): (
        '    record["weights"] = [[entry, dict(row)] for entry, row in memory.weights]\n    return record\n'
    ),
    ("core/memory.py", '_mapping(source.get("weights", {})).items()'): 'dict(source.get("weights", {})).items()',
    ("cli/operate.py", '"leeward starts"'): '"the next leeward starts"',
}
"""What is different in it: by file and text."""
THIS = ("-m", "leeward")
START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from leeward.cli import main; main()"


@pytest.fixture(scope="module")
def next_version(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """How the next version is started."""
    folder = tmp_path_factory.mktemp("next")
    shutil.copytree(REPOSITORY / "operator" / "leeward", folder / "leeward")
    for (name, before), after in NEXT.items():
        path = folder / "leeward" / name
        assert path.read_text().count(before) == 1, (name, before)
        path.write_text(path.read_text().replace(before, after))
    return ("-c", START, str(folder))


async def roll(quorum: Quorum, program: tuple[str, ...]) -> None:
    """One replica after the other, the leader last, each once all is well again."""
    leader = (await quorum.now())[0]
    for name in sorted(quorum.replicas, key=lambda each: (each == leader, each)):
        replica = quorum.replicas[name]
        await asyncio.to_thread(replica.stop)
        replica.program = program
        replica.start()
        await asyncio.sleep(5)
        await quorum.settled(120)


async def there_and_back(stage: Stage, quorum: Quorum, program: tuple[str, ...]) -> list[Record]:
    load, stop = users_load(stage.fleet, 8.0, seed=9), asyncio.Event()
    sending = asyncio.create_task(load.run(stop))
    try:
        await asyncio.sleep(10)
        for each in (program, THIS):
            await roll(quorum, each)
    finally:
        stop.set()
        await asyncio.gather(sending, return_exceptions=True)
    return load.records


def test_two_versions_side_by_side_move_nothing(
    stage: Stage, quorum: Quorum, run: Run, next_version: tuple[str, ...]
) -> None:
    began = time.time()
    records = run(there_and_back(stage, quorum, next_version))
    assert records and [record for record in records if not record.good] == []
    sources = {region.address: region.name for region in stage.fleet.regions}
    logs = {region.name: audit.read(region.folder, region.name, sources, began) for region in stage.fleet.regions}
    assert check.all_rules(logs, [], []) == []
    assert shifts(logs) == []
    for replica in quorum.replicas.values():
        told = [line for line in replica.log.read_text().splitlines() if "leeward starts" in line]
        assert ["next" in line for line in told] == [False, True, False], replica.log


def shifts(logs: Mapping[str, list[audit.Write]]) -> list[audit.Write]:
    """Writes that gave a route other weights than those of before."""
    home = {34, 33}
    return [each for log in logs.values() for each in log if each.weights and set(each.weights.values()) != home]

"""`hack/demo`: one command that brings the fleet up, plays the scenes and writes what they showed."""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

import click
from rich.console import Console

from localfleet import cli, layout, sandbox
from localfleet.bootstrap import documents
from localfleet.demo import report
from localfleet.demo.play import Player, chosen_regions
from localfleet.demo.scenes import SCENES
from localfleet.demo.stage import MODEL_FILE, Operator, Stage
from localfleet.demo.users import slots, users_load
from localfleet.demo.watch import Watch
from localfleet.layout import REPOSITORY, Fleet

console = Console(highlight=False)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Only the first scene and the way back, within four minutes.")
@click.option("--scene", "numbers", multiple=True, type=click.IntRange(1, len(SCENES)), help="Only this scene.")
@click.option("--rate", default=24.0, show_default=True, help="Requests per second, over all entries.")
@click.option("--name", default="demo", show_default=True, help="Name of the fleet.")
@click.option("--out", type=click.Path(path_type=Path), default=REPOSITORY / "out" / "demo", help="Where results go.")
@click.option("--keep", is_flag=True, help="Leave the fleet up at the end.")
@click.option("--reuse", is_flag=True, help="Play on the fleet of that name that is up already.")
@click.option("--seed", default=1, show_default=True)
def main(
    quick: bool, numbers: tuple[int, ...], rate: float, name: str, out: Path, keep: bool, reuse: bool, seed: int
) -> None:
    """Lose regions under load on this machine, and see what users notice.

    Three real Kubernetes control planes with gateways and Prometheus come up without Docker; binaries that are
    missing are built once. Hold, bake and guard limits are short here (examples/local/modeldeployment.yaml says which).
    """
    if sandbox.inside():
        asyncio.run(_inside(layout.load(name), tuple(numbers) or ((1,) if quick else ()), rate, out.resolve(), seed))
        return
    up_already = sandbox.holder(name) is not None
    if up_already and not reuse:
        raise click.ClickException(
            f"fleet {name!r} is up, perhaps with another demo on it: take it down (`hack/fleet --name {name} down`), "
            "name another with --name, or play on it with --reuse"
        )
    if not up_already:
        cli.main(["--name", name, "--backend", layout.NAMESPACES, "up"], standalone_mode=False)
    try:
        status = sandbox.run_inside(name, [sys.executable, "-m", "localfleet.demo", *sys.argv[1:]])
    finally:
        if not keep and not up_already:
            cli.main(["--name", name, "down"], standalone_mode=False)
    if status == 0:
        console.print(f"report: {out / 'report.md'}   picture: {out / 'timeline.png'}")
    sys.exit(status)


async def _inside(fleet: Fleet, numbers: tuple[int, ...], rate: float, out: Path, seed: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    log = out / "operator.jsonl"
    log.unlink(missing_ok=True)
    stage, operator, load = Stage(fleet), Operator(fleet, log), users_load(fleet, rate, seed, out / "requests.jsonl")
    watch = Watch(stage, operator)
    await stage.open()
    tasks: list[asyncio.Task[None]] = []
    try:
        console.print("starting the operator in us-east1, under its ServiceAccount; applying examples/local/")
        operator.start()
        await stage.apply_model()
        await stage.settled()
        console.print("18 replicas on GPU nodes that Karpenter ordered are ready; sending load to all three entries")
        tasks = [asyncio.create_task(load.run(stop)), asyncio.create_task(watch.run(stop))]
        await asyncio.sleep(20)
        player = Player(stage, watch, load, slots(), console, stop)
        with contextlib.suppress(asyncio.CancelledError):
            for scene, region in chosen_regions(
                stage, [each for each in SCENES if not numbers or each.number in numbers]
            ):
                await player.play(scene, region)
        settings = {"rate": rate, **documents(MODEL_FILE)[0]["spec"]["failback"]}
        report.write(
            out,
            player.played,
            player.results,
            load.records,
            watch.samples,
            watch.sayings,
            slots(),
            settings,
        )
        console.print(report.on_screen(player.results))
    finally:
        interrupted = stop.is_set()
        stop.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        operator.stop()
        await stage.close()
    if interrupted:
        sys.exit(130)


if __name__ == "__main__":
    main()

"""Command line of the model server: `python -m localfleet.modelserver --help`."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket

import click
import uvloop
from aiohttp import web

from .control import control_app
from .engine import Limits, Timing
from .faults import FaultBook
from .pods import Crew, PodSpec, Settings
from .status import pod_of

DEFAULT = Timing()
NOT_NEGATIVE = click.FloatRange(min=0)
POSITIVE = click.FloatRange(min=0, min_open=True)
SHUTDOWN_SECONDS = 5.0


def parse_static_pod(text: str, model: str, limits: Limits) -> PodSpec:
    """A pod from NAME=IP:PORT. Raises click.BadParameter."""
    name, separator, place = text.partition("=")
    address, colon, port = place.rpartition(":")
    if not (name and separator and address and colon and port.isdecimal()):
        raise click.BadParameter(f"{text!r} is not of the form NAME=IP:PORT", param_hint="--static-pod")
    return PodSpec(f"static/{name}", name, address, int(port), model, limits)


async def serve(
    settings: Settings,
    control: tuple[str, int],
    kubeconfig: str | None,
    selector: str,
    static: list[PodSpec],
    drain_seconds: float = SHUTDOWN_SECONDS,
) -> None:
    """Play pods until SIGINT or SIGTERM; then requests in flight have `drain_seconds` to finish."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    faults = FaultBook()
    crew = Crew(settings, faults)
    runner = web.AppRunner(control_app(settings.region, crew, faults), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, *control).start()
    for spec in static:
        crew.start(spec)
    waiting: set[asyncio.Task[object]] = {asyncio.create_task(stop.wait())}
    api = None
    if kubeconfig is not None:
        from .kubelet import Kubelet, PodApi  # noqa: PLC0415 - needs the Kubernetes client, which our image has not

        api = await PodApi.connect(kubeconfig, selector)
        waiting.add(asyncio.create_task(Kubelet(api, crew).run()))
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    await crew.stop_all(drain_seconds)
    await runner.cleanup()
    if api is not None:
        await api.close()
    for task in done:
        task.result()  # a kubelet ends by error only: show it


@click.command()
@click.option("--region", required=True, help="Region that the pods belong to; sent as x-served-region.")
@click.option("--kubeconfig", type=click.Path(exists=True, dir_okay=False), help="Play the pods of this cluster.")
@click.option("--selector", default="app.kubernetes.io/component=model-server", show_default=True)
@click.option("--static-pod", multiple=True, metavar="NAME=IP:PORT", help="Play a pod without any cluster; repeatable.")
@click.option("--static-model", default="model", show_default=True, help="Model served by static pods.")
@click.option("--static-max-num-seqs", default=16, show_default=True, type=click.IntRange(1))
@click.option(
    "--static-max-num-queued-reqs",
    type=click.IntRange(0),
    help="Most requests running and waiting in a static pod.  [default: 3 x max-num-seqs]",
)
@click.option(
    "--own-pod",
    is_flag=True,
    help="Play the pod that this runs in: its port and model stand in ENGINE_ARGUMENTS, as vLLM would take them.",
)
@click.option("--control-host", default="0.0.0.0", show_default=True)
@click.option("--control-port", required=True, type=click.IntRange(0, 65535))
@click.option(
    "--startup-seconds",
    type=NOT_NEGATIVE,
    default=5.0,
    show_default=True,
    envvar="MODELSERVER_STARTUP_SECONDS",
    help="Time to load weights.",
)
@click.option(
    "--rejection-status",
    default="429",
    show_default=True,
    type=click.Choice(["429", "503"]),
    help="How a full pod refuses; vLLM answers 503.",
)
@click.option("--seed", default=0, show_default=True)
@click.option("--prefill-base", type=NOT_NEGATIVE, default=DEFAULT.prefill_base, show_default=True, help="Seconds.")
@click.option(
    "--prefill-per-token",
    type=NOT_NEGATIVE,
    default=DEFAULT.prefill_per_token,
    show_default=True,
    help="Seconds.",
)
@click.option("--prefill-load-factor", type=NOT_NEGATIVE, default=DEFAULT.prefill_load_factor, show_default=True)
@click.option("--itl-base", type=POSITIVE, default=DEFAULT.itl_base, show_default=True, help="Seconds between tokens.")
@click.option("--itl-load-factor", type=NOT_NEGATIVE, default=DEFAULT.itl_load_factor, show_default=True)
@click.option("--answer-tokens-mean", type=POSITIVE, default=DEFAULT.answer_tokens_mean, show_default=True)
@click.option("--answer-tokens-sigma", type=NOT_NEGATIVE, default=DEFAULT.answer_tokens_sigma, show_default=True)
@click.option(
    "--chunk-seconds",
    type=POSITIVE,
    default=DEFAULT.chunk_seconds,
    show_default=True,
    help="Length of a stream's chunk.",
)
@click.argument("engine_arguments", nargs=-1)
def main(
    region: str,
    kubeconfig: str | None,
    selector: str,
    static_pod: tuple[str, ...],
    static_model: str,
    static_max_num_seqs: int,
    static_max_num_queued_reqs: int | None,
    own_pod: bool,
    control_host: str,
    control_port: int,
    startup_seconds: float,
    rejection_status: str,
    seed: int,
    engine_arguments: tuple[str, ...],
    **timing: float,
) -> None:
    """Play all model-server pods of one region: an OpenAI-compatible simulator with the behaviour of vLLM."""
    if kubeconfig is None and not static_pod and not own_pod:
        raise click.UsageError("Give --kubeconfig, --own-pod, or at least one --static-pod.")
    if engine_arguments and not own_pod:
        raise click.UsageError(f"{engine_arguments[0]!r} is an argument for --own-pod, which was not given.")
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {region} %(levelname)s %(message)s")
    in_flight = 3 * static_max_num_seqs if static_max_num_queued_reqs is None else static_max_num_queued_reqs
    limits = Limits(static_max_num_seqs, in_flight)
    static = [parse_static_pod(text, static_model, limits) for text in static_pod]
    settings = Settings(region, Timing(**timing), startup_seconds, int(rejection_status), seed)
    drain_seconds = SHUTDOWN_SECONDS
    if own_pod:
        static.append(pod_of(socket.gethostname(), list(engine_arguments)))
        drain_seconds = static[-1].grace_seconds
    uvloop.run(serve(settings, (control_host, control_port), kubeconfig, selector, static, drain_seconds))


if __name__ == "__main__":
    main()

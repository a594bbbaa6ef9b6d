"""`hack/fleet kill | degrade | limit | heal`: faults and shortages, from the command line."""

from datetime import datetime
from functools import partial

import click

from localfleet import backends, faults, recipes
from localfleet.cli import Context, clearly, main
from localfleet.terminal import console


class Share(click.ParamType[float]):
    """`20%` or `0.2`, as a share of one."""

    name = "share"

    def convert(self, value: object, parameter: click.Parameter | None, context: click.Context | None) -> float:
        text = str(value).strip()
        try:
            share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
        except ValueError:
            self.fail(f"{text!r} is not a share: write 20% or 0.2", parameter, context)
        if not 0 <= share <= 1:
            self.fail(f"{text!r} is not between 0% and 100%", parameter, context)
        return share


class Factor(click.ParamType[float]):
    """`10x` or `10`, a factor of at least one."""

    name = "factor"

    def convert(self, value: object, parameter: click.Parameter | None, context: click.Context | None) -> float:
        try:
            factor = float(str(value).strip().rstrip("x"))
        except ValueError:
            self.fail(f"{value!r} is not a factor: write 10x", parameter, context)
        if factor < 1:
            self.fail(f"{value!r} is smaller than 1x", parameter, context)
        return factor


@main.command(help="Break a region.\n\n\b\n" + "\n".join(f"{how:11} {text}" for how, (_, text) in faults.HOW.items()))
@click.argument("region")
@click.option("--how", type=click.Choice(list(faults.HOW)), default="partition", show_default=True)
@click.pass_obj
def kill(context: Context, region: str, how: str) -> None:
    (host,) = context.regions((region,))
    backend = context.enter()
    clearly(lambda: backend.kill(context.fleet, host, how))
    console.print(
        f"{datetime.now().astimezone():%H:%M:%S.%f} {region}: {how}; `hack/fleet heal {region}` mends it",
        soft_wrap=True,
    )


@main.command()
@click.argument("region")
@click.option("--errors", type=Share(), default=None, help="Share of requests answered with 500.")
@click.option("--slow", type=Factor(), default=None, help="Factor on the time to the first token.")
@click.option("--cut-streams", type=Share(), default=None, help="Share of streams cut half-way.")
@click.option("--wrong-answers", type=Share(), default=None, help="Share of answers with wrong content.")
@click.option("--hang", is_flag=True, default=None, help="Accept requests and never answer.")
@click.option("--pod", "pods", multiple=True, help="Only this pod; repeat for several.")
@click.pass_obj
def degrade(context: Context, /, region: str, pods: tuple[str, ...], **wanted: float | bool | None) -> None:
    """Make a region's model servers misbehave."""
    (host,) = context.regions((region,))
    chosen = {name: value for name, value in wanted.items() if value is not None}
    if not chosen:
        raise click.UsageError("say what goes wrong, for example --errors 20%")
    backend = context.enter()
    clearly(lambda: backend.degrade(context.fleet, host, chosen, list(pods)))
    console.print(f"{region}: {chosen}; `hack/fleet heal {region}` mends it")


@main.command()
@click.argument("region")
@click.argument("machine", type=click.Choice(list(recipes.MACHINES)))
@click.argument("machines", type=click.IntRange(min=0), required=False)
@click.option("--capacity-type", type=click.Choice(recipes.CAPACITY_TYPES), help="Only machines of this kind.")
@click.pass_obj
def limit(context: Context, region: str, machine: str, machines: int | None, capacity_type: str | None) -> None:
    """Let a region's provider have MACHINES machines of a type, and no more; without a number: as many as asked for.

    Machines that run already stay. `heal` does not lift a limit: hack/fleet limit eu-west4 gpu-8x-h100 2
    """
    (host,) = context.regions((region,))
    key = f"{machine}/{capacity_type}" if capacity_type else machine
    backend = backends.BACKENDS[context.fleet.backend]
    now = clearly(lambda: backend.limit(context.fleet, host, key, machines))
    told = ", ".join(f"{count} {name}" for name, count in sorted(now.items()))
    console.print(f"{region}: {told or 'any number of machines'}")


@main.command()
@click.argument("regions", nargs=-1)
@click.pass_obj
def heal(context: Context, regions: tuple[str, ...]) -> None:
    """Mend regions (all of them unless named): cables, programs, model servers."""
    hosts = context.regions(regions)
    backend = context.enter()
    for host in hosts:
        revived = clearly(partial(backend.heal, context.fleet, host))
        console.print(f"{host.name}: healed" + (f", started again: {', '.join(revived)}" if revived else ""))

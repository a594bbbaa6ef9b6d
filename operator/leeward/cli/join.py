"""`leeward join`: give the operator access to a region's cluster, and renew it."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml
from pydantic import ValidationError

from leeward.cli.console import console, plain
from leeward.cli.options import access, access_options, complete_region
from leeward.cli.orders import Length

if TYPE_CHECKING:
    from leeward.adapters.certificates import Pair
    from leeward.adapters.clusters import KubernetesCluster
    from leeward.api.region import Region
    from leeward.cli.home import Home
    from leeward.cli.joining import Say, Way

EPILOG = """\b
Examples:
  leeward join eu-west4 --member-context eu --gateway leeward-system/models --address eu.models.example.com
  leeward join eu-west4 --member-context eu                     # again: a new token, the old one ends
  leeward join us-east1 --serve-tls                             # the home cluster's own: its certificate
  leeward join tiebreaker --member-kubeconfig tiebreaker.yaml --witness

Exit codes: 0 joined, 1 a cluster does not answer or refuses; what was done is told, and doing it again goes on from
there, 2 wrong usage.
"""
DAY_MS = 86_400_000


@click.command("join", epilog=EPILOG)
@click.argument("region", shell_complete=complete_region)
@click.option(
    "--member-kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An administrator's of the region's cluster. Otherwise the same file as the home cluster's.",
)
@click.option("--member-context", help="A context of it other than the current one.")
@click.option("--server", help="The API server's address as the operator reaches it, if not that of the kubeconfig.")
@click.option("--gateway", metavar="NAMESPACE/NAME", help="The region's Gateway, for a Region that is not there yet.")
@click.option("--address", help="Host name or IP address at which other regions reach that Gateway.")
@click.option("--users-port", type=click.IntRange(1, 65535), default=80, show_default=True)
@click.option("--serve-port", type=click.IntRange(1, 65535), default=8081, show_default=True)
@click.option("--prometheus", metavar="URL", help="The region's Prometheus.")
@click.option("--domain", "domains", multiple=True, metavar="KEY=VALUE", help="A failure domain; repeat for more.")
@click.option("--witness", is_flag=True, help="A region that serves no models and only counts for majorities.")
@click.option(
    "--serve-tls/--no-serve-tls",
    default=None,
    help="Issue a certificate for the region's serve listener. Done anyway for a new Region, and for one that names "
    "the fleet's authority.",
)
@click.option("--certificate-for", type=Length(), default="2160h", show_default=True, help="How long that is good.")
@click.option("--token-for", type=Length(), default="2160h", show_default=True, help="How long the token is good.")
@click.option(
    "--overlap",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    help="Seconds until tokens of before are ended, so that the operator reads the new one first.",
)
@click.option("--keep-old", is_flag=True, help="Do not end tokens of before.")
@access_options
def join(region: str, **options: Any) -> None:
    """Join REGION's cluster to the fleet, or renew the operator's access to it.

    In the region's cluster: namespace, ServiceAccount `leeward` with the least rights, and a token; and the certificate
    of its serve listener. In the home cluster: a Secret with a kubeconfig of that token, the fleet's authority, and the
    Region, if they are not there yet. No token and no key is printed.

    Again, it renews token and certificate. For the home cluster's own Region it only does the latter.
    """
    wanted = _wanted(region, options)
    access(options).ask(lambda home: _join(home, region, wanted, options))


def _wanted(name: str, options: dict[str, Any]) -> "Region | None":
    """The Region to make where there is none; None if the line does not tell enough for one."""
    from leeward.api.region import Region  # noqa: PLC0415 - see options.access

    gateway, witness = options["gateway"], options["witness"]
    if (gateway is None) is not (options["address"] is None) or (witness and gateway):
        raise click.UsageError("give --gateway and --address together, or --witness")
    if not gateway and not witness:
        return None
    try:
        return Region.read({"kind": "Region", "metadata": {"name": name}, "spec": _spec(name, options)})
    except ValidationError as error:
        from leeward.api.common import first_problem  # noqa: PLC0415

        raise click.UsageError(f"no Region can be made of this: {first_problem(error)}") from error


def _spec(name: str, options: dict[str, Any]) -> dict[str, Any]:
    secret = {"namespace": options["operator_namespace"], "name": f"{name}-kubeconfig", "key": "value"}
    spec: dict[str, Any] = {"cluster": {"kubeconfigSecretRef": secret}}
    if options["gateway"]:
        namespace, _, bare = options["gateway"].partition("/")
        if not bare:
            raise click.UsageError(f"--gateway {namespace!r}: write NAMESPACE/NAME")
        ports = {"usersPort": options["users_port"], "servePort": options["serve_port"]}
        spec["gateway"] = {"namespace": namespace, "name": bare, "address": options["address"], **ports}
    if wrong := next((each for each in options["domains"] if not each.partition("=")[2]), None):
        raise click.UsageError(f"--domain {wrong!r}: write KEY=VALUE")
    if options["domains"]:
        spec["failureDomains"] = dict(each.split("=", 1) for each in options["domains"])
    if options["prometheus"]:
        spec["prometheus"] = {"url": options["prometheus"]}
    return spec


async def _join(home: "Home", name: str, wanted: "Region | None", options: dict[str, Any]) -> None:
    from leeward.adapters.kubeconfigs import from_kubeconfig  # noqa: PLC0415
    from leeward.cli import joining  # noqa: PLC0415

    path = options["member_kubeconfig"] or home.access.path()
    text = await asyncio.to_thread(path.read_text)
    context = options["member_context"]
    way = joining.way_of(text, path.parent, context, options["server"])
    deadline = home.access.deadline_seconds
    member = await from_kubeconfig(name, text, allowed_commands=None, context=context, deadline_seconds=deadline)
    try:
        await _steps(home, member, way, name, wanted, options)
    finally:
        await member.close()


async def _steps(
    home: "Home", member: "KubernetesCluster", way: "Way", name: str, wanted: "Region | None", options: dict[str, Any]
) -> None:
    from leeward.cli import certifying, joining  # noqa: PLC0415

    there = (await home.regions()).get(name)
    if there is None and wanted is None:
        raise click.UsageError(f"there is no Region {name} yet: say --gateway and --address, or --witness, to make it")
    is_home = not await joining.differ(home.cluster, member)
    _check_place(name, there, is_home=is_home)
    make = there is None or options["serve_tls"] is True
    certified = _is_certified(there, wanted, options["serve_tls"])
    by = await certifying.authority(home.cluster, _said("home"), make=make) if certified else None
    if is_home and by is None:
        raise click.ClickException(f"{name} is the home cluster's own: --serve-tls issues its gateway's certificate")
    region = there or _made(wanted, by, home.access.operator_namespace)
    if there is None:
        await joining.make_region(home.cluster, region, _said("home"), dry_run=True)
    bound = None if is_home else await _let_in(home, member, way, region, options["token_for"] // 1000)
    if by is not None:
        await _certify(home, member, region, by, options["certificate_for"] // 1000)
    if there is None:
        await joining.make_region(home.cluster, region, _said("home"))
    if bound is not None and not options["keep_old"]:
        await _end_others(member, home.access.operator_namespace, name, bound, options["overlap"])


def _is_certified(there: "Region | None", wanted: "Region | None", asked: bool | None) -> bool:
    """Is a certificate of the serve listener to be issued?"""
    region = there or wanted
    if region is None or region.spec.gateway is None:
        return False
    return asked if asked is not None else there is None or region.spec.gateway.tls is not None


def _check_place(name: str, there: "Region | None", *, is_home: bool) -> None:
    if is_home and there is None:
        raise click.ClickException(
            "this is the home cluster itself: name the region's with --member-kubeconfig or --member-context, or give "
            "the Region spec.cluster.local"
        )
    if there is not None and not is_home and there.spec.cluster.kubeconfig_secret_ref is None:
        raise click.ClickException(f"Region {name} is reached without a Secret (spec.cluster): nothing is to be joined")


def _made(wanted: "Region | None", by: "Pair | None", namespace: str) -> "Region":
    """The Region to make, with the authority that its gateway's certificate is of."""
    from leeward.cli import certifying  # noqa: PLC0415

    assert wanted is not None, "a Region that is nowhere is refused before"
    gateway = wanted.spec.gateway
    if by is None or gateway is None:
        return wanted
    secured = gateway.model_copy(update={"tls": certifying.trusting(by, namespace)})
    return wanted.model_copy(update={"spec": wanted.spec.model_copy(update={"gateway": secured})})


async def _certify(home: "Home", member: "KubernetesCluster", region: "Region", by: "Pair", seconds: int) -> None:
    from leeward.cli import certifying  # noqa: PLC0415

    name, gateway = region.metadata.name, region.spec.gateway
    await certifying.certify(member, region, by, seconds, _said(name))
    await certifying.certify_probes(home.cluster, home.access.operator_namespace, by, seconds, _said("home"))
    if gateway is not None and gateway.tls is None:
        spec = {"gateway": {"tls": certifying.trusting(by, home.access.operator_namespace).wire()}}
        _said(name)("have the Gateway's serve listener take HTTPS as in examples/gateway.yaml, then add to the Region:")
        click.echo(yaml.safe_dump({"spec": spec}))


async def _let_in(home: "Home", member: "KubernetesCluster", way: "Way", region: "Region", seconds: int) -> str:
    """Rights and a token; returns the name of the Secret that the token ends with."""
    from leeward.cli import joining  # noqa: PLC0415

    await joining.grant(member, home.access.operator_namespace, _said(region.metadata.name))
    return await _renew(home, member, way, region, seconds)


async def _end_others(member: "KubernetesCluster", namespace: str, name: str, bound: str, overlap: float) -> None:
    from leeward.cli import joining  # noqa: PLC0415

    others = await joining.others(member, namespace, bound)
    if others:
        _said(name)(f"ends {len(others)} earlier token{'s' * (len(others) > 1)} in {overlap:g} s")
        await asyncio.sleep(overlap)
        await joining.revoke(member, namespace, others, _said(name))


async def _renew(home: "Home", member: "KubernetesCluster", way: "Way", region: "Region", seconds: int) -> str:
    """Make a token, try it, and keep it at home; the Secret that it is bound to. One that does not work is ended."""
    from leeward.cli import joining  # noqa: PLC0415

    name, namespace = region.metadata.name, home.access.operator_namespace
    where = region.spec.cluster.kubeconfig_secret_ref
    assert where is not None, "only such a region is joined"
    token, bound = await joining.make_token(member, namespace, seconds, _said(name))
    try:
        made = joining.kubeconfig(name, way, token)
        await joining.check(name, made, home.access.deadline_seconds)
        _said(name)("answers to the new token")
        await joining.keep(home.cluster, where, made, _said("home"))
    except BaseException:
        await joining.revoke(member, namespace, [bound], _said(name))
        raise
    return bound


def _said(where: str) -> "Say":
    return lambda sentence: console().print(plain(f"{where}: {sentence}"))

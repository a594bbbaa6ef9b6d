"""Links and addresses inside the fleet's namespaces: one bridge, a namespace per region, one behind it."""

import subprocess
from collections.abc import Iterable

from localfleet.layout import USERS_ADDRESS, Fleet, RegionHost

_NOBODY = "02:00:00:00:00:fe"  # no device has this address, so a frame to it ends at the bridge


def ip(*arguments: str) -> None:
    """Run `ip`; raises CalledProcessError with what it said."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def in_host(host: str, command: list[str]) -> list[str]:
    """The command line that runs `command` in the network namespace `host`."""
    return ["ip", "netns", "exec", host, *command]


def _inside_host(host: str, *arguments: str) -> None:
    ip("-n", host, *arguments)


def lay_out(fleet: Fleet) -> None:
    """Make the bridge and every region's links. A tmpfs on /run keeps the names of the namespaces to ourselves."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    ip("link", "set", "lo", "up")
    ip("link", "add", "fleet", "type", "bridge")
    ip("address", "add", f"{USERS_ADDRESS}/16", "dev", "fleet")
    ip("link", "set", "fleet", "up")
    for region in fleet.regions:
        _lay_out_region(region)


def _lay_out_region(region: RegionHost) -> None:
    for host in (region.name, region.gateway_host):
        ip("netns", "add", host)
        _inside_host(host, "link", "set", "lo", "up")
    ip("link", "add", link(region), "type", "veth", "peer", "name", "eth0", "netns", region.name)
    ip("link", "set", link(region), "master", "fleet", "up")
    _inside_host(region.name, "address", "add", f"{region.address}/16", "dev", "eth0")
    _inside_host(region.name, "link", "set", "eth0", "up")
    _inside_host(
        region.name, "link", "add", "inner", "type", "veth", "peer", "name", "eth0", "netns", region.gateway_host
    )
    _inside_host(region.name, "address", "add", f"{region.inner_address}/30", "dev", "inner")
    _inside_host(region.name, "link", "set", "inner", "up")
    _inside_host(region.gateway_host, "address", "add", f"{region.gateway_host_address}/30", "dev", "eth0")
    _inside_host(region.gateway_host, "link", "set", "eth0", "up")
    _inside_host(region.gateway_host, "route", "add", "default", "via", region.inner_address)
    _inside_host(region.name, "route", "add", "local", region.pod_cidr, "dev", "lo")


def link(region: RegionHost) -> str:
    """Name of the region's cable to the others."""
    return f"region{region.index}"


def cut(region: RegionHost) -> None:
    """Partition a region away: its cable is pulled, everything inside goes on."""
    ip("link", "set", link(region), "down")


def mute(region: RegionHost, towards: Iterable[str]) -> None:
    """What the region sends to these addresses gets lost on the way; what they send arrives."""
    for address in towards:
        _inside_host(region.name, "neigh", "replace", address, "lladdr", _NOBODY, "dev", "eth0", "nud", "permanent")


def slow(region: RegionHost, kilobits: int) -> None:
    """So many kilobits a second each way: what has to wait for longer than 400 ms is lost."""
    limit = "root", "tbf", "rate", f"{kilobits}kbit", "burst", "16kb", "latency", "400ms"
    _tc("-n", region.name, "qdisc", "replace", "dev", "eth0", *limit)
    _tc("qdisc", "replace", "dev", link(region), *limit)


def mend(region: RegionHost) -> None:
    """Undo all of these."""
    ip("link", "set", link(region), "up")
    _inside_host(region.name, "neigh", "flush", "dev", "eth0", "nud", "permanent")
    for where in (("-n", region.name), ()):
        device = "eth0" if where else link(region)
        if "tbf" in _tc(*where, "qdisc", "show", "dev", device):
            _tc(*where, "qdisc", "del", "dev", device, "root")


def _tc(*arguments: str) -> str:
    return subprocess.run(["tc", *arguments], check=True, capture_output=True, text=True).stdout

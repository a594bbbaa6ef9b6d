"""Version and clock of an API server that answers."""

import time

from leeward.adapters.clusters import KubernetesCluster
from leeward.cli.checkup.finding import OK, WARN, Finding

SKEW_SECONDS = 5.0
OLDEST_MINOR = 31  # from there on rules of CRDs can tell an IP address; the fence's policies are there from 1.30 on


async def answers(where: str, cluster: KubernetesCluster) -> list[Finding]:
    """Its version, and how far its clock is from this machine's.

    Raises:
        PortError: it does not answer.
    """
    version = await cluster.get("/version")
    minor = "".join(filter(str.isdecimal, str(version.get("minor", ""))))
    told = f"answers, {version.get('gitVersion', 'of an unknown version')}"
    old = minor.isdecimal() and int(minor) < OLDEST_MINOR and version.get("major") == "1"
    fix = f"use Kubernetes 1.{OLDEST_MINOR} or newer" if old else ""
    before = time.time()
    there = await cluster.clock()
    skew = there - (before + time.time()) / 2
    off = abs(skew) > SKEW_SECONDS
    return [
        Finding(where, "API server", WARN if old else OK, told, fix),
        Finding(
            where,
            "clock",
            WARN if off else OK,
            f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's" if off else "as this machine's",
            "set both clocks by NTP: times in statuses and ends of orders are told by them" if off else "",
        ),
    ]

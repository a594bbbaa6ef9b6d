"""Are the rights of config/ granted, and no more?"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import product
from typing import Any

import yaml

from leeward.adapters.clusters import KubernetesCluster
from leeward.cli.checkup.finding import FAIL, OK, SKIP, WARN, Finding
from leeward.ports import KubeObject, PortError

REVIEWS = "authorization.k8s.io/v1"
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource; `namespace` is empty for everywhere, `name` for every object."""

    group: str
    resource: str
    verb: str
    namespace: str = ""
    name: str = ""

    def attributes(self) -> KubeObject:
        resource, _, subresource = self.resource.partition("/")
        named = {"namespace": self.namespace, "subresource": subresource, "name": self.name}
        return {
            "group": self.group,
            "resource": resource,
            "verb": self.verb,
            **{key: value for key, value in named.items() if value},
        }

    def __str__(self) -> str:
        resource = f"{self.resource}.{self.group}" if self.group else self.resource
        named = f"/{self.name}" if self.name else ""
        return f"{self.verb} {resource}{named}" + (f" in {self.namespace}" if self.namespace else "")


def rights(name: str, namespace: str) -> Iterator[Right]:
    """Every right that config/NAME.yaml grants, for an operator in `namespace`."""
    for each in yaml.safe_load_all(files("leeward").joinpath(f"cli/rights/{name}.yaml").read_text("utf-8")):
        inside = namespace if each["kind"] == "Role" else ""
        for rule in each.get("rules") or ():
            for group, resource, name, verb in product(
                rule["apiGroups"], rule["resources"], rule.get("resourceNames") or [""], rule["verbs"]
            ):
                yield Right(group, resource, verb, inside, name)


async def granted(
    where: str, cluster: KubernetesCluster, wanted: Sequence[Right], what: str, account: str | None
) -> Finding:
    """Are they granted, to `account` or to whoever asks? API groups that are not served need none."""
    try:
        served = {each["name"] for each in (await cluster.get("/apis")).get("groups") or ()} | {""}
        asked = [each for each in wanted if each.group in served]
        gate = asyncio.Semaphore(_AT_ONCE)

        async def held(right: Right) -> bool:
            async with gate:
                return await _allowed(cluster, right, account)

        answers = await asyncio.gather(*(held(each) for each in asked))
        everything = await _allowed(cluster, Right("*", "*", "*"), account)
    except PortError as error:
        return Finding(where, what, SKIP, f"cannot be asked: {error}", "run it as an administrator, or in the pod")
    missing = [str(right) for right, has in zip(asked, answers, strict=True) if not has]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        return Finding(
            where, what, FAIL, f"missing: {', '.join(missing[:5])}{more}", "upgrade the chart, or apply config/"
        )
    if everything:
        return Finding(
            where, what, WARN, "it may do everything there", "give it the rights of config/ only: leeward join"
        )
    return Finding(where, what, OK, f"all {len(asked)} are granted")


async def _allowed(cluster: KubernetesCluster, right: Right, account: str | None) -> bool:
    kind = "SubjectAccessReview" if account else "SelfSubjectAccessReview"
    spec: dict[str, Any] = {"resourceAttributes": right.attributes()}
    if account:
        namespace = account.split(":")[2]
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
        spec |= {"user": account, "groups": groups}
    path = f"/apis/{REVIEWS}/{kind.lower()}s"
    answer = await cluster.post(path, {"apiVersion": REVIEWS, "kind": kind, "spec": spec})
    return bool((answer.get("status") or {}).get("allowed"))

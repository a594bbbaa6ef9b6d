"""The home cluster, as a person at the command line sees it: models, regions and recorded decisions.

A person's kubeconfig may run its own commands to log in; it is theirs. The operator allows that only by name.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import click
import yaml
from pydantic import ValidationError

from leeward.adapters import leases
from leeward.adapters.clusters import KubernetesCluster
from leeward.adapters.kubeconfigs import from_kubeconfig, in_pod
from leeward.adapters.objects import (
    ADOPTIONS,
    DEPLOYMENT,
    EVACUATIONS,
    MODELS,
    OPERATOR_LABELS,
    ORIGIN,
    REGIONS,
    REVIEW,
)
from leeward.api.common import first_problem
from leeward.api.evacuation import Evacuation
from leeward.api.modeldeployment import ModelDeployment
from leeward.api.region import Region
from leeward.cli.overview import Deciding
from leeward.notes import KINDS
from leeward.ports import BadReference, Denied, KindMissing, KubeObject, PortError, Ref, Unreachable
from leeward.record_decisions import kept, place
from leeward.replay.decision import Decision, UnreadableError, read
from leeward.store import key_of

T = TypeVar("T")
R = TypeVar("R", ModelDeployment, Region, Evacuation)
DEADLINE_SECONDS = 10.0
REMEDIES: dict[type[PortError], str] = {
    Unreachable: "check the network, or name another cluster with --kubeconfig or --context",
    Denied: "log in anew, or ask for the rights that docs/tools.md lists",
    KindMissing: "this is not Leeward's home cluster: name it with --kubeconfig or --context",
    BadReference: "mend the kubeconfig, or name another one with --kubeconfig",
}


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach the home cluster. `namespace` is the models', `operator_namespace` where decisions are kept."""

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str | None = None
    operator_namespace: str = "leeward-system"
    deadline_seconds: float = DEADLINE_SECONDS
    in_pod: bool = False  # as the pod's own account

    def ask(self, question: "Callable[[Home], Awaitable[T]]") -> T:
        """Connect, ask, and close.

        Raises:
            click.ClickException: the cluster cannot be reached or refuses; the message names the fix.
        """
        try:
            return asyncio.run(self._ask(question))
        except PortError as error:
            raise click.ClickException(f"{error} ({REMEDIES.get(type(error), error.remedy)})") from error

    async def _ask(self, question: "Callable[[Home], Awaitable[T]]") -> T:
        cluster, namespace = await self._open()
        try:
            return await question(Home(cluster, self.namespace or namespace, self))
        finally:
            await cluster.close()

    async def _open(self) -> tuple[KubernetesCluster, str]:
        """The connection, and the namespace that it is about by default."""
        if self.in_pod:
            return in_pod("the home cluster", deadline_seconds=self.deadline_seconds), "default"
        path = self.path()
        try:
            text = await asyncio.to_thread(path.read_text)
        except OSError as error:
            raise click.ClickException(
                f"the kubeconfig {path} cannot be read ({error.strerror or error}): name another with --kubeconfig"
            ) from error
        cluster = await from_kubeconfig(
            "the home cluster",
            text,
            allowed_commands=None,
            context=self.context,
            deadline_seconds=self.deadline_seconds,
        )
        return cluster, _namespace(text, self.context)

    def path(self) -> Path:
        """The kubeconfig that is used."""
        named = os.environ.get("KUBECONFIG", "")
        if self.kubeconfig is None and os.pathsep in named:
            raise click.ClickException("KUBECONFIG names several files: name one of them with --kubeconfig")
        return self.kubeconfig or Path(named or Path.home() / ".kube" / "config")


@dataclass(frozen=True, slots=True)
class Home:
    """The home cluster, open."""

    cluster: KubernetesCluster
    namespace: str
    access: Access

    async def models(self) -> list[ModelDeployment]:
        """The ModelDeployments of the namespace that was named, or of all."""
        found = await self.cluster.find(MODELS, self.access.namespace or "")
        return [_read(ModelDeployment, each) for each in found]

    async def model(self, name: str) -> ModelDeployment:
        """One ModelDeployment, by name or `namespace/name`.

        Raises:
            click.ClickException: it does not exist; the message lists those that do.
        """
        namespace, _, bare = name.rpartition("/")
        found = await self.cluster.read(Ref(MODELS, namespace or self.namespace, bare))
        if found is not None:
            return _read(ModelDeployment, found)
        there = sorted(key_of(each) for each in await self.cluster.find(MODELS))
        raise click.ClickException(
            f"there is no ModelDeployment {namespace or self.namespace}/{bare}: "
            + (f"name one of {', '.join(there)}" if there else "there is none at all in this cluster")
        )

    async def regions(self) -> dict[str, Region]:
        """All Regions, by name."""
        found = [_read(Region, each) for each in await self.cluster.find(REGIONS)]
        return {region.metadata.name: region for region in found}

    async def evacuations(self) -> list[Evacuation]:
        """All Evacuations."""
        return [_read(Evacuation, each) for each in await self.cluster.find(EVACUATIONS)]

    async def deciding(self) -> Deciding:
        """Who leads, and whether an operator runs, as far as this account may see."""
        where = self.access.operator_namespace
        found = Deciding()
        with suppress(Denied):
            deployments = await self.cluster.find(DEPLOYMENT, where, OPERATOR_LABELS)
            ready = [(each.get("status") or {}).get("readyReplicas", 0) for each in deployments]
            found = replace(found, replicas=sum(ready) if ready else None)
        with suppress(Denied):
            lease, renewed = await leases.shown(self.cluster, where)
            if lease.version:
                silent = None if renewed is None else await self.cluster.clock() - renewed
                found = replace(found, leader=lease.holder, epoch=lease.epoch, silent_seconds=silent)
        return found

    async def order_evacuation(self, name: str, spec: KubeObject) -> None:
        """Make an Evacuation."""
        kind = EVACUATIONS
        await self.cluster.create(
            {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}, "spec": spec}
        )

    async def take_back(self, evacuation: Evacuation) -> None:
        """Delete exactly this Evacuation."""
        await self.cluster.delete(Ref(EVACUATIONS, "", evacuation.metadata.name), uid=evacuation.metadata.uid or "")

    async def held(self, kind: str, name: str) -> KubeObject:
        """One of our own objects as this cluster holds it, by name or `namespace/name`.

        Raises:
            click.ClickException: it does not exist.
        """
        namespace, _, bare = name.rpartition("/")
        where = KINDS[kind]
        ref = Ref(where, (namespace or self.namespace) if where.namespaced else "", bare)
        found = await self.cluster.read(ref)
        if found is None:
            raise click.ClickException(f"there is no {ref} in this cluster: name another one with --context")
        return found

    async def adopt(self, found: KubeObject) -> None:
        """Make exactly this version of a copy the origin; the leader tells all other clusters."""
        metadata = found["metadata"]
        noted = metadata.get("annotations") or {}
        moved: KubeObject = {ORIGIN: None, ADOPTIONS: str(int(noted.get(ADOPTIONS, "0")) + 1)}
        ref = Ref(KINDS[found["kind"]], metadata.get("namespace", ""), metadata["name"])
        version = metadata["resourceVersion"]
        await self.cluster.patch(ref, {"metadata": {"annotations": moved, "resourceVersion": version}})

    async def annotate(self, model: ModelDeployment, annotations: Mapping[str, str | None]) -> None:
        """Set annotations of a model; None removes one."""
        where = Ref(MODELS, model.metadata.namespace or "", model.metadata.name)
        await self.cluster.patch(where, {"metadata": {"annotations": dict(annotations)}})

    async def myself(self) -> str:
        """The user's name as the API server knows it; empty where it does not say."""
        try:
            made = await self.cluster.create(
                {"apiVersion": REVIEW.api_version, "kind": REVIEW.kind, "metadata": {"name": "me"}}
            )
        except PortError:
            return ""
        return str(((made.get("status") or {}).get("userInfo") or {}).get("username") or "")

    async def decisions(self, model: ModelDeployment) -> list[tuple[bytes, Decision]]:
        """A model's recorded decisions, oldest first, with the bytes they were read from.

        Raises:
            click.ClickException: there are none, or the newest cannot be read.
        """
        where = place(self.access.operator_namespace, (model.metadata.namespace or "", model.metadata.name))
        records = kept(await self.cluster.read(where))
        if not records:
            raise click.ClickException(
                f"no decision of {model.key} is recorded ({where}): check that the operator runs, without --dry-run "
                "and --keep-decisions 0, and that --operator-namespace is right"
            )
        found = []
        for name, raw in records:
            try:
                found.append((raw, read(raw)))
            except UnreadableError as error:
                if name == records[-1][0]:
                    raise click.ClickException(f"{name} in {where}: {error}") from error
        return found


def _read(kind: type[R], found: KubeObject) -> R:
    """A resource; items of a list carry no kind of their own."""
    try:
        return kind.read({**found, "kind": kind.KIND})
    except ValidationError as error:
        raise click.ClickException(
            f"{kind.KIND} {key_of(found)} cannot be read ({first_problem(error)}): use the leeward that fits its CRD"
        ) from error


def _namespace(text: str, context: str | None) -> str:
    """The namespace of the kubeconfig's context, or `default`."""
    parsed = yaml.safe_load(text)
    name = context or parsed.get("current-context")
    row: KubeObject = next((each for each in parsed.get("contexts") or () if each.get("name") == name), {})
    return str((row.get("context") or {}).get("namespace") or "default")

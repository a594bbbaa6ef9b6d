"""The kubelet's part for pods that KWOK only pretends to run: serve them, and report their readiness.

KWOK gives a pod its node, its address and phase Running, with Ready False. This module watches the
model-server pods, starts and drains a `PlayedPod` for each, and alone owns the conditions Ready and
ContainersReady and the container statuses. It is level-triggered: several times a second what is played is
compared with what the API server shows, and only a difference is patched, so a lost event, a refused patch
or another's overwrite heals itself.

When the API server cannot be reached the pods keep being served; the watch begins anew with a list, after a
pause that doubles up to 10 s. A kubelet that was away finds out what was deleted meanwhile from that list.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
from kubernetes.aio import client, config

from .pods import Crew, Phase, PlayedPod
from .status import Readiness, is_leaving, is_playable, pod_spec, restart_count, status_patch

log = logging.getLogger(__name__)

WATCH_SECONDS = 60
REQUEST_SECONDS = 10.0
STATUS_SECONDS = 0.5
BACKOFF_SECONDS = (0.5, 10.0)  # first and longest pause
STRATEGIC = "application/strategic-merge-patch+json"
# ValueError: a line that is not JSON or longer than the read buffer.
TROUBLE = (aiohttp.ClientError, client.ApiException, OSError, TimeoutError, ValueError)

Json = dict[str, Any]


class ApiTrouble(OSError):
    """The API server answered something other than success; try again later."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"the API server answered {status}: {text}")
        self.status = status


class PodApi:
    """The three calls that a kubelet needs, as JSON objects: typed models cost more than they give here."""

    def __init__(self, core: client.CoreV1Api, selector: str) -> None:
        self._core = core
        self._selector = selector

    @classmethod
    async def connect(cls, kubeconfig: str, selector: str) -> PodApi:
        settings = client.Configuration()
        await config.load_kube_config(kubeconfig, client_configuration=settings, persist_config=False)
        return cls(client.CoreV1Api(client.ApiClient(settings)), selector)

    async def close(self) -> None:
        await self._core.api_client.close()

    async def list(self) -> tuple[list[Json], str]:
        """All pods, and the resource version from which to watch."""
        response = await self._core.list_pod_for_all_namespaces_without_preload_content(
            label_selector=self._selector, _request_timeout=REQUEST_SECONDS
        )
        found = await _body(response)
        return found["items"], found["metadata"]["resourceVersion"]

    async def watch(self, version: str) -> AsyncIterator[tuple[str, Json]]:
        """Events until the server ends the watch. Raises ApiTrouble when the version is too old."""
        response = await self._core.list_pod_for_all_namespaces_without_preload_content(
            label_selector=self._selector,
            watch=True,
            resource_version=version,
            timeout_seconds=WATCH_SECONDS,
            # A frozen API server never ends the watch itself.
            _request_timeout=WATCH_SECONDS + REQUEST_SECONDS,
        )
        try:
            await _check(response)
            while line := await response.content.readline():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise ApiTrouble(event["object"].get("code", 0), event["object"].get("message", ""))
                yield event["type"], event["object"]
        finally:
            response.close()

    async def patch_status(self, pod: Json, patch: Json) -> Json:
        response = await self._core.patch_namespaced_pod_status_without_preload_content(
            pod["metadata"]["name"],
            pod["metadata"]["namespace"],
            patch,
            _content_type=STRATEGIC,
            _request_timeout=REQUEST_SECONDS,
        )
        return await _body(response)


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status >= 400:
        raise ApiTrouble(response.status, (await response.text())[:300])


async def _body(response: aiohttp.ClientResponse) -> Json:
    async with response:
        await _check(response)
        body: Json = await response.json()
        return body


class Kubelet:
    """Keeps the crew in step with the API server's pods, and their status in step with the crew."""

    def __init__(self, api: PodApi, crew: Crew) -> None:
        self._api = api
        self._crew = crew
        self._seen: dict[str, Json] = {}  # by uid, as last shown by the API server
        self._restarts_before: dict[str, int] = {}

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow())
            group.create_task(self._report())

    async def _follow(self) -> None:
        first, longest = BACKOFF_SECONDS
        pause = first
        while True:
            try:
                version = await self._relist()
                pause = first
                async for kind, pod in self._api.watch(version):
                    self._take(kind, pod)
            except TROUBLE as error:
                log.warning("the watch on pods is interrupted, next try in %.1f s: %s", pause, repr(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)

    async def _relist(self) -> str:
        pods, version = await self._api.list()
        for uid in set(self._seen) - {pod["metadata"]["uid"] for pod in pods}:
            self._drop(uid)
        for pod in pods:
            self._take("MODIFIED", pod)
        return version

    def _take(self, kind: str, pod: Json) -> None:
        uid = pod["metadata"]["uid"]
        if kind == "DELETED":
            self._drop(uid)
            return
        self._seen[uid] = pod
        if is_leaving(pod):
            self._crew.stop(uid)
        elif is_playable(pod) and uid not in self._crew.pods:
            self._start(uid, pod)

    def _start(self, uid: str, pod: Json) -> None:
        try:
            spec = pod_spec(pod)
        except ValueError as error:
            # One pod with nonsense among its arguments must not end the watch on all others.
            log.error("pod %s cannot be played: %s", pod["metadata"]["name"], error)
            return
        self._restarts_before[uid] = restart_count(pod)
        self._crew.start(spec)

    def _drop(self, uid: str) -> None:
        self._seen.pop(uid, None)
        self._restarts_before.pop(uid, None)
        self._crew.stop(uid)

    async def _report(self) -> None:
        while True:
            self._crew.changed.clear()
            for uid, played in list(self._crew.pods.items()):
                await self._report_one(uid, played)
            try:
                # Some changes announce themselves, others (a hang that outlasts its probe) are only seen by
                # looking.
                await asyncio.wait_for(self._crew.changed.wait(), STATUS_SECONDS)
            except TimeoutError:
                continue

    async def _report_one(self, uid: str, played: PlayedPod) -> None:
        pod = self._seen.get(uid)
        if pod is None:
            return
        crashed = played.phase is Phase.CRASHED
        wanted = Readiness(played.ready, self._restarts_before[uid] + played.restarts, crashed)
        patch = status_patch(pod, wanted, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        if patch is None:
            return
        # A pod of the same name with another uid is not ours to patch.
        patch["metadata"] = {"uid": uid}
        try:
            shown = await self._api.patch_status(pod, patch)
        except TROUBLE as error:
            log.warning("the status of pod %s is not written: %s", played.spec.name, repr(error))
            return
        if uid in self._seen:
            self._seen[uid] = shown

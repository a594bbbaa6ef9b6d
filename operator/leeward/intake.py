"""Watching our own resources in the home cluster: the only module that imports kopf.

Only raw event handlers are used, since they write nothing. Kopf's task ends on repeated errors of the API server;
it is started again with a backoff, and its end never ends the operator. A watch can miss a deletion, so a full list
is compared with the store from time to time.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Protocol

import kopf
import structlog

from leeward.adapters.objects import EVACUATIONS, MODELS, REGIONS
from leeward.api.common import GROUP, VERSION
from leeward.ports import Cluster, Credentials, KubeObject, PortError
from leeward.store import key_of
from leeward.waiting import first_of

PLURALS = {"regions": REGIONS, "evacuations": EVACUATIONS, "modeldeployments": MODELS}
_BACKOFF_SECONDS = (1, 2, 4, 8, 15)

log = structlog.get_logger("intake")


class Sink(Protocol):
    """What is told of the home cluster's objects: the store, or what stands before it where there are many clusters."""

    def put(self, document: KubeObject) -> None: ...

    def drop(self, document: KubeObject) -> None: ...

    def keep_only(self, kind: str, keys: set[str]) -> None: ...

    @property
    def complete(self) -> bool: ...


def _registry(store: Sink, credentials: Callable[[], Credentials]) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(**asdict(credentials()))

    def take(event: Any, **_: Any) -> None:
        document = dict(event["object"])
        if event["type"] == "DELETED":
            store.drop(document)
        else:
            store.put(document)

    for plural in PLURALS:
        kopf.on.event(GROUP, VERSION, plural, registry=registry)(take)
    return registry


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.queueing.worker_limit = None
    settings.queueing.idle_timeout = 1
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.inactivity_timeout = 70
    settings.watching.connect_timeout = 5
    settings.networking.error_backoffs = (0.5, 1, 2, 4, 8)
    settings.process.ultimate_exiting_timeout = None
    return settings


async def watch(store: Sink, credentials: Callable[[], Credentials], stop: asyncio.Event) -> None:
    """Feed the store until `stop` is set; Kopf's own end is answered by a new start."""
    logging.getLogger("kopf").setLevel(logging.WARNING)
    attempt = 0
    while not stop.is_set():
        started = asyncio.get_running_loop().time()
        ours = asyncio.all_tasks()  # at its end Kopf cancels every task that it does not know to be another's
        try:
            tasks = await kopf.spawn_tasks(
                registry=_registry(store, credentials),
                settings=_settings(),
                standalone=True,
                clusterwide=True,
                stop_flag=stop,
            )
            stop_on_signals(stop)
            await kopf.run_tasks(tasks, ignored=ours)
        except Exception as error:  # noqa: BLE001 - whatever ends Kopf, the fleet goes on being watched
            log.warning("the watch of our own resources ended", error=str(error))
        if stop.is_set():
            return
        lasted = asyncio.get_running_loop().time() - started
        attempt = 0 if lasted > 60 else min(attempt + 1, len(_BACKOFF_SECONDS) - 1)
        await first_of(stop, seconds=_BACKOFF_SECONDS[attempt])


def stop_on_signals(stop: asyncio.Event) -> None:
    """Let SIGTERM and Ctrl-C set `stop`. Kopf takes both for itself when it starts, and would end alone."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def sweep(store: Sink, home: Cluster, stop: asyncio.Event, interval_seconds: float) -> None:
    """List every kind now and then, and drop what is gone."""
    while not stop.is_set():
        try:
            for kind in PLURALS.values():
                found = await home.find(kind)
                for document in found:
                    store.put({**document, "kind": kind.kind, "apiVersion": kind.api_version})
                store.keep_only(kind.kind, {key_of(document) for document in found})
        except PortError as error:
            log.warning("own resources cannot be listed", error=str(error), remedy=error.remedy)
        await first_of(stop, seconds=interval_seconds if store.complete else 2.0)

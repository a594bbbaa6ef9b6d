"""One user's request from connect to verdict."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass

import aiohttp

from localfleet.modelserver.answers import is_right

from .entries import Entry, EntryChoice
from .records import Record

_CONNECT_FAILURES = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_EVENT_START = b"data: "
_DONE = b"[DONE]"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of the schedule; `due` is in seconds after the start of the load."""

    due: float
    own: Entry
    prompt: str
    stream: bool


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What all requests share; times in seconds."""

    hostname: str
    model: str
    max_tokens: int
    ttft_objective: float
    connect_timeout: float
    total_timeout: float


class Client:
    """Sends requests, each on a connection of its own. Use it as an async context."""

    def __init__(self, settings: ClientSettings, choice: EntryChoice) -> None:
        self._settings = settings
        self._choice = choice

    async def __aenter__(self) -> Client:
        # Entries are addresses, so nothing is resolved and cookies would only cost time.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True, use_dns_cache=False),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Host": self._settings.hostname, "Content-Type": "application/json"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(self, ask: Ask, scheduled_delay: float) -> Record:
        """Never raises but for cancellation: whatever goes wrong stands in the record."""
        began = time.monotonic()
        record = Record(time.time(), scheduled_delay, ask.own.name, stream=ask.stream)
        body = self._body(ask)
        try:
            async with asyncio.timeout(self._settings.total_timeout):
                await self._try_entries(ask, body, record, began)
        except TimeoutError:
            record.error = "timeout"
            record.truncated = bool(record.status)
        record.total = time.monotonic() - began
        record.good = self._is_good(record)
        return record

    async def _try_entries(self, ask: Ask, body: bytes, record: Record, began: float) -> None:
        for entry in self._choice.order(ask.own, time.monotonic()):
            record.entry = entry.name
            record.entries_tried.append(entry.name)
            try:
                await self._exchange(entry, ask, body, record, began)
                return
            except _CONNECT_FAILURES:
                self._choice.failed(entry, time.monotonic())
                record.error = "connect"
            except (aiohttp.ClientError, OSError) as error:
                # Connected and then lost: the request may have had an effect, so no other entry is tried.
                record.truncated = bool(record.status)
                record.error = _reason(error)
                return

    async def _exchange(self, entry: Entry, ask: Ask, body: bytes, record: Record, began: float) -> None:
        url = f"http://{entry.host}:{entry.port}/v1/chat/completions"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._settings.connect_timeout)
        async with self._session.post(url, data=body, timeout=timeout, allow_redirects=False) as response:
            self._choice.connected(entry)
            record.error = ""
            record.status = response.status
            record.region = response.headers.get("x-served-region", "")
            record.pod = response.headers.get("x-served-by", "")
            if response.status != 200:
                record.error = (await response.content.read(200)).decode(errors="replace")
            elif ask.stream:
                await self._read_stream(response, ask, record, began)
            else:
                await self._read_whole(response, ask, record, began)

    async def _read_stream(self, response: aiohttp.ClientResponse, ask: Ask, record: Record, began: float) -> None:
        text, rest, done = "", b"", False
        try:
            async for piece in response.content.iter_any():
                *events, rest = (rest + piece).split(b"\n\n")
                for event in events:
                    content = event.removeprefix(_EVENT_START)
                    done = done or content == _DONE
                    text += "" if content == _DONE else _content(content)
                if text and record.ttft is None:
                    record.ttft = time.monotonic() - began
        finally:
            # Also what a cut stream has brought is judged: it must be the right answer's beginning.
            self._judge(text, ask, record)
        record.truncated = not done

    async def _read_whole(self, response: aiohttp.ClientResponse, ask: Ask, record: Record, began: float) -> None:
        raw = await response.read()
        try:
            answer = json.loads(raw)
            text = answer["choices"][0]["message"]["content"]
            complete = answer["usage"]["completion_tokens"] == len(text.split())
        except (ValueError, LookupError, TypeError, AttributeError):
            record.truncated = True
            record.error = "unreadable body"
            return
        record.ttft = time.monotonic() - began
        record.truncated = not complete
        self._judge(text, ask, record)

    def _judge(self, text: str, ask: Ask, record: Record) -> None:
        words = text.split()
        record.tokens = len(words)
        record.wrong = not is_right(self._settings.model, ask.prompt, words)

    def _is_good(self, record: Record) -> bool:
        if record.status != 200 or record.error or record.truncated or record.wrong or not record.tokens:
            return False
        if not record.stream:
            return True
        return record.ttft is not None and record.ttft <= self._settings.ttft_objective

    def _body(self, ask: Ask) -> bytes:
        return json.dumps(
            {
                "model": self._settings.model,
                "messages": [{"role": "user", "content": ask.prompt}],
                "max_tokens": self._settings.max_tokens,
                "stream": ask.stream,
            }
        ).encode()


def _content(event: bytes) -> str:
    """The text of a chunk; an event that cannot be read has none, and the content check will tell."""
    try:
        choices = json.loads(event)["choices"]
        return choices[0]["delta"].get("content") or "" if choices else ""
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) and not isinstance(
        error, aiohttp.ClientConnectorError
    ):
        return "reset"  # a connection that stood is gone; what the system calls it depends on when it was noticed
    if isinstance(error, aiohttp.ClientPayloadError):
        return "cut"
    return type(error).__name__

"""Active requests: a real completion whose content is checked, and the once-a-second question whether a region answers.

A probe goes by one of two paths, which count as two observers: straight to the region's serve listener, or through
another region's entry, which a header tells to ask that region and no other. A listener of TLS that does not let us in,
or that we do not believe, says nothing: other gateways have certificates of their own, and tell whether it serves.
The answer is checked for the model's name and for a word that the prompt asks to repeat; an answer slower than its
limit is a bad one. 429 means full.
The prompt has the length of a short user's prompt and begins with a random word: a shorter one, or one whose beginning
the engine has in its cache, would be fast where users wait.
"""

import json
import secrets
import time
from typing import Any

import aiohttp

from leeward.adapters import outgoing
from leeward.adapters.objects import PROBE_HEADER, SERVED_HEADER
from leeward.ports import Outcome, ProbeTarget

_TOKENS = 8
_LONGEST = 256 * 1024  # bytes of an answer; a completion of that many tokens has two thousand
_READING = " ".join(["Read this first, slowly and to its end, before you answer the question below."] * 12)
_NOT_REACHED = "upstream connect error"
"""How Envoy's own answer begins when it could not connect to, or lost, the host behind it."""
_NO_CONNECTION = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class HttpProbes:
    """Probes over HTTP. `deadline_seconds` bounds a completion, `reach_seconds` the question of reachability."""

    def __init__(self, deadline_seconds: float = 10.0, reach_seconds: float = 1.0) -> None:
        self._deadline = aiohttp.ClientTimeout(total=deadline_seconds, connect=2.0)
        self._reach = aiohttp.ClientTimeout(total=reach_seconds, sock_connect=0.8 * reach_seconds)
        # A new connection for each question: a pooled one to a dead region would only tell of the past.
        self._session = aiohttp.ClientSession(
            connector=outgoing.connector(force_close=True, limit=200), trust_env=False
        )

    async def close(self) -> None:
        await self._session.close()

    async def complete(self, target: ProbeTarget) -> tuple[Outcome, str]:
        """Ask for a few tokens; returns the outcome and why it is not good."""
        word = secrets.token_hex(4)
        body = {
            "model": target.served_name,
            "max_tokens": _TOKENS,
            "temperature": 0,
            "messages": [
                {"role": "system", "content": f"{word}. {_READING}"},
                {"role": "user", "content": f"Repeat exactly: {word}"},
            ],
        }
        started = time.monotonic()
        try:
            async with self._session.post(
                f"{target.url}/v1/chat/completions",
                json=body,
                headers=_headers(target),
                timeout=self._deadline,
                allow_redirects=False,
                **_tls(target),
            ) as response:
                text = (await outgoing.body(response, _LONGEST)).decode(errors="replace")
                return _judge(target, word, response, text, time.monotonic() - started)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            silent = isinstance(error, _NO_CONNECTION) if target.through else _not_admitted(target, error)
            return (Outcome.NO_PATH if silent else Outcome.BAD), str(error) or f"silent for {self._deadline.total:g} s"

    async def reach(self, target: ProbeTarget) -> tuple[bool | None, bool | None]:
        """Does the region's gateway answer, and do the model's pods behind it? None: this path says nothing."""
        path = "/v1/models" if target.through else target.health_path
        try:
            async with self._session.get(
                target.url + path,
                headers=_headers(target),
                timeout=self._reach,
                allow_redirects=False,
                **_tls(target),
            ) as response:
                text = (await response.content.read(512)).decode(errors="replace")
                return _reached(target, response, text)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            silent = isinstance(error, _NO_CONNECTION) if target.through else _not_admitted(target, error)
            return (None if silent else False), None


def _not_admitted(target: ProbeTarget, error: Exception) -> bool:
    """Is it for a certificate, ours or the listener's? With TLS 1.3 a client learns by being hung up on."""
    if target.tls is None or isinstance(error, aiohttp.ClientSSLError):
        return target.tls is not None
    hung_up = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
    return hung_up and not isinstance(error, aiohttp.ClientConnectorError)


def _tls(target: ProbeTarget) -> dict[str, Any]:
    return {"ssl": target.tls, "server_hostname": target.server_name} if target.tls else {}


def _headers(target: ProbeTarget) -> dict[str, str]:
    pinned = {PROBE_HEADER: target.region} if target.through else {}
    return {"Host": target.hostname} | pinned if target.hostname else pinned


def _reached(target: ProbeTarget, response: aiohttp.ClientResponse, text: str) -> tuple[bool | None, bool | None]:
    pods = 200 <= response.status < 300
    if not target.through:
        return True, pods if response.status != 404 else None
    if response.headers.get(SERVED_HEADER) == target.region:
        return True, pods
    if response.status == 404:
        return None, None
    return not (response.status in (503, 504) and text.startswith(_NOT_REACHED)), None


def _judge(
    target: ProbeTarget, word: str, response: aiohttp.ClientResponse, text: str, seconds: float
) -> tuple[Outcome, str]:
    if response.status == 429:
        return Outcome.FULL, "the region is full (429)"
    if response.status == 404 and target.through and SERVED_HEADER not in response.headers:
        return Outcome.NO_PATH, f"the entry {target.through} has no probe route yet"
    if not 200 <= response.status < 300:
        return Outcome.BAD, f"status {response.status}"
    try:
        answer: Any = json.loads(text)
        content = answer["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return Outcome.BAD, "the answer is no completion"
    if answer.get("model") != target.served_name:
        return Outcome.BAD, f"another model answered: {str(answer.get('model'))[:80]}"
    if word not in str(content):
        return Outcome.BAD, "the answer does not hold the word that was asked for"
    if seconds > target.limit_seconds:
        return Outcome.BAD, f"slow: more than {target.limit_seconds:g} s"
    return Outcome.GOOD, ""

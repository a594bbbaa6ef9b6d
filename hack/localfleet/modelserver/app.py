"""One pod's HTTP face: the routes of vLLM's OpenAI-compatible server."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from . import protocol
from .answers import expected_answer, wrong_answer
from .engine import Engine, QueueFull
from .faults import FaultBook
from .protocol import ApiError, Completion

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# vLLM's instrumentator leaves these out of http_requests_total.
UNCOUNTED = frozenset({"/health", "/metrics"})


class StreamCut(Exception):
    """The cut_streams fault has struck this stream."""


@dataclass(frozen=True, slots=True)
class Face:
    """Who is answering, and with which status a full pod refuses (vLLM: 503; see `__main__`)."""

    pod: str
    region: str
    model: str
    rejection_status: int = 429


class ModelApi:
    """The handlers of one pod; `app()` is the application to serve."""

    def __init__(self, face: Face, engine: Engine, faults: FaultBook, rng: random.Random) -> None:
        self._face = face
        self._engine = engine
        self._faults = faults
        self._rng = rng

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._hang, self._count])
        app.on_response_prepare.append(self._label)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._plain)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        return app

    async def _label(self, _: web.Request, response: web.StreamResponse) -> None:
        response.headers["x-served-by"] = self._face.pod
        response.headers["x-served-region"] = self._face.region

    @web.middleware
    async def _hang(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await self._faults.until(self._face.pod, lambda faults: not faults.hang)
        return await handler(request)

    @web.middleware
    async def _count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        # A client that leaves, and a stream cut after its headers, count as 2xx: vLLM's blind spot, kept on
        # purpose.
        status = 200
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            route = request.match_info.route.resource
            if route is not None and route.canonical not in UNCOUNTED:
                self._engine.metrics.answered(route.canonical, request.method, status)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._complete(request, chat=True)

    async def _plain(self, request: web.Request) -> web.StreamResponse:
        return await self._complete(request, chat=False)

    async def _models(self, _: web.Request) -> web.Response:
        card = {
            "id": self._face.model,
            "object": "model",
            "created": 0,
            "owned_by": "vllm",
            "root": self._face.model,
        }
        return web.json_response({"object": "list", "data": [card]})

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response()

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self._engine.metrics.page(),
            headers={"content-type": "text/plain; version=0.0.4; charset=utf-8"},
        )

    async def _complete(self, request: web.Request, chat: bool) -> web.StreamResponse:
        try:
            asked = protocol.parse_completion(await request.read(), chat)
            if asked.model != self._face.model:
                raise ApiError(404, f"The model `{asked.model}` does not exist.", "model")
            if self._strikes(self._faults.of(self._face.pod).errors):
                raise ApiError(500, "EngineCore encountered an issue (simulated fault).")
            # Admission comes before any header is sent: only here can a full pod still say so.
            with self._engine.admitted():
                words, reason = self._answer(asked)
                if asked.stream:
                    return await self._stream(request, asked, words, reason)
                return await self._whole(asked, words, reason)
        except QueueFull:
            error = ApiError(self._face.rejection_status, "The queue of this server is full.")
            return web.json_response(error.body(), status=error.status, headers={"retry-after": "1"})
        except ApiError as error:
            return web.json_response(error.body(), status=error.status)

    def _answer(self, asked: Completion) -> tuple[list[str], str]:
        """The words to send and why they end where they do."""
        wanted = self._engine.sample_answer_tokens()
        make = expected_answer
        if self._strikes(self._faults.of(self._face.pod).wrong_answers):
            make = wrong_answer
        words = make(asked.model, asked.prompt, min(wanted, asked.max_tokens))
        return words, "length" if wanted > asked.max_tokens == len(words) else "stop"

    async def _whole(self, asked: Completion, words: list[str], reason: str) -> web.Response:
        async def drop(_: int) -> None:
            return None

        await self._engine.generate(asked.prompt_tokens, len(words), reason, drop)
        return web.json_response(protocol.whole_answer(asked, words, reason))

    async def _stream(
        self, request: web.Request, asked: Completion, words: list[str], reason: str
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream; charset=utf-8"})
        # As in vLLM the headers leave at once, before the first token and even before a turn in the queue.
        await response.prepare(request)
        sent = 0
        cut_after = self._cut_after(len(words))

        async def emit(count: int) -> None:
            nonlocal sent
            text = " ".join(words[sent : sent + count])
            last = sent + count >= len(words)
            prefix = protocol.first_event(asked) if sent == 0 else b""
            event = protocol.content_event(asked, text if sent == 0 else f" {text}", reason if last else None)
            sent += count
            await response.write(prefix + event)
            if sent >= cut_after:
                raise StreamCut

        try:
            await self._engine.generate(asked.prompt_tokens, len(words), reason, emit)
            await response.write(protocol.last_events(asked, len(words)))
            await response.write_eof()
        except StreamCut:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionResetError:
            pass  # the client has left between two of our steps
        return response

    def _cut_after(self, tokens: int) -> float:
        """After how many tokens the connection breaks; infinite for a stream that may end well."""
        if not self._strikes(self._faults.of(self._face.pod).cut_streams):
            return float("inf")
        return self._rng.randint(1, max(1, tokens - 1))

    def _strikes(self, share: float) -> bool:
        return share > 0 and self._rng.random() < share

"""The OpenAI protocol as far as this simulator speaks it: requests in, JSON bodies out. Pure functions."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

# An unlimited answer stops here, as vLLM's would at the end of the context.
MAX_ANSWER_TOKENS = 4096
_ERROR_TYPES = {
    400: "BadRequestError",
    404: "NotFoundError",
    429: "TooManyRequestsError",
    500: "InternalServerError",
    503: "ServiceUnavailableError",
}


class ApiError(Exception):
    """An answer other than 200; `message` is for the client."""

    def __init__(self, status: int, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param

    def body(self) -> dict[str, object]:
        kind = _ERROR_TYPES.get(self.status, "Error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.status}}


@dataclass(frozen=True, slots=True)
class Completion:
    """One checked request, chat or plain."""

    chat: bool
    model: str
    prompt: str  # of a chat: the last user message, which is what the answer depends on
    prompt_tokens: int
    max_tokens: int
    stream: bool
    include_usage: bool
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))


def parse_completion(raw: bytes, chat: bool) -> Completion:
    """The request in a body. Raises ApiError 400."""
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise ApiError(400, f"The body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ApiError(400, "The body must be a JSON object.")
    model = body.get("model")
    if not isinstance(model, str):
        raise ApiError(400, "model must be a string.", "model")
    prompt, prompt_tokens = _chat_prompt(body) if chat else _plain_prompt(body)
    stream = body.get("stream", False)
    if not isinstance(stream, bool):
        raise ApiError(400, "stream must be true or false.", "stream")
    _check_sampling(body)
    options = body.get("stream_options")
    include_usage = isinstance(options, dict) and options.get("include_usage") is True
    return Completion(chat, model, prompt, prompt_tokens, _max_tokens(body), stream, include_usage)


def _chat_prompt(body: Mapping[str, object]) -> tuple[str, int]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ApiError(400, "messages must be a list with at least one message.", "messages")
    texts: list[str] = []
    last_user: str | None = None
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise ApiError(400, "Each message must be an object with a role.", "messages")
        text = _content_text(message.get("content"))
        texts.append(text)
        if message["role"] == "user":
            last_user = text
    if last_user is None:
        last_user = texts[-1]
    return last_user, max(1, sum(len(text.split()) for text in texts))


def _content_text(content: object) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        if len(parts) == len(content) and all(isinstance(part, str) for part in parts):
            return " ".join(str(part) for part in parts)
    raise ApiError(400, "content must be a string or a list of text parts.", "messages")


def _plain_prompt(body: Mapping[str, object]) -> tuple[str, int]:
    prompt = body.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str) or not prompt:
        raise ApiError(400, "prompt must be one string that is not empty.", "prompt")
    return prompt, max(1, len(prompt.split()))


def _max_tokens(body: Mapping[str, object]) -> int:
    for name in ("max_completion_tokens", "max_tokens"):
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ApiError(400, f"{name} must be at least 1, got {value!r}.", name)
        return min(value, MAX_ANSWER_TOKENS)
    return MAX_ANSWER_TOKENS


def _check_sampling(body: Mapping[str, object]) -> None:
    for name, low, high in (("temperature", 0.0, None), ("top_p", 0.0, 1.0), ("n", 1, 1)):
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ApiError(400, f"{name} must be a number.", name)
        if value < low or (high is not None and value > high):
            bound = f"at least {low}" if high is None else f"between {low} and {high}"
            raise ApiError(400, f"{name} must be {bound}, got {value}.", name)


def usage(request: Completion, tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": request.prompt_tokens,
        "total_tokens": request.prompt_tokens + tokens,
        "completion_tokens": tokens,
    }


def whole_answer(request: Completion, words: list[str], reason: str) -> dict[str, object]:
    """The body of an answer that is not streamed."""
    text = " ".join(words)
    if request.chat:
        choice: dict[str, object] = {"index": 0, "message": {"role": "assistant", "content": text}}
    else:
        choice = {"index": 0, "text": text}
    choice |= {"logprobs": None, "finish_reason": reason}
    return _envelope(request, streamed=False) | {"choices": [choice], "usage": usage(request, len(words))}


def first_event(request: Completion) -> bytes:
    """What precedes the content: a chat's role, nothing otherwise."""
    if not request.chat:
        return b""
    choice = {
        "index": 0,
        "delta": {"role": "assistant", "content": ""},
        "logprobs": None,
        "finish_reason": None,
    }
    return _event(_envelope(request, streamed=True) | {"choices": [choice]})


def content_event(request: Completion, text: str, reason: str | None) -> bytes:
    piece: dict[str, object] = {"delta": {"content": text}} if request.chat else {"text": text}
    choice = {"index": 0, **piece, "logprobs": None, "finish_reason": reason}
    return _event(_envelope(request, streamed=True) | {"choices": [choice]})


def last_events(request: Completion, tokens: int) -> bytes:
    """The usage, if asked for, and the mark of a complete stream."""
    done = b"data: [DONE]\n\n"
    if not request.include_usage:
        return done
    return _event(_envelope(request, streamed=True) | {"choices": [], "usage": usage(request, tokens)}) + done


def _envelope(request: Completion, streamed: bool) -> dict[str, object]:
    if request.chat:
        name, kind = f"chatcmpl-{request.id}", "chat.completion.chunk" if streamed else "chat.completion"
    else:
        name, kind = f"cmpl-{request.id}", "text_completion"
    return {"id": name, "object": kind, "created": request.created, "model": request.model}


def _event(body: Mapping[str, object]) -> bytes:
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"

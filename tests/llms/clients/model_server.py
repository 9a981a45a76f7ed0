"""A server on loopback that speaks OpenAI's chat completions, Gemini's form of them and Anthropic's messages.

    with serving() as server:
        server.reply = lambda asked: "Paris"
        server.fault = lambda asked: "429-seconds" if asked.times == 1 else None
        open_chat(f"anthropic/some-model@{server.url('anthropic')}")

It records what it is asked, counts, and injects faults by name (`FAULTS`).
``python -m tests.llms.clients.model_server PORT DELAY_MS`` serves in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Protocol, TypeVar

from aiohttp import web

PATHS = {
    "openai": "/v1/chat/completions",
    "google": "/v1beta/openai/chat/completions",
    "anthropic": "/v1/messages",
}
_BASES = {"openai": "/v1", "google": "/v1beta/openai", "anthropic": ""}

WAIT_SECONDS = 1  # the least that Retry-After can ask for in whole seconds
WAIT_MS = 300
SLOW_SECONDS = 0.4

FAULTS = (
    *("429-seconds", "429-date", "429-ms", "500", "529", "cut", "half", "slow", "broken-json", "empty", "not-json"),
    *("length", "withheld", "400", "401", "429-used-up"),
)
"""What can go wrong: ``cut`` and ``half`` lose the connection before and within the reply, ``broken-json`` is a body
that is none, ``not-json`` prose where an object was asked for; ``400`` and ``401`` quote the key that was sent."""


@dataclass(frozen=True)
class Asked:
    """A request: `form` is the protocol, `text` its last message, `times` how often the same was asked by now."""

    form: str
    headers: dict[str, str]
    body: dict[str, Any]
    text: str
    times: int

    @property
    def schema(self) -> dict[str, Any] | None:
        """The schema that the reply is to keep to."""
        if self.form == "anthropic":
            form = self.body.get("output_config", {}).get("format", {})
        else:
            form = self.body.get("response_format", {}).get("json_schema", {})
        found: dict[str, Any] | None = form.get("schema")
        return found

    @property
    def is_probe(self) -> bool:
        """Whether it is a preflight check's."""
        return "Is this server ready?" in self.text

    @property
    def key(self) -> str | None:
        """The key that was sent."""
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ") or None


def say(asked: Asked) -> str:
    """What is answered unless something else is set: a fixed sentence, or an object that fits the schema."""
    return json.dumps(filled(asked.schema, asked.schema)) if asked.schema else "A short answer."


def filled(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """The simplest thing that fits: the first of what is allowed, and true."""
    if "$ref" in schema:
        return filled(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for several in ("anyOf", "allOf"):
        if several in schema:
            return filled(schema[several][0], root)
    if "enum" in schema or "const" in schema:
        return schema.get("enum", [schema.get("const")])[0]
    if schema["type"] == "object":
        return {name: filled(part, root) for name, part in schema["properties"].items()}
    return {"string": "because", "boolean": True, "integer": 1, "number": 1.0, "array": [], "null": None}[
        schema["type"]
    ]


@dataclass
class ModelServer:
    """What the server does and has seen; may be changed and read while it serves, from any thread."""

    reply: Callable[[Asked], str] = say
    fault: Callable[[Asked], str | None] = lambda _asked: None
    delay_seconds: float = 0.0
    model: str = "served-model-1"
    usage: dict[str, Any] | None = None
    count: Callable[[Asked], int] | None = None  # of a prompt's tokens
    port: int = 0
    requests: list[Asked] = field(default_factory=list)
    probes: list[Asked] = field(default_factory=list)  # of preflight checks; they meet no fault
    faults: Counter[str] = field(default_factory=Counter)
    together: int = 0
    wait_seconds: int = WAIT_SECONDS
    quotes_key: bool = False
    keep: bool = True
    raw: Callable[[Asked, web.Request], Awaitable[web.StreamResponse]] | None = None  # in place of all that follows
    _times: Counter[str] = field(default_factory=Counter)
    _under_way: int = 0

    def url(self, form: str) -> str:
        """The base address to give with a model's name."""
        return f"http://127.0.0.1:{self.port}{_BASES[form]}"

    def name(self, form: str, model: str = "test-model") -> str:
        """A model's whole name."""
        return f"{form}/{model}@{self.url(form)}"

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        for form, path in PATHS.items():
            app.router.add_post(path, self._handler(form))
        return app

    def _handler(self, form: str) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            self._under_way += 1
            try:
                return await self._answer(form, request)
            finally:
                self._under_way -= 1

        return handle

    async def _answer(self, form: str, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        if not self.keep:
            await asyncio.sleep(self.delay_seconds)
            return _json(200, _FIXED[form])
        asked = self._asked(form, request, raw)
        async with asyncio.timeout(30):
            while len(self.requests) < self.together:  # noqa: ASYNC110  set from another thread
                await asyncio.sleep(0.01)
        if self.raw is not None:
            return await self.raw(asked, request)
        fault = None if asked.is_probe else self.fault(asked)
        if fault is not None:
            assert fault in FAULTS, fault
            self.faults[fault] += 1
        await asyncio.sleep(self.delay_seconds + (SLOW_SECONDS if fault == "slow" else 0))
        refused = self._refusal(fault, asked)
        if refused is not None:
            return refused
        if fault == "cut":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        quoted = f" You sent {asked.key}." if self.quotes_key else ""
        text = {"empty": "", "not-json": f"I would rather not.{quoted}", "broken-json": f"A reply.{quoted}"}.get(
            fault or ""
        )
        usage = self.usage if self.count is None else _counted(form, self.count(asked))
        body = self._completion(form, self.reply(asked) if text is None else text, fault, usage)
        if fault == "broken-json":
            return web.Response(body=body[:-2], content_type="application/json")
        if fault == "half":
            return await _half(request, body)
        return _json(200, body)

    def _asked(self, form: str, request: web.Request, raw: bytes) -> Asked:
        body = json.loads(raw)
        same = f"{form} {body['model']} {body['messages']}"
        self._times[same] += 1
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(form, headers, body, body["messages"][-1]["content"], self._times[same])
        (self.probes if asked.is_probe else self.requests).append(asked)
        return asked

    def _refusal(self, fault: str | None, asked: Asked) -> web.Response | None:
        if fault is None or not fault[:3].isdigit():
            return None
        status, _, how = fault.partition("-")
        headers = {
            "seconds": {"Retry-After": str(self.wait_seconds)},
            "date": {"Retry-After": formatdate(time.time() + self.wait_seconds + 0.999, usegmt=True)},
            "ms": {"Retry-After-Ms": str(WAIT_MS), "Retry-After": str(self.wait_seconds)},
        }.get(how, {})
        message = f"refused with {fault}"
        if self.quotes_key or status in ("400", "401"):
            message += f"; you sent {asked.key}"
        code = "insufficient_quota" if how == "used-up" else None
        error = {"type": "error", "error": {"type": "an_error", "message": message, "code": code}}
        return _json(int(status), json.dumps(error).encode(), headers)

    def _completion(self, form: str, text: str, fault: str | None, usage: dict[str, Any] | None) -> bytes:
        write = _message if form == "anthropic" else _chat_completion
        return json.dumps(write(text, self.model, usage, fault)).encode()


def _counted(form: str, tokens: int) -> dict[str, Any]:
    if form == "anthropic":
        return {"input_tokens": tokens, "output_tokens": 7}
    return {"prompt_tokens": tokens, "completion_tokens": 7, "total_tokens": tokens + 7}


def _chat_completion(text: str, model: str, usage: dict[str, Any] | None, fault: str | None) -> dict[str, Any]:
    message = {"role": "assistant", "content": None if fault == "withheld" else text}
    if fault == "withheld":
        message["refusal"] = "I cannot help with that."
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "length" if fault == "length" else "stop"}],
        "usage": usage or {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107},
    }


def _message(text: str, model: str, usage: dict[str, Any] | None, fault: str | None) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": text}] if text else [],
        "stop_reason": {"length": "max_tokens", "withheld": "refusal"}.get(fault or "", "end_turn"),
        "stop_sequence": None,
        "usage": usage or {"input_tokens": 100, "output_tokens": 7},
    }


_FIXED = {
    form: json.dumps(
        (_message if form == "anthropic" else _chat_completion)("A short answer.", "m", None, None)
    ).encode()
    for form in PATHS
}


async def _half(request: web.Request, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    assert request.transport is not None
    request.transport.close()
    return response


def _json(status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


async def serve(server: Serves, ready: Callable[[], object], stop: asyncio.Event) -> None:
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", server.port, backlog=1024)
    await site.start()
    server.port = runner.addresses[0][1]
    ready()
    await stop.wait()
    await runner.cleanup()


class Serves(Protocol):
    """Anything with routes; `port` 0 is chosen when it begins to serve."""

    port: int

    def app(self) -> web.Application: ...


Server = TypeVar("Server", bound=Serves)


@contextmanager
def serving_as(server: Server) -> Iterator[Server]:
    """`server` in a thread of this process."""
    ready = threading.Event()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(server, ready.set, stop)))
    thread.start()
    assert ready.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def serving(**settings: Any) -> AbstractContextManager[ModelServer]:
    """A server in a thread of this process."""
    return serving_as(ModelServer(**settings))


if __name__ == "__main__":
    alone = ModelServer(port=int(sys.argv[1]), delay_seconds=float(sys.argv[2]) / 1000, keep=False)
    asyncio.run(serve(alone, lambda: print("ready", alone.port, flush=True), asyncio.Event()))

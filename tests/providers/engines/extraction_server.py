"""A server on loopback that engines which extract memories can be driven with: embeddings, chat, responses.

    with serving() as server:
        server.url                                        # http://127.0.0.1:PORT/v1, of chat and embeddings alike
        server.fault = lambda asked: 503 if asked.kind == "chat" and asked.number == 3 else None
        server.counts["chat"], server.of("chat")[-1].text

What it says is what the first of `HANDLERS` that knows the request answers, else the least that fits the schema. A
handler for another engine is registered by that engine's tests: ``HANDLERS.append(my_handler)``.
``python -m tests.providers.engines.extraction_server [PORT]`` serves in a process of its own.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from typing import Any, Literal

from aiohttp import web

from tests.llms.clients.model_server import serve, serving_as

Kind = Literal["chat", "responses", "embeddings"]
Handler = Callable[[dict[str, Any]], str | None]
"""Gets the body of a chat or responses request, and gives the reply's text; None if it is none of its business.

Where the request offers tools, the text is what the forced or first tool is called with (a JSON object), unless it is
an object ``{"tool_calls": [{"name": …, "arguments": {…}}, …]}``, which calls these, or none.
"""

DIMENSIONS = 256

_MEM0_TITLES = (
    *("Summary", "Last k Messages", "Recently Extracted Memories", "Existing Memories", "New Messages"),
    *("Observation Date", "Current Date", "Custom Instructions"),
)
_MEM0_MESSAGE = re.compile(r"^(user|assistant): ", re.MULTILINE)


@dataclass(frozen=True)
class Asked:
    """A request; `number` counts those of its kind from 1."""

    kind: Kind
    number: int
    body: dict[str, Any]
    key: str | None

    @property
    def text(self) -> str:
        """All that the model was told."""
        return prompt_of(self.body)


def prompt_of(body: dict[str, Any]) -> str:
    """All texts of a chat or responses request, a blank line between them."""
    texts = [body.get("instructions") or ""]
    detail = body.get("messages", body.get("input"))
    for message in [{"content": detail}] if isinstance(detail, str) else detail or []:
        content = message if isinstance(message, str) else message.get("content") or ""
        texts += [content] if isinstance(content, str) else [part.get("text", "") for part in content]
    return "\n\n".join(text for text in texts if text)


def mem0_memories(body: dict[str, Any]) -> str | None:
    """mem0's extraction: each new message is a memory, word for word."""
    if body.get("response_format") != {"type": "json_object"}:
        return None
    parts = mem0_parts(body["messages"][-1]["content"])
    if "New Messages" not in parts:
        return None
    found = [text.strip() for text in _MEM0_MESSAGE.split(parts["New Messages"])[1:]]
    said = [{"attributed_to": role, "text": text} for role, text in zip(found[::2], found[1::2], strict=True) if text]
    return json.dumps({"memory": [{"id": str(number), **memory} for number, memory in enumerate(said)]})


def mem0_parts(prompt: str) -> dict[str, str]:
    """The parts of mem0's prompt by their titles: ``New Messages``, ``Custom Instructions`` and so on."""
    prompt = prompt.rpartition("\n\n# Output:")[0]
    parts = {}
    for title in reversed(_MEM0_TITLES):  # from the end: what was said may look like a title
        before, mark, text = prompt.rpartition(f"## {title}\n")
        if mark:
            prompt, parts[title] = before, text.strip()
    return parts


HANDLERS: list[Handler] = [mem0_memories]


@dataclass
class ExtractionServer:
    """What the server does and has seen; may be changed and read while it serves, from any thread.

    `reply` comes before all handlers. `fault` gives a status to refuse a request with, "cut" to lose the connection,
    "length" to cut the reply in half and say so, or None.
    """

    reply: Handler = lambda _body: None
    fault: Callable[[Asked], int | str | None] = lambda _asked: None
    dimensions: int = DIMENSIONS
    delay_seconds: float = 0.0
    port: int = 0
    requests: list[Asked] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def url(self) -> str:
        """The base address of all that it serves."""
        return f"http://127.0.0.1:{self.port}/v1"

    def of(self, kind: Kind) -> list[Asked]:
        """The requests of one kind."""
        return [asked for asked in self.requests if asked.kind == kind]

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=256 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._route("chat", self._chat))
        app.router.add_post("/v1/responses", self._route("responses", self._responses))
        app.router.add_post("/v1/embeddings", self._route("embeddings", self._embeddings))
        app.router.add_get("/v1/models", self._models)
        return app

    def _route(self, kind: Kind, answer: Callable[[dict[str, Any], bool], dict[str, Any]]) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.counts[kind] += 1
            key = request.headers.get("Authorization", "").removeprefix("Bearer ") or None
            asked = Asked(kind, self.counts[kind], await request.json(), key)
            self.requests.append(asked)
            await asyncio.sleep(self.delay_seconds)
            fault = self.fault(asked)
            if isinstance(fault, int):
                headers = {"Retry-After": "1"} if fault == 429 else {}
                error = {"error": {"message": f"refused; you sent {key}", "type": "an_error", "code": None}}
                return web.json_response(error, status=fault, headers=headers)
            if fault == "cut":
                assert request.transport is not None
                request.transport.close()
                return web.Response()
            return web.json_response(answer(asked.body, fault == "length"))

        return handle

    async def _models(self, request: web.Request) -> web.Response:
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        fault = self.fault(Asked("chat", 0, {}, key))
        if isinstance(fault, int):
            return web.json_response({"error": {"message": f"refused; you sent {key}"}}, status=fault)
        return web.json_response({"object": "list", "data": []})

    def _said(self, body: dict[str, Any]) -> str:
        for handler in (self.reply, *HANDLERS):
            text = handler(body)
            if text is not None:
                return text
        schema = schema_of(body)
        return json.dumps(least(schema, schema)) if schema else "A short answer."

    def _chat(self, body: dict[str, Any], cut: bool) -> dict[str, Any]:
        text = self._said(body)
        text = text[: len(text) // 2] if cut else text
        calls = _tool_calls(body, text)
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if calls is not None:
            message = {"role": "assistant", "content": None if calls else ""} | ({"tool_calls": calls} if calls else {})
        reason = "length" if cut else "tool_calls" if calls else "stop"
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": reason}
        if body.get("logprobs"):
            word = text.split()[0] if text else ""
            top = [{"token": word, "logprob": -0.1, "bytes": None}]
            choice["logprobs"] = {"content": [top[0] | {"top_logprobs": top}], "refusal": None}
        usage = _usage(body, text)
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body["model"],
            "choices": [choice],
            "usage": usage,
        }

    def _responses(self, body: dict[str, Any], cut: bool) -> dict[str, Any]:
        text = self._said(body)
        text = text[: len(text) // 2] if cut else text
        usage = _usage(body, text)
        content = {"type": "output_text", "text": text, "annotations": []}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [content]}
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": int(time.time()),
            "model": body["model"],
            "status": "incomplete" if cut else "completed",
            "output": [message],
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "parallel_tool_calls": False,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": usage["prompt_tokens"],
                "output_tokens": usage["completion_tokens"],
                "total_tokens": usage["total_tokens"],
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens_details": {"reasoning_tokens": 0},
            },
        }

    def _embeddings(self, body: dict[str, Any], _cut: bool) -> dict[str, Any]:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        dimensions = body.get("dimensions") or self.dimensions
        vectors = [words_vector(text if isinstance(text, str) else str(text), dimensions) for text in texts]
        packed = body.get("encoding_format") == "base64"
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if packed else vector,
            }
            for index, vector in enumerate(vectors)
        ]
        tokens = sum(len(str(text)) // 4 for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def words_vector(text: str, dimensions: int) -> list[float]:
    """A unit vector: each word of the text adds its sign at three places that its hash gives."""
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()):
        for place, sign in _word_places(word):
            vector[place % dimensions] += sign
    length = sum(part * part for part in vector) ** 0.5
    if not length:
        vector[0] = length = 1.0
    return [part / length for part in vector]


@cache
def _word_places(word: str) -> list[tuple[int, float]]:
    numbers = struct.unpack("<3Q", blake2b(word.encode(), digest_size=24).digest())
    return [(number >> 1, 1.0 if number & 1 else -1.0) for number in numbers]


def schema_of(body: dict[str, Any]) -> dict[str, Any] | None:
    """The schema that a reply is to keep to: a response format's, or that of the tool to call."""
    form = (body.get("response_format") or {}).get("json_schema") or (body.get("text") or {}).get("format") or {}
    tool = _tool(body)
    found: dict[str, Any] | None = form.get("schema") or (tool or {}).get("parameters")
    return found


def least(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """The least that fits a schema: empty lists and texts, the first of what is allowed."""
    if "$ref" in schema:
        return least(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            null = {"type": "null"}
            return None if null in schema[several] else least(schema[several][0], root)
    if "enum" in schema or "const" in schema:
        return schema.get("enum", [schema.get("const")])[0]
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        needed = schema.get("required", list(schema.get("properties", {})))
        return {name: least(schema.get("properties", {}).get(name, {}), root) for name in needed}
    if kind == "array":
        return [least(schema["items"], root) for _item in range(schema.get("minItems", 0))]
    return {"string": "", "boolean": False, "integer": 0, "number": 0.0, "null": None}[kind]


def _tool(body: dict[str, Any]) -> dict[str, Any] | None:
    """The function that is to be called: the one that is forced, else the first."""
    functions = [tool["function"] for tool in body.get("tools") or [] if tool.get("type") == "function"]
    choice = body.get("tool_choice")
    forced = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
    named = [function for function in functions if forced in (None, function["name"])]
    return named[0] if named and choice != "none" else None


def _tool_calls(body: dict[str, Any], text: str) -> list[dict[str, Any]] | None:
    """What a reply calls where tools are offered; None where it is a text."""
    tool = _tool(body)
    if tool is None:
        return None
    try:
        said = json.loads(text)
    except json.JSONDecodeError:
        return None if body.get("tool_choice") in (None, "auto") else [_call(0, tool["name"], text)]
    if isinstance(said, dict) and isinstance(said.get("tool_calls"), list):
        calls = enumerate(said["tool_calls"])
        return [_call(number, call["name"], json.dumps(call["arguments"])) for number, call in calls]
    return [_call(0, tool["name"], text)]


def _call(number: int, name: str, arguments: str) -> dict[str, Any]:
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def _usage(body: dict[str, Any], text: str) -> dict[str, int]:
    detail, said = len(prompt_of(body)) // 4 + 1, len(text) // 4 + 1
    return {"prompt_tokens": detail, "completion_tokens": said, "total_tokens": detail + said}


def serving(**settings: Any) -> AbstractContextManager[ExtractionServer]:
    """A server in a thread of this process."""
    return serving_as(ExtractionServer(**settings))


if __name__ == "__main__":
    alone = ExtractionServer(port=int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    asyncio.run(serve(alone, lambda: print("ready", alone.port, flush=True), asyncio.Event()))

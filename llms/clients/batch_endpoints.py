"""The batch endpoints of OpenAI and Anthropic: many requests sent as one, done within a day, at half the price."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar  # Any: parsed JSON

from pydantic import JsonValue

from llms.clients.anthropic_chat import AnthropicChat
from llms.clients.openai_chat import OpenAIChat
from net import MODEL_TRANSIENT_STATUSES, excerpt
from vocabulary import ModelError

_PASSING = ("api_error", "overloaded_error", "rate_limit_error", "timeout_error")
_OPENAI_ENDED = ("completed", "expired", "cancelled")


@dataclass(frozen=True, slots=True)
class BatchState:
    """How far a batch is: `ended` says that all there will be of results is in `places`.

    `problem` is why there are none at all: the endpoint refused the batch as a whole.
    """

    ended: bool
    places: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class BatchItem:
    """What came of one request: `reply` is the body that it would have got alone, None for a `problem`.

    `transient` says that another try makes sense.
    """

    reply: str | None
    problem: str = ""
    transient: bool = False


class BatchEndpoint(ABC):
    """Where batches are sent to and looked at. Methods raise `ModelError`.

    A batch has at most `most_requests` requests and `most_bytes` bytes: somewhat less than the vendor's own limits.
    """

    most_requests: ClassVar[int]
    most_bytes: ClassVar[int]

    @abstractmethod
    async def submit(self, requests: Mapping[str, JsonValue]) -> str:
        """Send the bodies of `requests` under their ids; the batch's id."""

    @abstractmethod
    async def look(self, batch: str) -> BatchState:
        """How far a batch is."""

    @abstractmethod
    async def items(self, state: BatchState) -> dict[str, BatchItem]:
        """What came of the requests of a batch that has ended, by their ids."""


class OpenAIBatches(BatchEndpoint):
    """A file of requests, a batch over it, and files of what came of them."""

    most_requests = 50_000
    most_bytes = 190_000_000

    def __init__(self, chat: OpenAIChat) -> None:
        self._chat = chat

    async def submit(self, requests: Mapping[str, JsonValue]) -> str:
        """Send the bodies of `requests` under their ids; the batch's id."""
        target = {"method": "POST", "url": "/v1/chat/completions"}
        lines = [json.dumps({"custom_id": name, **target, "body": body}) for name, body in requests.items()]
        file = ("judging.jsonl", "\n".join(lines).encode(), "application/jsonl")
        uploaded = await self._chat.send(
            "post",
            "/files",
            body={"purpose": "batch"},
            files=[("file", file)],
            options={"headers": {"Content-Type": "multipart/form-data"}},
        )
        body = {
            "input_file_id": self._read(uploaded)["id"],
            "endpoint": target["url"],
            "completion_window": "24h",
        }
        return str(self._read(await self._chat.send("post", "/batches", body=body))["id"])

    async def look(self, batch: str) -> BatchState:
        """How far a batch is."""
        found = self._read(await self._chat.send("get", f"/batches/{batch}"))
        status = found.get("status")
        if status == "failed":
            detail = [str(one.get("message")) for one in (found.get("errors") or {}).get("data") or []]
            return BatchState(ended=True, problem=excerpt("; ".join(detail) or "it does not say why"))
        places = [found.get("output_file_id"), found.get("error_file_id")]
        return BatchState(status in _OPENAI_ENDED, tuple(place for place in places if place))

    async def items(self, state: BatchState) -> dict[str, BatchItem]:
        """What came of the requests of a batch that has ended, by their ids."""
        found: dict[str, BatchItem] = {}
        for place in state.places:
            text = await self._chat.send("get", f"/files/{place}/content")
            found |= {str(line["custom_id"]): _openai_item(line) for line in _lines(text, self._chat.name)}
        return found

    def _read(self, text: str) -> dict[str, Any]:
        return _object(text, self._chat.name)


class AnthropicBatches(BatchEndpoint):
    """One request with all of them in it, and a file of what came of them."""

    most_requests = 100_000
    most_bytes = 240_000_000

    def __init__(self, chat: AnthropicChat) -> None:
        self._chat = chat

    async def submit(self, requests: Mapping[str, JsonValue]) -> str:
        """Send the bodies of `requests` under their ids; the batch's id."""
        body = {"requests": [{"custom_id": name, "params": params} for name, params in requests.items()]}
        text = await self._chat.send("post", "/v1/messages/batches", body=body)
        return str(_object(text, self._chat.name)["id"])

    async def look(self, batch: str) -> BatchState:
        """How far a batch is."""
        path = f"/v1/messages/batches/{batch}"
        text = await self._chat.send("get", path)
        ended = _object(text, self._chat.name).get("processing_status") == "ended"
        return BatchState(ended, (f"{path}/results",))

    async def items(self, state: BatchState) -> dict[str, BatchItem]:
        """What came of the requests of a batch that has ended, by their ids."""
        (path,) = state.places
        text = await self._chat.send("get", path)
        return {str(line["custom_id"]): _anthropic_item(line["result"]) for line in _lines(text, self._chat.name)}


def _openai_item(line: dict[str, Any]) -> BatchItem:
    response, error = line.get("response") or {}, line.get("error") or {}
    status, body = response.get("status_code"), response.get("body")
    if status == 200:
        return BatchItem(json.dumps(body))
    inner = body.get("error") if isinstance(body, dict) else None
    detail = error.get("message") or (inner.get("message") if isinstance(inner, dict) else None) or error.get("code")
    passing = status in MODEL_TRANSIENT_STATUSES
    return BatchItem(None, f"{status or error.get('code') or 'failed'}: {excerpt(str(detail))}", passing)


def _anthropic_item(result: dict[str, Any]) -> BatchItem:
    kind = str(result.get("type"))
    if kind == "succeeded":
        return BatchItem(json.dumps(result["message"]))
    error = (result.get("error") or {}).get("error") or {}
    detail = f"{error.get('type')}: {excerpt(str(error.get('message')))}" if error else kind
    return BatchItem(None, detail, error.get("type") in _PASSING)


def _lines(text: str, name: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        if line.strip():
            yield _object(line, name)


def _object(text: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ModelError(
            f"{name}: its batch endpoint answered with what is no JSON object: {excerpt(text)!r}", transient=True
        )
    return found

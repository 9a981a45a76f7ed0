"""A model server that takes requests in one form only, and names the parameter that it does not take."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from llms.clients import RequestForm
from tests.llms.clients.model_server import Asked

REFUSALS = {
    "structured_output": "This response_format type is unavailable now",
    "cap": "Unsupported parameter: '{sent}' is not supported with this model. Use '{other}' instead.",
    "temperature": "Unsupported value: 'temperature' does not support 0.0 with this model.",
    "system_role": "Conversation roles must alternate user/assistant/user/assistant/...",
}
"""What is said of a parameter; each in the words of another vendor or template."""
CAPS = ("max_tokens", "max_completion_tokens")


class Picky:
    """Replies `text` to requests that have the form `takes`; 400 to all others, or the `status` that is given.

    `log` has the parameter of each refusal, None for a request that was answered.
    """

    def __init__(self, takes: RequestForm, text: str, *, status: int = 400) -> None:
        self.takes = takes
        self.text = text
        self.status = status
        self.log: list[str | None] = []
        self.answered: list[dict[str, Any]] = []

    async def __call__(self, asked: Asked, _request: web.Request) -> web.StreamResponse:
        refused = next(self._refused(asked), None)
        self.log.append(refused)
        if refused is None:
            if not asked.is_probe:
                self.answered.append(asked.body)
            return web.json_response(self._reply(asked))
        sent = next((cap for cap in CAPS if cap in asked.body), "")
        message = REFUSALS[refused].format(sent=sent, other=self.takes.cap)
        error = {"error": {"message": message, "type": "invalid_request_error", "code": 400}}
        return web.json_response(error, status=self.status)

    def _refused(self, asked: Asked, /) -> Iterator[str]:
        body, takes = asked.body, self.takes
        if asked.form == "anthropic":
            wanted = "json_schema" if "output_config" in body else "prompt"
            folded = "system" not in body
        else:
            wanted = body.get("response_format", {}).get("type", "prompt")
            folded = all(message["role"] != "system" for message in body["messages"])
        order = ("json_schema", "json_object", "prompt")
        if order.index(wanted) < order.index(takes.structured_output):
            yield "structured_output"
        if asked.form != "anthropic" and takes.cap not in body:
            yield "cap"
        if "temperature" in body and not takes.temperature:
            yield "temperature"
        if not folded and takes.system_role == "user":
            yield "system_role"

    def _reply(self, asked: Asked) -> dict[str, Any]:
        if asked.form == "anthropic":
            return {"content": [{"type": "text", "text": self.text}], "stop_reason": "end_turn"}
        return {"choices": [{"message": {"content": self.text}, "finish_reason": "stop"}]}


def object_asked_for(body: dict[str, Any]) -> str:
    """How a request asks for an object: "json_schema", "json_object", "prompt" or ""."""
    if kind := body.get("response_format", {}).get("type") or body.get("output_config", {}).get("format", {}).get(
        "type"
    ):
        return str(kind)
    return "prompt" if "JSON schema" in json.dumps(body) else ""

"""Anthropic's messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, JsonValue

from llms.chat import ChatMessage
from llms.sdk_chat import SdkChat
from llms.structured import schema_of
from schema import Usage

if TYPE_CHECKING:
    import httpx2
    from anthropic import AsyncAnthropic


class _Block(BaseModel):
    type: str
    text: str = ""


class _Usage(BaseModel):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class Message(BaseModel):
    """What is read of a reply."""

    content: list[_Block]
    stop_reason: str | None = None
    model: str | None = None
    usage: _Usage | None = None


class AnthropicChat(SdkChat["AsyncAnthropic", Message]):
    """A model behind a server that speaks Anthropic's messages.

    The protocol takes no temperature.
    """

    sdk = "anthropic"
    wire = Message

    def _connect(self, key: str, timeout: httpx2.Timeout, http: httpx2.AsyncClient) -> AsyncAnthropic:
        from anthropic import AsyncAnthropic

        return AsyncAnthropic(
            api_key=key,
            base_url=self.address.base_url.removesuffix("/v1"),  # which the SDK adds itself
            max_retries=0,
            timeout=timeout,
            http_client=http,
        )

    async def _post(self, client: AsyncAnthropic, body: JsonValue) -> httpx2.Response:
        import httpx2

        # Not ``messages.create``: that gives a warning for models near their end, which pytest makes an error of.
        return await client.post("/v1/messages", cast_to=httpx2.Response, body=body)

    def request_body(
        self, messages: Sequence[ChatMessage], max_tokens: int, reply: type[BaseModel] | None, temperature: float | None
    ) -> dict[str, JsonValue]:
        """The request."""
        del temperature
        body: dict[str, JsonValue] = {
            "model": self.address.model,
            "max_tokens": max_tokens,
            "messages": [
                {"role": message.role, "content": message.content} for message in messages if message.role != "system"
            ],
        }
        system = "\n\n".join(message.content for message in messages if message.role == "system")
        if system:
            body["system"] = system
        if reply is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema_of(reply)}}
        return body

    def _read(self, said: Message) -> tuple[str, Usage, str | None]:
        if said.stop_reason in ("max_tokens", "model_context_window_exceeded", "pause_turn"):
            raise self.cut_off(said.stop_reason)
        if said.stop_reason == "refusal":
            raise self.withheld("refusal")
        text = "".join(block.text for block in said.content if block.type == "text")
        return text, _used(said.usage or _Usage()), said.model


def _used(usage: _Usage) -> Usage:
    cached, cache_write = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    return Usage(
        input_tokens=usage.input_tokens + cached + cache_write,  # the server counts these apart
        output_tokens=usage.output_tokens,
        cached_tokens=cached,
        cache_write_tokens=cache_write,
    )

"""OpenAI's chat completions, and every server that speaks them: Ollama, vLLM, llama.cpp, OpenRouter, Gemini."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, JsonValue

from llms.chat import ChatMessage
from llms.names import ModelAddress
from llms.sdk_chat import SdkChat
from llms.structured import schema_of
from schema import Usage

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

REASONING_ROOM = 4096
"""Tokens beyond the cap for models that reason unseen: their servers count that against the cap too, and a cap meant
for what is read would leave nothing to read."""

_REASONS = {
    "openai": re.compile(r"o\d|gpt-(?:[5-9]|\d\d)(?!.*-chat)"),
    "google": re.compile(r"gemini-(?!1\.|2\.0)"),
}


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Details(BaseModel):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None


class ChatCompletion(BaseModel):
    """What is read of a reply."""

    choices: list[_Choice]
    model: str | None = None
    usage: _Usage | None = None


class OpenAIChat(SdkChat["AsyncOpenAI", ChatCompletion]):
    """A model behind a server that speaks OpenAI's chat completions."""

    sdk = "openai"
    wire = ChatCompletion

    def __init__(self, address: ModelAddress, **settings: float) -> None:
        super().__init__(address, **settings)
        self._of_openai = address.provider == "openai"  # others know the older names of the parameters
        pattern = _REASONS.get(address.provider)
        self._reasons = bool(pattern and pattern.match(address.model))

    def _connect(self, key: str, timeout: httpx2.Timeout, http: httpx2.AsyncClient) -> AsyncOpenAI:
        from openai import AsyncOpenAI

        return AsyncOpenAI(
            api_key=key,
            base_url=self.address.base_url,
            max_retries=0,
            timeout=timeout,
            http_client=http,
        )

    async def _post(self, client: AsyncOpenAI, body: JsonValue) -> httpx2.Response:
        import httpx2

        return await client.post("/chat/completions", cast_to=httpx2.Response, body=body)

    def request_body(
        self, messages: Sequence[ChatMessage], max_tokens: int, reply: type[BaseModel] | None, temperature: float | None
    ) -> dict[str, JsonValue]:
        """The request."""
        cap = max_tokens + REASONING_ROOM if self._reasons else max_tokens
        body: dict[str, JsonValue] = {
            "model": self.address.model,
            "messages": [{"role": message.role, "content": message.content} for message in messages],
            "max_completion_tokens" if self._of_openai else "max_tokens": cap,
        }
        if temperature is not None and not (self._of_openai and self._reasons):
            body["temperature"] = temperature
        if reply is not None:
            schema: JsonValue = {"name": reply.__name__, "strict": True, "schema": schema_of(reply)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def _read(self, said: ChatCompletion) -> tuple[str, Usage, str | None]:
        if not said.choices:
            raise self.withheld("the server sent no reply at all")
        choice = said.choices[0]
        if choice.finish_reason == "length":
            raise self.cut_off("it is longer than its cap or than what the model can hold")
        if choice.finish_reason == "content_filter" or choice.message.refusal:
            raise self.withheld(choice.message.refusal or "content filter")
        return choice.message.content or "", _used(said.usage or _Usage()), said.model


def _used(usage: _Usage) -> Usage:
    read, written = usage.prompt_tokens_details or _Details(), usage.completion_tokens_details or _Details()
    # Gemini counts what it reasons in the total alone, and it is paid for as output.
    unseen = max(0, usage.total_tokens - usage.prompt_tokens - usage.completion_tokens)
    return Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens + unseen,
        cached_tokens=read.cached_tokens or 0,
        cache_write_tokens=read.cache_write_tokens or 0,
        reasoning_tokens=max(written.reasoning_tokens or 0, unseen),
    )

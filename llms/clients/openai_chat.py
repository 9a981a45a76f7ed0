"""OpenAI's chat completions, and every server that speaks them: Ollama, vLLM, llama.cpp, OpenRouter, Azure, Gemini."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any  # Any: fields that are only looked at for being there

from pydantic import BaseModel, BeforeValidator, Field, JsonValue

from llms.clients import wire
from llms.clients.chat import ChatMessage
from llms.clients.names import ModelAddress
from llms.clients.options import ModelOptions
from llms.clients.request_form import RequestForm
from llms.clients.sdk_chat import Said, SdkChat
from llms.clients.structured import schema_of
from vocabulary import Usage

REASONING_ROOM = 4096
"""Tokens beyond the cap for models that reason unseen: their servers count that against the cap too, and a cap meant
for what is read would leave nothing to read."""

_OPENAI_MODELS = ("openai", "azure")
_REASONS = {
    **dict.fromkeys(_OPENAI_MODELS, re.compile(r"o\d|gpt-(?:[5-9]|\d\d)(?!.*-chat)")),
    "google": re.compile(r"gemini-(?!1\.|2\.0)"),
}


class _Message(BaseModel):
    content: wire.Content = Field(default_factory=list)
    refusal: wire.Word = None
    reasoning: Any = None
    reasoning_content: Any = None
    reasoning_details: Any = None


class _Choice(BaseModel):
    message: wire.Fields[_Message] = Field(default_factory=_Message)
    finish_reason: wire.Word = None
    native_finish_reason: wire.Word = None
    error: Any = None


class _Details(BaseModel):
    cached_tokens: wire.Count = 0
    cache_write_tokens: wire.Count = 0
    reasoning_tokens: wire.Count = 0


class _Usage(BaseModel):
    prompt_tokens: wire.Count = 0
    completion_tokens: wire.Count = 0
    total_tokens: wire.Count = 0
    prompt_tokens_details: wire.Fields[_Details] = Field(default_factory=_Details)
    completion_tokens_details: wire.Fields[_Details] = Field(default_factory=_Details)


def _choices(value: object) -> list[object]:
    return [choice for choice in value if isinstance(choice, dict)] if isinstance(value, list) else []


class ChatCompletion(BaseModel):
    """What is read of a reply."""

    choices: Annotated[list[_Choice], BeforeValidator(_choices)]
    model: wire.Word = None
    usage: wire.Fields[_Usage] = Field(default_factory=_Usage)


class OpenAIChat(SdkChat[ChatCompletion]):
    """A model behind a server that speaks OpenAI's chat completions."""

    sdk = "openai"
    client_class = "AsyncOpenAI"
    path = "/chat/completions"
    reply_model = ChatCompletion

    def __init__(self, address: ModelAddress, options: ModelOptions | None = None, **settings: float) -> None:
        super().__init__(address, options, **settings)
        self._of_openai = address.provider in _OPENAI_MODELS  # others know the older names of the parameters
        pattern = _REASONS.get(address.provider)
        self._reasons = bool(pattern and pattern.match(address.model))
        cap = "max_completion_tokens" if self._of_openai else "max_tokens"
        known = RequestForm(cap=cap, temperature=not (self._of_openai and self._reasons))
        self.form = self.options.applied_to(known)

    def request_body(
        self, messages: Sequence[ChatMessage], max_tokens: int, reply: type[BaseModel] | None, temperature: float | None
    ) -> dict[str, JsonValue]:
        """The request."""
        # of OpenAI's models, those that take no temperature are those that reason, whatever a deployment is called
        reasons = self._reasons or (self._of_openai and not self.form.temperature)
        body: dict[str, JsonValue] = {
            "model": self.address.model,
            "messages": [
                {"role": message.role, "content": message.content} for message in self.form.written(messages, reply)
            ],
            self.form.cap: max_tokens + REASONING_ROOM if reasons else max_tokens,
        }
        heat = self.options.heat(temperature)
        if heat is not None and self.form.temperature:
            body["temperature"] = heat
        if reply is not None and self.form.structured_output == "json_schema":
            schema: JsonValue = {"name": reply.__name__, "strict": True, "schema": schema_of(reply)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif reply is not None and self.form.structured_output == "json_object":
            body["response_format"] = {"type": "json_object"}
        if self.options.reasoning_effort is not None:
            body["reasoning_effort"] = self.options.reasoning_effort
        if self.options.seed is not None:
            body["seed"] = self.options.seed
        return body | self.options.extra_body

    def _read(self, said: ChatCompletion) -> Said:
        if not said.choices:
            raise self.withheld("the server sent no reply at all")
        choice, usage = said.choices[0], _used(said.usage)
        self.check_no_error(choice.error)
        if choice.message.refusal:
            raise self.withheld(choice.message.refusal)
        self.check_ending(choice.finish_reason or choice.native_finish_reason)
        content, message = choice.message.content, choice.message
        reasoned = bool(
            wire.has_reasoning(content)
            or message.reasoning
            or message.reasoning_content
            or message.reasoning_details
            or usage.reasoning_tokens
        )
        return Said(wire.text_of(content), usage, said.model, reasoned)


def _used(usage: _Usage) -> Usage:
    read, written = usage.prompt_tokens_details, usage.completion_tokens_details
    # Gemini counts what it reasons in the total alone, and it is paid for as output.
    unseen = max(0, usage.total_tokens - usage.prompt_tokens - usage.completion_tokens)
    return Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens + unseen,
        cached_tokens=read.cached_tokens,
        cache_write_tokens=read.cache_write_tokens,
        reasoning_tokens=max(written.reasoning_tokens, unseen),
    )

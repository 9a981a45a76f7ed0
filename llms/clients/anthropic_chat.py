"""Anthropic's messages."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field, JsonValue

from llms.clients import wire
from llms.clients.chat import ChatMessage
from llms.clients.names import ModelAddress
from llms.clients.options import ModelOptions
from llms.clients.request_form import RequestForm
from llms.clients.sdk_chat import Said, SdkChat
from llms.clients.structured import schema_of
from vocabulary import ConfigurationError, Usage


class _Usage(BaseModel):
    input_tokens: wire.Count = 0
    output_tokens: wire.Count = 0
    cache_creation_input_tokens: wire.Count = 0
    cache_read_input_tokens: wire.Count = 0


class Message(BaseModel):
    """What is read of a reply."""

    content: wire.Content
    stop_reason: wire.Word = None
    model: wire.Word = None
    usage: wire.Fields[_Usage] = Field(default_factory=_Usage)


class AnthropicChat(SdkChat[Message]):
    """A model behind a server that speaks Anthropic's messages.

    The protocol takes no temperature unless one is set. Requests do not go through the SDK's ``messages.create``, which
    warns of models near their end, and pytest may make errors of warnings: `llms.clients.names.remark` says it once.
    """

    sdk = "anthropic"
    client_class = "AsyncAnthropic"
    path = "/v1/messages"
    reply_model = Message
    structured_outputs = ("json_schema", "prompt")

    def __init__(self, address: ModelAddress, options: ModelOptions | None = None, **settings: float) -> None:
        super().__init__(address, options, **settings)
        chosen = self.options
        foreign = {"seed": chosen.seed is not None, "cap": chosen.cap not in (None, "max_tokens")}
        foreign["structured_output"] = chosen.structured_output == "json_object"
        if names := [name for name, given in foreign.items() if given]:
            raise ConfigurationError(
                f"--model-option {names[0]}: {self.name} speaks Anthropic's protocol, which has no such thing."
            )
        self.form = chosen.applied_to(RequestForm(temperature=chosen.temperature is not None))

    @property
    def base_url(self) -> str:
        """The address as the SDK takes it: without the version, which is part of its paths."""
        return self.address.base_url.removesuffix("/v1")

    def request_body(
        self, messages: Sequence[ChatMessage], max_tokens: int, reply: type[BaseModel] | None, temperature: float | None
    ) -> dict[str, JsonValue]:
        """The request."""
        written = self.form.written(messages, reply)
        body: dict[str, JsonValue] = {
            "model": self.address.model,
            "max_tokens": max_tokens,
            "messages": [
                {"role": message.role, "content": message.content} for message in written if message.role != "system"
            ],
        }
        system = "\n\n".join(message.content for message in written if message.role == "system")
        if system:
            body["system"] = system
        if self.form.temperature:
            body["temperature"] = self.options.heat(temperature)
        output: dict[str, JsonValue] = {}
        if reply is not None and self.form.structured_output == "json_schema":
            output["format"] = {"type": "json_schema", "schema": schema_of(reply)}
        if self.options.reasoning_effort is not None:
            output["effort"] = self.options.reasoning_effort
        if output:
            body["output_config"] = output
        return body | self.options.extra_body

    def _read(self, said: Message) -> Said:
        self.check_ending(said.stop_reason)
        return Said(wire.text_of(said.content), _used(said.usage), said.model, wire.has_reasoning(said.content))


def _used(usage: _Usage) -> Usage:
    cached, cache_write = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    return Usage(
        input_tokens=usage.input_tokens + cached + cache_write,  # the server counts these apart
        output_tokens=usage.output_tokens,
        cached_tokens=cached,
        cache_write_tokens=cache_write,
    )

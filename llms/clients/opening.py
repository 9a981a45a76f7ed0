"""From a model's name to the client that speaks to it."""

from __future__ import annotations

from llms.clients.anthropic_chat import AnthropicChat
from llms.clients.chat import ChatModel
from llms.clients.names import resolve
from llms.clients.openai_chat import OpenAIChat
from llms.clients.options import ModelOptions


def open_chat(name: str, options: ModelOptions | None = None) -> ChatModel:
    """The language model of that name, with `options`; its client is opened by the first call.

    Raises `UnknownNameError` for a name of no form, `ConfigurationError` for a missing key.
    """
    address = resolve(name)
    return AnthropicChat(address, options) if address.protocol == "anthropic" else OpenAIChat(address, options)

"""How the tests of the model clients ask: one call on a loop of its own."""

from __future__ import annotations

import asyncio
from typing import Literal, TypeVar

import pytest
from pydantic import BaseModel, Field

from llms.clients import ChatMessage, Completion, open_chat
from llms.clients.sdk_chat import SdkChat
from tests.llms.clients.model_server import ModelServer
from vocabulary import ModelError

KEY = "sk-UNMISTAKABLE-0123456789"
MESSAGES = (
    ChatMessage(role="system", content="Answer briefly."),
    ChatMessage(role="user", content="Where does Caroline live?"),
)
SENT = 10  # tokens of these, as estimated


class Place(BaseModel):
    """A reply with all that a verdict has."""

    kind: Literal["city", "village"]
    why: str = Field(default="", max_length=200)


Reply = TypeVar("Reply", bound=BaseModel)


def ask(name: str, reply: type[Reply] | None = None, **given: float) -> Completion[Reply]:
    """One completion; the client is closed after it."""

    async def run() -> Completion[Reply]:
        chat = open_chat(name)
        assert isinstance(chat, SdkChat)
        chat._timeout = given.pop("timeout", 10)
        try:
            return await chat.complete(MESSAGES, max_tokens=int(given.pop("max_tokens", 64)), reply=reply, **given)
        finally:
            await chat.close()

    return asyncio.run(run())


def fail(server: ModelServer, form: str, fault: str, reply: type[BaseModel] | None = None) -> ModelError:
    """What a fault is turned into. No key is in it, nor in anything that a traceback of it would show."""
    server.fault = lambda _asked: fault
    with pytest.raises(ModelError) as caught:
        ask(server.name(form), reply)
    assert KEY not in str(caught.value)
    assert KEY not in str(caught.getrepr(style="long", showlocals=True, chain=True))
    return caught.value

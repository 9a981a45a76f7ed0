"""Replies of any kind: each is read, or is an error of the right kind."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from llms.clients import Completion, open_chat
from llms.clients.reasoning import without_reasoning
from llms.clients.sdk_chat import SdkChat
from llms.clients.structured import read_reply
from net.failures import excerpt, refused_in_body
from tests.llms.clients.asking import Place
from vocabulary import ModelError, ReplyError

NAMES = ("ollama/m@http://127.0.0.1:9/v1", "anthropic/m@http://127.0.0.1:9")
CHATS: list[SdkChat[Place]] = [chat for name in NAMES if isinstance(chat := open_chat(name), SdkChat)]
MARKS = (
    "<think>",
    "</think>",
    "[THINK]",
    "[/THINK]",
    "<|channel|>",
    "final<|message|>",
    "<|im_start|>assistant",
    "</s>",
)

scalars = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20)
names = some.sampled_from(
    ("choices", "message", "content", "text", "type", "finish_reason", "stop_reason", "usage", "error", "code", "model")
)
json_values = some.recursive(
    scalars, lambda inner: some.lists(inner, max_size=4) | some.dictionaries(names, inner, max_size=6), max_leaves=25
)
texts = some.lists(some.sampled_from([*MARKS, "{", "}", '{"kind": "city"}', '"', "a ", "\n"]) | some.text(max_size=5))


@pytest.mark.long
@pytest.mark.parametrize("chat", CHATS, ids=["openai", "anthropic"])
@settings(max_examples=60, deadline=None)
@given(body=json_values.map(json.dumps) | some.text())
def test_any_body_is_a_reply_or_an_error(chat: SdkChat[Place], body: str) -> None:
    try:
        completion: Completion[Place] = chat.read(body, None, 1.0, ())
    except ModelError as error:
        str(error).encode()  # a database takes it
    else:
        completion.text.encode()
        assert completion.usage.input_tokens >= 0


@settings(max_examples=60, deadline=None)
@given(text=texts.map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert len(without_reasoning(text)) <= len(text)
    with suppress(ReplyError):
        assert read_reply(Place, text).kind in ("city", "village")


@settings(max_examples=60, deadline=None)
@given(body=json_values)
def test_any_error_has_a_text(body: object) -> None:
    error = refused_in_body(body, "server", ModelError)
    assert error is None or str(error).startswith("server")


def test_what_no_database_takes_is_shown_as_a_replacement() -> None:
    assert excerpt("a\ud83db\0c") == "a\ufffdb\ufffdc"


@pytest.mark.parametrize("opening", ["<think>", "{" * 50_000, '{"a":' * 10_000, "<" * 200_000, "<|im_start|>" * 20_000])
def test_long_texts_of_openings_take_no_time_to_speak_of(opening: str) -> None:
    with pytest.raises(ReplyError):
        read_reply(Place, opening * 2)

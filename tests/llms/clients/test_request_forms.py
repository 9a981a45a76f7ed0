"""How requests are written is found out from what a server refuses, a parameter at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import product
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from llms.clients import ModelOptions, RequestForm, open_chat, read_options
from llms.clients.request_form import Cap, StructuredOutput, SystemRole, next_form
from llms.clients.sdk_chat import SdkChat
from tests.llms.clients.asking import MESSAGES, Place
from tests.llms.clients.model_server import ModelServer, serving
from tests.llms.clients.picky import REFUSALS, Picky, object_asked_for
from vocabulary import ConfigurationError, ModelError

PLACE = '{"kind": "city", "why": ""}'
FORMS = [
    RequestForm(structured_output=structured_output, cap=cap, temperature=temperature, system_role=system_role)
    for structured_output, cap, temperature, system_role in product(
        get_args(StructuredOutput), get_args(Cap), (True, False), get_args(SystemRole)
    )
]


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with serving() as server:
        yield server


def ask(
    server: ModelServer,
    takes: RequestForm,
    word: str = "vllm",
    options: ModelOptions | None = None,
    reply: type[BaseModel] | None = Place,
    status: int = 400,
) -> tuple[SdkChat[Any], Picky]:
    """A chat that has negotiated with a picky server, and asked it once."""
    server.raw = picky = Picky(takes, PLACE, status=status)

    async def run() -> SdkChat[Any]:
        chat = open_chat(f"{word}/m@{server.url('anthropic' if word == 'anthropic' else 'openai')}", options)
        assert isinstance(chat, SdkChat)
        try:
            await chat.negotiate(reply)
            await chat.complete(MESSAGES, max_tokens=64, reply=reply)
        finally:
            await chat.close()
        return chat

    return asyncio.run(asyncio.wait_for(run(), 60)), picky


@pytest.mark.parametrize("word", ["vllm", "azure"])
@pytest.mark.parametrize("takes", FORMS, ids=lambda form: "-".join(map(str, form.model_dump().values())))
def test_the_only_form_that_a_server_takes_is_found(server: ModelServer, takes: RequestForm, word: str) -> None:
    chat, picky = ask(server, takes, word)
    assert chat.form == takes
    assert chat.negotiated
    *before, _probe, asked = picky.log
    assert None not in before, "a request that is answered ends the search"
    assert asked is None
    assert len(before) <= 5, "no parameter is refused twice, but for an object's three ways"
    (body,) = picky.answered
    assert object_asked_for(body) == takes.structured_output


@pytest.mark.parametrize("structured_output", ["json_schema", "prompt"])
@pytest.mark.parametrize("temperature", [None, "none", 0.3])
@pytest.mark.parametrize("system_role", get_args(SystemRole))
def test_the_same_in_anthropics_protocol(
    server: ModelServer, structured_output: StructuredOutput, temperature: Any, system_role: SystemRole
) -> None:
    takes = RequestForm(
        structured_output=structured_output, temperature=isinstance(temperature, float), system_role=system_role
    )
    chat, picky = ask(server, takes, "anthropic", ModelOptions(temperature=temperature))
    assert chat.form == takes
    (body,) = picky.answered
    assert body.get("temperature") == (temperature if isinstance(temperature, float) else None)
    assert object_asked_for(body) == structured_output


def test_a_text_needs_no_form_of_objects(server: ModelServer) -> None:
    chat, picky = ask(server, RequestForm(structured_output="prompt", cap="max_completion_tokens"), reply=None)
    assert chat.form == RequestForm(structured_output="json_schema", cap="max_completion_tokens")
    assert [object_asked_for(body) for body in picky.answered] == [""]


def test_folded_system_messages_come_first(server: ModelServer) -> None:
    _chat, picky = ask(server, RequestForm(system_role="user", structured_output="prompt"))
    ((message,),) = [body["messages"] for body in picky.answered]
    assert message["role"] == "user"
    assert message["content"].startswith("Answer briefly.\n\nWhere does Caroline live?\n\nReply with one JSON object")


@pytest.mark.parametrize("status", [404, 422, 500, 501, 200])
def test_a_refusal_counts_whatever_its_status(server: ModelServer, status: int) -> None:
    chat, _picky = ask(server, RequestForm(temperature=False, structured_output="json_object"), status=status)
    assert chat.form == RequestForm(temperature=False, structured_output="json_object")


@pytest.mark.parametrize(
    ("option", "takes", "refused"),
    [
        ("structured_output=json_schema", RequestForm(structured_output="prompt"), "response_format"),
        ("cap=max_tokens", RequestForm(cap="max_completion_tokens"), "max_tokens"),
        ("temperature=0.5", RequestForm(temperature=False), "temperature"),
        ("system_role=system", RequestForm(system_role="user"), "roles must alternate"),
    ],
)
def test_what_is_set_is_not_changed(server: ModelServer, option: str, takes: RequestForm, refused: str) -> None:
    with pytest.raises(ModelError, match=refused):
        ask(server, takes, options=read_options([option], "judge"))
    assert isinstance(server.raw, Picky)
    assert len(server.raw.log) == 1


def test_what_is_set_is_sent(server: ModelServer) -> None:
    given = ["temperature=0.5", "seed=7", "reasoning_effort=low", 'extra_body={"top_p": 0.9, "cache": {"ttl": 5}}']
    options = read_options([*given, "structured_output=json_object", "cap=max_completion_tokens"], "judge")
    _chat, picky = ask(
        server, RequestForm(structured_output="json_object", cap="max_completion_tokens"), options=options
    )
    (body,) = picky.answered
    sent = {"temperature": 0.5, "seed": 7, "reasoning_effort": "low", "top_p": 0.9, "cache": {"ttl": 5}}
    assert {name: body.get(name) for name in sent} == sent
    assert body["max_completion_tokens"] == 64
    assert body["response_format"] == {"type": "json_object"}


def test_a_server_that_takes_neither_name_of_the_cap_is_an_error(server: ModelServer) -> None:
    class Neither(Picky):
        def _refused(self, _asked: Any) -> Iterator[str]:
            yield "cap"

    server.raw = picky = Neither(RequestForm(), PLACE)

    async def run() -> None:
        chat = open_chat(f"vllm/m@{server.url('openai')}")
        try:
            await chat.negotiate(None)
        finally:
            await chat.close()

    with pytest.raises(ModelError, match="Unsupported parameter"):
        asyncio.run(asyncio.wait_for(run(), 60))
    assert picky.log == ["cap", "cap"]


SAID = {
    "structured_output": [
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
        '[{"type":"extra_forbidden","loc":["body","response_format"],"msg":"Extra inputs are not permitted"}]',
        "'response_format.type' must be 'json_object' or 'text'; json_schema is not supported",
        "output_config: Extra inputs are not permitted",
        "JSON mode is not enabled for this model (response_format)",
    ],
    "cap": [
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "Unrecognized request argument supplied: max_completion_tokens",
        '[{"type":"extra_forbidden","loc":["body","max_tokens"],"msg":"Extra inputs are not permitted"}]',
    ],
    "temperature": [
        "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
        "`temperature` is deprecated for this model.",
        "temperature: Extra inputs are not permitted",
    ],
    "system_role": [
        "Developer instruction is not enabled for models/gemma-3-27b-it",
        "System role not supported",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "This model doesn't support system messages",
    ],
    "": [
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
        "max_tokens is too large: 64000. This model supports at most 16384 completion tokens",
        "The model `gpt-9` does not exist or you do not have access to it.",
        "Invalid API key",
        "messages: at least one message is required",
        "Rate limit reached",
    ],
}
"""What servers say when they refuse a request, by the parameter that it is about."""


@pytest.mark.parametrize(("name", "words"), [(name, words) for name, each in SAID.items() for words in each])
def test_the_parameter_is_known_by_the_words_of_a_refusal(name: str, words: str) -> None:
    form = RequestForm(cap="max_completion_tokens" if words.startswith("Unrecognized") else "max_tokens")
    changed = next_form(form, words, list(RequestForm.model_fields), get_args(StructuredOutput))
    differs = {
        field for field in RequestForm.model_fields if changed and getattr(changed, field) != getattr(form, field)
    }
    assert differs == ({name} if name else set())


def test_all_parameters_have_a_refusal() -> None:
    assert set(REFUSALS) == set(RequestForm.model_fields) == set(SAID) - {""}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["top_p=1"], "structured_output, cap, temperature, system_role, reasoning_effort, seed, extra_body"),
        (["temperature"], "NAME=VALUE"),
        (["strict=true"], "NAME=VALUE"),
        (["grade.temperature=0"], "judge.NAME=VALUE"),
        (["temperature=hot"], "temperature=hot: "),
        (["temperature=nan"], "temperature=nan: "),
        (["temperature=-1"], "temperature=-1: "),
        (["seed=1.5"], "seed=1.5: "),
        (["seed="], "seed=: "),
        (["cap=tokens"], "cap=tokens: "),
        (["system_role=developer"], "system_role=developer: "),
        (["structured_output=xml"], "structured_output=xml: "),
        (["reasoning_effort="], "reasoning_effort=: "),
        (["extra_body=[1]"], "extra_body="),
        (["extra_body={"], "it is no JSON object"),
        (['extra_body={"a": NaN}'], "it is no JSON object"),
        (['extra_body={"model": "other"}'], "'model' is for the suite to set"),
        (['extra_body={"stream": true}'], "'stream' is for the suite to set"),
        (["seed=1", "seed=2"], "seed is '1' already. Give it once."),
        (["judge.seed=1", "judge.seed=2"], "seed is '1' already"),
    ],
)
def test_nonsense_is_refused(options: list[str], words: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_options(options, "judge")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_option_of_a_role_comes_before_one_for_both() -> None:
    given = ["seed=1", "judge.seed=2", "answer.temperature=none"]
    assert read_options(given, "judge").recorded == {"seed": 2}
    assert read_options(given, "answer").recorded == {"seed": 1, "temperature": "none"}


@pytest.mark.parametrize("option", ["seed=1", "cap=max_completion_tokens", "structured_output=json_object"])
def test_anthropics_protocol_says_what_it_does_not_have(option: str) -> None:
    with pytest.raises(ConfigurationError, match="Anthropic's protocol"):
        open_chat("anthropic/m@http://127.0.0.1:9", read_options([option], "answer"))

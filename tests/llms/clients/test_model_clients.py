"""What holds for every client, whichever protocol it speaks: faults, keys, caps, one request a call."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from llms.clients import Completion, open_chat
from llms.clients.structured import read_reply, schema_of
from net.retry_after import retry_after_seconds
from tests.llms.clients.asking import KEY, MESSAGES, Place, ask, fail
from tests.llms.clients.model_server import FAULTS, PATHS, SLOW_SECONDS, ModelServer, serving
from vocabulary import ModelError, ReplyError

EVERY_FORM = pytest.mark.parametrize("form", PATHS)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(variable, KEY)
    with serving() as server:
        yield server


@EVERY_FORM
def test_a_reply_and_what_it_cost(server: ModelServer, form: str) -> None:
    completion: Completion[Place] = ask(server.name(form))
    assert completion.text == "A short answer."
    assert completion.parsed is None
    assert completion.model == "served-model-1"  # as the server names it
    assert (completion.usage.input_tokens, completion.usage.output_tokens, completion.usage.calls) == (100, 7, 1)
    assert 0 < completion.service_ms < 5000
    (asked,) = server.requests
    assert asked.key == KEY
    assert asked.text == MESSAGES[-1].content


@EVERY_FORM
def test_an_object_as_a_reply(server: ModelServer, form: str) -> None:
    completion = ask(server.name(form), Place)
    assert completion.parsed == Place(kind="city", why="because")
    schema = server.requests[0].schema
    assert schema == schema_of(Place)
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["kind", "why"]


@EVERY_FORM
def test_a_reply_that_is_no_object(server: ModelServer, form: str) -> None:
    for fault, message in (("not-json", "I would rather not"), ("empty", "it is empty")):
        error = fail(server, form, fault, Place)
        assert isinstance(error, ReplyError)
        assert not error.transient
        assert message in str(error)
    assert len(server.requests) == 2  # nothing is asked again here


@EVERY_FORM
def test_an_empty_completion_is_an_answer(server: ModelServer, form: str) -> None:
    server.fault = lambda _asked: "empty"
    assert ask(server.name(form)).text == ""


@EVERY_FORM
@pytest.mark.parametrize("fault", ["429-seconds", "429-date", "429-ms", "500", "529", "cut", "half", "broken-json"])
def test_faults_that_pass(server: ModelServer, form: str, fault: str) -> None:
    error = fail(server, form, fault)
    assert type(error) is ModelError
    assert error.transient
    asked_to_wait = {"429-seconds": (1, 1), "429-date": (0, 2), "429-ms": (0.3, 0.3)}.get(fault)
    if asked_to_wait is None:
        assert error.retry_after is None
    else:
        assert error.retry_after is not None
        assert asked_to_wait[0] <= error.retry_after <= asked_to_wait[1]
    assert len(server.requests) == 1  # the SDKs' own retries are off


@EVERY_FORM
@pytest.mark.parametrize("fault", ["400", "401", "length", "withheld"])
def test_faults_that_stay(server: ModelServer, form: str, fault: str) -> None:
    error = fail(server, form, fault)
    assert type(error) is ModelError
    assert not error.transient
    variable = {"openai": "OPENAI", "google": "GEMINI", "anthropic": "ANTHROPIC"}[form]
    assert (f"check the key in {variable}_API_KEY" in str(error)) == (fault == "401")
    message = {"length": "cut off", "withheld": "withheld"}.get(
        fault, f"answered {fault}: refused with {fault}; you sent ***"
    )
    assert message in str(error)


def test_every_fault_is_spoken_of() -> None:
    spoken = {"429-seconds", "429-date", "429-ms", "500", "529", "cut", "half", "broken-json", "400", "401", "length"}
    assert spoken | {"withheld", "empty", "not-json", "slow", "429-used-up"} == set(FAULTS)


@EVERY_FORM
def test_a_server_that_is_too_slow_may_be_faster_again(server: ModelServer, form: str) -> None:
    server.fault = lambda _asked: "slow"
    assert ask(server.name(form)).service_ms >= SLOW_SECONDS * 1000
    with pytest.raises(ModelError, match="did not answer in time") as caught:
        ask(server.name(form), timeout=0.1)
    assert caught.value.transient


@EVERY_FORM
def test_a_server_that_is_not_there_may_come(form: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(ModelError, match="Cannot connect to host") as caught:
        ask(ModelServer(port=port).name(form))
    assert caught.value.transient


@EVERY_FORM
def test_a_cap_is_really_applied(server: ModelServer, form: str) -> None:
    ask(server.name(form), max_tokens=77)
    caps = {name: value for name, value in server.requests[0].body.items() if "tokens" in name}
    assert caps == {"max_completion_tokens" if form == "openai" else "max_tokens": 77}


@EVERY_FORM
def test_no_key_but_the_right_one_is_sent(server: ModelServer, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_ADMIN_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9/other")  # what the SDKs would take from the environment
    ask(server.name(form))
    assert "/other" not in str(server.requests[0].headers)
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(variable)
    ask(server.name(form))
    assert server.requests[1].key == "none"


@EVERY_FORM
def test_many_are_in_flight_at_once_and_the_client_opens_once(server: ModelServer, form: str) -> None:
    server.together = 64  # answers nobody until so many ask

    async def run() -> None:
        chat = open_chat(server.name(form))
        await asyncio.gather(*(chat.complete(MESSAGES, max_tokens=5) for _ in range(64)))
        await chat.close()
        await chat.close()

    asyncio.run(run())
    assert len(server.requests) == 64


@EVERY_FORM
def test_a_key_is_in_no_repr(server: ModelServer, form: str) -> None:
    chat = open_chat(server.name(form))
    assert KEY not in repr(chat)
    assert KEY not in repr(vars(chat))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "1" + "0" * 20}, None),
        ({"retry-after": "1795994185"}, None),
        ({"retry-after": "Wed, 21 Oct 100000000000000000000 07:28:00 GMT"}, None),
        ({"retry-after": "Fri, 31 Dec 9999 23:59:59 -2400"}, None),
        ({"retry-after-ms": "-5", "retry-after": "2"}, 2.0),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_how_long_to_wait_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers) == seconds


@pytest.mark.parametrize(
    "text",
    [
        '{"kind": "city", "why": "x"}',
        '```json\n{"kind": "city", "why": "x"}\n```',
        'Well: {"kind": "city", "why": "x"}. That is all.',
    ],
)
def test_objects_are_found_in_what_stands_around_them(text: str) -> None:
    assert read_reply(Place, text) == Place(kind="city", why="x")


@pytest.mark.parametrize("text", ['{"kind": "town"}', "{}", "city", '{"kind": "city"', " "])
def test_what_is_no_such_object_is_refused(text: str) -> None:
    with pytest.raises(ReplyError, match="the reply is not a Place"):
        read_reply(Place, text)

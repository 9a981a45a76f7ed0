"""What OpenAI's protocol has of its own, and how its servers differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from llms.clients.openai_chat import REASONING_ROOM
from tests.llms.clients.asking import KEY, SENT, Place, ask
from tests.llms.clients.model_server import Asked, ModelServer, serving, serving_as
from vocabulary import ModelError, Usage


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving() as server:
        yield server


def sent(server: ModelServer, provider: str, model: str, **given: Any) -> dict[str, Any]:
    form = "google" if provider == "google" else "openai"
    ask(f"{provider}/{model}@{server.url(form)}", **given)
    return server.requests[-1].body


def test_what_is_sent(server: ModelServer) -> None:
    body = sent(server, "ollama", "llama3:8b", reply=Place)
    assert body.pop("response_format")["json_schema"]["strict"] is True
    assert body == {
        "model": "llama3:8b",
        "messages": [
            {"role": "system", "content": "Answer briefly."},
            {"role": "user", "content": "Where does Caroline live?"},
        ],
        "max_tokens": 64,
        "temperature": 0.0,
    }


@pytest.mark.parametrize("model", ["o3", "o4-mini", "gpt-5-nano", "gpt-5.4", "gpt-6-luna"])
def test_models_that_reason_take_no_temperature_and_get_room_for_it(server: ModelServer, model: str) -> None:
    body = sent(server, "openai", model)
    assert "temperature" not in body
    assert body["max_completion_tokens"] == 64 + REASONING_ROOM


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4.1-mini", "gpt-5-chat-latest", "gpt-3.5-turbo"])
def test_models_that_do_not_reason(server: ModelServer, model: str) -> None:
    body = sent(server, "openai", model)
    assert body["temperature"] == 0.0
    assert body["max_completion_tokens"] == 64


def test_a_temperature_may_be_left_out(server: ModelServer) -> None:
    assert "temperature" not in sent(server, "vllm", "m", temperature=None)
    assert sent(server, "vllm", "m", temperature=0.7)["temperature"] == 0.7


def test_gemini_reasons_within_its_cap(server: ModelServer) -> None:
    assert sent(server, "google", "gemini-3.5-flash")["max_tokens"] == 64 + REASONING_ROOM
    assert sent(server, "google", "gemini-2.0-flash")["max_tokens"] == 64


def test_usage_in_detail(server: ModelServer) -> None:
    server.usage = {
        "prompt_tokens": 2000,
        "completion_tokens": 300,
        "total_tokens": 2300,
        "prompt_tokens_details": {"cached_tokens": 1500, "cache_write_tokens": 400},
        "completion_tokens_details": {"reasoning_tokens": 250},
    }
    assert ask(server.name("openai")).usage == Usage(
        input_tokens=2000,
        output_tokens=300,
        cached_tokens=1500,
        cache_write_tokens=400,
        reasoning_tokens=250,
        sent_tokens=SENT,
    )


def test_what_gemini_counts_in_the_total_alone_is_output(server: ModelServer) -> None:
    server.usage = {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623}
    assert ask(server.name("google")).usage == Usage(
        input_tokens=20, output_tokens=603, reasoning_tokens=405, sent_tokens=SENT
    )


def test_a_server_that_counts_nothing(server: ModelServer) -> None:
    server.usage = {"prompt_tokens_details": None}
    assert ask(server.name("openai")).usage == Usage(sent_tokens=SENT)


def test_an_account_that_is_used_up_is_not_waited_for(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.fault = lambda _asked: "429-used-up"
    with pytest.raises(ModelError, match="waiting does not help") as caught:
        ask(server.name("openai"))
    assert not caught.value.transient


def test_a_wrong_path_says_so(server: ModelServer) -> None:
    with pytest.raises(ModelError, match=r"404.*check the model's name and the address") as caught:
        ask(f"ollama/m@{server.url('openai')}/v2")
    assert not caught.value.transient


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/openai/v1", None),
        ("/openai/deployments/dep", "2024-10-21"),
        ("/openai/deployments/dep/chat/completions?api-version=2025-01-01-preview", "2025-01-01-preview"),
    ],
)
def test_both_of_azures_addresses_are_asked_with_its_header(
    monkeypatch: pytest.MonkeyPatch, path: str, version: str | None
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    asked: list[web.Request] = []

    class Azure(ModelServer):
        def app(self) -> web.Application:
            app = super().app()
            for place in ("/openai/v1", "/openai/deployments/dep"):
                app.router.add_post(f"{place}/chat/completions", self._handler("openai"))
            return app

    async def raw(_asked: Asked, request: web.Request) -> web.StreamResponse:
        asked.append(request)
        return web.json_response({"choices": [{"message": {"content": "Paris"}, "finish_reason": "stop"}]})

    with serving_as(Azure(raw=raw)) as server:
        assert ask(f"azure/gpt-4o@http://127.0.0.1:{server.port}{path}").text == "Paris"
    (request,) = asked
    assert request.headers["api-key"] == KEY
    assert request.query.get("api-version") == version
    assert request.path == path.partition("?")[0].removesuffix("/chat/completions") + "/chat/completions"

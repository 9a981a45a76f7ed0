"""What Anthropic's protocol has of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llms.clients.structured import schema_of
from tests.llms.clients.asking import SENT, Place, ask
from tests.llms.clients.model_server import ModelServer, serving
from vocabulary import Usage


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving() as server:
        yield server


def test_what_is_sent(server: ModelServer) -> None:
    ask(server.name("anthropic", "claude-sonnet-5-5"), Place)
    assert server.requests[0].body == {
        "model": "claude-sonnet-5-5",
        "max_tokens": 64,
        "system": "Answer briefly.",
        "messages": [{"role": "user", "content": "Where does Caroline live?"}],
        "output_config": {"format": {"type": "json_schema", "schema": schema_of(Place)}},
    }


def test_what_a_cache_gave_is_counted_in(server: ModelServer) -> None:
    server.usage = {
        "input_tokens": 50,
        "output_tokens": 9,
        "cache_creation_input_tokens": 200,
        "cache_read_input_tokens": 1000,
    }
    assert ask(server.name("anthropic")).usage == Usage(
        input_tokens=1250, output_tokens=9, cached_tokens=1000, cache_write_tokens=200, sent_tokens=SENT
    )


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-3-opus-20240229"])
def test_a_model_near_its_end_answers_without_a_warning(server: ModelServer, model: str) -> None:
    assert ask(server.name("anthropic", model)).text  # the SDK's own warning would be an error here


def test_an_address_may_end_with_the_version(server: ModelServer) -> None:
    assert ask(server.name("anthropic") + "/v1").text

"""A model's server that reads only a part of its prompts: a warning, and with ``--strict`` an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.bench.plugin.suite import Suite
from tests.llms.clients.model_server import Asked, ModelServer, serving
from vocabulary import estimate_tokens

QUESTIONS = 24
LONG = ("-k", "synthetic", "--synthetic-sessions=20", f"--synthetic-questions={QUESTIONS}", "--top-k=200")
WHOLE = ("--provider=full-context",)
WORKERS = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])


def size(asked: Asked) -> int:
    """What a tokenizer might count."""
    return round(0.9 * estimate_tokens(str(asked.body["messages"])))


def cut(asked: Asked) -> int:
    return min(size(asked), 512)


def constant(_asked: Asked) -> int:
    return 300


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving(count=size) as server:
        yield server


def run(suite: Suite, server: ModelServer, count: Callable[[Asked], int], *arguments: str, **environment: str) -> Any:
    """The only result, and the output."""
    server.count = count
    models = ("--answering-model", server.name("google", "m-1"), "--judge", server.name("anthropic", "m-2"))
    ended = suite.run("bench", *LONG, *models, *arguments, GEMINI_API_KEY="k", ANTHROPIC_API_KEY="k", **environment)
    report: Any = suite.report()
    (result,) = report["results"]
    return result, " ".join(ended.output.split())


def about_prompts(result: Any) -> list[str]:
    return [warning for warning in result["warnings"] if "read only a part" in warning]


@WORKERS
def test_a_prompt_that_is_cut_is_a_warning(suite: Suite, server: ModelServer, workers: tuple[str, ...]) -> None:
    result, output = run(suite, server, cut, *WHOLE, *workers)
    (warning,) = about_prompts(result)
    assert warning.startswith(f"answering model {server.name('google', 'm-1')} read only a part of {QUESTIONS} of ")
    assert "its server counts 512 tokens for about " in warning
    assert f"warning: {warning[:60]}" in output
    assert result["questions"]["errors"] == 0


@WORKERS
def test_it_is_an_error_where_that_is_wanted(suite: Suite, server: ModelServer, workers: tuple[str, ...]) -> None:
    result, _output = run(suite, server, cut, *WHOLE, "--strict", *workers)
    assert result["questions"]["errors"] == QUESTIONS
    assert {(error["phase"], error["type"]) for error in result["errors"]} == {("answer", "ModelError")}
    assert all("the server counts 512 tokens of a prompt of about" in error["message"] for error in result["errors"])
    assert result["errors"][0]["message"].endswith("or leave out --strict.")


def test_the_same_count_for_every_prompt_is_a_warning(suite: Suite, server: ModelServer) -> None:
    result, _output = run(suite, server, constant)
    answers, verdicts = about_prompts(result)
    assert answers.startswith(f"answering model {server.name('google', 'm-1')} may have read only a part")
    assert verdicts.startswith(f"judge {server.name('anthropic', 'm-2')} may have read only a part")
    assert f"counts 300 tokens for {QUESTIONS} of {QUESTIONS}, whatever their size" in answers


def test_and_an_error_from_the_tenth_on(suite: Suite, server: ModelServer) -> None:
    result, _output = run(suite, server, constant, MEMORYBENCH_STRICT="1")
    messages = [error["message"] for error in result["errors"] if error["phase"] == "answer"]
    assert QUESTIONS // 2 <= len(messages) <= QUESTIONS - 9
    assert all("counts 300 tokens for each of 10 prompts of different sizes" in message for message in messages)


@WORKERS
def test_prompts_that_are_read_whole_are_fine(suite: Suite, server: ModelServer, workers: tuple[str, ...]) -> None:
    result, _output = run(suite, server, size, *WHOLE, "--strict", *workers)
    assert about_prompts(result) == []
    assert result["questions"]["errors"] == 0


def test_a_server_that_counts_nothing_is_not_suspected(suite: Suite, server: ModelServer) -> None:
    result, _output = run(suite, server, lambda _asked: 0, *WHOLE, "--strict")
    assert about_prompts(result) == []
    assert result["questions"]["errors"] == 0

"""A language model behind a server on loopback answers a whole run: what it is sent, and what is made of it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bench.config import build_benchmark_config
from bench.pipeline.participants import Participants
from llms.answering.prompts import prompt_of
from reports.report import read_lines
from tests.bench.plugin.suite import SMALL, Suite
from vocabulary import ConfigurationError, estimate_tokens

GENERAL = prompt_of("general")
QUESTIONS = 20


@dataclass
class Model:
    """An OpenAI-compatible server that says `reply` to everything and keeps what it was sent."""

    reply: str = "I was there."
    finish_reason: str = "stop"
    asked: list[dict[str, Any]] = field(default_factory=list)
    address: str = ""

    @property
    def name(self) -> str:
        return f"local/said@{self.address}/v1"

    @property
    def users(self) -> list[str]:
        """What it was told by the user, in the order of its being asked."""
        return [request["messages"][-1]["content"] for request in self.asked]

    def answer_to(self, request: dict[str, Any]) -> dict[str, Any]:
        if "Is this server ready?" not in request["messages"][-1]["content"]:  # that is the preflight check
            self.asked.append(request)
        message = {"role": "assistant", "content": self.reply}
        return {
            "id": "said-1",
            "object": "chat.completion",
            "created": 1,
            "model": "said-2024-01-01",
            "choices": [{"index": 0, "finish_reason": self.finish_reason, "message": message}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107},
        }


@pytest.fixture
def model() -> Iterator[Model]:
    said = Model()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(said.answer_to(request)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class calls it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    said.address = f"http://127.0.0.1:{server.server_address[1]}"
    yield said
    server.shutdown()
    thread.join()
    server.server_close()


def asking(model: Model, *options: str) -> list[str]:
    return ["bench", "-k", "synthetic", *SMALL, f"--answering-model={model.name}", *options]


def lines(suite: Suite) -> list[dict[str, Any]]:
    (run_id,) = suite.run_ids
    return list(read_lines(suite.runs / run_id))


def _question(user: str) -> str:
    return user.rpartition("Question: ")[2].removesuffix(f"\n\n{GENERAL.closing}")


def results(suite: Suite, run_id: str | None = None) -> list[Any]:
    found = suite.report(run_id)["results"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_each_question_is_asked_once_with_the_shared_prompt_and_its_cap(
    suite: Suite, model: Model, workers: tuple[str, ...]
) -> None:
    ended = suite.run(*asking(model, *workers))
    assert len(model.asked) == QUESTIONS, ended.output
    for request in model.asked:
        assert [message["role"] for message in request["messages"]] == ["system", "user"]
        assert request["messages"][0]["content"] == GENERAL.system
        assert (request.get("max_tokens") or request["max_completion_tokens"]) == GENERAL.max_tokens
        assert request["model"] == "said"
    detail = lines(suite)
    assert {line["answer"] for line in detail} == {model.reply}
    assert {line["question"] for line in detail} == {_question(user) for user in model.users}
    (result,) = results(suite)
    assert result["answering_model"] == model.name
    assert result["usage"]["answer"]["input_tokens"] == 100 * QUESTIONS
    assert result["usage"]["answer"]["output_tokens"] == 7 * QUESTIONS


def test_the_budget_holds_for_every_question(suite: Suite, model: Model) -> None:
    suite.run(*asking(model, "--context-tokens=120"))
    shown = [user.removeprefix("Records from memory:\n\n").split("\n\nToday is ")[0] for user in model.users]
    shown = [text.split("\n\nQuestion: ")[0] for text in shown]
    assert len(shown) == QUESTIONS
    assert all(0 < estimate_tokens(text) <= 120 for text in shown)
    assert {len(line["results"]) for line in lines(suite)} > {3}, "what is found is another matter"


def test_a_run_is_continued_with_its_own_budget_and_pays_for_nothing_twice(suite: Suite, model: Model) -> None:
    first = asking(model, "--run-id=mine", "--context-tokens=120")
    suite.run(*first)
    assert len(model.asked) == QUESTIONS
    suite.run(*first)
    assert len(model.asked) == QUESTIONS
    other = suite.run(*asking(model, "--run-id=mine", "--context-tokens=80"))
    assert other.status == pytest.ExitCode.USAGE_ERROR
    assert "answer.context_tokens" in other.output
    assert len(model.asked) == QUESTIONS


def test_an_empty_reply_is_a_wrong_answer_and_a_cut_off_one_an_error(suite: Suite, model: Model) -> None:
    model.reply = ""
    suite.run(*asking(model, "--run-id=empty"))
    (empty,) = results(suite, "empty")
    assert (empty["questions"]["errors"], empty["questions"]["judged"]) == (0, QUESTIONS)
    model.reply, model.finish_reason = "It was on", "length"
    suite.run(*asking(model, "--run-id=cut"))
    (cut,) = results(suite, "cut")
    assert (cut["questions"]["errors"], cut["questions"]["judged"]) == (QUESTIONS, 0)
    assert {(failure["phase"], failure["type"]) for failure in cut["errors"]} == {("answer", "ModelError")}


# --- a provider's own prompt ---------------------------------------------------------------------------------------


def test_a_provider_may_bring_its_own_prompt_where_that_is_asked_for(suite: Suite, model: Model) -> None:
    both = ("--provider=tests.subjects.own_prompt:Prompted", "--provider=bm25")
    suite.run(*asking(model, *both, "--run-id=shared"))
    assert not any("OWN PROMPT" in user for user in model.users)
    model.asked.clear()
    suite.run(*asking(model, *both, "--run-id=own", "--answer-prompt=provider", "--top-k=3"))
    own = [request["messages"] for request in model.asked if len(request["messages"]) == 1]
    assert len(own) == QUESTIONS
    assert all(message["content"].startswith("OWN PROMPT over 3 results: ") for (message,) in own)
    shared = [request["messages"] for request in model.asked if len(request["messages"]) == 2]
    assert len(shared) == QUESTIONS, "bm25 brings none"
    detail = {run_id: [result["answer_prompt"] for result in results(suite, run_id)] for run_id in ("shared", "own")}
    assert detail == {"shared": ["general/1"] * 2, "own": ["provider:tests.subjects.own_prompt:Prompted", "general/1"]}


def test_where_a_provider_has_no_prompt_the_shared_one_is_sent(suite: Suite, model: Model) -> None:
    suite.run(*asking(model, "--provider=tests.subjects.own_prompt:Picky", "--answer-prompt=provider"))
    own = [user for user in model.users if user.startswith("OWN PROMPT: What")]
    assert 0 < len(own) < QUESTIONS
    assert len(model.asked) == QUESTIONS
    assert all("Question: " in user and "Question: What" not in user for user in model.users if user not in own)


def test_a_prompt_that_fails_is_the_providers_error(suite: Suite, model: Model) -> None:
    suite.run(*asking(model, "--provider=tests.subjects.own_prompt:Unable", "--answer-prompt=provider"))
    (result,) = results(suite)
    assert {(failure["phase"], failure["type"]) for failure in result["errors"]} == {("answer", "ProviderError")}
    assert result["questions"]["errors"] == QUESTIONS
    assert model.asked == []


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        (
            {"context_tokens": 100},
            "--context-tokens 100 needs a language model, and answering model 'extractive'",
        ),
        ({"answer_prompt": "provider"}, "--answer-prompt provider needs a language model"),
        (
            {"answering_model": "local/said@http://127.0.0.1:9/v1", "abstain_below": 0.3},
            "--abstain-below 0.3 needs a model that extracts, and answering model",
        ),
        ({"context_tokens": 0}, "--context-tokens 0: input should be greater than or equal to 1"),
        ({"answer_prompt": "mine"}, "--answer-prompt 'mine': input should be 'shared' or 'provider'"),
        (
            {
                "answering_model": "local/said@http://127.0.0.1:9/v1",
                "answer_prompt": "provider",
                "provider": ("tests.subjects.own_prompt:Waiting",),
            },
            "answer_prompt of 'tests.subjects.own_prompt:Waiting' is async; make it plain def",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_runs(options: dict[str, object], detail: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(detail)):
        Participants.of(build_benchmark_config(**options))


def test_a_refusal_is_one_line(suite: Suite) -> None:
    ended = suite.run("bench", "-k", "synthetic", *SMALL, "--context-tokens=100")
    assert ended.status == pytest.ExitCode.USAGE_ERROR
    assert "--context-tokens 100 needs a language model" in ended.about("ERROR: ")
    assert not suite.runs.exists()

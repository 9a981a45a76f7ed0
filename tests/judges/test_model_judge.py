from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from bench.config import BenchmarkConfig
from bench.pipeline.participants import Participants
from bench.run import run_benchmark
from judges import FAMILY_MODELS, Judge, ModelJudge, open_judge, protocol_names
from judges.lexical import LexicalJudge
from judges.model_judge import MAX_TOKENS, UNDECIDED
from llms.clients import ChatMessage, ChatModel, Completion
from llms.clients.chat import Reply
from tests.llms.clients.model_server import ModelServer, serving
from vocabulary import (
    Answer,
    ConfigurationError,
    Gold,
    JudgeError,
    ModelError,
    Question,
    ReplyError,
    UnknownNameError,
    Usage,
    Verdict,
)

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY")
QUESTION = Question(id="q1", text="Where did Nadia leave her kayak?")
ANSWERABLE = Gold(question_type="single-hop", ground_truth="At the boathouse")
UNANSWERABLE = Gold(question_type="adversarial", ground_truth="not answerable", answerable=False, trap="At the pier")
SAID = Answer(hypothesis="At the boathouse in Ardal")
FIRST, SECOND = Usage(input_tokens=100, output_tokens=10), Usage(input_tokens=140, output_tokens=20)


def grade(verdict: str, reasoning: str = "It names the boathouse.") -> str:
    return json.dumps({"reasoning": reasoning, "verdict": verdict})


class ScriptedModel(ChatModel):
    """Says what it was told to say, in turn; reads replies and fails as a client of a server does."""

    def __init__(self, *said: str | ModelError) -> None:
        self.name = "scripted"
        self.said = list(said)
        self.usages = [FIRST, SECOND]
        self.asked: list[tuple[ChatMessage, ...]] = []
        self.closed = 0

    async def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        reply: type[Reply] | None = None,
        temperature: float | None = 0.0,
    ) -> Completion[Reply]:
        assert (max_tokens, temperature) == (MAX_TOKENS, 0.0)
        self.asked.append(tuple(messages))
        text, usage = self.said.pop(0), self.usages.pop(0)
        if isinstance(text, ModelError):
            raise text
        try:
            parsed = reply.model_validate_json(text) if reply else None
        except ValidationError as error:
            unreadable = ReplyError(f"not a {reply.__name__ if reply else ''}: {text!r}")
            unreadable.usage = usage
            raise unreadable from error
        return Completion(text=text, parsed=parsed, usage=usage, model="scripted-2026-10-01", service_ms=1.0)

    async def close(self) -> None:
        self.closed += 1


def judged(*said: str | ModelError, gold: Gold = ANSWERABLE, answer: Answer = SAID) -> tuple[Verdict, ScriptedModel]:
    model = ScriptedModel(*said)
    judge = ModelJudge("gpt-5.4-mini", "locomo-strict", chat=model)
    return asyncio.run(judge.evaluate(QUESTION, gold, answer)), model


@pytest.mark.parametrize(
    ("gold", "verdict", "label"),
    [
        (ANSWERABLE, "correct", "correct"),
        (ANSWERABLE, "wrong", "wrong"),
        (ANSWERABLE, "declined", "abstained"),
        (UNANSWERABLE, "correct", "correct"),
        (UNANSWERABLE, "wrong", "wrong"),
        (UNANSWERABLE, "declined", "correct"),
    ],
)
def test_a_reply_becomes_a_verdict(gold: Gold, verdict: str, label: str) -> None:
    found, model = judged(grade(verdict, "  It names it. "), gold=gold)
    assert found == Verdict.model_validate(
        {"label": label, "explanation": "It names it.", "usage": FIRST, "model": "scripted-2026-10-01"}
    )
    assert len(model.asked) == 1


UNREADABLE = (
    "",
    "correct",
    "The answer is correct.",
    "{}",
    '{"verdict": "correct"}',
    grade("CORRECT"),
    grade("correct or wrong"),
    grade("abstained"),
    '{"reasoning": "", "verdict": true}',
    '{"reasoning": "It is", "verdict": "corr',
    f"{grade('correct')}\n{grade('wrong')}",
    '{"reasoning": "", "verdict": "correct", "score": 0.2}',
)


@pytest.mark.parametrize("unreadable", UNREADABLE)
def test_a_reply_that_cannot_be_read_is_asked_for_once_more(unreadable: str) -> None:
    verdict, model = judged(unreadable, grade("wrong"))
    assert verdict.label == "wrong"
    assert verdict.usage == Usage(input_tokens=240, output_tokens=30, calls=2)
    (system, user), (system_again, user_again) = model.asked
    assert system_again == system
    assert user_again.content.startswith(user.content), "the same question with the same answer"
    assert "could not be read" in user_again.content.removeprefix(user.content)


@pytest.mark.parametrize("unreadable", UNREADABLE)
def test_a_second_one_is_an_error_and_never_a_verdict(unreadable: str) -> None:
    model = ScriptedModel(unreadable, "I would say it is correct.", grade("correct"))
    judge = ModelJudge("gpt-5.4-mini", "locomo-strict", chat=model)
    with pytest.raises(JudgeError, match=r"judge gpt-5\.4-mini: neither of two replies") as error:
        asyncio.run(judge.evaluate(QUESTION, ANSWERABLE, SAID))
    assert not error.value.transient
    assert len(model.asked) == 2


def test_a_wasted_call_is_counted_even_if_nobody_says_what_it_used() -> None:
    verdict, _model = judged(ReplyError("not JSON"), grade("correct"))
    assert verdict.usage == SECOND + Usage()
    assert verdict.usage.calls == 2


@pytest.mark.parametrize(("transient", "wait"), [(True, 7.5), (True, None), (False, None)])
@pytest.mark.parametrize("first", [(), ("not JSON",)])
def test_an_error_of_the_model_is_one_of_the_judge_and_can_be_retried_as_such(
    transient: bool, wait: float | None, first: tuple[str, ...]
) -> None:
    with pytest.raises(JudgeError, match=r"judge gpt-5\.4-mini: status 429") as error:
        judged(*first, ModelError("status 429", transient=transient, retry_after=wait))
    assert (error.value.transient, error.value.retry_after) == (transient, wait)
    assert isinstance(error.value.__cause__, ModelError)


@pytest.mark.parametrize("gold", [ANSWERABLE, UNANSWERABLE])
@pytest.mark.parametrize("nothing", ["", " \n\t"])
def test_an_empty_answer_is_wrong_and_costs_nothing(gold: Gold, nothing: str) -> None:
    verdict, model = judged(gold=gold, answer=Answer(hypothesis=nothing))
    assert (verdict.label, verdict.usage, model.asked) == ("wrong", Usage(calls=0), [])


def test_a_judge_without_reasons_is_quoted_as_such() -> None:
    verdict, _model = judged(grade("wrong", " "))
    assert verdict.explanation == "The judge gave no reason."


def test_siblings_share_one_client_and_close_it_once() -> None:
    model = ScriptedModel(grade("correct"), grade("wrong"))
    judge = ModelJudge("gpt-5.4-mini", chat=model)
    lenient, strict = judge.for_protocol("locomo-lenient"), judge.for_protocol("locomo-strict/1")
    assert (judge.protocol, lenient.protocol, strict.protocol) == (UNDECIDED, "locomo-lenient/1", "locomo-strict/1")

    async def use() -> list[str]:
        found = [await sibling.evaluate(QUESTION, ANSWERABLE, SAID) for sibling in (lenient, strict)]
        for sibling in (strict, judge, lenient, strict):
            await sibling.close()
        return [verdict.label for verdict in found]

    assert asyncio.run(use()) == ["correct", "wrong"]
    assert model.closed == 1
    assert "Be generous" in model.asked[0][0].content
    assert "Be generous" not in model.asked[1][0].content


def test_without_a_protocol_nothing_is_judged() -> None:
    judge = ModelJudge("gpt-5.4-mini", chat=ScriptedModel())
    with pytest.raises(ConfigurationError, match="for_protocol"):
        asyncio.run(judge.evaluate(QUESTION, ANSWERABLE, SAID))


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, "a-key-of-nobody")


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("name", [*FAMILY_MODELS, *FAMILY_MODELS.values()])
def test_a_family_stands_for_a_model_of_it(name: str) -> None:
    judge = open_judge(name)
    assert isinstance(judge, ModelJudge)
    assert (judge.name, judge.model) == (name, FAMILY_MODELS.get(name, name))
    assert judge.priced_by == next(family for family, model in FAMILY_MODELS.items() if judge.model == model)


@pytest.mark.parametrize("name", ["ollama/llama3:8b@http://127.0.0.1:9/v1", "vllm/org/model@http://127.0.0.1:9/v1"])
def test_a_model_behind_any_server_judges_without_a_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS:
        monkeypatch.delenv(key, raising=False)
    judge = open_judge(name)
    assert isinstance(judge, ModelJudge)
    assert (judge.name, judge.model, judge.priced_by) == (name, name.partition("/")[2].partition("@")[0], None)


def test_a_missing_key_is_found_when_the_judge_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        open_judge("openai")


class OwnJudge(Judge):
    name = "own"
    protocol = "own/1"

    def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        del question, gold, answer
        return Verdict(label="wrong", explanation="always")


def test_judges_of_this_room_and_dotted_paths_come_first() -> None:
    assert isinstance(open_judge("lexical"), LexicalJudge)
    assert open_judge(f"{__name__}:OwnJudge").name == "own"
    with pytest.raises(ConfigurationError, match="cannot be imported"):
        open_judge("no_such_module.at_all:Judge")


@pytest.mark.parametrize("name", ["lexicl", "opnai", "model", "", "ModelJudge"])
def test_an_unknown_judge_is_an_error_that_lists_the_known(name: str) -> None:
    with pytest.raises(UnknownNameError) as error:
        open_judge(name)
    assert all(known in str(error.value) for known in ("lexical", *FAMILY_MODELS, "PROVIDER/MODEL@URL"))


@pytest.mark.parametrize("name", ["no/server", "@http://127.0.0.1:9/v1"])
def test_a_model_that_cannot_be_reached_is_no_judge(name: str) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown model '{name}'.*PROVIDER/NAME@URL"):
        open_judge(name)


@pytest.mark.usefixtures("keys")
def test_a_protocol_that_nothing_has_is_found_before_anything_is_begun() -> None:
    with pytest.raises(UnknownNameError, match="judge protocol 'strict'") as error:
        Participants.of(BenchmarkConfig(judge=("lexical", "openai"), judge_protocol="strict"))
    assert all(name in str(error.value) for name in protocol_names())
    participants = Participants.of(BenchmarkConfig(judge=("lexical", "openai"), judge_protocol="locomo-strict"))
    assert [judge.protocol for judge in participants.judges] == ["lexical-v2", "locomo-strict/1"]


FORMS = ("openai", "google", "anthropic")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    for key in KEYS:
        monkeypatch.setenv(key, "a-key-of-nobody")
    with serving() as found:
        yield found


def judged_by(name: str, gold: Gold = ANSWERABLE) -> Verdict:
    async def ask() -> Verdict:
        judge = ModelJudge(name, "locomo-lenient")
        try:
            return await judge.evaluate(QUESTION, gold, SAID)
        finally:
            await judge.close()

    return asyncio.run(ask())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("verdict", "label"), [("correct", "correct"), ("declined", "abstained"), ("wrong", "wrong")])
def test_over_the_wire(server: ModelServer, form: str, verdict: str, label: str) -> None:
    server.reply = lambda _asked: grade(verdict)
    found = judged_by(server.name(form))
    assert (found.label, found.explanation, found.model) == (label, "It names the boathouse.", "served-model-1")
    assert found.usage is not None
    assert found.usage.model_copy(update={"sent_tokens": 0}) == Usage(input_tokens=100, output_tokens=7)
    (asked,) = server.requests
    assert asked.schema is not None
    assert list(asked.schema["properties"]) == asked.schema["required"] == ["reasoning", "verdict"]
    assert asked.schema["properties"]["verdict"]["enum"] == ["correct", "declined", "wrong"]
    assert asked.body.get("temperature", 0) == 0
    assert MAX_TOKENS in (asked.body.get("max_tokens"), asked.body.get("max_completion_tokens"))
    assert SAID.hypothesis in asked.text
    assert "Be generous" in json.dumps(asked.body)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fault", ["not-json", "empty"])
def test_an_unreadable_reply_over_the_wire(server: ModelServer, form: str, fault: str) -> None:
    server.reply = lambda _asked: grade("correct")
    server.fault = lambda _asked: fault if len(server.requests) == 1 else None
    assert judged_by(server.name(form)).label == "correct"
    assert len(server.requests) == 2
    server.fault = lambda _asked: fault
    with pytest.raises(JudgeError, match="neither of two replies") as error:
        judged_by(server.name(form))
    assert not error.value.transient
    assert len(server.requests) == 4


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("fault", "transient", "wait"),
    [("429-seconds", True, 1.0), ("429-ms", True, 0.3), ("500", True, None), ("length", False, None)],
)
def test_a_fault_over_the_wire_is_for_the_pipeline_to_retry(
    server: ModelServer, form: str, fault: str, transient: bool, wait: float | None
) -> None:
    server.fault = lambda _asked: fault
    with pytest.raises(JudgeError) as error:
        judged_by(server.name(form))
    assert (error.value.transient, error.value.retry_after, len(server.requests)) == (transient, wait, 1)


def test_a_whole_run_is_judged_by_the_rules_that_were_asked_for(server: ModelServer, tmp_path: Path) -> None:
    server.reply = lambda asked: grade("correct" if asked.times == 1 else "wrong")
    server.fault = lambda asked: "429-ms" if asked.times == 1 and len(server.requests) % 4 == 0 else None
    judge = server.name("openai")
    config = BenchmarkConfig(
        synthetic_sessions=12,
        synthetic_questions=12,
        judge=(judge,),
        judge_protocol="locomo-lenient",
        runs_dir=str(tmp_path),
    )
    run = run_benchmark(config, "synthetic")
    verdicts = [json.loads(line)["verdict"] for line in run.jsonl.read_text().splitlines()]
    assert len(verdicts) == 12
    empty = sum(verdict["explanation"] == "The answer is empty." for verdict in verdicts)
    assert empty < 12
    assert len(server.requests) == 12 - empty + server.faults["429-ms"]
    assert server.faults["429-ms"] > 0
    message = run.report.model_dump_json()
    assert '"protocol":"locomo-lenient/1","model":"test-model"' in message
    assert "a-key-of-nobody" not in message

"""A language model answers: what it is sent, what is made of its reply, and what one client is shared by."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any  # the reply type of a completion nobody asked an object of

import pytest

from llms import Answerer
from llms.answering.prompts import MARKER, PROMPTS, prompt_of
from llms.answering.reader import AnswerOptions, ModelAnswerer, PromptWriter
from llms.clients import ChatMessage, ChatModel, Completion
from registry import known_classes
from vocabulary import Answer, ModelError, ProviderError, Question, SearchResult, Usage, estimate_tokens

ASKED = Question(id="q1", text="What did Ann plant?", date=datetime(2023, 5, 30))
FOUND = [
    SearchResult(text="Ann: I planted a fig.", timestamp=datetime(2023, 5, 8)),
    SearchResult(text="Ann: The soil is poor.", timestamp=datetime(2023, 5, 1)),
]
USED = Usage(input_tokens=71, output_tokens=5)


class Said(ChatModel):
    """A model that says what it is told to, and remembers what it was asked."""

    name = "said"

    def __init__(self, reply: str | Exception = "A fig.") -> None:
        self.reply = reply
        self.asked: list[tuple[tuple[ChatMessage, ...], int]] = []
        self.closed = 0

    async def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        reply: Any = None,
        temperature: float | None = 0.0,
    ) -> Completion[Any]:
        assert reply is None
        assert temperature == 0.0
        self.asked.append((tuple(messages), max_tokens))
        if isinstance(self.reply, Exception):
            raise self.reply
        return Completion(text=self.reply, parsed=None, usage=USED, model="said-2024-01-01", service_ms=3.0)

    async def close(self) -> None:
        self.closed += 1


def reader(chat: ChatModel, options: AnswerOptions | None = None) -> ModelAnswerer:
    return ModelAnswerer("local/said@http://127.0.0.1:9/v1", options, chat=chat)


def answer(answerer: Answerer, results: Sequence[SearchResult] = FOUND) -> Answer:
    coroutine: Any = answerer.answer(ASKED, results)
    given = asyncio.run(coroutine)
    assert isinstance(given, Answer)
    return given


def test_the_answer_has_what_the_server_told_of_it() -> None:
    given = answer(reader(Said("  A fig.\n")))
    assert given.hypothesis == "A fig."
    assert given.usage == USED
    assert given.model == "said-2024-01-01"
    shown = "[Monday, 1 May 2023] Ann: The soil is poor.\n\n[Monday, 8 May 2023] Ann: I planted a fig."
    assert given.context_tokens == estimate_tokens(shown)


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt.family)
def test_each_family_is_sent_its_prompt_and_its_cap(prompt: Any) -> None:
    chat = Said()
    answerer = reader(chat).for_family(prompt.family)
    answer(answerer)
    assert answerer.prompt == prompt.name
    ((messages, cap),) = chat.asked
    assert messages[0].content == prompt.system
    assert cap == prompt.max_tokens
    assert "[Monday, 8 May 2023] Ann: I planted a fig." in messages[1].content


def test_notes_are_no_part_of_the_answer() -> None:
    chat = Said(f"- 8 May: a fig\n{MARKER} A fig.")
    assert answer(reader(chat).for_family("longmemeval")).hypothesis == "A fig."
    assert answer(reader(chat)).hypothesis == chat.reply, "nobody else is asked for notes"


def test_an_empty_reply_is_an_answer() -> None:
    assert answer(reader(Said(" \n"))).hypothesis == ""
    assert answer(reader(Said(f"notes\n{MARKER}")).for_family("longmemeval")).hypothesis == ""


def test_what_goes_wrong_with_the_model_is_an_error() -> None:
    cut_off = ModelError("the reply was cut off at 256 tokens")
    with pytest.raises(ModelError) as message:
        answer(reader(Said(cut_off)))
    assert message.value is cut_off


def test_nothing_found_is_asked_all_the_same() -> None:
    chat = Said("Not mentioned.")
    assert answer(reader(chat), []).context_tokens == 0
    assert "(nothing was found)" in chat.asked[0][0][1].content


def test_the_budget_holds() -> None:
    chat = Said()
    given = answer(reader(chat, AnswerOptions(context_tokens=12)).for_family("locomo"))
    assert "fig" in chat.asked[0][0][1].content
    assert "soil" not in chat.asked[0][0][1].content
    assert given.context_tokens == estimate_tokens("[Monday, 8 May 2023] Ann: I planted a fig.") <= 12


def test_all_families_share_one_client() -> None:
    chat = Said()
    first = reader(chat)
    others = [first.for_family("locomo"), first.with_own_prompt("mem", lambda *_: "asked")]
    for answerer in (first, *others):
        answer(answerer)
    assert len(chat.asked) == 3
    asyncio.run(first.close())
    assert chat.closed == 1


# --- a provider's own prompt ---------------------------------------------------------------------------------------


def test_a_providers_own_prompt_is_all_that_is_sent_and_its_name_is_told() -> None:
    def write(question: Question, results: Sequence[SearchResult]) -> str:
        return f"{question.text} {[result.text for result in results]}"

    chat = Said(f" {MARKER} a fig")
    answerer = reader(chat).for_family("longmemeval").with_own_prompt("mem", write)
    given = answer(answerer)
    assert answerer.prompt == "provider:mem"
    ((messages, cap),) = chat.asked
    own = "What did Ann plant? ['Ann: I planted a fig.', 'Ann: The soil is poor.']"
    assert messages == (ChatMessage(role="user", content=own),), "best first, as they were found"
    assert cap == prompt_of("longmemeval").max_tokens
    assert given.hypothesis == f"{MARKER} a fig", "the marker is of the shared prompt"
    assert given.context_tokens == estimate_tokens(own)


def test_the_budget_holds_for_what_a_providers_own_prompt_is_made_of() -> None:
    given: list[Sequence[SearchResult]] = []

    def write(_question: Question, results: Sequence[SearchResult]) -> str:
        given.append(results)
        return "asked"

    answer(reader(Said(), AnswerOptions(context_tokens=12)).with_own_prompt("mem", write))
    assert list(given[0]) == FOUND[:1]


def test_a_provider_that_writes_none_gets_the_shared_one() -> None:
    chat = Said()
    answer(reader(chat).for_family("locomo").with_own_prompt("mem", lambda *_: None))
    assert chat.asked[0][0][0].content == prompt_of("locomo").system


def test_the_family_may_be_chosen_before_or_after_the_own_prompt() -> None:
    write: PromptWriter = lambda *_: None  # noqa: E731  a lambda takes any arguments
    before = reader(Said()).with_own_prompt("mem", write).for_family("locomo")
    after = reader(Said()).for_family("locomo").with_own_prompt("mem", write)
    for answerer in (before, after):
        assert answerer.prompt == "provider:mem"
        assert answer(answerer).hypothesis == "A fig."


def _fails(*_arguments: object) -> str:
    raise KeyError("speaker")


@pytest.mark.parametrize(
    ("write", "message"),
    [(_fails, "mem: answer_prompt failed: KeyError: 'speaker'"), (lambda *_: 7, "mem: answer_prompt gave int")],
)
def test_a_prompt_that_cannot_be_written_is_the_providers_fault(write: Any, message: str) -> None:
    chat = Said()
    with pytest.raises(ProviderError, match=message):
        answer(reader(chat).with_own_prompt("mem", write))
    assert chat.asked == []


def test_what_it_is_needs_no_call() -> None:
    answerer = reader(Said())
    assert (answerer.offline, answerer.prompt) == (False, "general/1")
    assert all(prompt.name in answerer.version for prompt in PROMPTS)
    assert "ModelAnswerer" not in {found.__name__ for found in known_classes(Answerer, "llms").values()}

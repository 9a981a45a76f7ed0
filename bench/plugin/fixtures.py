"""The fixtures of a benchmark's test: `question`, `memory`, `answerer`, `judge`.

Each call waits for work that is already under way on the event loop, and returns exactly what the pipeline recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

from bench.fixtures import AnswererFace, JudgeFace, Memory
from bench.plugin.outcomes import PhaseReached, TestOutcome, note_outcome
from vocabulary import Answer, Case, Question, SearchResult, Verdict

if TYPE_CHECKING:  # a session that is refused for its options does not pay for these
    from bench.pipeline import Runner
    from reports.store import SelectedQuestion

MARK = "benchmark_questions"
"""The mark of a test that stands for the questions of a benchmark."""

RUNNER = pytest.StashKey["Runner"]()
_QUESTION = pytest.StashKey["SelectedQuestion | None"]()


class Asked:
    """One question of one provider, as a test asks it: `memory`, `answerer` and `judge` in one."""

    def __init__(self, item: pytest.Item, runner: Runner, selected: SelectedQuestion) -> None:
        self._item = item
        self._runner = runner
        self._selected = selected
        self._note("error")

    @property
    def question(self) -> Question:
        """The question as a provider may see it."""
        return self._selected.case.question

    def search(self, question: Question) -> Sequence[SearchResult]:
        """What the provider finds, its haystack ingested and indexed once before, by the first test that needed it."""
        self._check(question)
        job = self._runner.job(self._selected)
        job.ingested.result()
        self._stop_after("ingest")
        results = job.searched.result()
        self._stop_after("search")
        return results

    def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        """What the answering model makes of `results`."""
        self._check(question)
        answer = self._runner.answer(self._selected, results)
        self._stop_after("answer")
        return answer

    def evaluate(self, question: Question, answer: Answer) -> Verdict:
        """How the judge grades `answer`."""
        self._check(question)
        verdict = self._runner.judge(self._selected, answer)
        self._note(verdict.label)
        return verdict

    def _stop_after(self, phase: str) -> None:
        if self._runner.config.until == phase:
            self._note({"ingest": "ingested", "search": "searched", "answer": "answered"}[phase])
            raise PhaseReached(phase)

    def _note(self, word: str) -> None:
        note_outcome(self._item, TestOutcome(word, *self._selected.key))

    def _check(self, question: Question) -> None:
        if question != self._selected.case.question:
            raise ValueError(f"this test is about {self._selected.case.id}, and not about {question.text!r}")


@pytest.fixture(name="_asked_question")
def asked_question(request: pytest.FixtureRequest) -> Asked:
    """What the four fixtures share. Only it needs pytest's `request`, which is costly to make."""
    selected = question_of(request.node) or pytest.fail("not a benchmark's test")
    return Asked(request.node, request.config.stash[RUNNER], selected)


@pytest.fixture
def question(_asked_question: Asked) -> Question:
    """The question that this test is about, as a provider may see it."""
    return _asked_question.question


@pytest.fixture
def memory(_asked_question: Asked) -> Memory:
    """The memory system under test."""
    return _asked_question


@pytest.fixture
def answerer(_asked_question: Asked) -> AnswererFace:
    """The answering model."""
    return _asked_question


@pytest.fixture
def judge(_asked_question: Asked) -> JudgeFace:
    """The judge."""
    return _asked_question


def question_of(item: pytest.Item) -> SelectedQuestion | None:
    """The question that a benchmark's test is about; None for any other item."""
    if _QUESTION not in item.stash:
        item.stash[_QUESTION] = _read(item)
    return item.stash[_QUESTION]


def questions_of(items: Iterable[pytest.Item]) -> Iterator[SelectedQuestion]:
    """The questions that `items` are about, without the items that are about none."""
    return (question for item in items if (question := question_of(item)) is not None)


def _read(item: pytest.Item) -> SelectedQuestion | None:
    from reports.store import SelectedQuestion

    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return None
    parameters: dict[str, object] = item.callspec.params
    case = parameters.get("question")
    return SelectedQuestion(str(parameters["memory"]), case) if isinstance(case, Case) else None

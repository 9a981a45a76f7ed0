"""What a benchmark's test is written with: `question`, `memory`, `answerer`, `judge`.

Each call waits for work that is already under way on the event loop, and gives exactly what the pipeline has recorded.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bench.workbench import Workbench
from reports import PhaseReached, TestOutcome, note_outcome
from schema import Answer, Case, Question, SearchResult, Verdict

WORKBENCH = pytest.StashKey[Workbench]()


class Asked:
    """One question of one provider, as a test asks it."""

    def __init__(self, item: pytest.Item, workbench: Workbench, provider: str, case: Case) -> None:
        self._item = item
        self._workbench = workbench
        self._provider = provider
        self._case = case
        self._note("error")

    @property
    def question(self) -> Question:
        """What is asked, as a provider may see it."""
        return self._case.question

    def search(self, question: Question) -> tuple[SearchResult, ...]:
        """What the provider finds, its haystack ingested and indexed once before, by whoever came first."""
        self._check(question)
        job = self._workbench.job(self._provider, self._case)
        job.ingested.result()
        self._stop_after("ingest")
        results = job.searched.result()
        self._stop_after("search")
        return results

    def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        """What the answering model makes of `results`."""
        self._check(question)
        answer = self._workbench.answer(self._provider, self._case, tuple(results))
        self._stop_after("answer")
        return answer

    def evaluate(self, question: Question, answer: Answer) -> Verdict:
        """How the judge grades `answer`."""
        self._check(question)
        verdict = self._workbench.judge(self._provider, self._case, answer)
        self._note(verdict.label)
        return verdict

    def _stop_after(self, phase: str) -> None:
        if self._workbench.config.until == phase:
            word = {"ingest": "ingested", "search": "searched", "answer": "answered"}[phase]
            self._note(word)
            raise PhaseReached(phase)

    def _note(self, word: str) -> None:
        note_outcome(self._item, TestOutcome(word, self._provider, self._case.benchmark, self._case.id))

    def _check(self, question: Question) -> None:
        if question != self._case.question:
            raise ValueError(f"this test is about {self._case.id}, and not about {question.text!r}")


class Memory:
    """The provider, as a test sees it."""

    def __init__(self, asked: Asked) -> None:
        self.search = asked.search


class AnswererFace:
    """The answering model, as a test sees it."""

    def __init__(self, asked: Asked) -> None:
        self.answer = asked.answer


class JudgeFace:
    """The judge, as a test sees it."""

    def __init__(self, asked: Asked) -> None:
        self.evaluate = asked.evaluate


@pytest.fixture
def question(asked: Asked) -> Question:
    """The question that this test is about, as a provider may see it."""
    return asked.question


@pytest.fixture
def asked(request: pytest.FixtureRequest) -> Asked:
    """The question with the provider that it is put to."""
    provider, case = provider_and_case(request.node) or pytest.fail("not a benchmark's test")
    return Asked(request.node, request.config.stash[WORKBENCH], provider, case)


@pytest.fixture
def memory(asked: Asked) -> Memory:
    """The memory system under test."""
    return Memory(asked)


@pytest.fixture
def answerer(asked: Asked) -> AnswererFace:
    """The answering model."""
    return AnswererFace(asked)


@pytest.fixture
def judge(asked: Asked) -> JudgeFace:
    """The judge."""
    return JudgeFace(asked)


def provider_and_case(item: pytest.Item) -> tuple[str, Case] | None:
    """What a benchmark's test is about; None for any other item."""
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return None
    parameters: dict[str, object] = item.callspec.params
    case = parameters.get("question")
    return (str(parameters["memory"]), case) if isinstance(case, Case) else None

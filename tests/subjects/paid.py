"""An answering model and a judge that cost something, and say so as servers do; given to pytest by dotted path."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bench.base import BenchmarkOptions
from bench.benchmarks.synthetic import Synthetic
from judges import Judge
from llms import Answerer
from tests.subjects.watched import note, noted
from vocabulary import Answer, Gold, Question, SearchResult, Usage, Verdict

FIRST = Synthetic(BenchmarkOptions(synthetic_sessions=10, synthetic_questions=60)).cases()[0].question
ANSWER_USD = 100_000 * 0.15e-6 + 1_000 * 0.60e-6
VERDICT_USD = 10_000 * 0.15e-6


class Dear(Answerer):
    """Reads a hundred thousand tokens of gpt-4o-mini for each answer, which are $0.0156."""

    name = "gpt-4o-mini"
    priced_by: str | None = "openai"

    async def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        del results
        note("answer", question.id)
        await asyncio.sleep(0.1)
        usage = Usage(input_tokens=100_000, output_tokens=1_000)
        return Answer(hypothesis="42", usage=usage, model="gpt-4o-mini-2024-07-18")


class FirstWaits(Dear):
    """Answers the first question a while after the verdicts on the three behind it."""

    async def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        if question == FIRST:
            while noted("judge") < 3:  # noqa: ASYNC110  a file has no event
                await asyncio.sleep(0.05)
            await asyncio.sleep(1.5)  # money is counted at most once a second
        return await super().answer(question, results)


class DearJudge(Judge):
    """Reads ten thousand more for each verdict, which are $0.0015."""

    name = "gpt-4o-mini"
    protocol = "dear-1"
    model = "gpt-4o-mini"
    priced_by = "openai"

    async def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        del gold, answer
        note("judge", question.id)
        usage = Usage(input_tokens=10_000)
        return Verdict(label="wrong", explanation="it is not", usage=usage, model="gpt-4o-mini-2024-07-18")


class Unlisted(Dear):
    """Nobody sells it."""

    name = "gpt-of-mine"
    priced_by = None


class Silent(Dear):
    """Its server does not say what it used."""

    async def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        return (await super().answer(question, results)).model_copy(update={"usage": None})

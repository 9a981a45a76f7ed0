"""What a run may cost, before it is paid for: an estimate from the size of what would be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

from bench.base import Benchmark
from bench.config import BenchmarkConfig
from bench.pipeline import OpenBenchmark, Participants
from reports.report import Prices, dollars
from reports.store import SelectedQuestion
from vocabulary import Case, Gold, Usage, estimate_tokens

_HAYSTACKS, _SESSIONS = 5, 4
"""How much is looked at to learn how long messages are: so many sessions of so many haystacks of each benchmark."""

_PROMPT, _RUBRIC = 400, 500
"""Tokens of the instructions: an answering model's beside the results, a judge's beside question and answers."""

_MESSAGES = (1, 3)
"""Of how many messages a result may be made: memory systems hand on single messages, or pieces of a few."""

_ANSWER, _VERDICT = (50, 500), (30, 200)
"""Tokens that are written for an answer and for a verdict: a phrase, or with some reasoning before it."""


@dataclass(frozen=True, slots=True)
class Size:
    """How long things are, in estimated tokens: a message, and a whole haystack."""

    message: float
    haystack: float


@dataclass(frozen=True, slots=True)
class _Range:
    low: Decimal
    high: Decimal

    def __add__(self, other: _Range) -> _Range:
        return _Range(self.low + other.low, self.high + other.high)

    def __str__(self) -> str:
        return f"{dollars(self.low)} to {dollars(self.high)}"


_NOTHING = _Range(Decimal(0), Decimal(0))


class _Model(NamedTuple):
    """A model that is paid for: what for in words, its name, and who sells it."""

    detail: str
    name: str
    priced_by: str | None


def size_of(benchmark: Benchmark, cases: Sequence[Case]) -> Size:
    """How long the messages and haystacks of `cases` are, by a look at a few sessions."""
    messages = tokens = sessions = whole = 0
    haystacks = list(islice(dict.fromkeys(case.haystack for case in cases), _HAYSTACKS))
    for haystack_id in haystacks:
        haystack = benchmark.haystack(haystack_id)
        whole += haystack.session_count
        for session in islice(haystack.sessions(), _SESSIONS):
            sessions += 1
            messages += len(session.messages)
            tokens += sum(estimate_tokens(message.rendered()) for message in session.messages)
    return Size(message=tokens / max(1, messages), haystack=tokens / max(1, sessions) * whole / max(1, len(haystacks)))


def graded_by(cases: Sequence[Case]) -> Iterator[Gold]:
    """The gold of each verdict on `cases`: two where two keys expect different answers."""
    for case in cases:
        yield from filter(None, (case.gold, case.gold.regraded))


def price_lines(
    selected: Sequence[SelectedQuestion],
    benchmarks: Mapping[str, OpenBenchmark],
    config: BenchmarkConfig,
    participants: Participants,
) -> Iterator[str]:
    """What the models of a fresh run over `selected` may cost, and what is taken for it; nothing without a model."""
    answerers = (
        [participants.answerer] if config.until in ("answer", "judge") and not participants.answerer.offline else []
    )
    judges = [judge for judge in participants.judges if judge.model is not None] if config.until == "judge" else []
    reading = [_Model(f"answers by {model.name}", model.name, model.priced_by) for model in answerers]
    judging = [_Model(f"verdicts by {judge.name}", judge.model or judge.name, judge.priced_by) for judge in judges]
    models = [*reading, *judging]
    if not models or not selected:
        return
    prices = Prices(datetime.now(UTC))
    if unpriced := sorted({model.name for model in models if not prices.knows(model.name, model.priced_by)}):
        yield f"estimated price: unknown, {prices.source} has no price for {', '.join(unpriced)}"
        return
    price = dict.fromkeys(models, _NOTHING)
    all_read = _NOTHING
    looked: list[str] = []
    for name in dict.fromkeys(question.case.benchmark for question in selected):
        cases = [question.case for question in selected if question.case.benchmark == name]
        size = size_of(benchmarks[name].benchmark, cases)
        low, high = (_read(size, config, messages) for messages in _MESSAGES)
        looked.append(f"{low} to {high} tokens of results on {name} (a message has {size.message:.0f})")
        for model in reading:
            price[model] += _priced(prices, model, len(cases), (_PROMPT + low, _PROMPT + high), _ANSWER)
            whole = _PROMPT + _least(size.haystack, config.context_tokens)
            all_read += _priced(prices, model, len(cases), (whole, whole), _ANSWER)
        own = [judge for judge in participants.judges_for(benchmarks[name].benchmark) if judge.model is not None]
        for model, judge in zip(judging, own, strict=False):  # a benchmark with a judge of its own has none of them
            seen = _RUBRIC + _ANSWER[0], _RUBRIC + _ANSWER[1]
            count = sum(judge.calls_for(gold) for gold in graded_by(cases)) * config.judge_repeats
            price[model] += _priced(prices, model, count, seen, _VERDICT, batched=config.judge_batch)
    parts = "; ".join(f"{model.detail} {one}" for model, one in price.items())
    yield f"estimated price: {sum(price.values(), _NOTHING)} ({parts})"
    if reading:
        yield f"  taken for an answer: {', '.join(looked)}, {_PROMPT} of prompt, {_ANSWER[0]} to {_ANSWER[1]} written"
    if reading and all_read.high > price[reading[0]].high:
        yield f"  with a provider that hands on whole haystacks the answers would cost up to {dollars(all_read.high)}"
    if judging:
        written = f"{_VERDICT[0]} to {_VERDICT[1]} written"
        yield f"  taken for a verdict: {_RUBRIC} of rubric and question, the answer, {written}"
    yield f"  tokens are estimated as characters / 4; {prices.source}, without discounts for caching"


def _read(size: Size, config: BenchmarkConfig, messages: int) -> int:
    """Tokens of results that an answering model would be given, each made of so many messages."""
    return _least(min(config.top_k * messages * size.message, size.haystack), config.context_tokens)


def _least(tokens: float, budget: int | None) -> int:
    return round(tokens if budget is None else min(tokens, budget))


def _priced(
    prices: Prices, model: _Model, calls: int, read: tuple[int, int], written: tuple[int, int], *, batched: bool = False
) -> _Range:
    used = (
        Usage(input_tokens=taken, output_tokens=said, batched=int(batched))
        for taken, said in zip(read, written, strict=True)
    )
    low, high = ((prices.asked(model.name, model.priced_by, one) or Decimal(0)) * calls for one in used)
    return _Range(low, high)

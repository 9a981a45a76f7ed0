"""Turning records into files with a line for each question."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from reports.report.files.drafts import Draft, json_of, writable
from reports.report.files.lines import RESULTS, RETRIEVED, ResultLine, RetrievedLine
from reports.report.tally import context_tokens
from reports.store import ContainerRecord, QuestionRecord, RunRecord
from vocabulary import SearchResult

HYPOTHESES = "hypotheses.jsonl"

_Key = tuple[str, datetime | None, tuple[str, ...], tuple[str, ...], str | None]
"""What tells one result from another: all but its score, the provider's own record as JSON."""


@contextmanager
def record_files(
    folder: Path, run: RunRecord, containers: Iterable[ContainerRecord]
) -> Iterator[Callable[[QuestionRecord], None]]:
    """Files with a line for each question: ``results.jsonl`` and, where questions were to be answered, hypotheses.

    What was retrieved stands in ``retrieved.jsonl``, once for all questions about a haystack: a provider that returns
    whole conversations would otherwise repeat each of them for each question.

    Yields what each record is to be handed to. The files stand in `folder` only when the block has ended well; until
    then, and if it ends otherwise, the former ones do. Hypotheses hold the two fields of LongMemEval's official script;
    with several pairs of provider and benchmark each pair has a file of its own. Raises `CheckpointError`.
    """
    with ExitStack() as stack:
        results = stack.enter_context(Draft(folder / RESULTS))
        retrieved = _Retrieved(stack.enter_context(Draft(folder / RETRIEVED)))
        about = _About(run, containers)
        hypotheses = _Hypotheses(folder, stack)
        answering = run.until in ("answer", "judge")

        def keep(record: QuestionRecord) -> None:
            results.write(json_of(about.line(record, retrieved.numbers(record))))
            if answering:
                hypotheses.keep(record)

        yield keep
        hypotheses.settle()


def record_paths(folder: Path) -> list[Path]:
    """The files in `folder` that `record_files` has written."""
    return [folder / RESULTS, folder / RETRIEVED, *sorted(folder.glob(f"{Path(HYPOTHESES).stem}*.jsonl"))]


class _Retrieved:
    """Writes each result once a haystack, and knows its line."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._haystack: tuple[str, str, str] | None = None
        self._known: dict[_Key, int] = {}
        self._written = 0

    def numbers(self, record: QuestionRecord) -> tuple[int, ...] | None:
        """The lines of a question's results; None where no search was done."""
        if record.results is None:
            return None
        haystack = (record.provider, record.case.benchmark, record.case.haystack)
        if haystack != self._haystack:
            self._haystack = haystack
            self._known.clear()
        return tuple(self._number(record.provider, result) for result in record.results)

    def _number(self, provider: str, result: SearchResult) -> int:
        raw = None if result.raw is None else json.dumps(result.raw)
        known = self._known.setdefault(
            (result.text, result.timestamp, result.session_ids, result.message_ids, raw), self._written
        )
        if known == self._written:
            found = result.model_dump(exclude={"score"})
            self._draft.write(json_of(RetrievedLine(provider=provider, **found)))
            self._written += 1
        return known


class _About:
    """What a line says beyond its record."""

    def __init__(self, run: RunRecord, containers: Iterable[ContainerRecord]) -> None:
        self._tokens = {(one.provider, one.benchmark, one.haystack): one.tokens for one in containers}
        self._population = {one.name: one.sample.population for one in run.benchmarks if one.sample}

    def line(self, record: QuestionRecord, results: tuple[int, ...] | None) -> ResultLine:
        """The line of a question whose results stand in these lines of ``retrieved.jsonl``."""
        case, gold, answer = record.case, record.case.gold, record.answer
        scores = tuple(result.score for result in record.results or ())
        return ResultLine(
            question_id=case.id,
            source_id=case.source_id,
            provider=record.provider,
            benchmark=case.benchmark,
            question_type=gold.question_type,
            question=case.question.text,
            question_date=case.question.date,
            ground_truth=gold.ground_truth,
            answerable=gold.answerable,
            category=gold.category,
            groups=gold.groups,
            rubric=gold.rubric,
            evidence_messages=gold.evidence_messages,
            evidence_sessions=gold.evidence_sessions,
            evidence_sources=gold.evidence_sources,
            corrected_truth=gold.corrected.ground_truth if gold.corrected else None,
            corrected_evidence=gold.corrected.evidence_messages if gold.corrected else None,
            haystack=case.haystack,
            haystack_tokens=self._tokens.get((record.provider, case.benchmark, case.haystack)),
            cluster=case.cluster,
            population=self._population.get(case.benchmark, {}).get(gold.question_type),
            outcome=record.outcome,
            results=results,
            scores=scores if any(score is not None for score in scores) else None,
            context_tokens=context_tokens(record),
            answer=None if answer is None else answer.hypothesis,
            model=None if answer is None else answer.model,
            verdict=record.verdict,
            replayed=record.replayed,
            steps=record.steps,
        )


class _Hypotheses:
    """The hypotheses of each pair, in files whose names are known only when all pairs are."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.drafts: dict[tuple[str, str], Draft] = {}

    def keep(self, record: QuestionRecord) -> None:
        pair = (record.provider, record.case.benchmark)
        if pair not in self.drafts:
            self.drafts[pair] = self.stack.enter_context(Draft(self._path(pair)))
        if record.answer is not None:
            line = {"question_id": record.case.source_id, "hypothesis": writable(record.answer.hypothesis)}
            self.drafts[pair].write(json.dumps(line, ensure_ascii=False))

    def settle(self) -> None:
        """Give the file of a single pair its plain name."""
        if len(self.drafts) == 1:
            next(iter(self.drafts.values())).path = self.folder / HYPOTHESES

    def _path(self, pair: tuple[str, str]) -> Path:
        stem = "hypotheses-" + "-".join(re.sub(r"[^A-Za-z0-9._-]+", "_", name) for name in pair)
        taken = {draft.path.name for draft in self.drafts.values()}
        number = 1
        while (name := f"{stem}-{number}.jsonl" if number > 1 else f"{stem}.jsonl") in taken:
            number += 1
        return self.folder / name

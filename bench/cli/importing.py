"""``python -m bench import FILE…``: makes a run of answers that others published, for ``pytest bench --answers``."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from bench.base import Benchmark, BenchmarkOptions, opaque_id
from bench.pipeline import find_benchmarks, known_benchmarks
from bench.published import IMPORTED, Matching, PublishedAnswer, PublishedSet, match, read_published
from reports.html import write_html
from reports.report import write_run
from reports.store import (
    VERSION,
    AnswererRecord,
    BenchmarkRecord,
    Checkpoint,
    JudgeRecord,
    Parts,
    ProviderRecord,
    RunRecord,
    SelectedQuestion,
    Step,
    StepError,
    begin,
    check_run_id,
    mark_finished,
    new_run_folder,
    new_run_id,
    read_run,
    read_versions,
    save_note,
    sqlite_url,
)
from vocabulary import Answer, Case, ConfigurationError, DataMissingError, Gold, Question, UnansweredError

PREFIX = "published:"
_LISTED = 20
"""Unmatched answers that the terminal and the report name."""


class ImportRequest(NamedTuple):
    """What is imported, and how: the fields are the command's options."""

    files: Sequence[Path]
    runs_dir: Path
    run_id: str | None = None
    benchmark: str | None = None
    name: str | None = None
    all_wrong: bool = False


class _Source(NamedTuple):
    """A set of answers with its benchmark, matched."""

    provider: str
    published: PublishedSet
    benchmark: Benchmark
    matching: Matching

    @property
    def answers(self) -> int:
        return len(self.matching.matched) + len(self.matching.unmatched)


def import_answers(request: ImportRequest, options: BenchmarkOptions, say: Callable[[str], None]) -> str:
    """Import the files into a run of their own and return its id.

    Raises `ConfigurationError`, `DataError` or `DataMissingError`, with nothing written, for a file that cannot be read
    or is about a benchmark that is not here. What ends an import, a full disk for one, leaves nothing under its name.
    """
    run_id = check_run_id(request.run_id or new_run_id())
    sources = _matched(request, options)
    with new_run_folder(request.runs_dir, run_id) as folder:
        for source in sources:
            for line in _summary(source):
                say(line)
        with closing(Checkpoint(sqlite_url(folder / "checkpoint.sqlite"), run_id)) as to:
            _write(to, sources)
            report = write_run(
                folder,
                read_run(to),
                to.settled_records(),
                to.container_records(),
                state=to.digest(),
                besides=write_html,
            )
    say(f"run {report.run.id} in {request.runs_dir}: judge it with pytest bench --answers {run_id}")
    return run_id


def _matched(request: ImportRequest, options: BenchmarkOptions) -> list[_Source]:
    opened: dict[str, Benchmark] = {}
    sources: dict[tuple[str, str], _Source] = {}
    for path in request.files:
        for one in read_published(path):
            benchmark = _open(path, one, request.benchmark, options, opened)
            provider = PREFIX + (request.name or one.publisher).removeprefix(PREFIX)
            if (provider, benchmark.name) in sources:
                raise ConfigurationError(
                    f"{path}: {provider} has answers to {benchmark.name} already. Import the files into runs of their "
                    "own, each with a --name."
                )
            one = one._replace(all_wrong=one.all_wrong or request.all_wrong)
            sources[provider, benchmark.name] = _Source(provider, one, benchmark, _in_order(one, benchmark))
    return list(sources.values())


def _in_order(one: PublishedSet, benchmark: Benchmark) -> Matching:
    """The answers in the order of the data's questions."""
    cases = benchmark.cases()
    places = {case.id: place for place, case in enumerate(cases)}
    matched, unmatched = match(one.answers, cases)
    return Matching(sorted(matched, key=lambda found: places[found.case.id]), unmatched)


def _open(
    path: Path, one: PublishedSet, chosen: str | None, options: BenchmarkOptions, opened: dict[str, Benchmark]
) -> Benchmark:
    """The first benchmark that the answers may be to and whose data is here."""
    counted = f"{path}: its {len(one.answers):,} answers"
    names = (chosen,) if chosen else one.benchmarks
    if not names:
        raise ConfigurationError(f"{counted} are to a benchmark that the file does not name: give it with --benchmark.")
    here = sorted(known_benchmarks(options))
    known = [name for name in names if name in here or ":" in name]
    if not known:
        raise ConfigurationError(
            f"{counted} are to {names[0]}, which is not available here. Leave the file out, or choose another with "
            f"--benchmark: {', '.join(here)}."
        )
    missing: list[DataMissingError] = []
    for name in known:
        try:
            if name not in opened:
                opened[name] = find_benchmarks(name, options)[0](options)
            return opened[name]
        except DataMissingError as error:
            missing.append(error)
    raise DataMissingError(f"{counted} are to {known[0]}: {missing[0]}") from missing[0]


def _summary(source: _Source) -> Iterator[str]:
    """What was imported from where, and what of it has no question."""
    matched = source.matching.matched
    facts = source.published.facts
    stated = f", stated accuracy {facts['stated_accuracy']}" if "stated_accuracy" in facts else ""
    yield (
        f"{facts['file']}: {source.answers:,} answers of {source.provider} to {source.benchmark.name}, "
        f"{len(matched):,} matched{stated}"
    )
    if source.published.all_wrong:
        yield "  taken for answers that are wrong on purpose"
    for note in _notes(source):
        yield f"  {note}"


def _notes(source: _Source) -> Iterator[str]:
    """What a reader of the report must know of one set."""
    matched, unmatched = source.matching
    answered, total = {one.case.id for one in matched}, Counter[str]()
    missing: Counter[str] = Counter()
    for case in source.benchmark.cases():
        total[case.gold.question_type] += 1
        missing[case.gold.question_type] += case.id not in answered
    if without := +missing:
        which = ", ".join(f"{name} {count} of {total[name]}" for name, count in without.items())
        yield f"{source.provider} has no answer to {without.total():,} of {total.total():,} questions: {which}"
    if unmatched:
        yield (
            f"{len(unmatched):,} answers of {source.provider} match no question, or one that is answered already, and "
            f"count as errors: {_list([_label(one) for one in unmatched])}"
        )
    if other := [one.case.source_id for one in matched if one.other_words]:
        yield f"{source.provider} has {len(other)} questions in other words than the data: {_list(other)}"


def _list(names: Sequence[str]) -> str:
    return "; ".join(names[:_LISTED]) + (f"; and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def _label(answer: PublishedAnswer) -> str:
    return answer.label or answer.question[:60] or "(nothing)"


def _write(to: Checkpoint, sources: Sequence[_Source]) -> None:
    """The run: its record, its questions, an answer step for each, and the published grades."""
    rows = [row for source in sources for row in _rows(source)]
    providers = _providers(sources)
    imported: Parts = {f"answer.imported.{one.name}": one.settings for one in providers}
    begin(to, _run(to.run_id, providers), {"suite.version": VERSION, **imported}, None)
    to.seal([question for question, _, _ in rows], _benchmarks(sources))
    for question, step, grade in rows:
        if grade is not None:
            save_note(to, "published", question.key, grade)
        result = step.model_dump_json() if isinstance(step, Answer) else None
        error = None if isinstance(step, Answer) else step
        to.save(question.key, Step(phase="answer", attempts=0, error=error), inputs=IMPORTED, result=result)
    mark_finished(to)


def _rows(source: _Source) -> Iterator[tuple[SelectedQuestion, Answer | StepError, float | None]]:
    model = source.published.facts.get("answerer_model") or source.published.facts.get("answering_model")
    for answer, case, _ in source.matching.matched:
        said = Answer(hypothesis=answer.answer, model=str(model) if model else None)
        yield SelectedQuestion(source.provider, case), said, answer.grade
    for number, answer in enumerate(source.matching.unmatched, start=1):
        reason = f"the published answer to {_label(answer)!r} belongs to no question of {source.benchmark.name}"
        error = StepError(type=UnansweredError.__name__, message=reason)
        yield SelectedQuestion(source.provider, _without_question(source, number, answer)), error, answer.grade


def _without_question(source: _Source, number: int, answer: PublishedAnswer) -> Case:
    """What stands for an answer without a question: it is counted, and never judged."""
    name = f"unmatched-{number:04d}"
    return Case(
        id=name,
        source_id=answer.label or name,
        benchmark=source.benchmark.name,
        question=Question(id=opaque_id(source.benchmark.name, f"{source.provider}/{name}"), text=answer.question),
        gold=Gold(question_type="unmatched", ground_truth=answer.truth),
        haystack="unmatched",
        cluster="unmatched",
    )


def _providers(sources: Sequence[_Source]) -> tuple[ProviderRecord, ...]:
    facts: dict[str, dict[str, object]] = {}
    for one in sources:
        wrong = {"all_wrong": True} if one.published.all_wrong else {}
        facts.setdefault(one.provider, {})[one.benchmark.name] = {**one.published.facts, **wrong}
    return tuple(ProviderRecord(name=name, version="", settings=settings) for name, settings in facts.items())


def _benchmarks(sources: Sequence[_Source]) -> list[BenchmarkRecord]:
    """A record of each benchmark; what was imported of it is its whole, and the notes say what is missing."""
    by_name: dict[str, list[_Source]] = {}
    for source in sources:
        by_name.setdefault(source.benchmark.name, []).append(source)
    return [_benchmark(several[0].benchmark, several) for several in by_name.values()]


def _benchmark(benchmark: Benchmark, sources: Sequence[_Source]) -> BenchmarkRecord:
    info = benchmark.info
    notes = (*info.notes, *(note for source in sources for note in _notes(source)))
    return BenchmarkRecord(
        **{**info.model_dump(), "notes": notes},
        types=benchmark.types,
        official_f1=None,  # answer metrics take a while, and the run that judges has them
    )


def _run(run_id: str, providers: tuple[ProviderRecord, ...]) -> RunRecord:
    return RunRecord(
        id=run_id,
        fingerprint="",
        started=datetime.now(UTC),
        finished=None,
        command=f"python -m bench {' '.join(sys.argv[1:])}",
        versions=read_versions(),
        git=None,
        until="answer",
        top_k=0,
        isolation="haystack",
        selection={},
        sampled=None,
        second_look_at=None,
        answers_from=run_id,
        in_flight=0,
        workers=1,
        loop_lag_ms_p99=None,
        providers=providers,
        benchmarks=(),
        answerer=AnswererRecord(name="imported", version="", offline=False),
        judge=JudgeRecord(name="published", protocol="as published", model=None),
    )

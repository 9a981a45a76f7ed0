"""A run in Markdown: a table for a slide or a README, and the summary of a CI job."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from reports.metrics import Accuracy, RetrievalLevels
from reports.report import Gate, Report, Result, dollars, gate_lines
from reports.share.markdown import code, plain, table
from reports.show import failed_questions
from reports.store import Checkpoint, QuestionRecord
from vocabulary import ConfigurationError

VARIABLE = "GITHUB_STEP_SUMMARY"
NOTHING = "-"
_NEWEST = 5
_HEADINGS = ("provider", "benchmark", "n", "accuracy [95 %]", "recall@10", "search p95", "cost", "errors")


def summary_table(report: Report) -> Iterator[str]:
    """A line for each provider and benchmark, and what the figures were made with."""
    yield from table(_HEADINGS, [_row(result) for result in report.results], right=(2, 4, 5, 6, 7))
    yield ""
    judges = dict.fromkeys(f"{code(one.judge.name)} ({plain(one.judge.protocol)})" for one in report.results)
    models = dict.fromkeys(code(result.answering_model) for result in report.results)
    data = dict.fromkeys(f"{plain(one.benchmark.name)} {code(one.benchmark.sha256[:12])}" for one in report.results)
    run, git = report.run, report.run.git
    commit = f", commit {code(git.commit[:10])}{' with changes' if git.dirty else ''}" if git else ""
    yield (
        f"Answering model {', '.join(models) or NOTHING}, judge {', '.join(judges) or NOTHING}, "
        f"top-k {run.settings.top_k}, data {', '.join(data) or NOTHING}; "
        f"run {code(run.id)}, MemoryBench {plain(run.versions.memorybench)}{commit}."
    )
    if run.settings.sampled:
        yield f"Not the whole benchmark: {plain(run.settings.sampled)}."
    if run.finished is None:
        yield "**The run is not finished.**"


def job_summary(report: Report, failures: Sequence[QuestionRecord] = ()) -> Iterator[str]:
    """The table, the gate, warnings and `failures` of a run."""
    yield f"## Memory benchmark {code(report.run.id)}"
    yield ""
    if report.gate:
        yield from gate_part(report.gate)
    yield from summary_table(report)
    warnings = dict.fromkeys(text for result in report.results for text in (*result.warnings, *result.clock_warnings))
    if warnings:
        yield from ("", "### Warnings", "", *(f"- {plain(text)}" for text in warnings))
    if failures:
        yield from ("", "### Newest failures", "")
        yield from table(
            ("question", "provider", "type", "outcome", "text", "expected", "answer"), [*map(_failure, failures)]
        )
    yield ""


def gate_part(gate: Gate) -> Iterator[str]:
    """The verdict of a gate, then each of its lines."""
    yield "**✅ Gate met**" if gate.met else "**❌ Gate missed**"
    yield ""
    yield from (f"- {plain(line)}" for line in gate_lines(gate))
    yield ""


def newest_failures(checkpoint: Checkpoint, most: int = _NEWEST) -> list[QuestionRecord]:
    """The last questions of the selection that ended in an error or were not answered right, errors first."""
    wrong, errors = failed_questions(checkpoint)
    keys = islice((*reversed(errors), *reversed(wrong)), most)
    return [checkpoint.question_record(key, results=False) for key in keys]


def summary_file() -> Path:
    """The file of the job summary; raises `ConfigurationError` outside of GitHub Actions."""
    if not (name := os.environ.get(VARIABLE)):
        raise ConfigurationError(
            f"--github-summary: {VARIABLE} is not set. GitHub Actions sets it; elsewhere set it to the path of a file."
        )
    return Path(name)


def append_summary(file: Path, lines: Iterator[str]) -> None:
    """Add to what other steps of the job have written; raises `ConfigurationError` if it cannot be written."""
    text = "".join(f"{line}\n" for line in lines)
    try:
        with file.open("a", encoding="utf-8", errors="replace") as summary:
            summary.write(text)
    except OSError as error:
        raise ConfigurationError(f"{VARIABLE}: cannot write {file}: {error.strerror or error}.") from error


def accuracy_cell(accuracy: Accuracy | None) -> str:
    """Value and interval."""
    if accuracy is None:
        return NOTHING
    low, high = accuracy.ci95
    return f"{accuracy.value:.3f} \\[{low:.3f}, {high:.3f}\\]"


def recall_cell(levels: RetrievalLevels) -> str:
    """recall@10 of messages, or of sessions where the messages are not known."""
    for level, mark in ((levels.message, ""), (levels.session, " (sessions)")):
        if level is not None:
            value = level.recall["10"]
            return NOTHING if value is None else f"{value:.3f}{mark}"
    return NOTHING


def cost_cell(result: Result) -> str:
    """What the models cost."""
    return NOTHING if result.cost is None else plain(dollars(result.cost.usd))


def _row(result: Result) -> tuple[str, ...]:
    p95 = result.latency_ms.search.p95
    return (
        code(result.provider.name),
        plain(result.benchmark.name),
        str(result.questions.selected),
        accuracy_cell(result.accuracy),
        recall_cell(result.shown_retrieval),
        NOTHING if p95 is None else f"{p95:.1f} ms",
        cost_cell(result),
        str(result.questions.errors),
    )


def _failure(record: QuestionRecord) -> tuple[str, ...]:
    case, error = record.case, record.error
    if error is not None and error.error is not None:
        answer = f"{error.phase}: {error.error.type}: {error.error.message}"
    else:
        answer = record.answer.hypothesis if record.answer else ""
    texts = (case.question.text, case.gold.ground_truth, answer)
    return (
        code(case.id),
        code(record.provider),
        plain(case.gold.question_type),
        record.outcome,
        *(code(text) for text in texts),
    )

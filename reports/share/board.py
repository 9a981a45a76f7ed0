"""A leaderboard of many reports: a table for each set of results that may be compared, each row with its provenance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from reports.metrics import Accuracy
from reports.report import Report, Result, why
from vocabulary import ConfigurationError

_TEMPLATE = Path(__file__).parent / "templates" / "board.html.j2"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Terms(_Part):
    """What the results of a table have in common: with another of these, figures do not compare."""

    benchmark: str
    variant: str
    data_sha256: str
    data_verified: bool
    selection: str
    """"whole", or what was selected in plain words."""
    types: tuple[str, ...]
    n: int
    answering_model: str
    answering_model_version: str
    judge: str | None
    """Null where nothing was judged."""
    protocol: str | None
    judge_model: str | None


class Entry(_Part):
    """A provider in one run."""

    provider: str
    version: str
    api: str
    settings: dict[str, JsonValue]
    accuracy: Accuracy | None
    recall_at_10: float | None
    """Of messages, or of sessions where `recall_of` says so."""
    recall_of: Literal["message", "session"] | None
    search_ms_p95: float | None
    context_tokens: float | None
    usd: float | None
    errors: int
    top_k: int
    answer_prompt: str
    conformance: str
    warnings: tuple[str, ...]
    run: str
    fingerprint: str
    date: date
    memorybench: str
    commit: str | None
    dirty: bool


class Table(_Part):
    """Results on the same terms, best first."""

    terms: Terms
    entries: tuple[Entry, ...]


class LeftOut(_Part):
    """A report that is in no table."""

    path: str
    run: str | None
    reason: str


class Board(_Part):
    """The whole of board.json."""

    board_version: Literal[1] = 1
    tables: tuple[Table, ...]
    left_out: tuple[LeftOut, ...]


def make_board(paths: Sequence[Path]) -> Board:
    """The board of all reports in `paths`: folders of runs, runs, or report.json files.

    Raises `ConfigurationError` if a path does not exist or none of them holds a report.
    """
    tables: dict[Terms, list[Entry]] = {}
    left_out = []
    files = list(dict.fromkeys(file.resolve() for path in paths for file in _reports_in(path)))
    if not files:
        raise ConfigurationError(f"there is no report.json in {', '.join(map(str, paths))}.")
    for file in files:
        report = _read(file)
        if isinstance(report, LeftOut):
            left_out.append(report)
        elif reason := _unfit(report):
            left_out.append(LeftOut(path=str(file), run=report.run.id, reason=reason))
        else:
            for result in report.results:
                entries = tables.setdefault(_terms(report, result), [])
                if (entry := _entry(report, result)) not in entries:  # a copy of the same run
                    entries.append(entry)
    ordered = sorted(tables.items(), key=lambda table: (table[0].benchmark, -table[0].n, repr(table[0])))
    return Board(
        tables=tuple(Table(terms=terms, entries=tuple(sorted(entries, key=_rank))) for terms, entries in ordered),
        left_out=tuple(left_out),
    )


def board_page(board: Board) -> str:
    """The board as a page of HTML that stands alone."""
    from reports.pages import render

    return render(_TEMPLATE, tables=board.tables, left_out=board.left_out)


def _reports_in(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ConfigurationError(f"there is no {path}: name folders of runs, runs, or report.json files.")
    own = path / "report.json"
    return [own] if own.is_file() else sorted(path.glob("[!.]*/report.json"))


def _read(file: Path) -> Report | LeftOut:
    try:
        return Report.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        return LeftOut(path=str(file), run=None, reason=f"cannot be read: {why(error)}")


def _unfit(report: Report) -> str | None:
    if report.run.finished is None:
        return "the run is not finished"
    if report.run.settings.second_look_at:
        return f"a second look at what was wrong in run {report.run.settings.second_look_at}"
    return None if report.results else "no question was selected"


def _terms(report: Report, result: Result) -> Terms:
    judged, sample = result.accuracy is not None, result.benchmark.sample
    return Terms(
        benchmark=result.benchmark.name,
        variant=result.benchmark.variant,
        data_sha256=result.benchmark.sha256,
        data_verified=result.benchmark.verified,
        selection=report.run.settings.sampled or (sample.description if sample else None) or "whole",
        types=result.benchmark.types,
        n=result.questions.selected,
        answering_model=result.answering_model,
        answering_model_version=result.answering_model_details.version,
        judge=result.judge.name if judged else None,
        protocol=result.judge.protocol if judged else None,
        judge_model=result.judge.model if judged else None,
    )


def _entry(report: Report, result: Result) -> Entry:
    run = report.run
    levels = {"message": result.shown_retrieval.message, "session": result.shown_retrieval.session}
    level = next((name for name, found in levels.items() if found is not None), None)
    found = levels[level] if level else None
    return Entry(
        provider=result.provider.name,
        version=result.provider.version,
        api=result.provider.api,
        settings=result.provider.settings,
        accuracy=result.accuracy,
        recall_at_10=found.recall["10"] if found else None,
        recall_of="session" if level == "session" else "message" if level else None,
        search_ms_p95=result.latency_ms.search.p95,
        context_tokens=result.context.tokens_mean,
        usd=result.cost.usd if result.cost else None,
        errors=result.questions.errors,
        top_k=run.settings.top_k,
        answer_prompt=result.answer_prompt,
        conformance=result.conformance.state,
        warnings=result.warnings,
        run=run.id,
        fingerprint=run.fingerprint,
        date=run.started.date(),
        memorybench=run.versions.memorybench,
        commit=run.git.commit if run.git else None,
        dirty=bool(run.git and run.git.dirty),
    )


def _rank(entry: Entry) -> tuple[float, float, str, str]:
    accuracy = entry.accuracy.value if entry.accuracy else 0.0
    return -accuracy, -(entry.recall_at_10 or 0.0), entry.provider, entry.run

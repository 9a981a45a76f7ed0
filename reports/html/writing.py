"""From the files of a run to its page."""

from __future__ import annotations

from itertools import chain, groupby
from pathlib import Path
from tempfile import TemporaryFile

from reports.html.questions import Questions
from reports.html.words import NOTHING, headline, recall_at_10, role, sentences, warnings
from reports.report import Draft, QuestionFiles, Report, Result, dollars, gate_lines, read_report
from reports.show import published_lines
from vocabulary import CheckpointError

PAGE = "report.html"
RESULTS_KEPT = 10
"""Results that the page has of each question."""
_HERE = Path(__file__).parent
_SCRIPTS = [_HERE / f"{name}.js" for name in ("questions", "question", "page", "embedded")]
_DATA = "<!--data-->"
"""Where the data stands; a text of the run cannot hold it, for "<" is escaped in all of them."""


def write_html(folder: Path, report: Report | None = None, *, kept: int = RESULTS_KEPT, to: Path | None = None) -> Path:
    """Write the page of the run in `folder`, from its report.json, results.jsonl and retrieved.jsonl; its path.

    Raises `ConfigurationError` if these are not there, `CheckpointError` if one cannot be read or the page not written.
    """
    from markupsafe import Markup

    from reports.html.charts import charts_of
    from reports.pages import render

    report = report or read_report(folder)
    path = to or folder / PAGE
    with QuestionFiles(folder) as files, TemporaryFile("w+", encoding="utf-8", newline="\n") as elements:
        questions = Questions(report, files, kept)
        try:
            elements.writelines(f"{element}\n" for element in questions.elements())
        except (
            KeyError,
            IndexError,
            TypeError,
        ) as error:  # a line has another shape, or names a result that is not there
            message = f"results.jsonl and retrieved.jsonl in {folder} do not fit this version or each other ({error!r})"
            raise CheckpointError(f"{message}: have them written anew by the run's command with --run-id.") from error
        page = render(
            _HERE / "run.html.j2",
            styles=[_HERE / "run.css"],
            scripts=_SCRIPTS,
            report=report,
            run=report.run,
            headline=headline(report),
            sentences=list(sentences(report)),
            warnings=warnings(report),
            published=list(published_lines(report)),
            gate=list(gate_lines(report.gate)) if report.gate else [],
            several={"benchmarks": len({one.benchmark.name for one in report.results}) > 1},
            rows=[(one, role(one.provider.name), recall_at_10(one), _cost(one)) for one in report.results],
            graded=[(one, name, scores) for one in report.results for name, scores in one.nuggets.items()],
            recall_at_10=recall_at_10,
            charts_by_benchmark=charts_of(report.results, questions.search_ms),
            benchmarks=[next(group) for _name, group in groupby(report.results, lambda one: one.benchmark.name)],
            count=len(files.questions),
            nothing=NOTHING,
            kept=kept,
            data=Markup(_DATA),
        )
        before, after = page.split(_DATA)
        elements.seek(0)
        with Draft(path) as draft:
            for part in chain((before,), elements, (after,)):
                draft.write(part.removesuffix("\n"))
    return path


def _cost(result: Result) -> str:
    return NOTHING if result.cost is None else dollars(result.cost.usd)

"""The pages of the site, made from what is known of the runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any  # Any: keys to sort by, whose types differ
from urllib.parse import urlencode

from starlette.responses import HTMLResponse

from reports.pages import render
from reports.serve.policy import policy_of_page
from reports.serve.runs import RunRow
from reports.serve.standing import Standing
from reports.serve.trend import trends_of
from reports.serve.words import WORDS
from reports.show import full_story
from reports.store import QuestionRecord

_TEMPLATES = Path(__file__).parent / "templates"
ASSETS: Mapping[str, Path] = {"live.js": _TEMPLATES / "live.js"}
"""Files that pages load, by name."""

_ON_A_PAGE = 100
_LARGE_FIRST = ("begun", "accuracy", "done", "errors")
_COLUMNS: Mapping[str, Callable[[RunRow], Any]] = {
    "run": lambda row: row.id,
    "begun": lambda row: row.started.timestamp() if row.started else 0.0,
    "state": lambda row: row.state,
    "provider": lambda row: row.pairs[0].provider if row.pairs else "",
    "benchmark": lambda row: row.pairs[0].benchmark if row.pairs else "",
    "accuracy": lambda row: max((pair.value for pair in row.pairs if pair.value is not None), default=-1.0),
    "done": lambda row: sum(pair.ended for pair in row.pairs),
    "errors": lambda row: sum(pair.errors for pair in row.pairs),
}
"""What the list is sorted by, by the name of the column."""


def page(text: str, status: int = 200) -> HTMLResponse:
    """A page with its policy."""
    return HTMLResponse(text, status, {"content-security-policy": policy_of_page(text)})


def runs(folder: Path, rows: Sequence[RunRow], wanted: Mapping[str, str]) -> str:
    """The list of runs, sorted and filtered as `wanted` by the query of the request."""
    sort = wanted.get("sort", "")
    sort = sort if sort in _COLUMNS else "begun"
    down = wanted.get("order", "desc" if sort in _LARGE_FIRST else "asc") == "desc"
    sought = wanted.get("q", "").strip()
    found = [row for row in rows if all(word in _text_of(row) for word in sought.lower().split())]
    found.sort(key=_COLUMNS["begun"], reverse=True)
    found.sort(key=_COLUMNS[sort], reverse=down)
    pages = max(1, -(-len(found) // _ON_A_PAGE))
    asked = wanted.get("page", "")
    number = min(max(int(asked), 1), pages) if asked.isdecimal() and len(asked) < 10 else 1

    def link(**changes: str | int) -> str:
        values = {"sort": sort, "order": "desc" if down else "asc", "q": sought, **changes}
        return "/?" + urlencode({name: value for name, value in values.items() if value != ""})

    def sorted_by(column: str) -> str:
        """The link of a column's head: the other way round where it is sorted by that already."""
        falls = not down if column == sort else column in _LARGE_FIRST
        return link(sort=column, order="desc" if falls else "asc")

    return _render(
        "runs", folder=folder, rows=found[(number - 1) * _ON_A_PAGE : number * _ON_A_PAGE], count=len(found),
        total=len(rows), sort=sort, down=down, sought=sought, link=link, sorted_by=sorted_by, columns=[*_COLUMNS],
        number=number, pages=pages,
    )  # fmt: skip


def trends(rows: Sequence[RunRow]) -> str:
    """Accuracy over time."""
    return _render("trends", trends=trends_of(rows))


def live(standing: Standing, *, has_page: bool) -> str:
    """How far a run is; the page follows it while it goes on."""
    return _render("live", standing=standing, has_page=has_page)


def live_parts(standing: Standing, *, has_page: bool) -> str:
    """The part of the same page that changes."""
    return _render("parts", standing=standing, has_page=has_page)


def question(run_id: str, record: QuestionRecord) -> str:
    """The story of a question, as far as it goes."""
    return _render("question", run_id=run_id, record=record, story=full_story(record))


def problem(message: str, *, anyway: str = "") -> str:
    """What is wrong, in a sentence; `anyway` is the address of a comparison that was refused."""
    return _render("problem", message=message, anyway=anyway)


def with_navigation(text: str) -> str:
    """A page that stands alone, with links to the others."""
    head, main, rest = text.partition("<main")
    attributes, end, content = rest.partition(">")
    links = '<nav aria-label="Site"><a href="/">Runs</a> · <a href="/trends">Trends</a></nav>'
    return f"{head}{main}{attributes}{end}\n{links}{content}"


def _text_of(row: RunRow) -> str:
    pairs = " ".join(f"{pair.provider} {pair.benchmark}" for pair in row.pairs)
    return f"{row.id} {row.state} {pairs}".lower()


def _render(name: str, **values: object) -> str:
    return render(_TEMPLATES / f"{name}.html.j2", styles=[_TEMPLATES / "site.css"], scripts=(), **WORDS, **values)

"""A browser for the tests of a module, and a run of two providers that it reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reports.html import write_html
from reports.report import write_run
from reports.store import QuestionRecord, Step
from tests.reports.made_records import UNANSWERABLE, asked, benchmark, case, container, failed, found, provider, run
from vocabulary import Verdict, Vote

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TYPES = ("multi-hop", "temporal", "single-hop")
QUESTIONS = 130
READY = 'html[data-ready="1"]'


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab without network, in which an error of a script fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    tab = context.new_page()
    tab.set_default_timeout(10_000)
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    tab.on(
        "request", lambda made: None if made.url.startswith(("file:", "blob:", "data:")) else errors.append(made.url)
    )
    yield tab
    context.close()
    assert errors == []


def open_page(page: Page, file: Path, address: str = "") -> None:
    """Open a run's page, at a question if there is an `address`, and wait until it can be used."""
    page.goto(f"{file.as_uri()}{address}")
    page.wait_for_selector(READY, state="attached")


def records() -> Iterator[QuestionRecord]:
    """Questions of two providers: every third wrong by bm25, the last an error; panels voted on the first."""
    for who in ("bm25", "oracle"):
        for number in range(QUESTIONS):
            gold = (
                UNANSWERABLE
                if number == 5
                else {"question_type": TYPES[number % 3], "groups": ("g-even",) * (number % 2 == 0)}
            )
            of = case(number, **gold)
            label = "wrong" if number % 3 == 0 and who == "bm25" else "correct"
            results = (
                found("m1", "m3", text=f"Caroline: message of question {number}") if number % 4 else found("m1", "m2")
            )
            record = asked(of, label, results, provider=who)
            if number == 0:
                votes = tuple(Vote(judge="strict", repeat=n, label=label, explanation=f"vote {n}") for n in range(2))
                record = record.model_copy(
                    update={"verdict": Verdict(label=label, explanation="two of two", votes=votes)}
                )
            if number == QUESTIONS - 1:
                record = failed(of, provider=who)
            yield record


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the run with `records`."""
    folder = tmp_path_factory.mktemp("runs")
    of = run(providers=(provider(), provider("oracle")), benchmarks=(benchmark(types=(*TYPES, "adversarial")),))
    containers = [container(), container(provider="oracle")]
    write_run(folder, of, records(), containers, besides=write_html)
    return folder / "report.html"


def steps(milliseconds: float) -> tuple[Step, ...]:
    """A search that took so long."""
    return (Step(phase="search", service_ms=milliseconds),)

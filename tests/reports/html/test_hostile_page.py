"""Texts that want to be more than text: a browser shows them, and runs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any  # fields of records

import pytest

from reports.html import write_html
from reports.report import write_run
from tests.reports.html.conftest import open_page
from tests.reports.made_records import asked, benchmark, case, container, provider, run
from vocabulary import Answer, Question, SearchResult, Verdict, Vote

if TYPE_CHECKING:
    from playwright.sync_api import Page

HOSTILE = [
    "<script>document.title='ran'</script>",
    "</script><script>document.title='ran'</script>",
    "<!--</title><img src=x onerror=\"document.title='ran'\">",
    "javascript:document.title='ran'",
    "{{ 7 * 7 }}${7*7}`backticks` ``` fence ````",
    "\u202emoc.live\u202c \u2066isolate\u2069",
    "nul \0 bell \a escape \x1b[31m",
    "\u2028\u2029\ufeff lines",
    "x" * 1_000_000,
    "--><svg/onload=document.title='ran'>",
]
WHO = "</script><b onclick=\"document.title='ran'\">"


@pytest.fixture(scope="module")
def hostile_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose every text is hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    kind = HOSTILE[1]
    of = run(
        providers=(provider(WHO), provider("oracle")), command=HOSTILE[1],
        benchmarks=(benchmark(variant=HOSTILE[0], notes=(HOSTILE[2],), types=(kind,), official_f1=None),),
    )  # fmt: skip
    records = []
    for who in (WHO, "oracle"):
        for number, text in enumerate(HOSTILE):
            gold: dict[str, Any] = {
                "question_type": kind,
                "ground_truth": text,
                "groups": (text[:100],),
                "evidence_messages": (text[:50],),
            }
            plain = case(number, **gold)
            one = plain.model_copy(update={"question": Question(id=f"o{number}", text=text)})
            results = (SearchResult(text=text, score=1.0, session_ids=("s1",), message_ids=(text[:50],)),)
            votes = (Vote(judge=text[:100], repeat=0, label="wrong", explanation=text),)
            verdict = Verdict(label="wrong", explanation=text, votes=votes, model=text[:100])
            answer = Answer(hypothesis=text, model=text[:100])
            records.append(asked(one, "wrong", results, provider=who, answer=answer, verdict=verdict))
    write_run(folder, of, records, [container(provider=WHO), container(provider="oracle")], besides=write_html)
    return folder / "report.html"


def test_nothing_executes_and_everything_is_shown(page: Page, hostile_file: Path) -> None:
    open_page(page, hostile_file)
    title = page.title()
    for number, text in enumerate(HOSTILE):
        page.goto(f"{hostile_file.as_uri()}#conv-26-q{number:03}")
        page.wait_for_selector(f"#question dd:has-text('conv-26-q{number:03}')")
        page.click("#copy")
        page.wait_for_selector("#issue:not([hidden])")
        page.click("#question-title")
        if text.isascii() and text.isprintable() and len(text) < 1000:
            assert page.inner_text("#question-title") == text
            assert text in page.input_value("#issue")
    page.keyboard.press("Escape")
    page.wait_for_selector("#run-view:not([hidden])")
    page.select_option("#filter-provider", label=WHO)
    page.fill("#search", "document.title='ran'")
    assert page.inner_text("#count").startswith("5 of")
    assert page.title() == title
    assert "ran" not in title.split()
    assert page.locator("script").count() == 3  # the list, a block, the page's own
    assert page.locator("main img, main b[onclick], main svg[onload]").count() == 0


def test_controls_are_visible_and_long_texts_are_counted(page: Page, hostile_file: Path) -> None:
    open_page(page, hostile_file, "#conv-26-q005")
    assert page.inner_text("#question-title") == "\\u202emoc.live\\u202c \\u2066isolate\\u2069"
    page.goto(f"{hostile_file.as_uri()}#conv-26-q006")
    page.wait_for_selector("#question dd:has-text('conv-26-q006')")
    assert page.inner_text("#question-title").startswith("nul \ufffd bell \ufffd escape \ufffd[31m")
    page.goto(f"{hostile_file.as_uri()}#conv-26-q008")
    page.wait_for_selector("#question dd:has-text('conv-26-q008')")
    assert page.inner_text("#question-title").endswith("… [980,000 more characters]")
    assert hostile_file.stat().st_size < 200_000


def test_an_issue_cannot_break_out_of_its_fences(page: Page, hostile_file: Path) -> None:
    open_page(page, hostile_file, "#conv-26-q004")
    page.click("#copy")
    page.wait_for_selector("#issue:not([hidden])")
    issue = page.input_value("#issue")
    assert "`````text\n{{ 7 * 7 }}" in issue
    assert issue.startswith("## conv-26-q004: \\{\\{ 7 \\* 7 \\}\\}")

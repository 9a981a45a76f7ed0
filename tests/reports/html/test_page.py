"""The page of a run in a real browser: filters, search, keyboard, links, themes, accessibility."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.reports.html.conftest import QUESTIONS, open_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

WRONG = [number for number in range(QUESTIONS) if number % 3 == 0 and number != QUESTIONS - 1]


def count_of(page: Page) -> int:
    return int(page.inner_text("#count").split(" of ")[0].replace(",", ""))


def listed(page: Page) -> list[str]:
    return [str(text).split(" · ")[0] for text in page.locator("#rows .meta").all_text_contents()]


def name_of(number: int) -> str:
    return f"conv-26-q{number:03}"


def test_the_summary_says_what_the_run_found(page: Page, page_file: Path) -> None:
    open_page(page, page_file)
    text = page.inner_text("main")
    assert "Correct: bm25 66.2 %, oracle (ceiling) 99.2 %" in text
    assert "bm25: 66.2 % of 130 questions correct" in text
    assert "1 question ended in an error" in text
    assert page.locator("svg[role=img]").count() == 4
    assert "bm25, all questions: 66.2 %" in (page.locator("svg desc").first.text_content() or "")


def test_failures_stand_first_and_all_questions_are_there(page: Page, page_file: Path) -> None:
    open_page(page, page_file)
    assert listed(page)[:3] == [name_of(QUESTIONS - 1), name_of(0), name_of(3)]
    assert count_of(page) == QUESTIONS
    page.click("#later")
    page.click("#later")
    assert len(listed(page)) == QUESTIONS - 100
    assert page.is_disabled("#later")


def test_filters_choose_together(page: Page, page_file: Path) -> None:
    open_page(page, page_file)
    page.select_option("#filter-outcome", label="wrong")
    assert count_of(page) == len(WRONG)
    page.select_option("#filter-type", label="multi-hop")
    assert count_of(page) == len(WRONG)
    page.select_option("#filter-type", label="temporal")
    assert count_of(page) == 0
    page.click("text=Reset")
    page.wait_for_selector(f"#count:has-text('{QUESTIONS} of')")
    page.check("#filter-differ")
    assert count_of(page) == len(WRONG)
    page.uncheck("#filter-differ")
    page.select_option("#filter-evidence", label="none found")
    assert count_of(page) == len([n for n in range(QUESTIONS) if n % 4 == 0])
    page.select_option("#filter-provider", label="oracle")
    page.select_option("#filter-outcome", label="not correct")
    assert count_of(page) == 0


def test_a_search_reads_questions_answers_and_ids(page: Page, page_file: Path) -> None:
    open_page(page, page_file)
    page.fill("#search", "IN june")
    assert count_of(page) == len(WRONG)
    page.fill("#search", "q017")
    assert listed(page) == [name_of(17)]
    page.fill("#search", "nobody says this")
    assert page.inner_text("#count").endswith("nothing matches")


def test_the_keyboard_is_enough(page: Page, page_file: Path) -> None:
    open_page(page, page_file)
    page.keyboard.press("/")
    page.keyboard.type("june")
    page.keyboard.press("Enter")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_selector("#question-view:not([hidden])")
    assert page.url.endswith(f"#{name_of(3)}")
    assert page.evaluate("document.activeElement.id") == "question-title"
    page.keyboard.press("j")
    page.wait_for_selector(f"#question dd:has-text('{name_of(6)}')")
    page.keyboard.press("k")
    page.wait_for_selector(f"#question dd:has-text('{name_of(3)}')")
    page.keyboard.press("Escape")
    page.wait_for_selector("#run-view:not([hidden])")
    assert page.evaluate("document.activeElement.getAttribute('href')") == f"#{name_of(3)}"
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    assert count_of(page) == QUESTIONS


def test_a_link_opens_a_question_with_all_that_is_known(page: Page, page_file: Path) -> None:
    open_page(page, page_file, f"#{name_of(0)}")
    text = page.inner_text("#question")
    for part in (
        "When did Caroline go to the support group?", "7 May 2023", "in June", "two of two", "vote 1", "g-even",
        "tokens of results", "score 9",
    ):  # fmt: skip
        assert part in text, part
    assert page.locator(".provider").count() == 2
    page.goto(f"{page_file.as_uri()}#{name_of(1)}/oracle")
    page.wait_for_selector("#question li.evidence")
    assert "m3" in page.inner_text(".evidence-list")
    assert page.locator("#question li.evidence").count() == 2
    page.goto(f"{page_file.as_uri()}#{name_of(QUESTIONS - 1)}")
    page.wait_for_selector("text=bm25 answered 503")
    page.goto(f"{page_file.as_uri()}#no-such-question%")
    page.wait_for_selector("#run-view:not([hidden])")


def test_a_question_can_be_copied_as_an_issue(page: Page, page_file: Path) -> None:
    open_page(page, page_file, f"#{name_of(3)}")
    page.click("#copy")
    page.wait_for_selector("#issue:not([hidden])")
    issue = page.input_value("#issue")
    assert issue.startswith("## conv-26-q003: When did Caroline go")
    assert "### bm25: wrong\n\n```text\nin June\n```" in issue
    assert "pytest bench -k locomo" in issue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_bars_anybody_in_either_theme(page: Page, page_file: Path, scheme: str) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-core is not installed: .[dev] has it"
    )
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    open_page(page, page_file)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 24)"
    assert dark == (scheme == "dark")
    page.evaluate("document.querySelector('details').open = true")
    page.fill("#search", "q01")  # the checker's time grows with the list
    page.hover("#rows li >> nth=1")
    assert [one["id"] for one in axe.Axe().run(page).response["violations"]] == []
    page.goto(f"{page_file.as_uri()}#{name_of(0)}")
    page.wait_for_selector("#question-view:not([hidden])")
    assert [one["id"] for one in axe.Axe().run(page).response["violations"]] == []


def test_a_phone_needs_no_sideways_scrolling(page: Page, page_file: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_page(page, page_file)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.goto(f"{page_file.as_uri()}#{name_of(0)}")
    page.wait_for_selector("#question-view:not([hidden])")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_print_leaves_out_what_paper_cannot_do(page: Page, page_file: Path) -> None:
    open_page(page, page_file)
    page.emulate_media(media="print")
    assert not page.is_visible("#filters")
    assert page.is_visible("#rows")

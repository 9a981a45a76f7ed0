"""The list and the live page in a real browser: what they show, that they follow, keyboard, and no barrier."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from tests.reports.serve.conftest import Site, begin_again, end_again, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.long
FOLLOWED = "html[data-standings]"


@contextmanager
def tab(browser: Browser, scheme: Literal["light", "dark"] = "light", width: int = 1280) -> Iterator[Page]:
    """A tab in which an error of a script, or what the policy forbids, fails the test."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(20_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert errors == []


def barriers(page: Page) -> list[str]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed: .[test]")
    return [one["id"] for one in axe.Axe().run(page).response["violations"]]


def test_runs_are_sorted_by_a_click_and_compared_by_ticks(browser: Browser, site: Site) -> None:
    with tab(browser) as page:
        page.goto(site.url)
        names = page.locator("tbody th a")
        assert names.all_inner_texts() == ["third", "second", "first"]
        page.get_by_role("link", name="Run", exact=True).click()
        page.wait_for_selector("th[aria-sort] >> text=Run")
        assert names.all_inner_texts() == ["first", "second", "third"]
        assert page.locator("th[aria-sort]").inner_text().startswith("Run")
        page.get_by_label("Compare second").check()
        page.get_by_label("Compare first").check()
        page.get_by_role("button", name="Compare ticked runs").click()
        page.wait_for_selector(".verdict")
        assert "first" in page.locator("main").inner_text()
        assert page.locator(".verdict").count() >= 1
        page.get_by_role("navigation", name="Site").get_by_role("link", name="Runs").click()
        page.get_by_role("link", name="third").click()
        page.wait_for_selector('html[data-ready="1"]', state="attached")  # the report itself, under the site's policy
        page.locator("main a[href^='#syn-q']").first.click()
        assert "#syn-q" in page.url


def test_the_live_page_follows_a_run_to_its_end(browser: Browser, runs: Path, tmp_path: Path) -> None:
    run = tmp_path / "going"
    lock = begin_again(runs, run)
    with serving(tmp_path) as site, tab(browser) as page:
        page.goto(f"{site.url}/runs/going")
        page.wait_for_selector(FOLLOWED, state="attached")
        assert page.locator("#facts strong").inner_text() == "10"
        assert page.locator("#state .state").inner_text() == "running"
        assert "not known yet" not in page.locator("#facts").inner_text()
        link = page.locator("#failures a").first
        link.focus()
        shown = link.get_attribute("href")
        standings = page.locator("html").get_attribute("data-standings")
        page.wait_for_selector(f"html:not([data-standings='{standings}'])", state="attached")
        assert page.evaluate("document.activeElement.getAttribute('href')") == shown
        shutil.copy(runs / "first" / "report.html", run)
        end_again(lock, run)
        page.get_by_role("link", name="Read the report").click()
        page.wait_for_selector('html[data-ready="1"]', state="attached")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_bars_anybody_in_either_theme(
    browser: Browser, site: Site, runs: Path, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    lock = begin_again(runs, tmp_path / "going")
    with serving(tmp_path) as going:
        for url, width in (
            (site.url, 1280), (site.url, 390), (f"{site.url}/trends", 1280), (f"{site.url}/runs/first/live", 390),
            (f"{going.url}/runs/going/live", 1280), (f"{site.url}/compare?run=first&run=second", 1280),
        ):  # fmt: skip
            with tab(browser, scheme, width) as page:
                page.goto(url)
                if "going" in url:
                    page.wait_for_selector(FOLLOWED, state="attached")
                assert barriers(page) == [], url
                assert page.evaluate("document.documentElement.scrollWidth") <= width, url
                assert re.search("Runs|Run |over time|omparison|against", page.locator("h1").first.inner_text())
    end_again(lock)

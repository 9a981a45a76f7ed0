"""The page of a comparison in a real browser: nothing is loaded or run, and a checker of accessibility is content."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import pytest

from reports.__main__ import main
from tests.reports.compare.made_runs import every, write

HOSTILE = "<script>document.title='pwned'</script><img src=x onerror=document.title='pwned'>"


@pytest.mark.long
def test_nothing_runs_and_nothing_is_missing(tmp_path: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: .[dev] has it")
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-core is not installed: .[dev] has it"
    )
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no chromium and no google-chrome on PATH")
    write(tmp_path, "a", every(200))
    write(tmp_path, "b", every(200) | dict.fromkeys(range(0, 200, 3), "wrong"), sampled=HOSTILE, by=HOSTILE)
    page = tmp_path / "page.html"
    assert main(["compare", "a", "b", "b", "--runs-dir", str(tmp_path), "--html", str(page)]) == 0
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme in schemes:
            tab = browser.new_page(color_scheme=scheme)
            said: list[str] = []
            tab.on("console", lambda message: said.append(message.text))  # noqa: B023  # read before the next turn
            tab.on("request", lambda made: said.append(made.url) if not made.url.startswith("file:") else None)  # noqa: B023  # as above
            tab.goto(page.as_uri())
            assert "pwned" not in tab.title().replace(HOSTILE, "")
            for summary in tab.query_selector_all("summary"):
                summary.click()
            assert tab.locator("td.worse").first.is_visible()
            assert axe.Axe().run(tab).response["violations"] == []
            assert [one for one in said if not one.startswith("data:")] == []
        browser.close()

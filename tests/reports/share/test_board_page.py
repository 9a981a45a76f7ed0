"""The leaderboard in a real browser: no barrier in either theme, no request, and nothing of a report executes."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.__main__ import main
from reports.report.build import build_report
from reports.report.files import write_report
from tests.reports.html.conftest import page  # noqa: F401  # a fixture
from tests.reports.made_records import asked, case, provider, run

HOSTILE = "<img src=x onerror=\"document.title='owned'\"></script><script>document.title='owned'</script>\u202e"


@pytest.mark.long
def test_nothing_bars_anybody_and_nothing_executes(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    tab = request.getfixturevalue("page")
    made = run(id="odd", providers=(provider(HOSTILE),), command=HOSTILE, sampled=HOSTILE)
    (tmp_path / "odd").mkdir()
    write_report(tmp_path / "odd", build_report(made, [asked(case(1), provider=HOSTILE)], []))
    assert main(["board", str(tmp_path), "--output", str(tmp_path / "out")]) == 0
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        tab.goto((tmp_path / "out" / "board.html").as_uri())
        tab.evaluate("document.querySelector('details').open = true")
        assert [one["id"] for one in axe.Axe().run(tab).response["violations"]] == []
        assert tab.title() == "MemoryBench leaderboard"
        assert "<img src=x" in tab.inner_text("tbody th")

"""The file of a page: what it holds, when it is written, and what is said where it cannot be."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reports.html import write_html
from reports.report import write_run
from reports.store import QuestionRecord
from tests.reports.html.conftest import open_page, steps
from tests.reports.made_records import asked, benchmark, case, container, failed, found, provider, run, waiting
from vocabulary import CheckpointError, ConfigurationError, Nugget, SearchResult, Verdict

if TYPE_CHECKING:
    from playwright.sync_api import Page


def data(file: Path, name: str) -> Any:  # Any: parsed JSON
    encoded = re.findall(rf'<script type="text/plain" id="{name}">(.*?)</script>', file.read_text())
    return json.loads(gzip.decompress(base64.b64decode(encoded[0])))


def written(folder: Path, *records: QuestionRecord, **changes: Any) -> Path:  # Any: fields of the run
    write_run(folder, run(**changes), records, [container()], state="s", besides=write_html)
    return folder / "report.html"


def test_the_page_allows_its_own_script_and_style_and_nothing_else(tmp_path: Path) -> None:
    text = written(tmp_path, asked(case())).read_text()
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    style = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    hashes = {base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in (*script, *style)}
    policy = re.findall(r'Content-Security-Policy" content="(.*?)"', text)[0]
    assert policy.startswith("default-src 'none'; ")
    assert set(re.findall(r"'sha256-(.*?)'", policy)) == hashes
    assert "unsafe" not in policy
    assert re.findall(r'\s(?:style|on\w+)="', text) == []


def test_a_finished_run_keeps_its_page(tmp_path: Path) -> None:
    page = written(tmp_path, asked(case()))
    before = page.stat().st_mtime_ns
    written(tmp_path, asked(case()))
    assert page.stat().st_mtime_ns == before
    page.unlink()
    written(tmp_path, asked(case()))
    assert page.exists()


def test_results_beyond_the_first_are_kept_where_they_hold_evidence(tmp_path: Path) -> None:
    page = written(tmp_path, asked(case(), results=found(*(f"m{n + 10}" for n in range(14)), "m3", "m4")))
    results = data(page, "block-0")["questions"][0]["asked"][0]["results"]
    assert [(rank, evidence) for rank, _score, evidence, _place in results] == [
        *((n, 0) for n in range(1, 11)),
        (15, 1),
    ]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (asked(case(), results=found("m3")), "a"),
        (asked(case(evidence_messages=("m3", "m4")), results=found("m3")), "s"),
        (asked(case(), results=found("m4")), "n"),
        (asked(case(), results=()), "n"),
        (asked(case(evidence_messages=(), evidence_sessions=()), results=found("m4")), "-"),
        (asked(case(), results=(SearchResult(text="of nobody"),)), "-"),
        (asked(case(), results=(SearchResult(text="a session", session_ids=("s1",)),)), "a"),
        (failed(case()), "-"),
        (waiting(case()), "-"),
    ],
)
def test_the_list_says_whether_evidence_was_found(tmp_path: Path, record: QuestionRecord, expected: str) -> None:
    assert data(written(tmp_path, record), "index")["found"] == [expected]


def test_what_a_provider_was_not_asked_is_not_its_failure(tmp_path: Path) -> None:
    both = (provider(), provider("other"))
    page = written(tmp_path, asked(case(1)), asked(case(2)), asked(case(2), provider="other"), providers=both)
    assert data(page, "index")["outcomes"] == ["cc", "-c"]


@pytest.mark.parametrize("times", [(0.0, 0.0), (0.004, 12_345.0), (3.0, 3.0)])
def test_any_times_can_be_drawn(tmp_path: Path, times: tuple[float, float]) -> None:
    records = [asked(case(n), steps=steps(time)) for n, time in enumerate(times)]
    assert "half within" in written(tmp_path, *records).read_text()


def test_a_run_without_verdicts_or_results_has_a_page(tmp_path: Path) -> None:
    text = written(tmp_path, waiting(case()), until="search", finished=None).read_text()
    assert "The run is not finished" in text
    assert written(tmp_path).read_text().count("No question was selected") >= 1


def test_what_is_not_there_or_damaged_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"report\.json: a run gets its report when pytest ends"):
        write_html(tmp_path)
    written(tmp_path, asked(case()))
    (tmp_path / "results.jsonl").write_text("{")
    with pytest.raises(CheckpointError, match=r"cannot be read .* written anew by the run's command with --run-id"):
        write_html(tmp_path)
    written(tmp_path, asked(case()))
    (tmp_path / "retrieved.jsonl").write_text("")
    with pytest.raises(CheckpointError, match=r"do not fit this version or each other \(IndexError"):
        write_html(tmp_path)
    (tmp_path / "results.jsonl").unlink()
    with pytest.raises(ConfigurationError, match=r"results\.jsonl cannot be read: No such file"):
        write_html(tmp_path)


def test_the_command_writes_pages_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from reports.__main__ import main

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        written(tmp_path / name, asked(case(), results=found("m1", "m2", "m4"))).unlink()
    assert main(["html", "a", "b", "--runs-dir", str(tmp_path), "--results", "2"]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / name / "report.html") for name in ("a", "b")]
    assert len(data(tmp_path / "a" / "report.html", "block-0")["questions"][0]["asked"][0]["results"]) == 2
    assert main(["html", "c", "--runs-dir", str(tmp_path)]) == 2
    assert "there is no run 'c'" in capsys.readouterr().err


def test_questions_of_one_id_in_two_benchmarks_have_addresses_of_their_own(page: Page, tmp_path: Path) -> None:
    other = case().model_copy(update={"benchmark": "other"})
    records = (
        asked(case(), results=found("m3", text="said in locomo")),
        asked(other, results=found("m3", text="elsewhere")),
    )
    both = (benchmark(), benchmark("other", official_f1=None))
    write_run(tmp_path, run(benchmarks=both), records, [container()], besides=write_html)
    for name, said in (("locomo", "said in locomo"), ("other", "elsewhere")):
        open_page(page, tmp_path / "report.html")
        page.select_option("#filter-benchmark", label=name)
        page.click("#rows a")
        page.wait_for_selector(f"#question .results:has-text('{said}')")
        assert page.url.endswith(f"#{name}%3Aconv-26-q001")


def test_a_question_shows_the_grade_of_each_nugget(page: Page, tmp_path: Path) -> None:
    nuggets = (Nugget(score=0.5, reason="No day is given."), Nugget(score=1.0))
    verdict = Verdict(label="correct", explanation="beam-nuggets 0.750", nuggets=nuggets)
    record = asked(case(rubric=("the support group", "May 2023")), verdict=verdict)
    write_run(tmp_path, run(), [record], [container()], besides=write_html)
    open_page(page, tmp_path / "report.html")
    assert [cell.strip() for cell in page.locator("[aria-label=Rubrics] td").all_inner_texts()][:3] == [
        "beam_nuggets", "0.750", "1.000",
    ]  # fmt: skip
    page.click("#rows a")
    rows = page.locator("[aria-label='Rubric on bm25'] tbody tr")
    rows.first.wait_for()
    assert [row.split("\t") for row in rows.all_inner_texts()] == [
        ["the support group", "0.5", "No day is given."],
        ["May 2023", "1", ""],
    ]


def test_details_come_in_blocks(page: Page, tmp_path: Path) -> None:
    def records() -> Iterator[QuestionRecord]:
        alike = asked(case())
        for number in range(5_200):
            of = alike.case.model_copy(update={"id": f"q{number:05}"})
            results = found("m1", text=f"said for {number}")
            yield alike.model_copy(update={"case": of, "results": results})

    write_run(tmp_path, run(), records(), [container()], besides=write_html)
    open_page(page, tmp_path / "report.html")
    assert page.inner_text("#count").startswith("5,200 of 5,200")
    assert page.locator("script[type='text/plain']").count() == 12
    for number in (5_199, 0, 2_500):
        page.goto(f"{(tmp_path / 'report.html').as_uri()}#q{number:05}")
        page.wait_for_selector(f"#question .results:has-text('said for {number}')")

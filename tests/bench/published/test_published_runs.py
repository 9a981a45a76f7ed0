"""Real published answers, imported and judged offline: each is matched, and what its publisher states comes out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reports.report import Report, Result, read_report
from tests.bench.published.published_files import FILES, PUBLISHED, import_files, judge
from tests.repository import ROOT

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not PUBLISHED.exists(), reason=f"no published answers in {PUBLISHED}: set MEMORYBENCH_DATA"),
]

MEM0, WRONG, FULL = "mem0", "locomo-audit-ap_v1_scored", "locomo-audit-fc_gpt-4.1-mini-cot"
NAMES = {
    (MEM0, "locomo"): "mem0 platform, LoCoMo",
    (MEM0, "longmemeval_oracle"): "mem0 platform, LongMemEval",
    (FULL, "locomo"): "full context, gpt-4.1-mini, LoCoMo",
    ("amb-cognee", "locomo"): "Cognee, LoCoMo's conv-26",
    ("zep", "locomo"): "Zep, 7 conversations of LoCoMo",
    (WRONG, "locomo"): "wrong on purpose, LoCoMo",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, data_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMORYBENCH_DATA", str(data_folder))
        assert import_files(folder, *FILES) == 0
    return folder


@pytest.fixture(scope="module")
def judged(runs: Path) -> Report:
    return judge(runs, "locomo", "longmemeval_oracle", run_id="judged")


def by_name(report: Report) -> dict[tuple[str, str], Result]:
    return {(one.provider.name.removeprefix("published:"), one.benchmark.name): one for one in report.results}


def test_every_answer_is_matched_and_the_published_accuracy_is_computed_to_the_digit(runs: Path) -> None:
    results = by_name(read_report(runs / "published"))
    assert results.keys() == NAMES.keys()
    answers = {name: (result.questions.selected, result.questions.errors) for name, result in results.items()}
    assert answers == {
        (MEM0, "locomo"): (1540, 0), (MEM0, "longmemeval_oracle"): (500, 0), (WRONG, "locomo"): (1540, 0),
        (FULL, "locomo"): (1540, 0), ("amb-cognee", "locomo"): (152, 0), ("zep", "locomo"): (1035, 0),
    }  # fmt: skip
    for (publisher, _), result in results.items():
        grades = result.published
        assert grades
        assert grades.n == result.questions.selected
        if publisher != "zep":  # which states none with its grades
            assert grades.mean_grade
            assert grades.mean_grade * (100 if publisher == MEM0 else 1) == grades.stated
    zep = results["zep", "locomo"].published
    assert zep
    assert (zep.accepted and zep.accepted.correct, zep.n) == (765, 1035)
    assert {name for name, one in results.items() if one.published and one.published.all_wrong} == {(WRONG, "locomo")}


def test_nothing_but_judging_is_measured(judged: Report) -> None:
    assert judged.run.settings.answers_from == "published"
    for result in judged.results:
        assert result.accuracy
        assert result.questions.judged == result.questions.selected
        assert (result.retrieval.message, result.retrieval.session, result.official_retrieval) == (None, None, {})
        assert (result.calls.search, result.calls.answer, result.calls.ingest_sessions) == (0, 0, 0)
        assert (result.latency_ms.search.n, result.latency_ms.answer.n, result.latency_ms.ingest.n) == (0, 0, 0)
        assert (result.context.n, result.cached, result.cost) == (0, {}, None)
        assert result.answering_model == "imported"
        assert not result.answering_model_details.offline


def test_flips_are_listed_and_add_up(judged: Report) -> None:
    for result in judged.results:
        grades = result.published
        assert grades
        assert grades.accepted
        (judge_,) = grades.judges
        assert (judge_.judge, judge_.n, judge_.accepted) == ("lexical", grades.n, result.questions.correct)
        assert (len(grades.only_published), len(grades.only_here)) == (judge_.only_published, judge_.only_here)
        assert judge_.accepted - judge_.only_here == grades.accepted.correct - judge_.only_published
        assert sum(one.accepted for one in grades.by_type.values()) == grades.accepted.correct
        assert sum(one.accepted_here for one in grades.by_type.values()) == judge_.accepted
        assert judge_.kappa_ci95
        assert judge_.kappa_ci95[0] < (judge_.cohen_kappa or 0) < judge_.kappa_ci95[1]


def test_the_page_has_the_table(judged: Report) -> None:
    page = (ROOT / "docs" / "published-answers.md").read_text(encoding="utf-8")
    found = by_name(judged)
    rows = [row_of(name, found[key]) for key, name in NAMES.items()]
    assert [row for row in rows if row not in page] == []


def row_of(name: str, result: Result) -> str:
    grades, accuracy = result.published, result.accuracy
    assert grades
    assert accuracy
    (lexical,) = grades.judges
    stated = "-" if grades.stated is None else repr(grades.stated)
    low, high = lexical.kappa_ci95 or (0.0, 0.0)
    cells = (
        name, f"{grades.n:,}", stated, repr(grades.mean_grade),
        f"{accuracy.value:.3f} [{accuracy.ci95[0]:.3f}, {accuracy.ci95[1]:.3f}]",
        f"{lexical.agreed:.3f}", f"{lexical.cohen_kappa:.3f} [{low:.3f}, {high:.3f}]",
        f"{lexical.only_published}", f"{lexical.only_here}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def test_the_run_says_what_is_missing_of_the_benchmark_and_whose_answers_they_are(runs: Path, judged: Report) -> None:
    for report in (read_report(runs / "published"), judged):
        locomo = by_name(report)[MEM0, "locomo"]
        notes = " ".join(locomo.benchmark.notes)
        assert "published:mem0 has no answer to 446 of 1,986 questions: adversarial 446 of 446" in notes
        stated = locomo.provider.settings["locomo"]
        assert isinstance(stated, dict)
        assert (stated["answerer_model"], stated["judge_model"], stated["cutoff"]) == ("gpt-5", "gpt-5", "top_50")
        oracle = by_name(report)[MEM0, "longmemeval_oracle"]
        assert "1 questions in other words than the data: eac54add" in " ".join(oracle.benchmark.notes)
    assert "Published grades" in (runs / "judged" / "report.html").read_text(encoding="utf-8")
    lines = (runs / "judged" / "results.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["results"] for line in lines} == {None}

"""LoCoMo's corrected key: each of 156 corrections applied and named, and both keys in one run."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar  # Any: parsed JSON

import pytest

from bench.base import BenchmarkOptions, LoCoMoKey
from bench.benchmarks.locomo import LoCoMo
from bench.config import build_benchmark_config
from bench.run import run_benchmark
from judges.lexical import LexicalJudge
from reports.report import Report, Result, read_lines
from reports.show import closing_table, full_story
from reports.store import Checkpoint, sqlite_url
from tests.repository import DATA
from vocabulary import Answer, Case, DataError, DataMissingError, Gold, Question, Verdict

AUDIT = DATA / "published" / "locomo-audit" / "errors.json"
ASKED = 199
"""The questions of the first conversation."""

Raw = list[dict[str, Any]]


class CountingJudge(LexicalJudge):
    """The offline judge, which notes by what answers were graded."""

    name = "counting"
    truths: ClassVar[list[str]] = []

    def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        self.truths.append(gold.ground_truth)
        return super().evaluate(question, gold, answer)


@pytest.fixture(scope="module")
def rows() -> Raw:
    if not (AUDIT.is_file() and (DATA / "locomo" / "locomo10.json").is_file()):
        pytest.skip(f"no {AUDIT} or no LoCoMo beside it: set MEMORYBENCH_DATA")
    loaded: Raw = json.loads(AUDIT.read_bytes())
    return loaded


def load(key: LoCoMoKey, data: Path = DATA) -> LoCoMo:
    return LoCoMo(BenchmarkOptions(data=str(data), locomo_key=key))


def cases_of(benchmark: LoCoMo) -> dict[str, Case]:
    """By the audit's ids: the place of a conversation in the file, and of a question in the conversation."""
    conversations = list(dict.fromkeys(case.cluster for case in benchmark.cases()))
    return {f"locomo_{conversations.index(case.cluster)}_qa{int(case.id[-3:])}": case for case in benchmark.cases()}


# --- the published files --------------------------------------------------------------------------------------------


def test_156_rows_change_what_they_correct_and_nothing_else(rows: Raw) -> None:
    before, after = cases_of(load("original")), cases_of(load("corrected"))
    assert len(rows) == 156
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {row["question_id"] for row in rows}
    answers = Counter[int]()
    for row in rows:
        was, now = before[row["question_id"]].gold, after[row["question_id"]].gold
        assert list(now.evidence_messages) == list(dict.fromkeys(row["correct_evidence"]))
        kept = {"question_type", "category", "answerable", "trap", "groups"}
        assert was.model_dump(include=kept) == now.model_dump(include=kept)
        if row["error_type"] == "WRONG_CITATION":
            assert now.ground_truth == was.ground_truth
            assert now.evidence_sources != was.evidence_sources
        else:
            assert row["correct_answer"] in now.ground_truth
            answers[row["category"]] += now.ground_truth != was.ground_truth
    assert answers == {1: 28, 2: 26, 3: 9, 4: 36}, "as the audit counts what corrupts a score"
    (whole,) = [row for row in rows if "golden answer" in row["correct_answer"] and row["category"] == 2]
    truth = after[whole["question_id"]].gold.ground_truth
    assert truth == f"{whole['golden_answer']} ({whole['correct_answer']})", "the text refers to the published answer"


@pytest.mark.parametrize("key", ["corrected", "both"])
def test_the_notes_name_each_row_with_its_kind(rows: Raw, key: LoCoMoKey) -> None:
    benchmark = load(key)
    cases = cases_of(benchmark)
    named: set[tuple[str, str]] = set()
    for note in benchmark.info.notes:
        if listed := re.fullmatch(r"([a-z ]+): (\d+) \((conv-\d\d (?:q\d{3}[ ;]*)+.*)\)", note):
            kind, count, groups = listed.groups()
            ids = [(one.split()[0], number) for one in groups.split("; ") for number in one.split()[1:]]
            assert len(ids) == int(count)
            named |= {(kind, f"{sample}-{number}") for sample, number in ids}
    assert named == {(row["error_type"].lower().replace("_", " "), cases[row["question_id"]].id) for row in rows}
    (summary,) = [note for note in benchmark.info.notes if note.startswith("key corrected by locomo-audit")]
    assert summary.endswith("99 answers, and of 57 more the evidence alone")
    unresolved = any(note.startswith("evidence references that name no message") for note in benchmark.info.notes)
    assert unresolved == (key == "both"), "the corrected evidence can all be found"


def test_both_keeps_the_published_gold_and_has_the_other_beside_it(rows: Raw) -> None:
    original, corrected, both = cases_of(load("original")), cases_of(load("corrected")), cases_of(load("both"))
    plain = {name: case.gold.model_copy(update={"corrected": None}) for name, case in both.items()}
    assert plain == {name: case.gold for name, case in original.items()}
    beside = {name: case.gold.corrected for name, case in both.items() if case.gold.corrected}
    assert beside == {row["question_id"]: corrected[row["question_id"]].gold for row in rows}
    assert sum(case.gold.regraded is not None for case in both.values()) == 99


def test_the_data_of_the_corrected_key_are_others_and_those_of_both_are_not(rows: Raw) -> None:
    assert rows
    original, corrected, both = (load(key).info for key in ("original", "corrected", "both"))
    assert original.sha256 == both.sha256 != corrected.sha256
    assert (original.variant, corrected.variant, both.variant) == ("locomo10", "locomo10, corrected key", "locomo10")
    assert original.verified
    assert corrected.verified
    assert both.corrected_key == "f298ef46263fada20688a1d672be37d4f488c6da3b19343eea55ae5c1b5fe55e"
    assert "corrected_key" not in original.model_dump(), "nothing is written of a key that is not used"


# --- other files ----------------------------------------------------------------------------------------------------


def own(folder: Path, changed: object) -> Path:
    """A data folder with the published conversations and `changed` as the audit."""
    for name, content in (
        ("locomo10.json", (DATA / "locomo" / "locomo10.json").read_bytes()),
        ("errors.json", json.dumps(changed).encode()),
    ):
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.long
def test_an_audit_of_other_data_is_refused_in_one_line(rows: Raw, tmp_path: Path) -> None:
    row = rows[0]
    for changed, said in (
        ([row | {"question": "What?"}], "locomo_0_qa1 corrects 'What.', which is not conv-26-q001 here"),
        ([row | {"golden_answer": "1999"}], "locomo_0_qa1 corrects .*, which is not conv-26-q001 here"),
        ([row | {"question_id": "locomo_0_qa900"}], "locomo_0_qa900 is no question of this data"),
        ([row, row], "locomo_0_qa1 is there twice"),
        ([row | {"correct_evidence": "D1:1"}], "0.correct_evidence: .* `python -m bench download locomo_audit"),
    ):
        with pytest.raises(DataError, match=said) as refused:
            load("corrected", own(tmp_path, changed))
        assert "\n" not in str(refused.value)
    assert not load("both", own(tmp_path, rows[1:])).info.verified
    (tmp_path / "errors.json").unlink()
    with pytest.raises(DataMissingError, match="`python -m bench download locomo_audit"):
        load("both", tmp_path)
    assert len(load("original", tmp_path).cases()) == 1986, "the published key needs no audit"


# --- runs -----------------------------------------------------------------------------------------------------------


def run(folder: Path, key: str, judge: str = "lexical") -> Report:
    config = build_benchmark_config(
        data=str(DATA), runs_dir=folder, run_id=key, limit=ASKED, locomo_key=key, judge=judge
    )
    return run_benchmark(config, "locomo").report


@pytest.mark.long
def test_one_run_has_the_figures_of_a_run_by_each_key(rows: Raw, tmp_path: Path) -> None:
    assert rows
    CountingJudge.truths.clear()
    (original,) = run(tmp_path, "original").results
    (alone,) = run(tmp_path, "corrected").results
    report = run(tmp_path, "both", judge=f"{__name__}:CountingJudge")
    (both,) = report.results
    other = both.corrected
    assert other is not None
    assert figures(both) == figures(original)
    assert (other.accuracy, other.retrieval) == (alone.accuracy, alone.retrieval)
    assert other.f1 == alone.f1
    for mine, theirs in ((other.by_type, alone.by_type), (other.by_group, alone.by_group)):
        assert [(name, one.questions.outcomes, one.accuracy, one.retrieval) for name, one in mine.items()] == [
            (name, one.questions.outcomes, one.accuracy, one.retrieval) for name, one in theirs.items()
        ]
    here = [row for row in rows if row["question_id"].startswith("locomo_0_")]
    regraded = sum(row["error_type"] != "WRONG_CITATION" for row in here)
    assert (other.corrected, other.regraded) == (len(here), regraded)
    assert len(CountingJudge.truths) == ASKED + regraded, "searched and answered once, and judged twice only where"
    assert both.calls.search == both.calls.answer == ASKED
    assert both.accuracy
    assert other.accuracy
    assert other.accuracy.correct - both.accuracy.correct == other.only_corrected - other.only_original
    assert re.search(r"\n  corrected key +n=199 +0\.\d{3} \[", closing_table(report))
    assert "corrected key</span>" in (tmp_path / "both" / "report.html").read_text(encoding="utf-8")
    tell(tmp_path / "both", regraded)
    assert "corrected" not in json.dumps([*read_lines(tmp_path / "original")][2], default=str)


def figures(result: Result) -> tuple[object, ...]:
    parts = {name: (one.questions, one.accuracy, one.retrieval) for name, one in result.by_type.items()}
    return result.questions, result.accuracy, result.retrieval, result.f1, parts


def tell(folder: Path, regraded: int) -> None:
    """What the files of the run and the story of a question say of the other key."""
    lines = {line["question_id"]: line for line in read_lines(folder)}
    fields = lines["conv-26-q002"]
    assert fields["ground_truth"] == "Psychology, counseling certification"
    assert fields["corrected_truth"] == "Counseling or mental health"
    assert fields["corrected_evidence"] == ["D1:9", "D1:11"]
    assert sum("corrected" in (line["verdict"] or {}) for line in lines.values()) == regraded
    checkpoint = Checkpoint(sqlite_url(folder / "checkpoint.sqlite"), "both")
    try:
        record = next(one for one in checkpoint.question_records() if one.case.id == "conv-26-q002")
    finally:
        checkpoint.close()
    assert re.search(r"corrected +Counseling or mental health  \((correct|wrong|abstained)\)", full_story(record))


@pytest.mark.long
def test_a_panel_votes_by_each_key(rows: Raw, tmp_path: Path) -> None:
    assert rows
    panel = ["lexical", "substring_exact_match", f"{__name__}:CountingJudge"]

    def asked(key: str) -> Result:
        config = build_benchmark_config(
            data=str(DATA), runs_dir=tmp_path, run_id=key, limit=60, locomo_key=key, judge=panel
        )
        (result,) = run_benchmark(config, "locomo").report.results
        return result

    original, alone, both = map(asked, ("original", "corrected", "both"))
    assert figures(both) == figures(original)
    assert both.corrected is not None
    assert (both.corrected.accuracy, both.corrected.retrieval) == (alone.accuracy, alone.retrieval)
    assert both.corrected.regraded > 0
    verdicts = [line["verdict"] for line in read_lines(tmp_path / "both")]
    assert {len(one["votes"]) for one in verdicts} == {3}
    by_corrected = [[vote.get("corrected") for vote in one["votes"]] for one in verdicts if "corrected" in one]
    assert len(by_corrected) == both.corrected.regraded
    assert all(all(labels) for labels in by_corrected)

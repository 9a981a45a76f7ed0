"""An exported run: other programs read it in one line, and its means are the report's figures."""

from __future__ import annotations

import builtins
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from reports.__main__ import main
from reports.metrics import AnswerMean, Level
from reports.report import Prices, read_report
from reports.report.build import build_report
from reports.share import COLUMNS, TEXTS
from reports.share.columns import Row
from reports.share.export import csv_lines, json_lines
from reports.store import QuestionRecord, Step
from tests.reports.made_records import asked, benchmark, case, failed, run
from tests.repository import ROOT
from vocabulary import Answer, Nugget, Usage, Verdict


def exported(folder: Path, file: Path, *options: str) -> Path:
    assert main(["export", folder.name, "--runs-dir", str(folder.parent), "--output", str(file), *options]) == 0
    return file


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_pandas_reads_it_and_finds_the_figures_of_the_report(made_run: Path, tmp_path: Path, kind: str) -> None:
    pd = pytest.importorskip("pandas", reason="needs pandas")
    pytest.importorskip("pyarrow", reason="needs pyarrow: pip install -e '.[parquet]'")
    file = exported(made_run, tmp_path / f"run.{kind}", "--format", kind, "--texts")
    frame = {"csv": pd.read_csv, "parquet": pd.read_parquet}.get(kind, lambda file: pd.read_json(file, lines=True))(
        file
    )
    assert list(frame.columns) == [column.name for column in (*COLUMNS, *TEXTS)]
    report = read_report(made_run)
    assert len(frame) == sum(result.questions.selected for result in report.results) == 20
    for result in report.results:
        rows = frame[frame.provider == result.provider.name]
        assert result.accuracy
        assert rows.correct.mean() == pytest.approx(result.accuracy.value)
        assert (rows.outcome == "wrong").sum() == result.questions.outcomes.wrong
        assert rows.search_ms.mean() == pytest.approx(result.latency_ms.search.mean, abs=0.001)
        for prefix, level in (("", result.retrieval.message), ("session.", result.retrieval.session)):
            assert level
            for name, by_k in (("recall", level.recall), ("hit", level.hit), ("ndcg", level.ndcg)):
                for k, value in by_k.items():
                    assert rows[f"{prefix}{name}@{k}"].mean() == pytest.approx(value, abs=1e-6)
            assert rows[f"{prefix}mrr"].mean() == pytest.approx(level.mrr, abs=1e-6)
        assert rows["recall@10"].count() == level.n if level else 0


def test_the_columns_are_documented() -> None:
    page = (ROOT / "docs" / "share.md").read_text(encoding="utf-8")
    documented: dict[str, tuple[str, str]] = {}
    for names, kind, meaning in re.findall(r"^\| (`.*`) \| (\w+) \| (.*) \|$", page, re.MULTILINE):
        documented |= dict.fromkeys(re.findall(r"`([^`]+)`", names), (kind, meaning))
    for column in (*COLUMNS, *TEXTS):
        kind, meaning = documented.pop(column.name)
        assert kind == column.kind
        assert re.sub(r"first \d+ ", "", column.meaning) == re.sub(r"first 1, 3, … ", "", meaning)
    assert not documented


def rows(**changes: object) -> list[Row]:
    """Rows of records that never happened: a right answer, an error, and a text that UTF-8 cannot hold."""
    made = run(**changes)
    odd = asked(case(3), "wrong", answer=Answer(hypothesis='a "half" \ud83d,\nand\x00more'))
    records = [asked(case(1)), failed(case(2), "answer"), odd]
    levels: tuple[Level, ...] = ("message",)
    metric, prices = AnswerMean("locomo_official"), Prices(made.started)
    return [
        Row(
            made, made.benchmarks[0], record, 240,
            metric.add(record.answer.hypothesis if record.answer else None, record.case.gold), levels, prices,
        )
        for record in records
    ]  # fmt: skip


def cells(row: Mapping[str, object], *names: str) -> list[object]:
    return [row[name] for name in names]


def test_what_a_row_says() -> None:
    right, error, odd = map(json.loads, json_lines(rows(), texts=True))
    assert cells(right, "outcome", "correct", "f1", "recall@1", "recall@3", "recall@30", "session.recall@3") == [
        "correct", True, 1.0, 0.0, 1.0, None, None,
    ]  # fmt: skip
    assert cells(right, "search_ms", "search_waited_ms", "answer_input_tokens", "judge_output_tokens", "attempts") == [
        2.0, 1.0, 100, 7, 3,
    ]  # fmt: skip
    assert right["cost_usd"] is None, "nobody knows the price of gpt-test"
    assert cells(error, "correct", "f1", "answer_ms", "error_phase", "error_type", "attempts") == [
        False, 0.0, None, "answer", "ProviderError", 4,
    ]  # fmt: skip
    assert error["error_message"].startswith("bm25 answered 503")
    assert odd["answer"].startswith('a "half" ')
    assert odd["answer"].encode()


def test_a_row_has_the_scores_of_a_rubric_and_the_outcome_by_the_corrected_key() -> None:
    made = run(benchmarks=(benchmark(corrected_key="0" * 64),))
    gold = case(1).gold.model_copy(update={"rubric": ("May", "2023")})
    gold = gold.model_copy(update={"corrected": gold.model_copy(update={"ground_truth": "June"})})
    verdict = Verdict(
        label="wrong", explanation="", nuggets=(Nugget(score=0.5), Nugget(score=1.0)),
        corrected=Verdict(label="correct", explanation=""),
    )  # fmt: skip
    with_rubric = asked(case(1).model_copy(update={"gold": gold})).model_copy(update={"verdict": verdict})
    levels: tuple[Level, ...] = ("message",)
    names = "beam_nuggets", "beam_paper", "correct", "corrected_outcome", "corrected_correct"

    def said(record: QuestionRecord, *, graded: bool = True) -> list[object]:
        row = Row(made, made.benchmarks[0], record, 240, 1.0, levels, Prices(made.started), graded)
        return [{column.name: column.of(row) for column in COLUMNS}[name] for name in names]

    assert said(with_rubric) == [0.75, 0.5, False, "correct", True]
    assert said(with_rubric.model_copy(update={"verdict": None}))[:2] == [0.0, 0.0], "as the report counts an error"
    assert said(with_rubric, graded=False)[:2] == [None, None]
    assert said(asked(case(2))) == [None, None, True, "correct", True]


def test_a_batch_has_no_time_of_the_service_as_in_the_report() -> None:
    record = asked(case())
    batched = Step(phase="judge", service_ms=600_000.0, usage=Usage(input_tokens=100, batched=1))
    record = record.model_copy(update={"steps": (*record.steps[:-1], batched)})
    made = run()
    assert build_report(made, [record], []).results[0].latency_ms.judge.n == 0
    levels: tuple[Level, ...] = ("message",)
    row = Row(made, made.benchmarks[0], record, 240, 1.0, levels, Prices(made.started))
    times = {column.name: column.of(row) for column in COLUMNS if column.name in ("answer_ms", "judge_ms")}
    assert times == {"answer_ms": 30.0, "judge_ms": None}


def test_without_texts_nothing_of_the_data_is_in_it() -> None:
    text = "\n".join((*json_lines(rows()), *csv_lines(rows())))
    for found in ("support group", "7 May 2023", "compared the dates", "overloaded"):
        assert found not in text


def test_what_was_not_judged_is_neither_right_nor_wrong() -> None:
    assert [json.loads(line)["correct"] for line in json_lines(rows(until="answer"))] == [None] * 3


def test_parquet_says_what_it_needs(
    made_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(name: str, *others: object) -> object:
        if name.partition(".")[0] == "pyarrow":
            raise ImportError(name)
        return imported(name, *others)  # type: ignore[arg-type]  # what the interpreter passes on

    imported = builtins.__import__
    asked_for = ["export", "made", "--runs-dir", str(made_run.parent), "--format", "parquet"]
    assert main(asked_for) == 2
    assert "--output FILE" in capsys.readouterr().err
    monkeypatch.setattr(builtins, "__import__", without)
    assert main([*asked_for, "--output", str(tmp_path / "x.parquet")]) == 2
    assert "pip install -e '.[parquet]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_one_line(made_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "made", "--runs-dir", str(made_run.parent), "--output", "/nowhere/x.csv"]) == 2
    assert "cannot write /nowhere/x.csv: No such file or directory" in capsys.readouterr().err

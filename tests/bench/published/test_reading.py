"""A file of published answers is known by its shape, and what is wrong with one is a single line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import main
from bench.published import PublishedSet, read_published
from vocabulary import DataError

MEM0 = {
    "metadata": {"answerer_model": "gpt-5", "merged_from_questions": "conv0_q1"},
    "metrics_by_cutoff": {"top_20": {"overall": {"accuracy": 50.0}}},
    "evaluations": [
        {
            "question_id": "conv0_q7", "conversation_idx": 0, "question": "Who?", "ground_truth_answer": 2022,
            "cutoff_results": {
                "top_20": {"judgment": "CORRECT", "score": 1.0, "generated_answer": "Ann"},
                "top_50": {"judgment": "ERROR", "score": 0.0, "generated_answer": None},
            },
        }
    ],
}  # fmt: skip
BEAM_QUESTION = {
    "question_id": "1M_0_q0_abstention", "chat_size": "1M", "conversation_idx": 0, "rubric": ["one"],
    "question": "Who?", "cutoff_results": {"top_50": {"score": 0.75, "generated_answer": "Ann"}},
}  # fmt: skip
BEAM = {"evaluations": [BEAM_QUESTION]}
AUDIT = {
    "accuracy": 2 / 3,
    "detailed_results": {
        "locomo_exp_user_3": [
            {
                "question_id": "locomo_3_qa12", "question": "Who?", "golden_answer": "Bob", "generated_answer": "Ann",
                "llm_judgments": {"judgment_1": True, "judgment_2": False, "judgment_3": True},
            }
        ]
    },
}  # fmt: skip
AMB = {
    "dataset": "locomo", "memory_provider": "cognee", "accuracy": 1.0, "answer_llm": "gemini",
    "results": [
        {"query_id": "conv-26_q4", "query": "Who?", "answer": "Ann", "gold_answers": ["Ann"], "correct": True},
    ],
}  # fmt: skip
ZEP = {"locomo_experiment_user_6": [{"question": "Who?", "answer": "Ann", "golden_answer": "Ann", "grade": True}]}


def read(folder: Path, name: str, content: Any) -> list[PublishedSet]:
    path = folder / name
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return read_published(path)


def test_mem0_has_a_set_for_each_cut_off(tmp_path: Path) -> None:
    first, second = read(tmp_path, "anything.json", MEM0)
    assert (first.publisher, second.publisher, first.benchmarks) == ("mem0-top_20", "mem0-top_50", ("locomo",))
    assert first.facts["answerer_model"] == "gpt-5"
    assert first.facts["stated_accuracy"] == 50.0
    assert "questions_asked_again" in first.facts
    assert second.facts["graded_as_error"] == 1
    (answer,) = first.answers
    assert answer[:4] == ("conv0_q7", "Who?", "Ann", 1.0)
    assert (answer.conversation, answer.number, answer.truth, answer.source_id) == (0, 7, "2022", None)
    assert second.answers[0].answer == ""


def test_beam_is_read_for_a_benchmark_of_that_size(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "beam.json", BEAM)
    assert (one.benchmarks, one.answers[0].grade, one.answers[0].conversation) == (("beam_1m",), 0.75, 0)


@pytest.mark.parametrize(("name", "all_wrong"), [("ap_v9.json", True), ("full.json.gz", False)])
def test_an_audit_has_the_share_of_its_judgements(tmp_path: Path, name: str, all_wrong: bool) -> None:
    (one,) = read(tmp_path, name, AUDIT)
    assert one.publisher == f"locomo-audit-{name.partition('.')[0]}"
    assert (one.all_wrong, one.facts["file"], one.answers[0].grade) == (all_wrong, name, 2 / 3)
    assert (one.answers[0].conversation, one.answers[0].number) == (3, 12)


def test_metadata_say_that_an_audits_answers_are_those_of_a_system(tmp_path: Path) -> None:
    (one,) = read(tmp_path, "ap_v9.json", AUDIT | {"metadata": {"model": "gpt-4.1-mini"}})
    assert (one.all_wrong, one.facts["model"]) == (False, "gpt-4.1-mini")


def test_another_harness_and_zep(tmp_path: Path) -> None:
    (amb,) = read(tmp_path, "a.json.gz", AMB)
    assert (amb.publisher, amb.facts["answer_llm"]) == ("amb-cognee", "gemini")
    assert (amb.answers[0].conversation, amb.answers[0].number, amb.answers[0].grade) == ("conv-26", 4, 1.0)
    (zep,) = read(tmp_path, "z.json", ZEP)
    assert (zep.publisher, zep.answers[0].conversation, zep.answers[0].number) == ("zep", 6, None)


def test_lines_of_longmemeval_of_this_suite_and_neutral_ones(tmp_path: Path) -> None:
    graded = {"question_id": "a1", "hypothesis": "Ann", "autoeval_label": {"model": "gpt-4o", "label": False}}
    (longmemeval,) = read(tmp_path, "team.jsonl", "\n".join(map(json.dumps, [graded, {**graded, "question_id": "a2"}])))
    assert (longmemeval.publisher, longmemeval.benchmarks[0]) == ("team", "longmemeval_s")
    assert longmemeval.facts["judge_model"] == "gpt-4o"
    assert [answer[:5] for answer in longmemeval.answers] == [
        ("a1", "", "Ann", 0.0, "a1"),
        ("a2", "", "Ann", 0.0, "a2"),
    ]
    about = {"about": {"by": "acme", "benchmark": "locomo", "answering_model": "m", "all_wrong": True}}
    lines = [about, {"question": "Who?", "answer": "Ann", "grade": [True, False]}, {"question_id": "q", "answer": 3}]
    (neutral,) = read(tmp_path, "n.jsonl", "\n".join(map(json.dumps, lines)))
    assert (neutral.publisher, neutral.benchmarks, neutral.all_wrong) == ("acme", ("locomo",), True)
    assert [(answer.answer, answer.grade, answer.source_id) for answer in neutral.answers] == [
        ("Ann", 0.5, None), ("3", None, "q")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "has the shape of no format that is known"),
        ("[1, 2]", "has the shape of no format that is known"),
        ("not JSON", "cannot be read as published answers (JSONDecodeError"),
        ({"evaluations": [BEAM_QUESTION | {"cutoff_results": {}}]}, "no format that is known"),
        ({"evaluations": [BEAM_QUESTION | {"cutoff_results": {"a": None}}]}, "(AttributeError"),
        ('{"question_id": "q", "answer": "a"}\n{"answer": "b"}', "line 2 has no answer to a question"),
        ('{"question_id": "q", "answer": "a"}\nnonsense', "line 2 is no JSON object"),
        ('{"question_id": "q", "answer": "a", "grade": 7}', "line 1: grade 7 is neither"),
        ('{"question_id": "q", "answer": "a", "grade": "yes"}', "line 1: grade 'yes' is neither"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(DataError) as raised:
        read(tmp_path, "file.json", content)
    assert message in str(raised.value)
    assert str(tmp_path / "file.json") in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "options", "status", "message"),
    [
        (None, (), 2, "there is no file"),
        (
            {"evaluations": [BEAM_QUESTION | {"chat_size": "9M"}]},
            (),
            2,
            "beam_9m, which is not available",
        ),
        ('{"question": "Who?", "answer": "Ann"}', (), 2, "a benchmark that the file does not name"),
        (ZEP, ("--benchmark", "lokomo"), 2, "lokomo, which is not available here"),
        (ZEP, ("--run-id", "../up"), 2, "--run-id '../up'"),
        (ZEP, (), 1, "python -m bench download locomo"),
    ],
)
def test_an_import_that_cannot_be_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    content: Any, options: tuple[str, ...], status: int, message: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("MEMORYBENCH_DATA", str(tmp_path / "empty"))
    (tmp_path / "empty").mkdir()
    file, runs = tmp_path / "file.json", tmp_path / "runs"
    if content is not None:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    assert main(["import", str(file), "--runs-dir", str(runs), *options]) == status
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not runs.exists()

"""Every malformed variant of a data set gives a line with file, line and field, and a run refuses it with the same."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import BenchmarkOptions
from bench.__main__ import main
from bench.benchmarks.own import Mine, dataset_schema
from tests.bench.benchmarks.own import team_data
from tests.repository import ROOT
from vocabulary import DataError

Whole = list[dict[str, Any]]
ABSENT = object()


def setting(path: str, value: object) -> Callable[[Whole], None]:
    """Set what `path` names in the second haystack, or remove it."""

    def mutate(whole: Whole) -> None:
        *before, last = path.split("/")
        place: Any = whole[1]
        for step in before:
            place = place[int(step) if step.isdigit() else step]
        key: Any = int(last) if last.isdigit() else last
        if value is ABSENT:
            del place[key]
        else:
            place[key] = value

    return mutate


MESSAGE, SESSION, QUESTION = "sessions/1/messages/0", "sessions/1", "questions/2"
IN_HAYSTACK: list[tuple[str, object, str]] = [
    (f"{MESSAGE}/text", ABSENT, "sessions[1].messages[0].text"),
    (f"{MESSAGE}/text", "  ", "sessions[1].messages[0].text"),
    (f"{MESSAGE}/text", 7, "sessions[1].messages[0].text"),
    (f"{MESSAGE}/speaker", ABSENT, "sessions[1].messages[0].role"),
    (f"{MESSAGE}/speaker", "", "sessions[1].messages[0].speaker"),
    (f"{MESSAGE}/role", "system", "sessions[1].messages[0].role"),
    (f"{MESSAGE}/time", "noon", "sessions[1].messages[0].time"),
    (f"{MESSAGE}/id", "", "sessions[1].messages[0].id"),
    (f"{MESSAGE}/id", "cara-1-a", "sessions[1].messages[0].id"),
    (f"{MESSAGE}/sender", "Cara", "sessions[1].messages[0].sender"),
    (MESSAGE, "Cara: hello", "sessions[1].messages[0]"),
    (f"{SESSION}/messages", [], "sessions[1].messages"),
    (f"{SESSION}/messages", ABSENT, "sessions[1].messages"),
    (f"{SESSION}/messages", "hello", "sessions[1].messages"),
    (f"{SESSION}/date", "2024-13-01", "sessions[1].date"),
    (f"{SESSION}/date", 1709280000, "sessions[1].date"),
    (f"{SESSION}/id", "cara-1", "sessions[1].id"),
    (f"{SESSION}/haystack", "cara", "sessions[1].haystack"),
    (f"{SESSION}/title", "Talk", "sessions[1].title"),
    (SESSION, None, "sessions[1]"),
    ("sessions", [], "sessions"),
    ("sessions", {}, "sessions"),
    ("id", "ann", "id"),
    ("id", ["cara"], "id"),
    ("owner", "me", "owner"),
    ("questions", "none", "questions"),
    (f"{QUESTION}/question", ABSENT, "questions[2].question"),
    (f"{QUESTION}/question", "", "questions[2].question"),
    (f"{QUESTION}/ground_truth", ABSENT, "questions[2].ground_truth"),
    (f"{QUESTION}/ground_truth", ["a", "b"], "questions[2].ground_truth"),
    (f"{QUESTION}/grond_truth", "x", "questions[2].grond_truth"),
    (f"{QUESTION}/type", "two words", "questions[2].type"),
    (f"{QUESTION}/evidence", "cara-1-a", "questions[2].evidence"),
    (f"{QUESTION}/evidence", ["cara-1-a", "ann-1-a"], "questions[2].evidence[1]"),
    (f"{QUESTION}/evidence", ["s9m1"], "questions[2].evidence[0]"),
    (f"{QUESTION}/date", "tomorrow", "questions[2].date"),
    (f"{QUESTION}/answerable", "perhaps", "questions[2].answerable"),
    (f"{QUESTION}/id", "a/b", "questions[2].id"),
    (f"{QUESTION}/id", "q0001", "questions[2].id"),
    (f"{QUESTION}/haystack", "ann", "questions[2].haystack"),
]


def in_lines(text: str) -> tuple[str, int]:
    """The three haystacks with `text` as the second line."""
    first, second, third = map(json.dumps, team_data.haystacks())
    return "\n".join([first, text.replace("SECOND", second), third, ""]), 2


BROKEN_LINES = ["SECOND"[:-1] + "]", "{", "null", "[1, 2]", '"text"', '{"id": 1, "id": 2}', '{"name": "Cara"}', "\x00"]


def written(folder: Path) -> Iterator[tuple[Path, int, str]]:
    """All malformed variants: the data set, and the line and field of the fault."""
    for number, (path, value, field) in enumerate(IN_HAYSTACK):
        whole = copy.deepcopy(team_data.haystacks())
        setting(path, value)(whole)
        yield team_data.write_lines(folder / f"made{number}.jsonl", whole), 2, field
    for number, broken in enumerate(BROKEN_LINES):
        text, line = in_lines(broken)
        file = folder / f"line{number}.jsonl"
        file.write_text(text, encoding="utf-8")
        yield file, line, "line"


def in_csv(folder: Path) -> Iterator[tuple[Path, int, str]]:
    changes: list[tuple[int, dict[str, object], str]] = [
        (3, {"question": ""}, "question"),
        (4, {"ground_truth": ""}, "ground_truth"),
        (2, {"evidence": ["cara-1-a"]}, "evidence[0]"),
        (5, {"haystack": "anne"}, "haystack"),
        (6, {"haystack": ""}, "haystack"),
        (7, {"date": "03/04/24"}, "date"),
    ]
    for number, (line, change, field) in enumerate(changes):
        place = folder / f"csv{number}"
        path = team_data.as_csv(place)
        questions = team_data.questions_of(team_data.haystacks())
        questions[line - 2] |= change
        yield team_data.write_csv(path, questions), line, field


def test_every_malformed_variant_gives_a_line_with_file_line_and_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    variants = [*written(tmp_path), *in_csv(tmp_path)]
    assert len(variants) >= 40
    for path, line, field in variants:
        assert main(["check", str(path)]) == 1
        shown = capsys.readouterr().out.splitlines()
        expected = f"{path}:{line}: {field}: "
        assert any(text.startswith(expected) for text in shown), (expected, shown)
        with pytest.raises(DataError) as refused:
            Mine.each(BenchmarkOptions(dataset=(str(path),)))
        assert str(refused.value).partition(" (")[0] in "\n".join(shown), "a run shows the same line"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "1: question: there is nothing in it"),
        (b"\xff\xfe{", "1: line: is UTF-16 and not UTF-8"),
        (b'{"messages": [{"role": "user", "text": "caf\xe9"}]}', "1: line: is not UTF-8"),
        (b'{"messages": [{"role": "user", "text": "hello"}]}', "1: question: there is no question in it"),
        (b"version https://git-lfs.github.com/spec/v1", "1: line: is a Git LFS pointer"),
    ],
)
def test_a_file_that_is_something_else_is_named(
    tmp_path: Path, content: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(content)
    assert main(["check", str(path)]) == 1
    assert f"{path}:{message}" in capsys.readouterr().out


def test_faults_in_other_kinds_of_files_have_their_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = team_data.as_folder(tmp_path / "talks")
    text = (folder / "cara.json").read_text(encoding="utf-8")
    (folder / "cara.json").write_text(text.replace('"date": "2024-03-08",', '"date": "2024-03-08"'), encoding="utf-8")
    (folder / "many.json").write_text('[\n{"messages": [{"role": "user", "text": "a"}]},\n{"messages": []}\n]')
    (folder / "bare.csv").write_text("text;answer\na;b\n")
    (folder / "wide.csv").write_text("question,ground_truth\na,b,c\n")
    assert main(["check", str(folder)]) == 1
    shown = capsys.readouterr().out
    assert f"{folder / 'cara.json'}:21: line: item 0: not valid JSON" in shown
    assert f"{folder / 'many.json'}:3: messages: must not be empty" in shown
    assert f"{folder / 'bare.csv'}:1: question: there is no such column, but text, answer" in shown
    assert f"{folder / 'wide.csv'}:2: line: has 1 more cells than the first line" in shown


def test_a_fault_in_a_session_gives_no_faults_in_the_questions_about_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = team_data.as_csv(tmp_path)
    sessions = team_data.sessions_of(team_data.haystacks())
    sessions[0]["date"] = "yesterday"
    for session in sessions[3:6]:
        session["messages"] = []
    team_data.write_lines(path.with_suffix(".jsonl"), sessions)
    assert main(["check", str(path)]) == 1
    *faults, summary = capsys.readouterr().out.splitlines()
    assert [text.split(": ")[1] for text in faults] == ["date", "messages", "messages", "messages"]
    assert summary.startswith("4 faults")


def test_parquet_faults_have_their_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    folder = team_data.as_hub_folder(tmp_path / "hub")
    (folder / "data" / "broken.parquet").write_bytes(b"PAR1 and nothing more")
    whole = team_data.haystacks()
    whole[2]["id"] = "cara"
    team_data.write_parquet(folder / "data" / "twice.parquet", whole[1:])
    assert main(["check", str(folder)]) == 1
    shown = capsys.readouterr().out
    assert "broken.parquet:1: line: is not Parquet" in shown
    assert "twice.parquet:1: id: haystack 'cara' is there already" in shown


def test_what_is_lacking_is_said_with_its_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = team_data.as_jsonl(tmp_path)
    assert main(["check", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "mine: 12 questions about 3 haystacks, 9 sessions, 18 messages" in shown
    assert "no retrieval scores" not in shown
    assert "accuracy of a half is known to about ±28%" in shown
    bare = {"messages": [{"role": "user", "text": "Rex is three."}]}, {"question": "How old?", "ground_truth": "three"}
    assert main(["check", str(team_data.write_lines(tmp_path / "bare.jsonl", bare))]) == 0
    shown = capsys.readouterr().out
    for lack in ("evidence of 1 question: no retrieval scores", "dates of 1 session", "types", "cannot be answered"):
        assert f"lacking: {lack}" in shown or lack in shown
    assert shown.endswith(f"no faults: pytest bench -k mine --dataset {tmp_path / 'bare.jsonl'}\n")


def test_the_published_schema_is_that_of_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    published = (ROOT / "docs" / "dataset.schema.json").read_text(encoding="utf-8")
    assert main(["check", "--schema"]) == 0
    assert capsys.readouterr().out == dataset_schema()
    assert published == dataset_schema(), "write it anew: python -m bench check --schema > docs/dataset.schema.json"

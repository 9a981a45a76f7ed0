"""``python -m bench draft-questions``: a model proposes, a person decides, and the record says who did what."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import BenchmarkOptions
from bench.__main__ import main
from bench.benchmarks.own import Mine
from tests.bench.benchmarks.own import team_data
from tests.llms.clients.model_server import Asked, ModelServer, serving


def proposal(question: str, truth: str, kind: str, *evidence: str) -> dict[str, Any]:
    return {"question": question, "ground_truth": truth, "type": kind, "evidence": list(evidence)}


GOOD = proposal("How old is Ann's dog Rex?", "three years", "fact", "s0001m0001")
MOVED = proposal("Where does Ann live now?", "Lisbon", "change", "[s0002m0001]")
OPEN = proposal("What is the name of Ann's cat?", "", "not-said")
BAD = [
    proposal("Which city is the capital of France?", "Paris", "fact", "s0001m0001"),
    proposal("Where is Ann?", "Mars", "fact", "s9999m0001"),
    proposal("What is nowhere?", "nothing", "fact"),
    proposal("How old is Ann's dog Rex?", "three", "fact", "s0001m0001"),
]


def reply(asked: Asked) -> str:
    """Proposals about Ann alone; without the conversations it knows France and nothing else."""
    if asked.schema:
        return json.dumps({"questions": [GOOD, MOVED, OPEN, *BAD] if "Rex" in asked.text else []})
    return "Paris." if "France" in asked.text else "Perhaps blue."


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving() as server:
        server.reply = reply
        yield server


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Conversations without questions."""
    return team_data.write_lines(tmp_path / "mine.jsonl", team_data.sessions_of(team_data.haystacks()))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def decide(path: Path, *decisions: dict[str, str]) -> None:
    """What a person does in a spreadsheet."""
    changed = [row | decision for row, decision in zip(rows(path), decisions, strict=True)]
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, list(changed[0]))
        table.writeheader()
        table.writerows(changed)


def test_drafts_are_checked_decided_about_and_become_questions(
    server: ModelServer, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = server.name("openai")
    assert main(["draft-questions", str(mine), "--model", model, "--questions", "7"]) == 0
    shown = capsys.readouterr().out
    for reason in (
        "answered without the conversations",
        "evidence that is not in the conversation",
        "no evidence or no ground truth",
        "the same question again",
    ):
        assert f"removed: 1 ({reason})" in shown
    drafts = mine.with_name("mine.drafts.csv")
    found = rows(drafts)
    assert [row["question"] for row in found] == [GOOD["question"], MOVED["question"], OPEN["question"]]
    assert {row["drafted_by"] for row in found} == {model}
    assert found[1]["said"] == "(2024-03-08 00:00) Ann: We moved to Lisbon."
    drafted = [asked for asked in server.requests if asked.schema]
    assert len(drafted) == 3, "one request for each haystack"
    assert all("haystack" not in asked.text for asked in drafted)

    assert main(["draft-questions", str(mine)]) == 2
    assert "no draft is accepted, 3 not decided about" in capsys.readouterr().err
    decide(drafts, {"accept": "yes", "ground_truth": "3 years"}, {"accept": "no"}, {"accept": "yes"})
    assert main(["draft-questions", str(mine)]) == 0
    assert main(["check", str(mine.with_suffix(".csv"))]) == 0
    options = BenchmarkOptions(dataset=(str(mine.with_suffix(".csv")),))
    (kind,) = Mine.each(options)
    benchmark = kind(options)
    first, second = benchmark.cases()
    assert (first.gold.ground_truth, first.gold.evidence_messages) == ("3 years", ("s0001m0001",))
    assert (second.gold.question_type, second.gold.answerable) == ("not-said", False)
    assert benchmark.info.notes == (f"questions drafted by {model}, a language model: 2 of 2",)


@pytest.mark.long
def test_decisions_in_the_terminal_are_kept_one_by_one(
    server: ModelServer, mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = "d\ne\nWhere did Ann move to?\n\n\n\nq\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    command = ["draft-questions", str(mine), "--model", server.name("anthropic"), "--haystack", "ann", "--review"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "1 of 3 · ann · fact · drafted by anthropic/test-model@" in shown
    assert "evidence      (2024-03-01 09:30) Ann: My dog Rex is three years old." in shown
    assert "1 questions accepted, 1 not decided about" in shown
    assert [row["accept"] for row in rows(mine.with_name("mine.drafts.csv"))] == ["no", "yes", ""]
    (accepted,) = rows(mine.with_suffix(".csv"))
    assert accepted["question"] == "Where did Ann move to?"
    assert accepted["evidence"] == "s0002m0001"


def test_long_conversations_are_shown_in_parts_of_a_size(server: ModelServer, mine: Path) -> None:
    command = ["draft-questions", str(mine), "--model", server.name("openai"), "--haystack", "ann"]
    assert main([*command, "--context-tokens", "30", "--questions", "2"]) == 0
    shown = [asked.text for asked in server.requests if asked.schema]
    assert len(shown) == 2, "no more parts than questions"
    assert all(text.endswith("Write 1 question.") for text in shown)
    assert sorted("s0001m0001" in text for text in shown) == [False, True], "asked for at the same time"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accept": "maybe"}, "row 1: accept: must be yes, no or empty (found 'maybe')"),
        ({"accept": "yes", "question": ""}, "mine.drafts.csv:2: question: is missing"),
        ({"accept": "yes", "ground_truth": ""}, "mine.drafts.csv:2: ground_truth: must be given"),
    ],
)
def test_what_a_person_spoiled_is_named(
    server: ModelServer, mine: Path, change: dict[str, str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["draft-questions", str(mine), "--model", server.name("openai")]) == 0
    decide(mine.with_name("mine.drafts.csv"), change, {}, {})
    assert main(["draft-questions", str(mine)]) == 1
    assert message in capsys.readouterr().err


def test_what_cannot_be_drafted_is_one_line(
    server: ModelServer, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["draft-questions", str(mine), "--model", server.name("openai")]
    server.fault = lambda _asked: "401"
    assert main(command) == 1
    assert not mine.with_name("mine.drafts.csv").exists()
    assert main([*command, "--haystack", "nobody"]) == 2
    assert main(["draft-questions", str(mine)]) == 1
    mine.with_name("mine.drafts.csv").write_text("accept\n")
    assert main(command) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    for line, message in zip(lines, ("401", "the data set has ann, cara, dan", "no drafts", "exists"), strict=True):
        assert message in line

"""Three conversations of a team, and questions about them, in each of the accepted shapes."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

DATES = ("2024-03-01T09:30", "2024-03-08", "2024-04-02")


def message(speaker: str, text: str, **more: Any) -> dict[str, Any]:
    return {"speaker": speaker, "text": text, **more}


def haystacks() -> list[dict[str, Any]]:
    """Ann and Ben, Cara and the assistant, Dan and Eve: three sessions each, four questions each."""
    talks = {
        "ann": ("Ann", "Ben", "My dog Rex is three years old.", "We moved to Lisbon.", "Rex learned to swim."),
        "cara": ("Cara", "Bot", "I work as a nurse.", "My sister Ida lives in Oslo.", "I bought a red bicycle."),
        "dan": ("Dan", "Eve", "The launch is on Friday.", "The launch moved to Monday.", "We hired two designers."),
    }
    asked = {
        "ann": ("How old is Rex?", "three years", "Where did Ann move?", "Lisbon", "What did Rex learn?", "swim"),
        "cara": ("What is Cara's job?", "nurse", "Where does Ida live?", "Oslo", "What did Cara buy?", "red bicycle"),
        "dan": ("When was the first date?", "Friday", "When is the launch?", "Monday", "Who was hired?", "designers"),
    }  # fmt: skip
    return [_haystack(name, *talk, asked[name]) for name, talk in talks.items()]


def _haystack(
    name: str, first: str, second: str, one: str, two: str, three: str, asked: tuple[str, ...]
) -> dict[str, Any]:
    sessions = [
        {
            "id": f"{name}-{number}",
            "date": date,
            "messages": [
                message(first, text, id=f"{name}-{number}-a"),
                message(second, "I see, thanks for saying so."),
            ],
        }
        for number, (date, text) in enumerate(zip(DATES, (one, two, three), strict=True), start=1)
    ]
    questions: list[dict[str, Any]] = [
        {
            "question": asked[2 * at],
            "ground_truth": asked[2 * at + 1],
            "type": kind,
            "evidence": [f"{name}-{at + 1}-a"],
            "date": "2024-05-01",
        }
        for at, kind in enumerate(("fact", "update", "fact"))
    ]
    questions.append({"question": f"What is {first}'s shoe size?", "answerable": False, "type": "unknown"})
    return {"id": name, "sessions": sessions, "questions": questions}


def sessions_of(whole: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**session, "haystack": one["id"]} for one in whole for session in one["sessions"]]


def questions_of(whole: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**question, "haystack": one["id"]} for one in whole for question in one["questions"]]


def write_lines(path: Path, records: Iterable[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def write_csv(path: Path, questions: Iterable[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        columns = ("haystack", "question", "ground_truth", "type", "evidence", "date", "answerable", "id")
        rows = csv.DictWriter(stream, columns)
        rows.writeheader()
        rows.writerows({**one, "evidence": ";".join(one.get("evidence", ()))} for one in questions)
    return path


def as_jsonl(folder: Path, name: str = "mine") -> Path:
    return write_lines(folder / f"{name}.jsonl", haystacks())


def as_csv(folder: Path, name: str = "team") -> Path:
    write_lines(folder / f"{name}.jsonl", sessions_of(haystacks()))
    return write_csv(folder / f"{name}.csv", questions_of(haystacks()))


def as_folder(folder: Path) -> Path:
    """A JSON file for each conversation, and one file of questions."""
    for one in haystacks():
        path = folder / f"{one['id']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"sessions": one["sessions"]}, indent=1), encoding="utf-8")
    write_lines(folder / "questions.jsonl", questions_of(haystacks()))
    (folder / "README.md").write_text("Conversations of the team.\n", encoding="utf-8")
    return folder


def write_parquet(path: Path, records: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist(records), path, row_group_size=2)


def as_hub_folder(folder: Path) -> Path:
    """Parquet as a data set on the Hugging Face hub has it."""
    (folder / "data").mkdir(parents=True)
    write_parquet(folder / "data" / "test-00000-of-00001.parquet", haystacks())
    (folder / "README.md").write_text("---\nconfigs: []\n---\n", encoding="utf-8")
    (folder / "dataset_infos.json").write_text("{}", encoding="utf-8")
    return folder

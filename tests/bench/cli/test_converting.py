"""``python -m bench convert``: transcripts as people have them become sessions that a run takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import BenchmarkOptions
from bench.__main__ import main
from bench.benchmarks.own import Mine
from vocabulary import Session

PLAIN = [{"role": "user", "content": "My dog is Rex."}, {"role": "assistant", "content": "A fine name."}]


def converted(tmp_path: Path, *files: Path, options: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    out = tmp_path / "converted.jsonl"
    out.unlink(missing_ok=True)
    assert main(["convert", *map(str, files), "--to", str(out), *options]) == 0
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def spoken(session: dict[str, Any]) -> list[tuple[str | None, str | None, str]]:
    return [(one.get("speaker"), one.get("role"), one["text"]) for one in session["messages"]]


def write(path: Path, *records: object) -> Path:
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return path


def node(name: str, parent: str | None, role: str = "", *parts: object, **more: Any) -> dict[str, Any]:
    content = {"content_type": "text", "parts": list(parts)}
    message = {"id": name, "author": {"role": role}, "content": content, "create_time": 1709280000.5, **more}
    return {"id": name, "parent": parent, "children": [], "message": message if role else None}


def export(current: str | None = "e") -> dict[str, Any]:
    """A conversation as ChatGPT exports it: c was regenerated as d, and e answers d."""
    hidden = {"metadata": {"is_visually_hidden_from_conversation": True}}
    nodes = [
        node("root", None),
        node("a", "root", "system", "", **hidden),
        node("b", "a", "user", "My dog is Rex.", {"content_type": "image_asset_pointer"}),
        node("c", "b", "assistant", "What?"),
        node("d", "b", "assistant", "A fine name."),
        node("x", "d", "assistant", "", content={"content_type": "code", "text": "search()"}),
        node("e", "x", "user", "He is three."),
    ]
    mapping = {one["id"]: one for one in nodes}
    for one in nodes:
        if one["parent"]:
            mapping[one["parent"]]["children"].append(one["id"])
    return {"title": "Dogs", "create_time": 1709280000.1, "conversation_id": "talk-1", "mapping": mapping,
            "current_node": current}  # fmt: skip


def test_messages_of_an_api_are_sessions(tmp_path: Path) -> None:
    one = tmp_path / "ann.json"
    one.write_text(json.dumps([{"role": "system", "content": "Be nice."}, *PLAIN]), encoding="utf-8")
    parts = [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {}}]
    many = write(
        tmp_path / "many.jsonl",
        {"messages": PLAIN, "user": "bob", "created": 1709280000},
        {"messages": [{"role": "user", "content": parts, "name": "Cara"}, {"role": "assistant", "content": None}]},
        {"messages": []},
    )
    first, second, third = converted(tmp_path, one, many)
    assert (first["haystack"], second["haystack"], third["haystack"]) == ("ann", "bob", "many")
    assert spoken(first) == [(None, "user", "My dog is Rex."), (None, "assistant", "A fine name.")]
    assert second["date"] == "2024-03-01T08:00:00"
    assert spoken(third) == [("Cara", "user", "Look:")]


@pytest.mark.parametrize("current", ["e", None])
def test_an_export_of_chatgpt_gives_the_branch_that_was_shown_last(
    tmp_path: Path, current: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([export(current), {"mapping": {}, "id": "empty"}]), encoding="utf-8")
    (session,) = converted(tmp_path, path, options=("--haystack", "me"))
    assert [text for *_who, text in spoken(session)] == ["My dog is Rex.", "A fine name.", "He is three."]
    assert (session["haystack"], session["id"], session["date"]) == ("me", "talk-1", "2024-03-01T08:00:00")
    said = capsys.readouterr().err
    assert "1 sessions, 3 messages (chatgpt)" in said
    for what in ("images and other attachments", "code, thoughts and other content", "sessions without a message"):
        assert f"left out: 1 {what}" in said


MARKDOWN = {
    "bold": "# Talk of 2024-03-01\n\n**Ann:** My dog is Rex.\nHe barks.\n\n**Assistant**: A fine name.\n",
    "heading": "Date: 2024-03-01\n\n## Ann\n\nMy dog is Rex.\nHe barks.\n\n## Assistant\n\nA fine name.\n",
    "plain": "2024-03-01\n\nAnn: My dog is Rex.\nHe barks.\nAssistant: A fine name.\nNote: nothing.\nAnn: Bye.\n",
}


@pytest.mark.parametrize("style", MARKDOWN)
def test_markdown_is_read_in_three_styles(tmp_path: Path, style: str) -> None:
    path = tmp_path / "ann.md"
    path.write_text(MARKDOWN[style], encoding="utf-8")
    (session,) = converted(tmp_path, path)
    (ann, _, said), (name, role, answer), *_rest = spoken(session)
    assert (ann, said) == ("Ann", "My dog is Rex.\nHe barks.")
    assert (name, role, answer.splitlines()[0]) == ("Assistant", "assistant", "A fine name.")
    assert session["date"].startswith("2024-03-01")


def test_headings_and_rules_part_sessions(tmp_path: Path) -> None:
    path = tmp_path / "ann.md"
    path.write_text("# 2024-03-01\nUser: one\n\n# 2024-03-02 10:30\nUser: two\n---\nUser: three\n", encoding="utf-8")
    sessions = converted(tmp_path, path)
    assert [one.get("date") for one in sessions] == ["2024-03-01T00:00:00", "2024-03-02T10:30:00", None]
    assert [spoken(one)[0][2] for one in sessions] == ["one", "two", "three"]


def test_what_is_converted_is_a_data_set_with_questions_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([export()]), encoding="utf-8")
    converted(tmp_path, path)
    (tmp_path / "converted.csv").write_text("question,ground_truth,evidence\nWhat is Rex?,a dog,s1m1\n")
    options = BenchmarkOptions(dataset=(str(tmp_path / "converted.csv"),))
    (kind,) = Mine.each(options)
    mine = kind(options)
    (case,) = mine.cases()
    (session,) = mine.haystack(case.haystack).sessions()
    assert isinstance(session, Session)
    assert case.gold.evidence_messages == (session.messages[0].id,)


def test_what_is_no_transcript_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path / "good.jsonl", {"messages": PLAIN})
    out = tmp_path / "out.jsonl"
    for name, content, message in (
        ("prose.md", "Nothing is said here.\n", "no message was recognized in it as markdown"),
        ("cut.jsonl", '{"messages": [', "cut.jsonl:1: line: is not JSON"),
    ):
        (tmp_path / name).write_text(content, encoding="utf-8")
        assert main(["convert", str(good), str(tmp_path / name), "--to", str(out)]) in (1, 2)
        assert message in capsys.readouterr().err
        assert not out.exists()
    assert main(["convert", str(tmp_path / "prose.md"), "--format", "openai"]) == 2
    assert "openai is read from files that end in .json or .jsonl" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "absent.json")]) == 1
    assert "absent.json: there is no such file" in capsys.readouterr().err
    assert main(["convert", str(good), "--to", str(good)]) == 2
    assert "good.jsonl exists. Name a new file." in capsys.readouterr().err


def test_an_export_with_strange_parts_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    strange = export()
    strange["mapping"]["c"] = "gone"
    strange["mapping"]["b"]["message"]["metadata"] = []
    strange["mapping"]["a"]["message"] |= {"author": None, "content": "text"}
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([strange, {"mapping": []}]), encoding="utf-8")
    (session,) = converted(tmp_path, path)
    assert [text for *_who, text in spoken(session)] == ["My dog is Rex.", "A fine name.", "He is three."]

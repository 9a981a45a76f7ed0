"""Own data in its shapes: the same questions, haystacks and evidence, whatever the files look like."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import Benchmark, BenchmarkOptions
from bench.__main__ import main
from bench.benchmarks.own import Mine
from bench.pipeline import find_benchmarks
from tests.bench.benchmarks.own import team_data
from vocabulary import Case, ConfigurationError, DataError, DataMissingError


def load(*paths: Path, as_of: bool = False) -> list[Benchmark]:
    options = BenchmarkOptions(dataset=tuple(map(str, paths)), as_of=as_of)
    return [kind(options) for kind in Mine.each(options)]


def lines(tmp_path: Path, *records: dict[str, object], name: str = "mine") -> Path:
    return team_data.write_lines(tmp_path / f"{name}.jsonl", records)


def said(case: Case) -> tuple[object, ...]:
    gold = case.gold
    return case.source_id, case.question.text, gold, case.cluster, case.haystack


SHAPES = {
    "jsonl": team_data.as_jsonl,
    "csv": team_data.as_csv,
    "folder": lambda path: team_data.as_folder(path / "talks"),
    "hub": lambda path: team_data.as_hub_folder(path / "hub"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_questions_and_haystacks(tmp_path: Path, shape: str) -> None:
    if shape == "hub":
        pytest.importorskip("pyarrow", reason="the extra parquet is not installed")
    make: Callable[[Path], Path] = SHAPES[shape]
    (expected,) = load(team_data.as_jsonl(tmp_path / "expected"))
    (found,) = load(make(tmp_path / "found"))
    assert list(map(said, found.cases())) == list(map(said, expected.cases()))
    assert found.types == ("fact", "update", "unknown")
    for name in {case.haystack for case in expected.cases()}:
        here, there = found.haystack(name), expected.haystack(name)
        assert list(here.sessions()) == list(there.sessions()) == list(here.sessions()), "read anew at each call"
        assert here.session_count == 3


def test_providers_see_ids_by_place_and_evidence_is_resolved_to_them(tmp_path: Path) -> None:
    (mine,) = load(team_data.as_jsonl(tmp_path))
    case = mine.cases()[1]
    assert case.id == "mine-q0002"
    assert case.gold.evidence_messages == ("s0002m0001",)
    assert case.gold.evidence_sessions == ("s0002",)
    (session,) = [one for one in mine.haystack(case.haystack).sessions() if one.id == "s0002"]
    assert session.messages[0].text == "We moved to Lisbon."
    assert [(one.speaker, one.role) for one in session.messages] == [("Ann", "user"), ("Ben", "assistant")]
    assert "ann" not in case.haystack + case.question.id + session.model_dump_json(include={"id"})


def test_evidence_is_named_by_place_where_there_are_no_ids(tmp_path: Path) -> None:
    talk = [{"messages": [{"role": "user", "text": f"fact {number}"}]} for number in (1, 2)]
    asked = [
        {"question": "one", "ground_truth": 1, "evidence": ["s2m1"]},
        {"question": "two", "ground_truth": 2, "evidence": ["s1", "s2m1"]},
    ]
    (mine,) = load(lines(tmp_path, {"sessions": talk, "questions": asked}))
    first, second = (case.gold for case in mine.cases())
    assert (first.evidence_messages, first.evidence_sessions) == (("s0002m0001",), ("s0002",))
    assert first.ground_truth == "1"
    assert (second.evidence_messages, second.evidence_sessions) == ((), ("s0001", "s0002")), "s1 names no message"


def test_as_of_leaves_out_what_was_said_after_the_question(tmp_path: Path) -> None:
    talk = [
        {"date": f"2024-0{month}-01", "messages": [{"role": "user", "text": f"month {month}"}]} for month in (5, 1, 3)
    ]
    asked = [
        {"question": "then?", "ground_truth": "x", "date": "2024-03-01T12:00", "evidence": ["s1m1", "s3m1"]},
        {"question": "now?", "ground_truth": "x"},
    ]
    (mine,) = load(lines(tmp_path, {"sessions": talk, "questions": asked}), as_of=True)
    then, now = mine.cases()
    assert [one.id for one in mine.haystack(then.haystack).sessions()] == ["s0002", "s0003"]
    assert mine.haystack(then.haystack).session_count == 2
    assert then.gold.evidence_messages == ("s0003m0001",)
    assert len(list(mine.haystack(now.haystack).sessions())) == 3


def test_several_data_sets_are_benchmarks_of_their_own(tmp_path: Path) -> None:
    found = load(team_data.as_jsonl(tmp_path, "support"), team_data.as_jsonl(tmp_path, "sales chats"))
    assert [one.name for one in found] == ["support", "sales-chats"]
    assert found[0].info.sha256 == found[1].info.sha256, "the same bytes"
    assert {case.id for case in found[0].cases()}.isdisjoint(case.id for case in found[1].cases())


@pytest.mark.parametrize(
    ("name", "message"), [("locomo", "is that of a benchmark. Rename it."), ("mine", "is that of another --dataset")]
)
def test_a_name_that_is_taken_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load(team_data.as_jsonl(tmp_path / "a"), team_data.as_jsonl(tmp_path / "b", name))


def test_a_haystack_that_was_changed_in_use_is_not_handed_out_as_the_old_one(tmp_path: Path) -> None:
    path = team_data.as_jsonl(tmp_path)
    (mine,) = load(path)
    path.write_text(path.read_text(encoding="utf-8").replace("Lisbon", "Madrid"), encoding="utf-8")
    with pytest.raises(DataError, match="'ann' was changed while it was in use"):
        list(mine.haystack(mine.cases()[0].haystack).sessions())


def test_what_is_not_there_or_cannot_be_read_is_said_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=r"nothing\.jsonl: there is no such file or folder"):
        load(tmp_path / "nothing.jsonl")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ConfigurationError, match="`python -m bench convert` reads transcripts"):
        load(tmp_path / "notes.txt")
    with pytest.raises(ConfigurationError, match=r"holds no file that ends in \.jsonl"):
        load(tmp_path)
    (tmp_path / "data-00000-of-00001.arrow").touch()
    with pytest.raises(ConfigurationError, match="Write Parquet"):
        load(tmp_path)
    alone = team_data.write_csv(tmp_path / "questions.csv", [])
    with pytest.raises(ConfigurationError, match=r"named questions\.jsonl or the only one there \(found: none\)"):
        load(alone)


def test_drafts_and_disorder_are_remarked_on(tmp_path: Path) -> None:
    one = team_data.haystacks()[0]
    one["sessions"].reverse()
    one["questions"][0]["drafted_by"] = "gpt-5.4-mini"
    (mine,) = load(lines(tmp_path, one))
    assert mine.info.notes == (
        "questions drafted by gpt-5.4-mini, a language model: 1 of 4",
        "sessions that are dated before the one that precedes them, kept in the order of the file: 2",
    )


def test_null_is_absent_and_offsets_are_dropped(tmp_path: Path) -> None:
    record = json.loads(json.dumps(team_data.haystacks()[0]))
    record["sessions"][0] |= {"date": "2024-03-01T09:30:00+05:00", "haystack": None}
    (mine,) = load(lines(tmp_path, record))
    first = next(iter(mine.haystack(mine.cases()[0].haystack).sessions()))
    assert first.date is not None
    assert first.date.isoformat() == "2024-03-01T09:30:00"


def test_haystacks_without_ids_have_different_names(tmp_path: Path) -> None:
    whole = [{name: one[name] for name in ("sessions", "questions")} for one in team_data.haystacks()]
    path = tmp_path / "talks.json"
    path.write_text(json.dumps(whole), encoding="utf-8")
    (mine,) = load(path)
    assert list(dict.fromkeys(case.cluster for case in mine.cases())) == ["talks", "h002", "h003"]


def test_the_catalogue_lists_and_describes_own_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEMORYBENCH_DATASET", str(team_data.as_jsonl(tmp_path, "support")))
    assert main(["list"]) == 0
    (row,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("support ")]
    assert row[1:4] == ["yours", "12", "3"]
    assert main(["describe", "mine"]) == 0
    assert "haystacks  3" in capsys.readouterr().out
    taken = team_data.as_jsonl(tmp_path, "locomo")
    assert main(["check", str(taken)]) == 2
    assert "its name 'locomo' is that of a benchmark" in capsys.readouterr().err


def test_locomo_in_this_format_is_the_same_benchmark(tmp_path: Path, data_folder: Path) -> None:
    options = BenchmarkOptions(data=str(data_folder))
    (kind,) = find_benchmarks("locomo", options)
    published = kind(options)
    path = team_data.write_lines(tmp_path / "copied.jsonl", in_own_format(published))
    (own,) = load(path)
    assert len(own.cases()) == 1986
    places = {
        haystack: {
            message.id: (number, index)
            for number, session in enumerate(published.haystack(haystack).sessions(), start=1)
            for index, message in enumerate(session.messages, start=1)
        }
        for haystack in {case.haystack for case in published.cases()}
    }
    for ours, theirs in zip(own.cases(), published.cases(), strict=True):
        expected = [places[theirs.haystack][name] for name in theirs.gold.evidence_messages]
        assert [(int(name[1:5]), int(name[6:])) for name in ours.gold.evidence_messages] == expected
        assert (ours.cluster, ours.gold.ground_truth) == (theirs.cluster, theirs.gold.ground_truth)
    first = own.cases()[0].haystack
    ours_said = [one.text for session in own.haystack(first).sessions() for one in session.messages]
    assert len(ours_said) == len(places[published.cases()[0].haystack])


def in_own_format(published: Benchmark) -> Iterator[dict[str, Any]]:
    cases: dict[str, list[Case]] = {}
    for case in published.cases():
        cases.setdefault(case.haystack, []).append(case)
    for haystack, asked in cases.items():
        sessions = [
            {
                "date": session.date and session.date.isoformat(),
                "messages": [{"id": one.id, "speaker": one.speaker, "text": one.text} for one in session.messages],
            }
            for session in published.haystack(haystack).sessions()
        ]
        questions = [
            {
                "question": case.question.text,
                "ground_truth": case.gold.ground_truth,
                "answerable": case.gold.answerable,
                "type": case.gold.question_type,
                "evidence": case.gold.evidence_messages,
            }
            for case in asked
        ]
        yield {"id": asked[0].cluster, "sessions": sessions, "questions": questions}

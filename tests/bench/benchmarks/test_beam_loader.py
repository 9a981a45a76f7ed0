"""BEAM's files as cases and haystacks: counts of the published data, and each of its oddities in a made folder."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bench.base import BenchmarkOptions
from bench.benchmarks.beam.loader import Beam1M, Beam10M, Beam100K
from bench.benchmarks.beam.questions import TYPES
from bench.config import BenchmarkConfig
from bench.run import run_benchmark
from reports.report import read_lines
from tests.repository import ROOT
from vocabulary import DataError, DataMissingError

Files = dict[str, Any]  # any: JSON


@pytest.fixture(scope="session")
def chats(data_folder: Path) -> Path:
    folder = data_folder / "beam" / "chats" / "100K"
    if not folder.is_dir():
        pytest.skip(f"no {folder} (MEMORYBENCH_DATA)")
    return folder


@pytest.fixture(scope="session")
def published(chats: Path) -> Beam100K:
    return Beam100K(BenchmarkOptions(data=str(chats.parents[2])))


def _chat(number: int, chats: Path) -> Any:  # any: parsed JSON
    """The chat as the authors' code reads it."""
    truncated = chats / str(number) / "chat_trunecated.json"
    return json.loads((truncated if truncated.is_file() else chats / str(number) / "chat.json").read_bytes())


def _numbers(value: Any) -> Iterator[int]:  # any: parsed JSON
    """All whole numbers in it."""
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _numbers(inner)
    elif value is not None:
        yield value


def test_the_published_100k(published: Beam100K) -> None:
    cases = published.cases()
    assert (len(cases), len({case.haystack for case in cases}), len({case.id for case in cases})) == (400, 20, 400)
    assert Counter(case.gold.question_type for case in cases) == dict.fromkeys(TYPES, 40)
    assert sum(bool(case.gold.evidence_messages) for case in cases) == 355
    named = [len({*case.gold.evidence_messages}) for case in cases if case.gold.evidence_messages]
    assert sum(len(case.gold.evidence_sources) for case in cases) == 1109
    assert all(source.ids for case in cases for source in case.gold.evidence_sources)
    assert min(named) == 1
    assert {case.gold.answerable for case in cases if case.gold.question_type == "abstention"} == {False}
    assert all(case.gold.rubric and case.gold.ground_truth for case in cases)
    assert published.info.verified
    assert "chats of which chat_trunecated.json is read, as the authors' code does: 10 of 20" in published.info.notes
    assert any("100K-01-q18 (the answer says 4 weeks, the rubric 8)" in note for note in published.info.notes)


def test_sessions_are_batches_with_the_day_of_their_anchor(published: Beam100K, chats: Path) -> None:
    for case in published.cases()[::20]:
        number = int(case.cluster.removeprefix("100K-"))
        batches, sessions = _chat(number, chats), list(published.haystack(case.haystack).sessions())
        assert published.haystack(case.haystack).session_count == len(batches) == len(sessions)
        for batch, session in zip(batches, sessions, strict=True):
            said = [message for turn in batch["turns"] for message in turn]
            assert session.date == datetime.strptime(said[0]["time_anchor"], "%B-%d-%Y")
            assert [int(message.id.removeprefix("m")) for message in session.messages] == [one["id"] for one in said]
            assert [message.role for message in session.messages] == [one["role"] for one in said]
            for message, one in zip(session.messages, said, strict=True):
                assert one["content"].startswith(message.text)
                assert re.fullmatch(r"(\s*->->[ \d,)]+(N/A\)?)?)?\s*", one["content"][len(message.text) :])
                assert not re.search(r"->->\s*\d+,", message.text)


@pytest.mark.long
def test_recall_of_bm25_equals_a_computation_from_the_raw_files(chats: Path, tmp_path: Path) -> None:
    config = BenchmarkConfig(provider=("bm25",), until="search", runs_dir=tmp_path, data=str(chats.parents[2]))
    result = run_benchmark(config, "beam_100k")
    shares: list[float] = []
    for line in read_lines(result.jsonl.parent):
        size, number, place = line["source_id"].split("/")
        assert size == "100K"
        kind, index = place.removesuffix("]").split("[")
        questions = json.loads((chats / number / "probing_questions/probing_questions.json").read_bytes())
        raw = questions[kind][int(index)]
        assert raw["question"] == line["question"]
        wanted = set(_numbers(raw.get("source_chat_ids")))
        if wanted:
            found = {int(one["message_ids"][0].removeprefix("m")) for one in line["results"][:10]}
            shares.append(len(wanted & found) / len(wanted))
    assert len(shares) == 355
    (block,) = result.report.results
    assert block.shown_retrieval.message is not None
    assert block.shown_retrieval.message.n == 355
    assert block.shown_retrieval.message.recall["10"] == pytest.approx(sum(shares) / 355, abs=1e-12)
    shown = f"bm25 has {sum(shares) / 355:.3f} of the evidence".replace("0.", ".")
    assert shown in (ROOT / "docs" / "beam.md").read_text(encoding="utf-8")


def _said(number: int, content: str, **more: Any) -> Files:  # any: JSON
    return {"role": "user" if number % 2 == 0 else "assistant", "id": number, "content": content, **more}


def _batch(*turns: list[Files]) -> Files:
    return {"batch_number": 1, "turns": list(turns), "time_anchor": None}


CHAT = [
    _batch([_said(0, "My boat is red. ->-> 1,1", time_anchor="March-15-2024"), _said(1, "Nice!")], [_said(2, " ")]),
    _batch([_said(3, "A red boat."), _said(4, "It is blue now ->-> 2, N/A)", time_anchor="April-01-2024")]),
]
QUESTION = {"question": "Which colour?", "difficulty": "easy", "rubric": ["LLM response should state: blue"]}
QUESTIONS: Files = {
    "abstention": [{**QUESTION, "ideal_response": "There is no information."}],
    "knowledge_update": [
        {**QUESTION, "answer": "Blue", "source_chat_ids": {"original_info": [0], "updated_info": [4]}}
    ],
    "event_ordering": [{**QUESTION, "answer": "Red, blue", "source_chat_ids": [[0, 4], 99]}],
}


def _write(folder: Path, chat: Any = CHAT, questions: Any = QUESTIONS, size: str = "1M") -> BenchmarkOptions:
    place = folder / "chats" / size / "3"
    (place / "probing_questions").mkdir(parents=True)
    (place / "chat.json").write_text(chat if isinstance(chat, str) else json.dumps(chat))
    (place / "topic.json").write_text("{}")
    text = questions if isinstance(questions, str) else json.dumps(questions)
    (place / "probing_questions" / "probing_questions.json").write_text(text)
    return BenchmarkOptions(data=str(folder))


def test_what_a_provider_sees_of_a_made_chat(tmp_path: Path) -> None:
    loaded = Beam1M(_write(tmp_path))
    case = loaded.cases()[1]
    first, second = loaded.haystack(case.haystack).sessions()
    assert [(message.id, message.text) for message in first.messages] == [
        ("m000000", "My boat is red."),
        ("m000001", "Nice!"),
    ]
    assert [message.text for message in second.messages] == ["A red boat.", "It is blue now"]
    assert (first.date, second.date) == (datetime(2024, 3, 15), datetime(2024, 4, 1))
    assert (case.id, case.source_id, case.cluster) == ("1M-03-q01", "1M/3/knowledge_update[0]", "1M-03")
    assert case.gold.evidence_messages == ("m000000", "m000004")
    assert case.gold.evidence_sessions == ("s001", "s002")
    assert [source.source for source in case.gold.evidence_sources] == ["original_info 0", "updated_info 4"]
    seen = case.question.model_dump_json() + first.model_dump_json() + second.model_dump_json() + case.haystack
    assert not [word for word in ("easy", "update", "LLM response", "Blue", "->->") if word in seen]
    assert not loaded.info.verified
    notes = " ".join(loaded.info.notes)
    assert "evidence ids that no message has, left out: 1" in notes
    assert "not shown to providers: 2" in notes


def test_the_columns_of_the_hub_are_a_list_of_messages_and_a_python_literal(tmp_path: Path) -> None:
    (tmp_path / "json").mkdir()
    (tmp_path / "hub").mkdir()
    published = Beam1M(_write(tmp_path / "json"))
    said = [[message for turn in batch["turns"] for message in turn] for batch in CHAT]
    of_the_hub = Beam1M(_write(tmp_path / "hub", chat=said, questions=repr(QUESTIONS)))
    assert of_the_hub.cases() == published.cases()
    haystack = published.cases()[0].haystack
    assert list(of_the_hub.haystack(haystack).sessions()) == list(published.haystack(haystack).sessions())


def test_a_chat_of_the_10m_size_has_plans(tmp_path: Path) -> None:
    later = json.loads(json.dumps(CHAT[1]).replace('"id": 3', '"id": 5').replace('"id": 4', '"id": 6'))
    loaded = Beam10M(_write(tmp_path, chat=[{"plan-1": CHAT}, {"plan-2": [later]}], size="10M"))
    haystack = loaded.haystack(loaded.cases()[0].haystack)
    sessions = list(haystack.sessions())
    assert [session.id for session in sessions] == ["s001", "s002", "s003"]
    assert [message.id for message in sessions[2].messages] == ["m000005", "m000006"]
    assert haystack.session_count == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f[0][1]["turns"][0][0].update(id=9), r"chat\.json: item 1: the ids .* do not count up"),
        (lambda f: f[0].reverse(), "message 0 of a later batch comes after message 4"),
        (lambda f: f[0][0]["turns"][0][0].update(role="system"), r"item 0: turns\.0\.0\.role"),
        (lambda f: f[0][0]["turns"][0][0].update(time_anchor="May-32-2024"), "time_anchor 'May-32-2024' is not like"),
        (lambda f: f[0][0]["turns"][0][1].pop("content"), r"turns\.0\.1\.content: Field required"),
        (lambda f: f[0].clear(), "holds no batch of a chat"),
        (lambda f: f[1]["abstention"][0].update(rubric=[]), r"abstention\[0\]: rubric"),
        (lambda f: f[1]["abstention"][0].pop("ideal_response"), r"abstention\[0\]: ideal_response: text is expected"),
        (lambda f: f[1]["event_ordering"][0].update(source_chat_ids=["0"]), "'0' is no message id"),
        (lambda f: f[1].update(riddles=[]), "question type 'riddles' is none of abstention, "),
        (lambda f: f[1].update(abstention=3), "something else than lists of questions"),
    ],
)
def test_a_faulty_file_is_refused_in_a_line_that_names_it(
    change: Callable[[list[Any]], object], message: str, tmp_path: Path
) -> None:
    files = json.loads(json.dumps([CHAT, QUESTIONS]))
    change(files)
    with pytest.raises(DataError, match=message) as error:
        Beam1M(_write(tmp_path, *files))
    assert str(tmp_path) in str(error.value)
    assert "python -m bench download beam_1m" in str(error.value)


@pytest.mark.parametrize("text", ["__import__('os').abort()", "{'abstention': [1 + x]}", '{"abstention": [', ""])
def test_a_text_of_questions_is_never_evaluated(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"probing_questions\.json: neither JSON \(.*\) nor a Python literal"):
        Beam1M(_write(tmp_path, questions=text))


def test_a_file_that_changed_after_it_was_indexed_is_not_read(tmp_path: Path) -> None:
    loaded = Beam1M(_write(tmp_path))
    path = tmp_path / "chats" / "1M" / "3" / "chat.json"
    state = path.stat()
    path.write_text(path.read_text().replace("blue", "grey"))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(DataError, match="is no longer the file that was indexed"):
        list(loaded.haystack(loaded.cases()[0].haystack).sessions())


def test_what_is_missing_is_named_with_the_command_that_gets_it(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="python -m bench download beam_10m"):
        Beam10M(BenchmarkOptions(data=str(tmp_path)))
    options = _write(tmp_path)
    (tmp_path / "chats" / "1M" / "3" / "chat.json").unlink()
    with pytest.raises(DataError, match=r"3: no chat\.json beside its questions"):
        Beam1M(options)

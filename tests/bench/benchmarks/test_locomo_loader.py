"""LoCoMo is loaded true to its file, oddities included: the published file, and a tiny one that has them all."""

from __future__ import annotations

import copy
import gc
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import bench.data.manifests
from bench.base import BenchmarkOptions
from bench.benchmarks.locomo import LoCoMo, parse_session_date
from vocabulary import Case, DataError, Question, Session

Raw = list[dict[str, Any]]


# --- the published file ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def locomo(data_folder: Path) -> LoCoMo:
    return LoCoMo(BenchmarkOptions(data=str(data_folder)))


@pytest.fixture(scope="module")
def cases(locomo: LoCoMo) -> dict[str, Case]:
    return {case.id: case for case in locomo.cases()}


@pytest.fixture(scope="module")
def published(data_folder: Path) -> Raw:
    loaded: Raw = json.loads((data_folder / "locomo" / "locomo10.json").read_bytes())
    return loaded


def test_types_have_their_true_counts(locomo: LoCoMo) -> None:
    counts = Counter((case.gold.category, case.gold.question_type) for case in locomo.cases())
    assert counts == {
        (1, "multi-hop"): 282,
        (2, "temporal"): 321,
        (3, "open-domain"): 96,
        (4, "single-hop"): 841,
        (5, "adversarial"): 446,
    }
    assert len(locomo.cases()) == 1986
    assert set(locomo.types) == {case.gold.question_type for case in locomo.cases()}


def test_ids_are_unique_and_safe(cases: dict[str, Case]) -> None:
    assert len(cases) == 1986
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in cases)
    assert cases["conv-26-q007"].question.text == "What is Caroline's relationship status?"
    assert all(case.source_id == case.id and case.benchmark == "locomo" for case in cases.values())
    assert all(re.fullmatch(r"conv-\d\d-[0-9a-f]{12}", case.haystack) for case in cases.values())
    assert {case.cluster: case.haystack for case in cases.values()}.keys() == {
        f"conv-{number}" for number in (26, 30, 41, 42, 43, 44, 47, 48, 49, 50)
    }
    assert len({case.haystack for case in cases.values()}) == 10


def test_haystacks_hold_every_turn_in_order(locomo: LoCoMo, published: Raw) -> None:
    sessions_read = messages_read = 0
    for sample in published:
        case = next(case for case in locomo.cases() if case.cluster == sample["sample_id"])
        haystack, talk = locomo.haystack(case.haystack), sample["conversation"]
        sessions = list(haystack.sessions())
        assert haystack.session_count == len(sessions)
        assert haystack.id == case.haystack
        for session in sessions:
            turns = talk[f"session_{session.id.removeprefix('D')}"]
            assert [(m.id, m.speaker, m.text, m.caption) for m in session.messages] == [
                (turn["dia_id"], turn["speaker"], turn["text"], turn.get("blip_caption")) for turn in turns
            ]
            for message in session.messages:
                assert message.role == ("user" if message.speaker == talk["speaker_a"] else "assistant")
        dates = [session.date for session in sessions]
        assert dates == sorted(dates, key=str)
        sessions_read += len(sessions)
        messages_read += sum(len(session.messages) for session in sessions)
    assert (sessions_read, messages_read) == (272, 5882)


def test_sessions_come_from_lists_and_not_from_date_keys(locomo: LoCoMo, cases: dict[str, Case]) -> None:
    sessions = list(locomo.haystack(cases["conv-26-q000"].haystack).sessions())
    assert [session.id for session in sessions] == [f"D{number}" for number in range(1, 20)]
    assert sessions[0].date == datetime(2023, 5, 8, 13, 56)


def test_captions_are_there_without_an_image_too(locomo: LoCoMo, cases: dict[str, Case]) -> None:
    haystacks = {case.haystack for case in cases.values()}
    messages = [m for name in haystacks for session in locomo.haystack(name).sessions() for m in session.messages]
    assert sum(m.caption is not None for m in messages) == 1226
    captioned = next(m for m in messages if m.caption)
    assert captioned.rendered() == f"{captioned.speaker}: {captioned.text} [shared image: {captioned.caption}]"


def test_evidence_is_parsed_tolerantly(cases: dict[str, Case]) -> None:
    assert cases["conv-26-q037"].gold.evidence_messages == ("D8:6", "D9:17")
    assert cases["conv-26-q037"].gold.evidence_sessions == ("D8", "D9")
    assert "D11:26" in cases["conv-43-q018"].gold.evidence_messages
    assert "D30:5" in cases["conv-50-q069"].gold.evidence_messages
    assert cases["conv-49-q031"].gold.evidence_messages[-3:] == ("D9:1", "D4:4", "D4:6")
    assert cases["conv-49-q038"].gold.evidence_messages[-4:] == ("D22:1", "D22:2", "D9:10", "D9:11")
    assert cases["conv-49-q046"].gold.evidence_messages[-4:] == ("D21:18", "D21:22", "D11:15", "D11:19")
    assert cases["conv-42-q088"].gold.evidence_messages == ("D1:18", "D1:20")
    assert "D10:19" not in cases["conv-42-q058"].gold.evidence_messages
    assert "D4:36" not in cases["conv-47-q038"].gold.evidence_messages
    assert cases["conv-50-q005"].gold.evidence_messages == ("D4:5", "D5:5")  # D4:5 stands there twice


def test_evidence_is_kept_as_it_was_published(cases: dict[str, Case]) -> None:
    def sources(name: str) -> list[tuple[str, tuple[str, ...]]]:
        return [(one.source, one.ids) for one in cases[name].gold.evidence_sources]

    assert sources("conv-26-q037") == [("D8:6; D9:17", ("D8:6", "D9:17"))]
    assert ("D:11:26", ("D11:26",)) in sources("conv-43-q018")
    assert ("D", ()) in sources("conv-42-q088"), "names nothing"
    assert ("D10:19", ()) in sources("conv-42-q058"), "names a message that does not exist"
    assert sources("conv-26-q030") == []


def test_evidence_exists_and_1982_questions_have_some(locomo: LoCoMo) -> None:
    home = {
        name: {message.id: session.id for session in locomo.haystack(name).sessions() for message in session.messages}
        for name in {case.haystack for case in locomo.cases()}
    }
    for case in locomo.cases():
        sessions = [home[case.haystack][message] for message in case.gold.evidence_messages]
        assert case.gold.evidence_sessions == tuple(dict.fromkeys(sessions))
    bare = [case.id for case in locomo.cases() if not case.gold.evidence_messages]
    assert bare == ["conv-26-q030", "conv-26-q046", "conv-50-q039", "conv-50-q042"]
    assert sum(bool(case.gold.evidence_sessions) for case in locomo.cases()) == 1982


def test_integer_answers_become_text(cases: dict[str, Case], published: Raw) -> None:
    numbers = {
        f"{sample['sample_id']}-q{index:03d}": record["answer"]
        for sample in published
        for index, record in enumerate(sample["qa"])
        if isinstance(record.get("answer"), int)
    }
    assert len(numbers) == 6
    assert {name: cases[name].gold.ground_truth for name in numbers} == {k: str(v) for k, v in numbers.items()}


def test_adversarial_questions_are_not_answerable_and_keep_their_trap(cases: dict[str, Case]) -> None:
    for case in cases.values():
        adversarial = case.gold.question_type == "adversarial"
        assert case.gold.answerable is not adversarial
        assert (case.gold.ground_truth == "not answerable") is adversarial
        assert bool(case.gold.trap) is adversarial
    for name in ("conv-26-q167", "conv-26-q178"):  # the two that carry an answer too
        assert (cases[name].gold.ground_truth, cases[name].gold.trap) == ("not answerable", "Yes")


def test_repeated_questions_stay_apart(cases: dict[str, Case]) -> None:
    earlier = (16, 25, 42, 58, 61, 62, 63, 67, 69, 72, 74)
    for first, second in zip(earlier, range(89, 100), strict=True):
        one, other = cases[f"conv-48-q{first:03d}"], cases[f"conv-48-q{second:03d}"]
        assert one.question.text == other.question.text
        assert one.question.id != other.question.id


def test_a_question_gives_nothing_of_its_gold_away(cases: dict[str, Case]) -> None:
    assert set(Question.model_fields) == {"id", "text", "date"}
    questions = [case.question for case in cases.values()]
    assert len({question.id for question in questions}) == 1986
    assert all(re.fullmatch(r"q[0-9a-f]{16}", question.id) and question.date is None for question in questions)


def test_info_says_what_a_reader_of_the_numbers_should_know(locomo: LoCoMo) -> None:
    info = locomo.info
    assert (info.name, info.variant, info.verified, info.licence) == ("locomo", "locomo10", True, "CC BY-NC 4.0")
    assert info.sha256 == "79fa87e90f04081343b8c8debecb80a9a6842b76a7aa537dc9fdf651ea698ff4"
    assert "Maharana" in info.citation
    assert info.notes == (
        "evidence references that name no message, left out: 3 "
        "(conv-42-q058 D10:19; conv-42-q088 'D'; conv-47-q038 D4:36)",
        "questions without evidence, left out of retrieval metrics: 4 of 1,986",
        "questions of conv-48 that repeat an earlier one word for word, counted as published: 11",
    )


def test_collection_reads_no_haystack(data_folder: Path) -> None:
    def alive() -> int:
        gc.collect()
        return sum(isinstance(thing, Session) for thing in gc.get_objects())

    before = alive()
    benchmark = LoCoMo(BenchmarkOptions(data=str(data_folder)))
    assert len(benchmark.cases()) == 1986
    assert alive() == before


@pytest.mark.parametrize("cut", [1_000, 2_805_273])
def test_a_truncated_download_is_a_wrong_checksum(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    whole = (data_folder / "locomo" / "locomo10.json").read_bytes()
    (tmp_path / "locomo").mkdir()
    (tmp_path / "locomo" / "locomo10.json").write_bytes(whole[:cut])
    shutil.copy(bench.data.manifests.DATASETS / "locomo.toml", tmp_path)
    monkeypatch.setattr(bench.data.manifests, "DATASETS", tmp_path)
    with pytest.raises(DataError, match=f"wrong checksum: expected sha256 79fa.*found .*{cut:,} bytes"):
        LoCoMo(BenchmarkOptions())


def test_a_part_of_the_published_file_loads_with_a_mark(data_folder: Path, tmp_path: Path) -> None:
    whole = json.loads((data_folder / "locomo" / "locomo10.json").read_bytes())
    (tmp_path / "locomo10.json").write_text(json.dumps(whole[:1]), encoding="utf-8")
    info = LoCoMo(BenchmarkOptions(data=str(tmp_path))).info
    assert not info.verified
    assert any("unverified data: locomo10.json is not the published file" in note for note in info.notes)


def test_a_truncated_file_of_ones_own_is_not_json(data_folder: Path, tmp_path: Path) -> None:
    whole = (data_folder / "locomo" / "locomo10.json").read_bytes()
    (tmp_path / "locomo10.json").write_bytes(whole[:1_000_000])
    with pytest.raises(DataError, match=r"locomo10\.json: not valid JSON .*is it cut off\?"):
        LoCoMo(BenchmarkOptions(data=str(tmp_path)))


# --- a tiny file of the same shape, with all oddities ---------------------------------------------------------------


def _turn(name: str, speaker: str, text: str, **more: object) -> dict[str, Any]:
    return {"dia_id": name, "speaker": speaker, "text": text, **more}


TINY: Raw = [
    {
        "sample_id": "talk-1",
        "conversation": {
            "speaker_a": "Ada",
            "speaker_b": "Bo",
            "session_10": [_turn("D10:1", "Bo", "The boat is sold.")],
            "session_10_date_time": "12:05 am on 1 January, 2024",
            "session_2": [
                _turn("D2:1", "Ada", "I painted the shed.", blip_caption="a green shed", img_url=["x"]),
                _turn("D2:2", "Bo", "Look!", blip_caption="a small boat"),
            ],
            "session_2_date_time": "12:30 pm on 29 February, 2024",
            "session_11_date_time": "9:00 am on 2 January, 2024",
        },
        "qa": [
            {"question": "Which colour?", "answer": "green", "evidence": ["D:2:01; D10:1", "D2:1"], "category": 1},
            {"question": "Which year?", "answer": 2024, "evidence": ["D", "D9:9", "D10:1"], "category": 2},
            {"question": "Is Bo rich?", "answer": "Perhaps; boats cost", "evidence": [], "category": 3},
            {"question": "What is sold?", "answer": "the boat", "evidence": ["D10:1"], "category": 4},
            {"question": "What is sold?", "answer": "the boat", "evidence": ["D10:1"], "category": 4},
            {"question": "Which car?", "adversarial_answer": "a van", "evidence": ["D2:2"], "category": 5},
            {"question": "Sad?", "answer": "No", "adversarial_answer": "Yes", "evidence": ["D2:2"], "category": 5},
        ],
        "event_summary": {},
    }
]


@pytest.fixture
def load(tmp_path: Path) -> Callable[[object], LoCoMo]:
    def write_and_load(samples: object) -> LoCoMo:
        (tmp_path / "locomo10.json").write_text(json.dumps(samples), encoding="utf-8")
        return LoCoMo(BenchmarkOptions(data=str(tmp_path)))

    return write_and_load


def test_tiny_sessions(load: Callable[[object], LoCoMo]) -> None:
    benchmark = load(TINY)
    haystack = benchmark.haystack(benchmark.cases()[0].haystack)
    sessions = list(haystack.sessions())
    assert [(s.id, s.date, [m.id for m in s.messages]) for s in sessions] == [
        ("D2", datetime(2024, 2, 29, 12, 30), ["D2:1", "D2:2"]),
        ("D10", datetime(2024, 1, 1, 0, 5), ["D10:1"]),
    ]
    assert [(m.role, m.caption) for m in sessions[0].messages] == [
        ("user", "a green shed"),
        ("assistant", "a small boat"),
    ]
    assert list(haystack.sessions()) == sessions


def test_tiny_gold(load: Callable[[object], LoCoMo]) -> None:
    benchmark = load(TINY)
    gold = [case.gold for case in benchmark.cases()]
    assert [g.ground_truth for g in gold[:4]] == ["green", "2024", "Perhaps; boats cost", "the boat"]
    assert [(g.evidence_messages, g.evidence_sessions) for g in gold[:3]] == [
        (("D2:1", "D10:1"), ("D2", "D10")),
        (("D10:1",), ("D10",)),
        ((), ()),
    ]
    assert [(g.ground_truth, g.trap, g.answerable) for g in gold[5:]] == [
        ("not answerable", "a van", False),
        ("not answerable", "Yes", False),
    ]
    assert len({case.id for case in benchmark.cases()}) == 7
    assert not benchmark.info.verified
    notes = "\n".join(benchmark.info.notes)
    assert "unverified data" in notes
    assert "2 (talk-1-q001 'D'; talk-1-q001 D9:9)" in notes
    assert "1 of 7" in notes
    assert "counted as published: 1" in notes


def test_a_haystack_id_follows_what_is_said_and_nothing_else(load: Callable[[object], LoCoMo]) -> None:
    def haystack_id(change: Callable[[dict[str, Any]], object]) -> str:
        samples = copy.deepcopy(TINY)
        change(samples[0])
        return load(samples).cases()[0].haystack

    original = load(TINY).cases()[0].haystack
    assert re.fullmatch(r"talk-1-[0-9a-f]{12}", original)
    assert haystack_id(lambda sample: sample["qa"].pop()) == original
    assert haystack_id(lambda sample: sample["conversation"]["session_2"][0].pop("img_url")) == original
    different = {
        haystack_id(lambda sample: sample["conversation"]["session_2"][0].update(text="I painted it.")),
        haystack_id(lambda sample: sample["conversation"]["session_2"][0].update(speaker="Bo")),
        haystack_id(lambda sample: sample["conversation"]["session_2"][0].pop("blip_caption")),
        haystack_id(lambda sample: sample["conversation"].update(session_2_date_time="1:00 pm on 1 March, 2024")),
        haystack_id(lambda sample: sample["conversation"].pop("session_10")),
    }
    assert len(different) == 5
    assert original not in different


def _spoil(path: str, value: object) -> Raw:
    """TINY with the value at a slash-separated path replaced, or removed if it is `...`."""
    samples = copy.deepcopy(TINY)
    place: Any = samples[0]
    *way, last = (int(step) if step.isdigit() else step for step in path.split("/"))
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return samples


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ({}, "holds dict {} instead of a list of samples"),
        ([], "holds list [] instead of a list of samples"),
        (["x"], "sample 0 is str 'x' instead of an object"),
        (TINY * 2, "sample 1: sample_id 'talk-1' appears twice"),
        (_spoil("sample_id", "a/b"), "sample 0: sample_id 'a/b' holds more than letters"),
        (_spoil("sample_id", ...), "sample 0: 'sample_id' is missing"),
        (_spoil("conversation", ...), "talk-1: 'conversation' is missing"),
        (_spoil("conversation/speaker_a", 3), "talk-1: 'speaker_a' is int 3 instead of str"),
        (_spoil("conversation/session_2_date_time", ...), "talk-1: 'session_2_date_time' is missing"),
        (_spoil("conversation/session_2_date_time", "yesterday"), "talk-1 session_2: date 'yesterday' is not like"),
        (_spoil("conversation/session_2", []), "talk-1 session_2 has no turns"),
        (_spoil("conversation/session_2", "x"), "talk-1: 'session_2' is str 'x' instead of list"),
        (_spoil("conversation/session_2/1", None), "talk-1 session_2[1] is NoneType None instead of an object"),
        (_spoil("conversation/session_2/1/text", ...), "talk-1 session_2[1]: 'text' is missing"),
        (_spoil("conversation/session_2/1/speaker", "Cy"), "talk-1 session_2[1]: speaker 'Cy' is neither of"),
        (_spoil("conversation/session_2/1/dia_id", "D10:1"), "dia_id 'D10:1' was there before"),
        (_spoil("conversation/session_2/1/blip_caption", 7), "session_2[1]: 'blip_caption' is int 7"),
        (_spoil("qa", ...), "talk-1: 'qa' is missing"),
        (_spoil("qa/3", 5), "talk-1 qa[3] is int 5 instead of an object"),
        (_spoil("qa/3/question", ...), "talk-1 qa[3]: 'question' is missing"),
        (_spoil("qa/3/answer", ...), "talk-1 qa[3]: 'answer' is missing"),
        (_spoil("qa/3/answer", ["x"]), "talk-1 qa[3]: 'answer' is list ['x'] instead of str"),
        (_spoil("qa/3/answer", True), "talk-1 qa[3]: 'answer' is bool True"),
        (_spoil("qa/3/category", 6), "talk-1 qa[3]: category 6 is none of 1 to 5"),
        (_spoil("qa/3/category", "4"), "talk-1 qa[3]: 'category' is str '4' instead of int"),
        (_spoil("qa/3/evidence", "D10:1"), "talk-1 qa[3]: 'evidence' is str 'D10:1' instead of list"),
        (_spoil("qa/3/evidence", [1]), "talk-1 qa[3]: evidence holds int 1 instead of text"),
    ],
)
def test_a_faulty_file_is_one_line_that_names_the_place(
    load: Callable[[object], LoCoMo], samples: object, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        load(samples)
    text = str(caught.value)
    assert message in text
    assert "locomo10.json: " in text
    assert "python -m bench download locomo" in text
    assert "\n" not in text


@pytest.mark.parametrize("raw", [b"", b"[{", b'[{"sample_id": "x"}', b"[" * 100_000, b"[" + b"9" * 5_000 + b"]"])
def test_what_is_not_json_is_one_line(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "locomo10.json").write_bytes(raw)
    with pytest.raises(DataError, match="not valid JSON") as caught:
        LoCoMo(BenchmarkOptions(data=str(tmp_path)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "ids"),
    [
        ("D2:1-2", ("D2:1", "D2:2")),
        ("D2:1 - D2:2; D10:1", ("D2:1", "D2:2", "D10:1")),
        ("D2:1\u20132", ("D2:1", "D2:2")),
        ("D2:2-1", ("D2:2",)),
        ("D2:1-900", ("D2:1",)),
        ("D2:1-D10:1", ("D2:1", "D10:1")),
    ],
)
def test_a_range_of_evidence_is_all_that_is_in_it(
    load: Callable[[object], LoCoMo], reference: str, ids: tuple[str, ...]
) -> None:
    (gold,) = [case.gold for case in load(_spoil("qa/3/evidence", [reference])).cases() if case.id == "talk-1-q003"]
    assert gold.evidence_messages == ids


def test_what_a_question_lacks_is_noted(load: Callable[[object], LoCoMo]) -> None:
    samples = _spoil("qa/5/adversarial_answer", ...)
    samples[0]["qa"][0]["question"] = " "
    samples[0]["qa"][3]["answer"] = ""
    benchmark = load(samples)
    assert len(benchmark.cases()) == 7
    notes = "\n".join(benchmark.info.notes)
    assert "adversarial questions without an adversarial answer: 1 (talk-1-q005)" in notes
    assert "questions without any text, asked as published: 1 (talk-1-q000)" in notes
    assert "questions whose ground truth is empty, counted as published: 1 (talk-1-q003)" in notes


def test_a_byte_order_mark_is_passed(tmp_path: Path) -> None:
    (tmp_path / "locomo10.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(TINY).encode())
    assert len(LoCoMo(BenchmarkOptions(data=str(tmp_path))).cases()) == 7


def test_a_key_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "locomo10.json").write_text(json.dumps(TINY).replace('"qa": ', '"qa": [], "qa": '))
    with pytest.raises(DataError, match="an object has the key 'qa' twice"):
        LoCoMo(BenchmarkOptions(data=str(tmp_path)))


def test_an_unknown_haystack_is_an_error_that_names_those_there_are(load: Callable[[object], LoCoMo]) -> None:
    with pytest.raises(DataError, match="no haystack 'talk-2'; its haystacks: talk-1-"):
        load(TINY).haystack("talk-2")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1:56 pm on 8 May, 2023", datetime(2023, 5, 8, 13, 56)),
        ("12:00 am on 31 December, 2022", datetime(2022, 12, 31, 0, 0)),
        ("12:59 pm on 1 January, 2023", datetime(2023, 1, 1, 12, 59)),
    ],
)
def test_dates(text: str, expected: datetime) -> None:
    assert parse_session_date(text) == expected


@pytest.mark.parametrize(
    "text", ["", "13:00 pm on 8 May, 2023", "0:10 am on 8 May, 2023", "1:56 pm on 31 June, 2023", "8 May, 2023"]
)
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(DataError, match=r"is not like '1:56 pm on 8 May, 2023'"):
        parse_session_date(text)

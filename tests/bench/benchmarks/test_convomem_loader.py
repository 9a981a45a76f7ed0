"""ConvoMem's two shapes, from the real excerpts and from made-up files whose paths and sizes lie."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bench.data.manifests
from bench.base import BenchmarkOptions
from bench.benchmarks.convomem import ConvoMem, ConvoMemEvidence, ConvoMemFiles
from bench.benchmarks.quotes import Line, Quotes, Spot, normalised
from vocabulary import Case, DataError, DataMissingError

PREMIXED = "core_benchmark/pre_mixed_testcases"
EVIDENCE = "core_benchmark/evidence_questions"
CONVERTED = "locomo_in_convomem_format"


@pytest.fixture(scope="session")
def published(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real excerpts, copied."""
    if not (data_folder / "convomem").is_dir():
        pytest.skip(f"no ConvoMem excerpts in {data_folder}: set MEMORYBENCH_DATA to a folder with convomem/")
    folder = tmp_path_factory.mktemp("data")
    for file in (data_folder / "convomem").rglob("*.json"):
        copy = folder / "convomem" / file.relative_to(data_folder / "convomem")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    return folder


def load(kind: type[ConvoMemFiles], folder: Path, *context_size: int) -> ConvoMemFiles:
    return kind(BenchmarkOptions(data=str(folder), context_size=context_size))


def texts(loaded: ConvoMemFiles, case: Case) -> list[str]:
    """What the messages say that are evidence of a case."""
    said = {m.id: m.text for session in loaded.haystack(case.haystack).sessions() for m in session.messages}
    return [said[name] for name in case.gold.evidence_messages]


# --- the real excerpts -------------------------------------------------------------------------------------------


def test_two_files_of_test_cases_share_one_haystack(published: Path) -> None:
    loaded = load(ConvoMem, published)
    counted = Counter(case.gold.question_type for case in loaded.cases())
    assert counted == {"category_1_basic_facts": 11, "category_5_abstention": 24}
    (haystack,) = {case.haystack for case in loaded.cases()}
    sessions = list(loaded.haystack(haystack).sessions())
    assert loaded.haystack(haystack).session_count == len(sessions) == 19
    assert sum(len(session.messages) for session in sessions) == 369
    assert {case.cluster for case in loaded.cases()} == {haystack}
    assert {case.gold.answerable for case in loaded.cases() if "abstention" in case.gold.question_type} == {False}
    assert all("context-19" in case.gold.groups for case in loaded.cases())


def test_a_haystack_is_the_files_conversations_in_their_order(published: Path) -> None:
    loaded = load(ConvoMem, published)
    path = published / "convomem" / CONVERTED / "category_1_basic_facts__dataset_1.json"
    raw = json.loads(path.read_text())
    sessions = list(loaded.haystack(loaded.cases()[0].haystack).sessions())
    assert [[(m.speaker, m.text) for m in session.messages] for session in sessions] == [
        [(m["speaker"], m["text"]) for m in conversation["messages"]] for conversation in raw["conversations"]
    ]
    assert {session.date for session in sessions} == {None}
    assert {case.question.date for case in loaded.cases()} == {None}
    assert {m.role for session in sessions for m in session.messages} == {"assistant"}, "the conversion has no other"
    assert (sessions[1].id, sessions[1].messages[2].id) == ("c002", "c002m03")


def test_evidence_of_the_real_test_cases_is_placed(published: Path) -> None:
    loaded = load(ConvoMem, published)
    asked = [
        item
        for name in ("category_1_basic_facts", "category_5_abstention")
        for item in json.loads((published / "convomem" / CONVERTED / f"{name}__dataset_1.json").read_text())[
            "evidenceItems"
        ]
    ]
    for case, item in zip(loaded.cases(), asked, strict=True):
        assert (case.question.text, case.gold.ground_truth) == (item["question"], item["answer"])
        assert set(texts(loaded, case)) == {quote["text"] for quote in item["message_evidences"]}
        assert case.gold.evidence_sessions
        assert [one.source for one in case.gold.evidence_sources] == [
            quote["text"] for quote in item["message_evidences"]
        ]
        assert {name for one in case.gold.evidence_sources for name in one.ids} == set(case.gold.evidence_messages)
    (note,) = [note for note in loaded.info.notes if "quotes placed" in note]
    assert note.endswith("by equality 56, as part 0, after normalisation 0, not placed 0 (0.0 %)")


def test_raw_items_are_asked_over_their_own_conversations(published: Path) -> None:
    loaded = load(ConvoMemEvidence, published)
    by_type = {case.gold.question_type: case for case in loaded.cases()}
    assert len(loaded.cases()) == 6
    assert set(by_type) == set(ConvoMemEvidence.types)
    assert by_type["changing_evidence"].gold.evidence_sessions == ("c001", "c002")
    assert [case for case in loaded.cases() if not case.gold.answerable] == [by_type["abstention_evidence"]]
    assert all(case.gold.evidence_messages for case in loaded.cases())
    assert {case.cluster for case in loaded.cases()} == {"0050e213-5032-42a0-8041-b5eef2f8ab91"}
    assert {session.date for case in loaded.cases() for session in loaded.haystack(case.haystack).sessions()} == {None}


@pytest.mark.parametrize("kind", [ConvoMem, ConvoMemEvidence])
def test_ids_are_unique_and_fit_pytest(kind: type[ConvoMemFiles], published: Path) -> None:
    names = [case.id for case in load(kind, published).cases()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names)
    assert not any("locomo" in name for name in names), "-k locomo is about another benchmark"


@pytest.mark.parametrize("kind", [ConvoMem, ConvoMemEvidence])
def test_nothing_of_the_truth_is_in_question_or_haystack(kind: type[ConvoMemFiles], published: Path) -> None:
    loaded = load(kind, published)
    secret = set()
    for path in (published / "convomem").rglob("*.json"):
        raw = json.loads(path.read_text())
        for item in raw.get("evidenceItems") or raw["evidence_items"]:
            secret |= {item["scenario_description"], item["personId"], *(one["id"] for one in item["conversations"])}
    for case in loaded.cases():
        sessions = [session.model_dump_json() for session in loaded.haystack(case.haystack).sessions()]
        shown = "".join((case.question.model_dump_json(), case.haystack, *sessions))
        assert not [word for word in (*secret, *kind.types, "Telemarketer", "gemini") if word in shown]


def test_the_data_may_lie_directly_in_the_folder(published: Path) -> None:
    inside, outside = load(ConvoMem, published / "convomem"), load(ConvoMem, published)
    assert inside.cases() == outside.cases()
    assert inside.info == outside.info


# --- made-up files -----------------------------------------------------------------------------------------------


def conversation(*said: str, name: str = "") -> dict[str, Any]:
    speakers = ("User", "Assistant")
    messages = [{"speaker": speakers[number % 2], "text": text} for number, text in enumerate(said)]
    return {"messages": messages, "id": name or said[0], "containsEvidence": True, "model_name": None}


def item(*conversations: dict[str, Any], quotes: tuple[str, ...] = (), question: str = "Which?") -> dict[str, Any]:
    return {
        "question": question,
        "answer": "That one.",
        "message_evidences": [{"speaker": "User", "text": quote} for quote in quotes],
        "conversations": list(conversations),
        "category": "Personal Life",
        "scenario_description": "a secret",
        "personId": "p-1",
        "use_case_model_name": None,
        "core_model_name": None,
    }


def case_of(size: int, *items: dict[str, Any], detail: int | None = None, seed: str = "filler") -> dict[str, Any]:
    own = [one for asked in items for one in asked["conversations"]]
    filler = [conversation(f"{seed} {number}", "I see.") for number in range(size - len(own))]
    return {"evidenceItems": list(items), "conversations": [*filler, *own], "contextSize": detail or size}


def write(folder: Path, relative: str, value: object) -> Path:
    path = folder / "convomem" / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    return path


BIKE = conversation("My new bike is a red one, I love it.", "Nice!", "It cost 300 dollars.")
BOAT = conversation("I bought a boat.", "What is it called?", "“Sea-Horse”, of course!")


def test_context_size_is_what_the_haystack_has_and_not_what_a_file_is_called(tmp_path: Path) -> None:
    write(tmp_path, f"{PREMIXED}/user_evidence/1_evidence/batched_030.json", [case_of(3, item(BIKE)), case_of(5)])
    write(tmp_path, f"{PREMIXED}/user_evidence/1_evidence/batched_003.json", [case_of(30, item(BOAT), detail=29)])
    write(tmp_path, f"{PREMIXED}/changing_evidence/2_evidence/batched_000.json", [case_of(30, item(BIKE, BOAT))])
    both = load(ConvoMem, tmp_path, 30)
    assert [case.id for case in both.cases()] == ["changing-2-batched_000-c000-q000", "user-1-batched_003-c000-q000"]
    assert [case.gold.groups for case in both.cases()] == [("context-30", "evidence-2"), ("context-30", "evidence-1")]
    assert [case.gold.category for case in both.cases()] == [2, 1]
    assert any("contextSize is not their number of conversations" in note for note in both.info.notes)
    (three,) = load(ConvoMem, tmp_path, 3).cases()
    assert three.id == "user-1-batched_030-c000-q000"
    assert three.source_id == f"{PREMIXED}/user_evidence/1_evidence/batched_030.json[0]/evidenceItems[0]"
    assert len(load(ConvoMem, tmp_path).cases()) == len(load(ConvoMem, tmp_path, 3, 30).cases()) == 3


def test_only_files_that_are_asked_about_are_in_the_checksum(tmp_path: Path) -> None:
    write(tmp_path, f"{PREMIXED}/user_evidence/1_evidence/a.json", [case_of(30, item(BIKE))])
    before = load(ConvoMem, tmp_path, 30).info
    write(tmp_path, f"{PREMIXED}/user_evidence/1_evidence/b.json", [case_of(2, item(BIKE), detail=9)])
    assert load(ConvoMem, tmp_path, 30).info == before
    assert load(ConvoMem, tmp_path).info.sha256 != before.sha256
    write(tmp_path, f"{PREMIXED}/user_evidence/1_evidence/a.json", [case_of(30, item(BOAT))])
    assert load(ConvoMem, tmp_path, 30).info.sha256 != before.sha256


def test_a_size_that_nothing_has_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    write(tmp_path, f"{PREMIXED}/user_evidence/1_evidence/a.json", [case_of(3, item(BIKE)), case_of(30, item(BIKE))])
    write(tmp_path, f"{EVIDENCE}/user_evidence/1_evidence/p.json", {"evidence_items": [item(BIKE)]})
    with pytest.raises(DataError, match=r"of 7 conversations is here, only of 3 or 30.*--context-size 7") as refused:
        load(ConvoMem, tmp_path, 3, 7)
    assert not isinstance(refused.value, DataMissingError)
    with pytest.raises(DataMissingError, match="--context-size 30 is for the test cases"):  # skipped, not refused
        load(ConvoMemEvidence, tmp_path, 30)


def test_one_haystack_in_several_files_is_one(tmp_path: Path) -> None:
    for number in range(3):
        asked = [item(BIKE, question=f"{number} {other}?") for other in range(2)]
        case = case_of(4, item(BIKE)) | {"evidenceItems": asked}
        case["conversations"] = [one | {"id": f"{number}", "model_name": "x"} for one in case["conversations"]]
        write(tmp_path, f"{PREMIXED}/user_evidence/1_evidence/b{number}.json", [case, case_of(4, item(BOAT))])
    cases = load(ConvoMem, tmp_path).cases()
    assert len(cases) == 9
    assert Counter(Counter(case.haystack for case in cases).values()) == {6: 1, 3: 1}


def test_the_order_of_conversations_makes_another_haystack(tmp_path: Path) -> None:
    case = case_of(4, item(BIKE))
    turned = case | {"conversations": case["conversations"][::-1]}
    write(tmp_path, f"{PREMIXED}/user_evidence/1_evidence/b.json", [case, turned])
    assert len({case.haystack for case in load(ConvoMem, tmp_path).cases()}) == 2


def test_camel_case_and_snake_case_are_the_same(tmp_path: Path) -> None:
    def snake(value: Any) -> Any:
        if isinstance(value, dict):
            return {re.sub("[A-Z]", lambda m: "_" + m[0].lower(), key): snake(one) for key, one in value.items()}
        return [snake(one) for one in value] if isinstance(value, list) else value

    def camel(value: Any) -> Any:
        if isinstance(value, dict):
            return {re.sub("_([a-z])", lambda m: m[1].upper(), key): camel(one) for key, one in value.items()}
        return [camel(one) for one in value] if isinstance(value, list) else value

    cases = [case_of(4, item(BIKE, quotes=("It cost 300 dollars.",)), item(BOAT))]
    items = {"evidence_items": [item(BIKE, BOAT, quotes=("I bought a boat.",))], "checkpoint": None}
    for name, convert in {"as_published": lambda value: value, "snake": snake, "camel": camel}.items():
        write(tmp_path / name, f"{PREMIXED}/user_evidence/1_evidence/batch.json", convert(cases))
        write(tmp_path / name, f"{EVIDENCE}/user_evidence/1_evidence/person.json", convert(items))
    for kind in (ConvoMem, ConvoMemEvidence):
        expected = load(kind, tmp_path / "as_published").cases()
        assert expected[0].gold.evidence_messages
        assert load(kind, tmp_path / "snake").cases() == expected
        assert load(kind, tmp_path / "camel").cases() == expected


def test_one_bare_test_case_is_as_good_as_a_list(tmp_path: Path) -> None:
    write(tmp_path / "bare", f"{PREMIXED}/user_evidence/1_evidence/b.json", case_of(4, item(BIKE)))
    write(tmp_path / "list", f"{PREMIXED}/user_evidence/1_evidence/b.json", [case_of(4, item(BIKE))])
    assert load(ConvoMem, tmp_path / "bare").cases() == load(ConvoMem, tmp_path / "list").cases()


def test_the_same_bytes_under_two_categories_are_two_sets_of_questions(tmp_path: Path) -> None:
    for category in ("user_evidence/1_evidence", "abstention_evidence/2_evidence"):
        write(tmp_path, f"{PREMIXED}/{category}/b.json", [case_of(4, item(BIKE, quotes=("I bought a boat.",)))])
    abstention, user = load(ConvoMem, tmp_path).cases()
    assert (user.gold.question_type, user.gold.answerable, user.gold.category) == ("user_evidence", True, 1)
    assert (abstention.gold.question_type, abstention.gold.answerable) == ("abstention_evidence", False)
    assert abstention.gold.category == 2, "the folder counts, and not the quotes"
    assert user.haystack == abstention.haystack


def test_folders_and_strange_names_make_other_ids(tmp_path: Path) -> None:
    cases = [case_of(2, item(BIKE))]
    for name in ("a b.json", "a_b.json", "other/a_b.json", "a+b.json"):
        write(tmp_path, f"{PREMIXED}/user_evidence/1_evidence/{name}", cases)
    names = [case.id for case in load(ConvoMem, tmp_path).cases()]
    assert len(set(names)) == 4
    assert "user-1-a_b-c000-q000" in names
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names)
    for other in ("0050e213-5032-42a0-8041-b5eef2f8ab91_Nurse", "0050e213-0000-42a0-8041-b5eef2f8ab91_Nurse"):
        write(tmp_path, f"{EVIDENCE}/user_evidence/1_evidence/{other}.json", {"evidence_items": [item(BIKE)]})
    with pytest.raises(DataError, match="have the same name in case ids, 'user-1-0050e213_Nurse': rename one"):
        load(ConvoMemEvidence, tmp_path)


def test_legacy_benchmarks_are_read_where_their_category_is_known(tmp_path: Path) -> None:
    write(tmp_path, "legacy_benchmarks/locomo/category_2_temporal/d.json", case_of(4, item(BIKE)))
    write(tmp_path, "legacy_benchmarks/longmemeval/preferences/d.json", {"anything": "else"})
    loaded = load(ConvoMem, tmp_path)
    assert [case.gold.question_type for case in loaded.cases()] == ["category_2_temporal"]
    assert any("left out: 1 (legacy_benchmarks/longmemeval/preferences/d.json)" in note for note in loaded.info.notes)
    assert any("not LoCoMo's own" in note for note in loaded.info.notes)


def test_messages_without_text_are_left_out_and_keep_their_numbers(tmp_path: Path) -> None:
    talk = conversation("First.", " ", "Third.")
    write(tmp_path, f"{PREMIXED}/user_evidence/1_evidence/b.json", case_of(1, item(talk, quotes=("Third.",))))
    loaded = load(ConvoMem, tmp_path)
    (case,) = loaded.cases()
    (session,) = loaded.haystack(case.haystack).sessions()
    assert [message.id for message in session.messages] == ["c001m01", "c001m03"]
    assert case.gold.evidence_messages == ("c001m03",)
    assert "messages without any text, left out: 1" in loaded.info.notes


# --- evidence ----------------------------------------------------------------------------------------------------


def test_evidence_is_placed_as_well_as_it_can_be_and_the_rest_is_counted(tmp_path: Path) -> None:
    decoy = conversation("I bought a boat.", "It cost 300 dollars.")
    asked = [
        item(BOAT, quotes=("I bought a boat.",)),
        item(BIKE, quotes=("red one, I love it.",)),
        item(BIKE, quotes=("It cost 300 dollars. I will sell it.",)),
        item(BOAT, quotes=('"sea horse" of course',)),
        item(BIKE, quotes=("I sold my bike.", "It cost 300 dollars.")),
        item(BOAT, quotes=("Nothing like it was said by anybody.",)),
    ]
    case = {"evidenceItems": asked, "conversations": [decoy, BIKE, BOAT], "contextSize": 3}
    write(tmp_path, f"{PREMIXED}/user_evidence/1_evidence/b.json", case)
    loaded = load(ConvoMem, tmp_path)
    assert [case.gold.evidence_messages for case in loaded.cases()] == [
        ("c003m01",),
        ("c002m01",),
        ("c002m03",),
        ("c003m03",),
        ("c002m03",),
        (),
    ]
    assert loaded.cases()[0].gold.evidence_sessions == ("c003",)
    (note,) = [note for note in loaded.info.notes if "quotes placed" in note]
    detail = "by equality 2, as part 2, after normalisation 1, not placed 2 (28.6 %)"
    assert note == f"evidence quotes placed: {detail}"
    assert any("left out of retrieval metrics: 1 of 6" in note for note in loaded.info.notes)


def test_conversations_are_known_by_their_content_then_by_their_id(tmp_path: Path) -> None:
    twin = conversation(*(said["text"] for said in BOAT["messages"]), name="another id")
    longer = conversation("I bought a boat.", "Tell me more.", name=BOAT["id"])
    absent = conversation("I bought a boat.", "Never said.", name="nowhere")
    for name, own in {"a": twin, "b": longer, "c": absent}.items():
        case = {"evidenceItems": [item(own, quotes=("I bought a boat.",))], "contextSize": 3}
        haystack = [longer | {"id": "x"} if own is twin else BIKE, conversation("Hm.", "Yes."), BOAT]
        path = f"{PREMIXED}/user_evidence/1_evidence/{name}.json"
        write(tmp_path, path, case | {"conversations": haystack})
    loaded = load(ConvoMem, tmp_path)
    assert [case.gold.evidence_messages for case in loaded.cases()] == [("c003m01",)] * 3
    assert "evidence conversations that their own haystack does not hold: 1" in loaded.info.notes


def test_a_quote_is_looked_for_in_the_conversation_of_its_own_number(tmp_path: Path) -> None:
    first, second = conversation("Well.", "Yes.", "I moved."), conversation("So.", "Yes.", "I moved.", "No.")
    asked = item(first, second, quotes=("I moved.", "I moved."))
    write(tmp_path, f"{EVIDENCE}/changing_evidence/2_evidence/p.json", {"evidence_items": [asked]})
    (case,) = load(ConvoMemEvidence, tmp_path).cases()
    assert case.gold.evidence_messages == ("c001m03", "c002m03")
    assert case.gold.evidence_sessions == ("c001", "c002")


def test_a_short_quote_is_no_part_of_what_strangers_said() -> None:
    quotes = Quotes([[Line("User", "Yes, I do like the greenhouse effect.")], [Line("User", "I like green.")]])
    assert quotes.find(Line("User", "green"), [1]) == ("part", Spot(1, 0))
    assert quotes.find(Line("User", "green")) is None
    assert quotes.find(Line("User", "like the greenhouse eff"), [1]) == ("part", Spot(0, 0))
    assert quotes.find(Line("User", "…"), [0, 1]) is None
    assert quotes.find(Line("User", ""), [0, 1]) is None


def test_the_same_speaker_is_taken_first() -> None:
    quotes = Quotes([[Line("Assistant", "It is blue."), Line("User", "It is blue.")]])
    assert quotes.find(Line("User", "It is blue.")) == ("equal", Spot(0, 1))
    assert quotes.find(Line("Assistant", "it is blue"), [0]) == ("normalised", Spot(0, 0))
    assert quotes.find(Line("Somebody", "It is blue.")) == ("equal", Spot(0, 0))


sentences = st.lists(st.text("abc .\u2019'\"é", min_size=1, max_size=30), min_size=1, max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.lists(sentences, min_size=1, max_size=4), st.data())
def test_what_was_said_is_found_where_it_was_said(said: list[list[str]], data: st.DataObject) -> None:
    sessions = [[Line("User", text) for text in session] for session in said]
    session = data.draw(st.integers(0, len(said) - 1))
    text = data.draw(st.sampled_from(said[session]))
    found = Quotes(sessions).find(Line("User", text), [session])
    if not normalised(text).strip():
        assert found is None
    else:
        assert found == ("equal", Spot(session, said[session].index(text)))
    loud = Quotes(sessions).find(Line("User", f"…{text.upper()}!"), [session])
    assert (loud is None) == (found is None)
    assert loud is None or loud[1].session == session


# --- files that are not what they should be ----------------------------------------------------------------------


def without(value: Any, *place: Any) -> Any:
    """`value` without what is at `place`."""
    changed = json.loads(json.dumps(value))
    inner = changed
    for step in place[:-1]:
        inner = inner[step]
    del inner[place[-1]]
    return changed


def changed_to(value: Any, new: Any, *place: Any) -> Any:
    changed = json.loads(json.dumps(value))
    inner = changed
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = new
    return changed


CASES = [case_of(2, item(BIKE)), case_of(3, item(BIKE), item(BOAT, quotes=("I bought a boat.",)))]
ITEMS = {"evidence_items": [item(BIKE), item(BOAT, quotes=("I bought a boat.",))], "checkpoint": None}

BROKEN_CASES: dict[str, tuple[Any, str]] = {
    "no evidenceItems": (without(CASES, 1, "evidenceItems"), "item 1: evidenceItems is missing"),
    "no conversations": (without(CASES, 1, "conversations"), "item 1: conversations is missing"),
    "no contextSize": (without(CASES, 0, "contextSize"), "item 0: contextSize is missing"),
    "no question": (
        without(CASES, 1, "evidenceItems", 1, "question"),
        "item 1: evidenceItems[1].question is missing (its keys: answer",
    ),
    "no quotes": (
        without(CASES, 1, "evidenceItems", 1, "message_evidences"),
        "item 1: evidenceItems[1].message_evidences is missing",
    ),
    "no text": (
        without(CASES, 1, "conversations", 2, "messages", 0, "text"),
        "item 1: conversations[2].messages[0].text is missing",
    ),
    "wrong case": (
        [{"EvidenceItems": [], **without(CASES, 1, "evidenceItems")[1]}],
        "item 0: evidenceItems is missing; it has 'EvidenceItems', and keys are case-sensitive",
    ),
    "an item": (CASES[0]["evidenceItems"], "item 0: evidenceItems is missing (its keys: question, answer"),
    "raw items": (ITEMS, "item 0: conversations is missing (its keys: evidence_items, checkpoint)"),
    "a number": ([*CASES, 7], "item 2: the item: Input should be a valid dictionary"),
    "an empty haystack": (changed_to(CASES, [], 0, "conversations"), "item 0: conversations: "),
    "null answer": (changed_to(CASES, None, 1, "evidenceItems", 0, "answer"), "item 1: evidenceItems[0].answer: "),
    "empty question": (changed_to(CASES, "", 1, "evidenceItems", 0, "question"), "item 1: evidenceItems[0].question: "),
    "size as text": (changed_to(CASES, "2", 0, "contextSize"), "item 0: contextSize: Input should be a valid integer"),
    "stranger": (
        changed_to(CASES, "Jon", 1, "conversations", 0, "messages", 1, "speaker"),
        "item 1: conversations[0].messages[1].speaker: Input should be 'User' or 'Assistant' (found 'Jon')",
    ),
    "cut off": (json.dumps(CASES)[:-400], "item 1: not valid JSON (Unterminated string"),
    "cut between": (json.dumps(CASES[:1])[:-1], "after item 0: not valid JSON, is the file cut off?"),
    "empty file": ("", "item 0: not valid JSON"),
}
BROKEN_ITEMS: dict[str, tuple[Any, str]] = {
    "no items": (without(ITEMS, "evidence_items"), "item 0: evidence_items is missing"),
    "wrong case": (
        {"Evidence_Items": ITEMS["evidence_items"]},
        "item 0: evidence_items is missing; it has 'Evidence_Items', and keys are case-sensitive",
    ),
    "no conversations": (
        without(ITEMS, "evidence_items", 1, "conversations"),
        "item 0: evidence_items[1].conversations is missing",
    ),
    "nothing said": (
        changed_to(ITEMS, [], "evidence_items", 1, "conversations"),
        "item 0: evidence_items[1].conversations is empty",
    ),
    "quote is text": (
        changed_to(ITEMS, ["I bought"], "evidence_items", 1, "message_evidences"),
        "item 0: evidence_items[1].message_evidences[0]: Input should be",
    ),
    "cut off": (json.dumps(ITEMS)[:-30], "item 0: not valid JSON"),
}


def refused(kind: type[ConvoMemFiles], folder: Path, path: Path, detail: str) -> None:
    for _time in range(2):  # what is broken stays broken: nothing of it is in the index
        with pytest.raises(DataError) as error:
            load(kind, folder)
        assert str(error.value).startswith(f"{path}: {detail}"), error.value
        assert f"python -m bench download {kind.name}" in str(error.value)
        assert "\n" not in str(error.value)
        assert len(str(error.value)) - len(str(path)) - len(str(folder)) < 400


@pytest.mark.parametrize("broken", BROKEN_CASES)
def test_broken_test_cases_are_named(broken: str, tmp_path: Path) -> None:
    value, detail = BROKEN_CASES[broken]
    write(tmp_path, f"{PREMIXED}/user_evidence/1_evidence/a.json", CASES)
    refused(ConvoMem, tmp_path, write(tmp_path, f"{PREMIXED}/user_evidence/1_evidence/b.json", value), detail)


@pytest.mark.parametrize("broken", BROKEN_ITEMS)
def test_broken_items_are_named(broken: str, tmp_path: Path) -> None:
    value, detail = BROKEN_ITEMS[broken]
    refused(ConvoMemEvidence, tmp_path, write(tmp_path, f"{EVIDENCE}/user_evidence/1_evidence/b.json", value), detail)


def test_a_category_that_nobody_knows_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, f"{PREMIXED}/User_Evidence/1_evidence/b.json", CASES)
    with pytest.raises(DataError, match=r"no folder of it.* is a category of ConvoMem's.*user_evidence") as error:
        load(ConvoMem, tmp_path)
    assert str(path) in str(error.value)


def test_a_haystack_that_was_changed_behind_the_index_is_refused(tmp_path: Path) -> None:
    for kind, path in {
        ConvoMem: write(tmp_path, f"{PREMIXED}/user_evidence/1_evidence/b.json", CASES),
        ConvoMemEvidence: write(tmp_path, f"{EVIDENCE}/user_evidence/1_evidence/b.json", ITEMS),
    }.items():
        loaded, before = load(kind, tmp_path), path.stat()
        path.write_bytes(path.read_bytes().replace(b"dollars", b"roubles"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(DataError, match=r"b\.json is no longer the file that was indexed"):
            loaded.haystack(loaded.cases()[0].haystack).sessions()  # when it is asked for, not when it is walked
        path.write_bytes(path.read_bytes()[::-1])
        with pytest.raises(DataError, match="is no longer the file"):
            loaded.haystack(loaded.cases()[0].haystack).sessions()


def test_a_haystack_that_nobody_has(published: Path) -> None:
    with pytest.raises(DataError, match="has no haystack 'cm-0'"):
        load(ConvoMem, published).haystack("cm-0")


# --- where the files come from -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "command", "size"),
    [
        (ConvoMem, "python -m bench download convomem --to {} --context-size 30", "13.0 GB"),
        (ConvoMemEvidence, "python -m bench download convomem_evidence --to {}", "1.2 GB"),
    ],
)
def test_what_is_missing_says_how_to_get_it(kind: type[ConvoMemFiles], command: str, size: str, tmp_path: Path) -> None:
    with pytest.raises(DataMissingError) as error:
        load(kind, tmp_path)
    assert f"`{command.format(tmp_path)}`" in str(error.value)
    assert size in str(error.value)
    assert "CC BY-NC 4.0" in str(error.value)


@pytest.fixture
def downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """datasets/ elsewhere; what is called makes the record of a download in it."""
    monkeypatch.setattr(bench.data.manifests, "DATASETS", tmp_path)
    manifests = Path(bench.data.manifests.__file__).parents[2] / "datasets"
    shutil.copyfile(manifests / "convomem.toml", tmp_path / "convomem.toml")
    listing = bench.data.manifests.read_manifest("convomem").listing
    assert listing

    def record(files: dict[str, str]) -> None:
        known = {name: {"sha256": sha256, "bytes": 1} for name, sha256 in files.items()}
        write(tmp_path, bench.data.manifests.PUBLISHED, {"revision": listing.revision, "files": known})

    return record


def test_files_are_verified_if_a_download_found_them_right(
    tmp_path: Path, downloaded: Callable[[dict[str, str]], None]
) -> None:
    names = [f"{PREMIXED}/user_evidence/1_evidence/{name}.json" for name in ("a", "b")]
    sums = {name: bench.data.manifests.file_sha256(write(tmp_path, name, CASES)) for name in names}
    downloaded({names[0]: sums[names[0]]})
    half = ConvoMem(BenchmarkOptions())
    assert not half.info.verified
    assert "of 2 files, 1 are not known to be the published ones" in half.info.notes[0]
    assert names[1] in half.info.notes[0]
    downloaded(sums)
    for data in (None, str(tmp_path)):
        whole = ConvoMem(BenchmarkOptions(data=data))
        assert whole.info.verified
        assert not any("unverified" in note for note in whole.info.notes)
        assert whole.info.sha256 == half.info.sha256
    write(tmp_path, names[0], [*CASES, *CASES])
    assert not ConvoMem(BenchmarkOptions(data=str(tmp_path))).info.verified
    with pytest.raises(DataError, match=r"a\.json: wrong checksum: expected sha256 .*Delete it and run"):
        ConvoMem(BenchmarkOptions())

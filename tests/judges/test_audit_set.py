"""The labelled set says what it claims to say: kinds, labels, dates, and nothing of anybody's benchmark."""

from __future__ import annotations

import json
import lzma
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import get_args

import pytest

from judges import protocol_names
from judges.audit_set import LABELS, AuditItem, Kind, audit_items, some_of
from llms.offline import find_times
from tests.repository import DATA

UNANSWERABLE = {"rightly-refused", "invented"}
MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()  # noqa: SIM905  shorter than quotes
ITEMS = audit_items()


def day_of(text: str, asked: date | None) -> date | None:
    """The one day that a text names, None if it names none."""
    spans = [found.span for found in find_times(text, asked, relative=False)]
    return spans[0].start if len(spans) == 1 and spans[0].start == spans[0].end else None


def days(kind: Kind) -> Iterator[tuple[AuditItem, date, date | None]]:
    """Items of a kind whose ground truth is a day: the item, that day, and the answer's."""
    for item in ITEMS:
        if item.kind == kind and item.question.date is not None:
            asked = item.question.date.date()
            truth = day_of(item.gold.ground_truth, asked)
            if truth is not None:
                yield item, truth, day_of(item.answer.hypothesis, asked)


def test_every_kind_is_there_often_enough() -> None:
    counts = Counter(item.kind for item in ITEMS)
    assert set(counts) == set(get_args(Kind)) == set(LABELS)
    assert min(counts.values()) >= 20
    assert counts["vague"] >= 40
    assert len(ITEMS) >= 200
    assert 0.25 < sum(item.label("locomo-strict") == "correct" for item in ITEMS) / len(ITEMS) < 0.5


def test_ids_and_answers_occur_once() -> None:
    assert len({item.id for item in ITEMS}) == len(ITEMS)
    answers = Counter((item.question.text, item.answer.hypothesis.lower().rstrip(".")) for item in ITEMS)
    assert [said for said, times in answers.items() if times > 1] == []
    assert len({item.question.text for item in ITEMS}) == len({item.question_name for item in ITEMS}) >= 40


def test_answers_differ_in_length() -> None:
    words = [len(item.answer.hypothesis.split()) for item in ITEMS]
    assert sum(count <= 3 for count in words) > 30
    assert sum(count >= 25 for count in words) > 15
    assert {item.kind for item in ITEMS if len(item.answer.hypothesis.split()) >= 25} >= {"right", "reworded", "vague"}


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.id)
def test_kind_fits_the_question(item: AuditItem) -> None:
    assert item.gold.answerable == (item.kind not in UNANSWERABLE)
    assert item.gold.answerable == (item.gold.question_type != "adversarial")
    assert item.answer.hypothesis.strip()
    assert item.gold.ground_truth.strip()
    if item.kind in ("off-by-one-day", "wrong-date"):
        assert item.gold.question_type == "temporal"
        assert item.question.date is not None


def test_a_day_off_is_one_day_off() -> None:
    found = list(days("off-by-one-day"))
    assert len(found) >= 18
    wrong = [item.id for item, truth, said in found if said is None or abs(said - truth) != timedelta(days=1)]
    assert wrong == []


def test_a_wrong_date_is_further_off() -> None:
    found = list(days("wrong-date"))
    assert len(found) >= 18
    assert [item.id for item, truth, said in found if said is None or abs(said - truth) <= timedelta(days=1)] == []


def test_weekdays_are_those_of_the_calendar() -> None:
    pattern = rf"({'|'.join(WEEKDAYS)})(?:,| the|, the)? (\d{{1,2}}) (?:of )?({'|'.join(MONTHS)}),? (\d{{4}})"
    american = rf"({'|'.join(WEEKDAYS)}), ({'|'.join(MONTHS)}) (\d{{1,2}}), (\d{{4}})"
    seen = 0
    for item in ITEMS:
        named = [(w, d, m, y) for w, d, m, y in re.findall(pattern, item.answer.hypothesis)]
        named += [(w, d, m, y) for w, m, d, y in re.findall(american, item.answer.hypothesis)]
        for weekday, day, month, year in named:
            seen += 1
            assert date(int(year), MONTHS.index(month) + 1, int(day)).weekday() == WEEKDAYS.index(weekday), item.id
    assert seen >= 4


def test_labels_by_protocol() -> None:
    by_id = {item.id: item for item in ITEMS}
    part = by_id["countries/partly-right/1"]
    labels = {name: part.label(name) for name in ("locomo-strict", "locomo-lenient/1", "convomem/1", "lexical-v2")}
    assert labels.pop("locomo-lenient/1") == "correct"
    assert set(labels.values()) == {"wrong"}
    count = by_id["hospital-stay/off-by-one-day/1"]
    assert (count.label("longmemeval/1"), count.label("locomo-lenient/1")) == ("correct", "wrong")
    assert by_id["violin-exam/off-by-one-day/1"].label("longmemeval/1") == "wrong"
    assert {item.label(name) for item in ITEMS if item.kind == "vague" for name in protocol_names()} == {"wrong"}
    assert {item.label("locomo-strict/1") for item in ITEMS if item.kind == "refused"} == {"abstained"}


def test_exceptions_are_for_protocols_that_exist_and_kinds_that_are_between() -> None:
    known = {name.partition("/")[0] for name in protocol_names()}
    excepted = [item for item in ITEMS if item.right_under]
    assert excepted
    assert {name for item in excepted for name in item.right_under} <= known
    assert {item.kind for item in excepted} == {"partly-right", "off-by-one-day"}


def test_longmemeval_gets_its_own_name_for_times() -> None:
    item = next(item for item in ITEMS if item.id == "hospital-stay/off-by-one-day/1")
    assert item.gold_for("longmemeval/1").question_type == "temporal-reasoning"
    assert item.gold_for("locomo-strict/1").question_type == "temporal"


@pytest.mark.parametrize("limit", [1, 11, 50, 10_000])
def test_some_of_all_kinds_alike(limit: int) -> None:
    chosen = some_of(ITEMS, limit)
    assert len(chosen) == min(limit, len(ITEMS))
    assert chosen == [item for item in ITEMS if item in chosen], "they stand in the order of the set"
    counts = Counter(item.kind for item in chosen)
    if limit in (11, 50):
        assert len(counts) == 11
        assert max(counts.values()) - min(counts.values()) <= 1


def test_nothing_of_it_is_from_a_benchmark() -> None:
    patterns = ("locomo/*.json", "longmemeval/*.json", "longmemeval/*.json.xz", "convomem/**/*.json")
    files = [path for pattern in patterns for path in DATA.glob(pattern)]
    if not files:
        pytest.skip(f"no benchmark data in {DATA}: set MEMORYBENCH_DATA")
    asked: set[str] = set()
    speakers: set[str] = set()
    for path in files:
        data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        asked |= {json.loads(text).lower() for text in re.findall(rb'"question": *("(?:[^"\\]|\\.)*")', data)}
        speakers |= {name.decode() for name in re.findall(rb'"speaker_[ab]": *"(\w+)"', data)}
    assert len(asked) > 1_000
    assert len(speakers) >= 18
    assert [item.question.text for item in ITEMS if item.question.text.lower() in asked] == []
    names = {word for item in ITEMS for word in re.findall(r"\w+", f"{item.question.text} {item.answer.hypothesis}")}
    assert names & speakers == set()

"""The conformance kit's parts: its haystacks hold what its questions ask for, its verdicts are kept as they come."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.conformance.haystacks import (
    HIDING_PLACES,
    LONG_CHARACTERS,
    Fact,
    about_one_thing,
    anywhere,
    both_speakers,
    dated,
    hiding_place,
    long_message,
    many,
    three,
    unusual,
    with_nothing_said,
)
from reports.report import Checked, CheckVerdict, read_checked, write_checked
from reports.report.conformance import conformance_of, conformance_path
from reports.store import ProviderRecord
from vocabulary import CheckpointError, SearchResult, Session

PROVIDER = ProviderRecord(name="mine:Memory", version="1", api="v2", settings={"mode": "fast"})


def with_single(found: tuple[list[Session], Fact]) -> tuple[list[Session], list[Fact]]:
    return found[0], [found[1]]


@pytest.mark.parametrize(
    ("sessions", "facts"),
    [
        anywhere(),
        three(),
        dated(),
        both_speakers(),
        with_single(unusual()),
        long_message(),
        with_single(with_nothing_said()),
        *(([session], [fact]) for session, fact in map(hiding_place, HIDING_PLACES)),
        (lambda made: (list(made[0]), made[1]))(many(50)),
    ],
)
def test_a_fact_stands_in_the_message_that_it_names_and_nowhere_else(
    sessions: list[Session], facts: list[Fact]
) -> None:
    said = {message.id: message for session in sessions for message in session.messages}
    assert len(said) == sum(len(session.messages) for session in sessions), "ids are unique"
    for fact in facts:
        holding = [id_ for id_, message in said.items() if fact.held_by([SearchResult(text=message.rendered())])]
        assert holding == [fact.message]
        assert fact.message in {
            message.id for session in sessions if session.id == fact.session for message in session.messages
        }
        asked = set(fact.question.lower().strip("?").split())
        assert asked & set(said[fact.message].text.lower().split()), "a search for words must be able to find it"


def test_sizes_are_what_the_docs_say() -> None:
    (session,), _facts = long_message()
    assert max(len(message.text) for message in session.messages) == LONG_CHARACTERS == 80_000
    sessions, facts = many(1000)
    assert len(list(sessions)) == 1000
    assert [fact.session for fact in facts] == ["s1", "s501", "s1000"]
    for few in (1, 2, 3):
        sessions, facts = many(few)
        assert {fact.session for fact in facts} <= {session.id for session in sessions}
    assert len(about_one_thing()[0]) == 12


def verdict(name: str, outcome: str = "passed") -> CheckVerdict:
    return CheckVerdict.model_validate({"name": name, "outcome": outcome, "message": "so it is", "seconds": 0.1})


def test_verdicts_are_kept_in_the_order_of_the_kit_and_replaced_by_name(tmp_path: Path) -> None:
    checked = Checked(provider=PROVIDER, kit=("one", "two", "three"), checked_at=datetime(2026, 1, 2, tzinfo=UTC))
    for one in (verdict("three"), verdict("one", "failed"), verdict("three", "declared")):
        checked = checked.with_one(one)
    write_checked(tmp_path, checked)
    kept = read_checked(tmp_path, PROVIDER.name)
    assert kept == checked
    assert [(one.name, one.outcome) for one in kept.checks] == [("one", "failed"), ("three", "declared")]
    section = conformance_of(tmp_path, PROVIDER)
    assert (section.state, section.checks, section.failed, section.declared) == ("failed", 2, 1, 1)
    assert section.unchecked == ("two",)
    assert section.summary == "1 of 2 failed: one"
    assert conformance_of(tmp_path, ProviderRecord(name="other", version="1", settings={})).state == "not checked"


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"version": "2"}, "version 1, not 2"),
        ({"api": ""}, "api v2, not none"),
        ({"settings": {"mode": "slow"}}, "mode=fast, not slow"),
        ({"settings": {"mode": "fast", "rerank": True}}, "rerank=None, not True"),
        ({}, None),
    ],
)
def test_a_report_says_when_another_one_was_checked(
    tmp_path: Path, change: dict[str, object], detail: str | None
) -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    write_checked(tmp_path, Checked(provider=PROVIDER, kit=("one",), checked_at=moment, checks=(verdict("one"),)))
    section = conformance_of(tmp_path, PROVIDER.model_copy(update=change))
    assert (section.state, section.checked_configuration) == ("passed", detail)


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    path = conformance_path(tmp_path, PROVIDER.name)
    path.parent.mkdir()
    path.write_text("{}")
    with pytest.raises(CheckpointError, match=r"mine-Memory\.json cannot be read .*delete it"):
        conformance_of(tmp_path, PROVIDER)

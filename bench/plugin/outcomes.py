"""Outcomes of questions as pytest shows them: correct, wrong, abstained, error, each a word, without a traceback.

A benchmark's test notes its outcome on its item; these hooks turn that into pytest's words. Tests that note nothing are
left alone.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING

import pytest

from vocabulary import CheckpointError, InfrastructureError, MemoryBenchError

if TYPE_CHECKING:  # see `bench.plugin.fixtures`
    from reports.store import QuestionKey

WORDS = {
    "correct": (".", {"green": True}),
    "wrong": ("w", {"yellow": True}),
    "abstained": ("a", {"cyan": True}),
    "error": ("E", {"red": True}),
    "ingested": (".", {"green": True}),
    "searched": (".", {"green": True}),
    "answered": (".", {"green": True}),
}
"""Each outcome's letter and colour."""


class PhaseReached(Exception):  # noqa: N818  nothing went wrong: the run was asked to go no further
    """Raised inside a test when the run ends before the test does."""


@dataclass(frozen=True)
class TestOutcome:
    """What came of a question, as a test saw it; `line` says it where the checkpoint cannot."""

    __test__ = False

    word: str
    provider: str
    benchmark: str
    question: str
    line: str = ""

    @property
    def key(self) -> QuestionKey:
        """The question's key in the checkpoint."""
        from reports.store import QuestionKey

        return QuestionKey(self.provider, self.benchmark, self.question)


_VERDICTS = ("wrong", "abstained")
"""What an assertion about a verdict can fail for; any other assertion is the test's own, and shown as pytest does."""

CARRIER = "memorybench"
"""The attribute of a report that carries the outcome from a worker to the controller, as one JSON string."""

_OUTCOME = pytest.StashKey[TestOutcome]()
STORY = pytest.StashKey[Callable[[TestOutcome], str]]()
"""In the configuration's stash where JUnit XML is written: the account in full of an outcome that is not good."""


def note_outcome(item: pytest.Item, outcome: TestOutcome) -> None:
    """Remember what came of the question that `item` is about."""
    item.stash[_OUTCOME] = outcome


def outcome_of(report: pytest.TestReport) -> TestOutcome | None:
    """The outcome that a report carries, from whichever worker it comes; None for an attempt that is run again."""
    carried = getattr(report, CARRIER, None)
    return _read(carried) if carried and not is_rerun(report) else None


@lru_cache(maxsize=16)
def _read(carried: str) -> TestOutcome:
    return TestOutcome(**json.loads(carried))


def is_rerun(report: pytest.TestReport) -> bool:
    """Whether the attempt does not count since the test is run again; the word is rerunfailures'."""
    return str(report.outcome) == "rerun"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the outcome on the report, and the story in the place of a traceback."""
    outcome = item.stash.get(_OUTCOME, None)
    raised = call.excinfo.value if call.excinfo else None
    described = _described(item, outcome, raised) if outcome and call.when == "call" else None
    if described is None:
        return (yield)
    outcome, text = described
    if raised is not None:
        # A traceback costs pytest more than all the rest of a question, and nobody would see it.
        setattr(item, "repr_failure", lambda _excinfo: text)  # noqa: B010  a method, on this item alone
        if not item.config.getoption("usepdb"):
            _clear_frames(raised.__traceback__)
    try:
        report = yield
    finally:
        vars(item).pop("repr_failure", None)  # the test may be run again, and then fail in another way
    if isinstance(raised, PhaseReached):
        report.outcome, report.longrepr = "passed", None
    setattr(report, CARRIER, json.dumps(vars(outcome), ensure_ascii=True))
    return report


def _clear_frames(failed_at: TracebackType | None) -> None:
    """Empty the frames of a failure: they hold the search results, and other plugins keep them beyond the test."""
    traceback.clear_frames(failed_at)
    for frame, _line in traceback.walk_tb(failed_at):
        _ = frame.f_locals  # before Python 3.13 a copy that somebody may have asked for: asked again, it is emptied too


def _described(item: pytest.Item, outcome: TestOutcome, raised: BaseException | None) -> tuple[TestOutcome, str] | None:
    """The outcome, and the text of its failure; None for a test that is itself broken."""
    if raised is None or isinstance(raised, PhaseReached):
        return outcome, ""
    named = f"{type(raised).__name__}: {raised}"
    if isinstance(raised, InfrastructureError) or (outcome.word in _VERDICTS and _is_about_verdict(raised)):
        story = item.config.stash[STORY](outcome) if STORY in item.config.stash else named
        return outcome, story
    if isinstance(raised, MemoryBenchError):
        # without a record the run stops, and says why by itself
        line = "it could not be recorded" if isinstance(raised, CheckpointError) else named
        return replace(outcome, word="error", line=f"{outcome.question}  error  {line}"), named
    return None


def _is_about_verdict(raised: BaseException) -> bool:
    """Whether it comes of ``assert verdict.correct``, and not of another assertion of the test."""
    if not isinstance(raised, AssertionError):
        return False
    shown = f"\n{raised}"  # pytest adds what was asserted to the message, except under --assert=plain
    return "\nassert " not in shown or "Verdict(" in shown


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, object] | None:
    """The words for a question's outcome."""
    outcome = outcome_of(report) if isinstance(report, pytest.TestReport) else None
    if outcome is None:
        return None
    letter, colour = WORDS[outcome.word]
    return outcome.word, letter, (outcome.word.upper(), colour)

"""Several judges, or one several times: each vote is asked for once, and the verdict stands when all are there."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.pipeline.panel import VoteCall, Voter, judges_line, outcome_of
from judges import Judge
from net import Border
from net.attempts import CallRecord
from reports.store import Step, read_progress, vote_name
from reports.store.records import QuestionRecord
from tests.bench.pipeline.small_bench import Bench, Small, World, napping
from vocabulary import (
    Answer,
    ConfigurationError,
    Gold,
    JudgeError,
    ModelError,
    Question,
    Usage,
    Verdict,
    VerdictLabel,
    Vote,
)

Grading = Callable[[str, str, int], Awaitable[VerdictLabel]]
"""What a judge (by name) makes of a question at its so-manieth try, counted from 1."""


async def all_correct(_judge: str, _question: str, _times: int) -> VerdictLabel:
    return "correct"


@dataclass
class Jury:
    """What the judges of a test are asked, and what they make of it."""

    grade: Grading = all_correct
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    active: Counter[str] = field(default_factory=Counter)
    most: Counter[str] = field(default_factory=Counter)

    async def evaluate(self, judge: Judge, question: Question) -> Verdict:
        self.calls[judge.name, question.id] += 1
        self.active[judge.name] += 1
        self.most[judge.name] = max(self.most[judge.name], self.active[judge.name])
        try:
            label = await self.grade(judge.name, question.id, self.calls[judge.name, question.id])
        finally:
            self.active[judge.name] -= 1
        usage = Usage(input_tokens=10, output_tokens=1)
        return Verdict(label=label, explanation=f"{judge.name} says so", usage=usage, model=f"{judge.name}-2026")


JURY = Jury()


class Ann(Judge):
    name = "ann"
    protocol = "any/1"
    model = "ann-model"

    async def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        assert gold.ground_truth in answer.hypothesis
        return await JURY.evaluate(self, question)


class Bob(Ann):
    name = "bob"
    model = "bob-model"


class Cleo(Ann):
    name = "cleo"
    model = "cleo-model"
    concurrency = 1


class Impostor(Ann):
    name = "bob"


@pytest.fixture
def jury(monkeypatch: pytest.MonkeyPatch) -> Jury:
    """A fresh jury, which the judges of this file ask."""
    fresh = Jury()
    monkeypatch.setitem(globals(), "JURY", fresh)
    return fresh


def bench(folder: Path, *judges: type[Judge], questions: int = 6, **options: object) -> Bench:
    named = tuple(f"{__name__}:{judge.__name__}" for judge in judges)
    return Bench(World(), folder, Small(questions=questions), {"judge": named, **options})


def records(of: Bench) -> list[QuestionRecord]:
    checkpoint, runner = of.open()
    found = list(checkpoint.question_records())
    runner.close()
    return found


def judge_step(record: QuestionRecord) -> Step:
    (step,) = [step for step in record.steps if step.phase == "judge"]
    return step


# --- once ----------------------------------------------------------------------------------------------------------


def test_every_judge_votes_in_every_repeat_and_nobody_is_asked_again(tmp_path: Path, jury: Jury) -> None:
    run = bench(tmp_path, Ann, Bob, judge_repeats=3)
    first = run.run()
    assert jury.calls == Counter({(name, f"opaque{n}"): 3 for name in ("ann", "bob") for n in range(6)})
    for verdict in first:
        assert [(vote.judge, vote.repeat) for vote in verdict.votes] == [
            ("ann", 0), ("ann", 1), ("ann", 2), ("bob", 0), ("bob", 1), ("bob", 2),
        ]  # fmt: skip
        assert verdict.correct
        assert verdict.usage == Usage(input_tokens=60, output_tokens=6, calls=6)
        assert {vote.model for vote in verdict.votes} == {"ann-2026", "bob-2026"}
    jury.calls.clear()
    assert run.run() == first
    assert not jury.calls


def test_one_judge_once_needs_no_votes(tmp_path: Path, jury: Jury) -> None:
    run = bench(tmp_path, Ann)
    (verdict, *_others) = run.run()
    assert (verdict.explanation, verdict.votes) == ("ann says so", ())
    assert not any(record.votes for record in records(run))
    assert jury.calls.total() == 6


def test_a_vote_that_failed_is_asked_again_and_no_other(tmp_path: Path, jury: Jury) -> None:
    broken = {"opaque1", "opaque4"}

    async def grade(judge: str, question: str, _times: int) -> VerdictLabel:
        if judge == "bob" and question in broken:
            raise ModelError("401 wrong key")
        return "correct"

    jury.grade = grade
    run = bench(tmp_path, Ann, Bob, Cleo)
    ended = run.run()
    assert [type(end) for end in ended].count(Verdict) == 4
    assert type(ended[1]) is ModelError
    assert str(ended[1]) == "401 wrong key"
    record = records(run)[1]
    error = judge_step(record).error
    assert error
    assert (error.type, error.message) == ("ModelError", "bob: 401 wrong key")
    assert judge_step(record).usage == Usage(input_tokens=20, output_tokens=2, calls=2), "the others were paid for"
    assert [recorded.vote.judge for recorded in record.votes] == ["ann", "cleo"]
    assert record.verdict is None
    jury.calls.clear()
    broken.clear()
    assert all(verdict.correct for verdict in run.run())
    assert jury.calls == Counter({("bob", "opaque1"): 1, ("bob", "opaque4"): 1})
    record = records(run)[1]
    assert {recorded.vote.judge: recorded.retried for recorded in record.votes} == {
        "ann": False,
        "bob": True,
        "cleo": False,
    }
    assert judge_step(record).retried
    checkpoint, runner = run.open()
    assert read_progress(checkpoint, "judge") == (6, 6, 0)
    runner.close()


def test_votes_that_were_done_when_the_work_stopped_are_kept(tmp_path: Path, jury: Jury) -> None:
    async def grade(judge: str, _question: str, _times: int) -> VerdictLabel:
        await napping(60 if judge == "bob" else 0)()
        return "correct"

    jury.grade = grade
    run = bench(tmp_path, Ann, Bob, questions=3)
    checkpoint, runner = run.open()
    runner.seal(run.selected())
    for question in run.selected():
        runner.job(question)
    keys = [question.key for question in run.selected()]
    deadline = time.monotonic() + 30
    while not all(vote_name("ann", 0) in steps for steps in checkpoint.steps(keys).values()):
        assert time.monotonic() < deadline, "what ann said is not in the checkpoint"
        time.sleep(0.02)
    runner.close()
    assert [record.verdict for record in records(run)] == [None] * 3
    assert not any(record.error for record in records(run))
    jury.grade = all_correct
    jury.calls.clear()
    assert all(verdict.correct for verdict in run.run())
    assert set(jury.calls) == {("bob", f"opaque{n}") for n in range(3)}


def test_asking_again_asks_for_all_votes(tmp_path: Path, jury: Jury) -> None:
    bench(tmp_path, Ann, Bob, judge_repeats=2).run()
    jury.calls.clear()
    run = bench(tmp_path, Ann, Bob, judge_repeats=2, retry_from="judge")
    run.run()
    assert jury.calls.total() == 24
    assert [count for count in jury.calls.values() if count != 2] == []


def test_asking_again_with_other_judges_leaves_nothing_of_the_former(tmp_path: Path, jury: Jury) -> None:
    bench(tmp_path, Ann, Bob).run()
    jury.calls.clear()
    run = bench(tmp_path, Bob, Cleo)
    bench(tmp_path, Bob, Cleo, retry_from="judge").run()
    assert {judge for judge, _question in jury.calls} == {"bob", "cleo"}
    for record in records(run):
        assert [recorded.vote.judge for recorded in record.votes] == ["bob", "cleo"]


def test_more_repeats_than_the_run_was_begun_with_are_refused(tmp_path: Path, jury: Jury) -> None:
    bench(tmp_path, Ann).run()
    with pytest.raises(ConfigurationError, match=r"judge\.repeats was 1, is 2.*--retry-from judge"):
        bench(tmp_path, Ann, judge_repeats=2).run()
    assert jury.calls.total() == 6


# --- together ------------------------------------------------------------------------------------------------------


def test_the_votes_on_an_answer_are_under_way_at_once(tmp_path: Path, jury: Jury) -> None:
    met = asyncio.Event()

    async def grade(_judge: str, _question: str, _times: int) -> VerdictLabel:
        if jury.active.total() == 4:
            met.set()
        await asyncio.wait_for(met.wait(), 20)
        return "correct"

    jury.grade = grade
    (verdict,) = bench(tmp_path, Ann, Bob, questions=1, judge_repeats=2).run()
    assert verdict.correct


def test_each_judge_has_limits_of_its_own(tmp_path: Path, jury: Jury) -> None:
    async def grade(_judge: str, _question: str, _times: int) -> VerdictLabel:
        await napping(0.01)()
        return "correct"

    jury.grade = grade
    bench(tmp_path, Ann, Cleo, questions=12, in_flight=8).run()
    assert jury.most["cleo"] == 1
    assert 1 < jury.most["ann"] <= 8


def test_a_vote_is_tried_again_by_itself(tmp_path: Path, jury: Jury) -> None:
    async def grade(judge: str, _question: str, times: int) -> VerdictLabel:
        if judge == "bob" and times == 1:
            raise JudgeError("answered 529", transient=True, retry_after=0.01)
        return "correct"

    jury.grade = grade
    run = bench(tmp_path, Ann, Bob, questions=2)
    assert all(verdict.correct for verdict in run.run())
    assert {name: count for (name, _question), count in jury.calls.items()} == {"ann": 1, "bob": 2}
    for record in records(run):
        assert {recorded.vote.judge: recorded.attempts for recorded in record.votes} == {"ann": 1, "bob": 2}
        assert judge_step(record).attempts == 2


# --- what they come to ---------------------------------------------------------------------------------------------


def test_the_label_is_that_of_the_majority_and_a_tie_is_not_correct(tmp_path: Path, jury: Jury) -> None:
    said: dict[str, dict[str, VerdictLabel]] = {
        "opaque0": {"ann": "correct", "bob": "correct"},
        "opaque1": {"ann": "correct", "bob": "wrong"},
        "opaque2": {"ann": "abstained", "bob": "abstained"},
    }

    async def grade(judge: str, question: str, _times: int) -> VerdictLabel:
        return said[question][judge]

    jury.grade = grade
    first, tie, third = bench(tmp_path, Ann, Bob, questions=3).run()
    assert [verdict.label for verdict in (first, tie, third)] == ["correct", "wrong", "abstained"]
    assert tie.explanation == "1 correct, 1 wrong of 2 votes; bob: bob says so"
    assert [vote.label for vote in tie.votes] == ["correct", "wrong"]


def vote_call(
    name: str, service_ms: float, waited_ms: float, attempts: int = 1, error: JudgeError | None = None
) -> VoteCall:
    usage = Usage(input_tokens=5, output_tokens=1)
    vote = None if error else Vote(judge=name, repeat=0, label="correct", explanation="", usage=usage)
    voter = Voter(Ann(), name, 0, None, "", Border())  # type: ignore[arg-type]  # counting calls nobody
    return VoteCall(voter, CallRecord(vote, error, service_ms, waited_ms, attempts))


def test_the_step_took_as_long_as_its_slowest_vote() -> None:
    done, usage, failed = outcome_of(
        [vote_call("ann", 900, 10), vote_call("bob", 200, 1800, 3), vote_call("cleo", 400, 0, 2)]
    )
    assert (done.service_ms, done.waited_ms, done.attempts) == (900, 1100, 4)
    assert usage == Usage(input_tokens=15, output_tokens=3, calls=3)
    assert done.value
    assert (done.value.correct, done.error, failed) == (True, None, "")


def test_the_first_vote_that_failed_is_the_error() -> None:
    faults = JudgeError("said nothing"), JudgeError("was cut off")
    done, usage, failed = outcome_of(
        [vote_call("ann", 1, 0), vote_call("bob", 1, 0, error=faults[0]), vote_call("cleo", 1, 0, error=faults[1])]
    )
    assert (done.value, done.error, failed) == (None, faults[0], "bob")
    assert usage == Usage(input_tokens=5, output_tokens=1, calls=1)


def test_two_judges_of_one_name_are_refused(tmp_path: Path, jury: Jury) -> None:
    with pytest.raises(ConfigurationError, match="2 judges have the name 'bob'"):
        bench(tmp_path, Bob, Impostor).run()
    assert not jury.calls


def test_the_same_judge_named_twice_votes_once(tmp_path: Path, jury: Jury) -> None:
    bench(tmp_path, Ann, Ann, questions=1).run()
    assert jury.calls == Counter({("ann", "opaque0"): 1})


def test_judges_are_told_with_their_rules() -> None:
    undecided = Bob()
    undecided.protocol = ""
    assert judges_line(["ann"], [Ann()], 1) == "judge ann (any/1)"
    assert judges_line(["ann", "bob", "ann"], [Ann(), undecided], 3) == (
        "judges ann (any/1), bob (rules by benchmark), 3 times each"
    )

"""Each step of each question is done once, and nobody sees what is not for their eyes."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from bench.config import BenchmarkConfig
from bench.pipeline.participants import Participants
from bench.pipeline.run_part import RunPart, batches_of
from bench.pipeline.runner import BATCH_AHEAD, WAITING, Runner
from reports.store import Checkpoint, QuestionKey, SelectedQuestion, read_progress, sqlite_url
from tests.bench.pipeline.small_bench import Bench, Small, World, napping
from tests.processes import run as run_process
from tests.repository import ROOT
from vocabulary import Case, JudgeError, ModelError, ProviderError, Verdict


def counts(world: World) -> dict[str, int]:
    return dict(Counter(str(call[0]) for call in world.calls))


# --- once ----------------------------------------------------------------------------------------------------------


def test_nothing_is_asked_twice_when_a_run_is_continued(tmp_path: Path) -> None:
    world = World()
    bench = Bench(world, tmp_path)
    first = bench.run()
    assert counts(world) == {"ingest": 15, "indexing": 3, "search": 12, "answer": 12, "judge": 12}
    world.calls.clear()
    assert bench.run() == first
    assert not world.calls


def test_a_judge_that_failed_is_asked_again_and_nobody_else(tmp_path: Path) -> None:
    broken = {"opaque3", "opaque4"}

    async def fail(question: str) -> None:
        if question in broken:
            raise JudgeError("said nothing that can be read as a verdict")

    world = World(on_judge=fail)
    bench = Bench(world, tmp_path)
    first = bench.run()
    assert [type(end) for end in first] == [JudgeError if f"opaque{n}" in broken else Verdict for n in range(12)]
    world.calls.clear()
    broken.clear()
    second = bench.run()
    assert all(verdict.correct for verdict in second)
    assert world.calls == [("judge", "opaque3"), ("judge", "opaque4")]
    checkpoint, runner = bench.open()
    retried = {
        (record.case.id, step.phase)
        for record in checkpoint.question_records()
        for step in record.steps
        if step.retried
    }
    assert retried == {("q003-odd", "judge"), ("q004-even", "judge")}
    assert read_progress(checkpoint, "judge") == (12, 12, 0)
    runner.close()


@pytest.mark.parametrize(
    ("phase", "error", "before"), [("search", ProviderError, ()), ("answer", ModelError, ("search",))]
)
def test_a_failed_step_is_an_error_of_its_question_and_what_comes_after_is_not_asked(
    tmp_path: Path, phase: str, error: type[Exception], before: tuple[str, ...]
) -> None:
    async def fail(*call: str) -> None:
        if call[-1] == "opaque5":
            raise ZeroDivisionError("of all things")

    world = World()
    setattr(world, f"on_{phase}", fail)
    bench = Bench(world, tmp_path)
    ended = bench.run()
    assert [type(end) for end in ended].count(Verdict) == 11
    assert type(ended[5]) is error
    assert str(ended[5]) == "ZeroDivisionError: of all things"
    checkpoint, runner = bench.open()
    record = checkpoint.question_record(QuestionKey(bench.provider, "small", "q005-odd"))
    assert tuple(step.phase for step in record.steps) == (*before, phase)
    assert record.error
    assert record.error.error
    assert record.error.error.type == error.__name__
    assert read_progress(checkpoint, "judge") == (12, 11, 1)
    runner.close()


def test_a_run_that_goes_further_takes_what_there_is(tmp_path: Path) -> None:
    world = World()
    Bench(world, tmp_path, options={"until": "ingest"}).run()
    assert counts(world) == {"ingest": 15, "indexing": 3}
    world.calls.clear()
    Bench(world, tmp_path, options={"until": "search"}).run()
    assert counts(world) == {"search": 12}
    world.calls.clear()
    ended = Bench(world, tmp_path).run()
    assert all(verdict.correct for verdict in ended)
    assert counts(world) == {"answer": 12, "judge": 12}


def test_asking_again_from_the_answers_on_keeps_the_searches(tmp_path: Path) -> None:
    world = World()
    Bench(world, tmp_path).run()
    world.calls.clear()
    bench = Bench(world, tmp_path, options={"retry_from": "answer"})
    bench.run()
    assert counts(world) == {"answer": 12, "judge": 12}
    checkpoint, runner = Bench(world, tmp_path).open()
    assert all(record.replayed for record in checkpoint.question_records())
    runner.close()


def test_asking_again_from_the_ingest_on_does_everything_anew(tmp_path: Path) -> None:
    world = World()
    Bench(world, tmp_path).run()
    world.calls.clear()
    ended = Bench(world, tmp_path, options={"retry_from": "ingest"}).run()
    assert all(verdict.correct for verdict in ended)
    assert counts(world) == {"clear": 3, "ingest": 15, "indexing": 3, "search": 12, "answer": 12, "judge": 12}


def test_what_is_under_way_when_the_work_stops_is_asked_again_and_what_is_done_is_not(tmp_path: Path) -> None:
    world = World(on_answer=napping(60))
    bench = Bench(world, tmp_path, Small(questions=3))
    _checkpoint, runner = bench.open()
    runner.seal(bench.selected())
    jobs = [runner.job(question) for question in bench.selected()]
    for job in jobs:
        assert job.searched.result(30)
    runner.close()
    assert all(job.judged.done() for job in jobs), "what waits is released"
    world.on_answer = napping(0)
    world.calls.clear()
    assert all(verdict.correct for verdict in bench.run())
    assert counts(world) == {"answer": 3, "judge": 3}


# --- in flight -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_flight", [1, 5])
def test_no_more_questions_are_under_way_than_may_be(tmp_path: Path, in_flight: int) -> None:
    world = World(on_answer=napping(0.01))
    Bench(world, tmp_path, Small(questions=20), {"in_flight": in_flight}).run()
    assert world.most["answer"] == in_flight


def test_look_ahead_begins_what_comes_next_and_no_more_than_its_window(tmp_path: Path) -> None:
    world = World(on_search=napping(60))
    bench = Bench(world, tmp_path, Small(questions=200), {"in_flight": 3})
    _checkpoint, runner = bench.open()
    runner.seal(bench.selected())
    for question in bench.selected()[:3]:
        runner.job(question).ingested.result(30)
    runner.look_ahead(bench.selected())
    assert runner.window == 12
    assert len(runner._jobs) <= 12 * WAITING
    began = len(runner._jobs)
    for job in list(runner._jobs.values()):
        job.ingested.result(30)
    runner.look_ahead(bench.selected())
    assert len(runner._jobs) == began, "all of them are ready, and none of them is answered"
    runner.close()


def test_questions_whose_haystack_is_ready_do_not_wait_for_one_that_is_not(tmp_path: Path) -> None:
    begun = threading.Event()

    async def slow_for_the_first(container: str, _session: str) -> None:
        if container.startswith("h0"):
            await asyncio.sleep(60)
        await asyncio.to_thread(begun.wait)

    cases = sorted(Small(haystacks=2, questions=60).cases(), key=lambda case: case.haystack)
    world = World(on_ingest=slow_for_the_first)
    bench = Bench(world, tmp_path, Small(haystacks=2, questions=60), {"in_flight": 2})
    _checkpoint, runner = bench.open()
    selected = [SelectedQuestion(bench.provider, case) for case in cases]
    runner.seal(selected)
    runner.look_ahead(selected)
    begun.set()
    last = selected[-1]
    assert runner._jobs[last.key].judged.result(30).correct
    assert not runner._jobs[selected[0].key].ingested.done()
    runner.close()


def test_look_ahead_begins_all_where_verdicts_come_in_batches_unless_money_is_limited(tmp_path: Path) -> None:
    config = BenchmarkConfig(judge=("openai/m@http://localhost:1/v1",), judge_batch=True, in_flight=3)
    for limit, window in ((None, BATCH_AHEAD), (1.0, 3)):
        limited = config.model_copy(update={"max_usd": limit})
        checkpoint = Checkpoint(sqlite_url(tmp_path / "checkpoint.sqlite"), "run")
        participants = Participants.of(limited, batches_of(limited, tmp_path))
        runner = Runner(RunPart(limited, participants, checkpoint, tmp_path, "invocation", {}))
        assert runner.window == window
        runner.close()


def test_look_ahead_goes_on_however_many_questions_failed(tmp_path: Path) -> None:
    async def fail_at_first(_container: str, question: str) -> None:
        await napping(0.005)()
        if int(question.removeprefix("opaque")) < 20:
            raise ProviderError("answered 500")

    world = World(on_search=fail_at_first)
    bench = Bench(world, tmp_path, Small(questions=400), {"in_flight": 4})
    _checkpoint, runner = bench.open()
    selected = bench.selected()
    runner.seal(selected)
    for number, question in enumerate(selected):
        if number == 200:
            world.most.clear()
        runner.look_ahead(selected[number:])
        bench.end_of(runner.job(question), runner)
        runner.forget(question)
    runner.close()
    assert world.most["search"] > 1


# --- not for their eyes --------------------------------------------------------------------------------------------


def strings_in(value: object) -> list[str]:
    """All texts that can be reached from a value, names of fields included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in strings_in(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in strings_in(part)]
    attributes = getattr(value, "__dict__", None)
    return strings_in(attributes) if attributes else []


@pytest.mark.parametrize("isolation", ["haystack", "question"])
def test_a_memory_system_never_sees_the_gold(tmp_path: Path, isolation: str) -> None:
    world = World()
    bench = Bench(world, tmp_path, options={"isolation": isolation})
    cases: list[Case] = [question.case for question in bench.selected()]
    # the texts of the sessions say the truth, of course: what is asked with a question is what must not
    bench.run()
    seen = [text for value in world.seen if not hasattr(value, "messages") for text in strings_in(value)]
    assert {case.question.id for case in cases} <= set(seen)
    for case in cases:
        for secret in (case.gold.ground_truth, case.gold.question_type, *case.gold.evidence_messages):
            assert not [text for text in seen if secret in text], secret


@pytest.mark.long
def test_handing_gold_to_a_search_is_a_type_error(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        "from providers import Ceiling, Provider\n"
        "from vocabulary import Case, Gold, Question\n"
        "async def leak(memory: Provider, ceiling: Ceiling, case: Case, gold: Gold) -> None:\n"
        "    memory.search('c', case.question, 10)\n"
        "    ceiling.search_gold('c', case.question, case.gold, 10)\n"
        "    memory.search('c', gold, 10)\n"
        "    memory.search('c', case, 10)\n"
        "    memory.search_gold('c', case.question, gold, 10)\n"
    )
    checked = run_process([sys.executable, "-m", "mypy", snippet], cwd=ROOT)  # with the cache of `make test`
    errors = [line for line in checked.stdout.splitlines() if "snippet.py" in line and ": error:" in line]
    assert [line.split(":")[1] for line in errors] == ["6", "7", "8"], checked.stdout
    assert "[arg-type]" in errors[0]
    assert "[attr-defined]" in errors[2]

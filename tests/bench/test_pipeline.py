"""Each step of each question is done once, and nobody sees what is not for their eyes."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from small_bench import Bench, Small, World, napping

from bench.config import BenchmarkConfig
from bench.workbench import BATCH_AHEAD, Workbench
from reports import Checkpoint, QuestionKey, read_progress, sqlite_url
from schema import Case, JudgeError, ModelError, ProviderError, Verdict

ROOT = Path(__file__).resolve().parents[2]


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
    checkpoint, workbench = bench.open()
    retried = {
        (record.case.id, step.phase)
        for record in checkpoint.question_records()
        for step in record.steps
        if step.retried
    }
    assert retried == {("q003-odd", "judge"), ("q004-even", "judge")}
    assert read_progress(checkpoint, "judge") == (12, 12, 0)
    workbench.close()


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
    checkpoint, workbench = bench.open()
    record = checkpoint.question_record(QuestionKey(bench.provider, "small", "q005-odd"))
    assert tuple(step.phase for step in record.steps) == (*before, phase)
    assert record.error
    assert record.error.error
    assert record.error.error.type == error.__name__
    assert read_progress(checkpoint, "judge") == (12, 11, 1)
    workbench.close()


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
    checkpoint, workbench = Bench(world, tmp_path).open()
    assert all(record.replayed for record in checkpoint.question_records())
    workbench.close()


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
    _checkpoint, workbench = bench.open()
    workbench.seal(bench.selected())
    jobs = [workbench.job(provider, case) for provider, case in bench.selected()]
    for job in jobs:
        assert job.searched.result(30)
    workbench.close()
    assert all(job.judged.done() for job in jobs), "whoever waits is told"
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
    bench = Bench(world, tmp_path, Small(questions=60), {"in_flight": 3})
    _checkpoint, workbench = bench.open()
    workbench.seal(bench.selected())
    workbench.look_ahead(bench.selected())
    assert workbench.window == 12
    assert len(workbench._jobs) == 12
    workbench.close()


def test_look_ahead_begins_all_where_verdicts_come_in_batches_unless_money_is_limited(tmp_path: Path) -> None:
    config = BenchmarkConfig(judge=("openai/m@http://localhost:1/v1",), judge_batch=True, in_flight=3)
    for limit, window in ((None, BATCH_AHEAD), (1.0, 3)):
        limited = config.model_copy(update={"max_usd": limit})
        workbench = Workbench(limited, Checkpoint(sqlite_url(tmp_path / "checkpoint.sqlite"), "run"), tmp_path, "i", {})
        assert workbench.window == window
        workbench.close()


def test_look_ahead_goes_on_however_many_questions_failed(tmp_path: Path) -> None:
    async def fail_at_first(_container: str, question: str) -> None:
        await napping(0.005)()
        if int(question.removeprefix("opaque")) < 20:
            raise ProviderError("answered 500")

    world = World(on_search=fail_at_first)
    bench = Bench(world, tmp_path, Small(questions=80), {"in_flight": 4})
    _checkpoint, workbench = bench.open()
    selected = bench.selected()
    workbench.seal(selected)
    for number, (provider, case) in enumerate(selected):
        if number == 25:
            world.most.clear()
        workbench.look_ahead(selected[number:])
        bench.end_of(workbench.job(provider, case), workbench)
        workbench.forget(provider, case)
    workbench.close()
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
    cases: list[Case] = [case for _provider, case in bench.selected()]
    # the texts of the sessions say the truth, of course: what is asked with a question is what must not
    bench.run()
    seen = [text for value in world.seen if not hasattr(value, "messages") for text in strings_in(value)]
    assert {case.question.id for case in cases} <= set(seen)
    for case in cases:
        for secret in (case.gold.ground_truth, case.gold.question_type, *case.gold.evidence_messages):
            assert not [text for text in seen if secret in text], secret


def test_handing_gold_to_a_search_is_a_type_error(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        "from providers import Ceiling, Provider\n"
        "from schema import Case, Gold, Question\n"
        "async def leak(memory: Provider, ceiling: Ceiling, case: Case, gold: Gold) -> None:\n"
        "    memory.search('c', case.question, 10)\n"
        "    ceiling.search_gold('c', case.question, case.gold, 10)\n"
        "    memory.search('c', gold, 10)\n"
        "    memory.search('c', case, 10)\n"
        "    memory.search_gold('c', case.question, gold, 10)\n"
    )
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", ROOT / "pyproject.toml", "--cache-dir", tmp_path, snippet],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    errors = [line for line in checked.stdout.splitlines() if "snippet.py" in line and ": error:" in line]
    assert [line.split(":")[1] for line in errors] == ["6", "7", "8"], checked.stdout
    assert "[arg-type]" in errors[0]
    assert "[attr-defined]" in errors[2]

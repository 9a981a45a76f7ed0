"""A run is begun once, and continued only as what it was begun as."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from reports.store import (
    Checkpoint,
    Leases,
    QuestionKey,
    RequestsRecord,
    Step,
    StepError,
    begin,
    begin_invocation,
    check_run_id,
    check_selection,
    containers_ready,
    end_invocation,
    list_runs,
    mark_finished,
    new_run_id,
    note_lag,
    open_run,
    read_progress,
    read_run,
    settle_requests,
    wrong_questions,
)
from reports.store.runs import read_invocations
from reports.store.selected import SelectedQuestion
from reports.store.tables import sqlite_url
from tests.reports import made_records
from tests.reports.store.checkpoint_workers import begin_run, key, make_run, together
from vocabulary import CheckpointError, ConfigurationError, Phase, Verdict

PARTS: dict[str, JsonValue] = {
    "suite.version": "1",
    "ingest.isolation": "haystack",
    "search.top_k": 10,
    "answer.model": {"name": "small", "version": "1"},
    "judge.judge": {"name": "strict"},
    "selection.limit": None,
}
CASES = [made_records.case(number) for number in range(4)]
ERROR = StepError(type="ProviderError", message="answered 503")


@pytest.fixture
def checkpoint(url: str) -> Iterator[Checkpoint]:
    checkpoint = Checkpoint(url, "run")
    assert begin(checkpoint, made_records.run(id="run"), PARTS, None)
    yield checkpoint
    checkpoint.close()


def save(checkpoint: Checkpoint, question: QuestionKey, step: Step, result: str = "null") -> None:
    checkpoint.save(question, step, inputs="i", result=None if step.error else result).result()


def judged(checkpoint: Checkpoint, question: QuestionKey, label: str) -> None:
    verdict = Verdict.model_validate({"label": label, "explanation": ""})
    save(checkpoint, question, Step(phase="judge"), verdict.model_dump_json())


# --- begun once ----------------------------------------------------------------------------------------------------


def test_the_same_inputs_continue_a_run_and_leave_its_record_alone(checkpoint: Checkpoint) -> None:
    before = read_run(checkpoint)
    later = made_records.run(id="run", command="pytest bench --lf", in_flight=7)
    assert not begin(checkpoint, later, dict(reversed(PARTS.items())), None)
    assert read_run(checkpoint) == before
    assert before.command == "pytest bench -k locomo"


def test_other_inputs_are_refused_and_each_difference_is_named(checkpoint: Checkpoint) -> None:
    other = PARTS | {"search.top_k": 20, "answer.model": {"name": "large", "version": "1"}, "ingest.new": True}
    with pytest.raises(ConfigurationError) as refused:
        begin(checkpoint, made_records.run(id="run"), other, None)
    text = str(refused.value)
    assert "search.top_k was 10, is 20" in text
    assert 'answer.model was {"name": "small", "version": "1"}, is {"name": "large", "version": "1"}' in text
    assert "ingest.new was null, is true" in text
    assert "judge" not in text
    assert "isolation" not in text
    assert "--retry-from ingest" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("part", "way_out"), [("answer.model", "--retry-from answer"), ("suite.version", None), ("selection.limit", None)]
)
def test_asking_again_is_offered_only_where_it_helps(checkpoint: Checkpoint, part: str, way_out: str | None) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"{part} was")) as refused:
        begin(checkpoint, made_records.run(id="run"), PARTS | {part: "another"}, None)
    assert "--run-id" in str(refused.value)
    assert ("--retry-from" in str(refused.value)) is (way_out is not None)
    assert way_out is None or way_out in str(refused.value)


def test_asking_again_accepts_other_inputs_from_there_on_only(checkpoint: Checkpoint) -> None:
    checkpoint.seal([SelectedQuestion("bm25", case) for case in CASES], [made_records.benchmark()])
    mark_finished(checkpoint)
    fingerprint = read_run(checkpoint).fingerprint
    for phase in ("search", "answer", "judge"):
        save(checkpoint, key(CASES[0]), Step.model_validate({"phase": phase}))
    changed = made_records.run(id="run", command="another", top_k=20)
    for refused in ("ingest.isolation", "search.top_k", "suite.version", "selection.limit"):
        with pytest.raises(ConfigurationError, match=re.escape(refused)):
            begin(checkpoint, changed, PARTS | {refused: 20, "judge.judge": "lenient"}, "answer")
    assert set(checkpoint.steps([key(CASES[0])])[key(CASES[0])]) == {"search", "answer", "judge"}
    assert checkpoint.ended("judge"), "a refusal asks nothing again"
    other = PARTS | {"answer.model": "large", "judge.judge": "lenient"}
    assert not begin(checkpoint, changed, other, "answer")
    record = read_run(checkpoint)
    assert (record.command, record.top_k) == ("pytest bench -k locomo", 20)
    assert record.finished is None
    assert record.fingerprint != fingerprint
    assert checkpoint.ended("search") == {key(CASES[0])}
    assert not checkpoint.ended("answer")
    assert not begin(checkpoint, changed, other, None), "from now on these are its inputs"
    with pytest.raises(ConfigurationError, match=re.escape("answer.model")):
        begin(checkpoint, changed, PARTS, None)


def test_a_run_that_goes_further_is_not_finished_any_more(url: str) -> None:
    checkpoint = Checkpoint(url, "run")
    begin(checkpoint, made_records.run(id="run", until="search"), PARTS, None)
    checkpoint.seal([SelectedQuestion("bm25", CASES[0])], [made_records.benchmark()])
    save(checkpoint, key(CASES[0]), Step(phase="search"), "[]")
    assert read_progress(checkpoint, "search").complete
    mark_finished(checkpoint)
    assert read_run(checkpoint).finished
    begin(checkpoint, made_records.run(id="run", until="judge"), PARTS, None)
    assert read_run(checkpoint).until == "judge"
    assert read_run(checkpoint).finished is None
    assert read_progress(checkpoint, "judge") == (1, 0, 0)
    checkpoint.close()


@pytest.mark.long
def test_of_eight_processes_that_begin_one_run_one_begins_it(url: str) -> None:
    detail = together(8, begin_run, url, [PARTS] * 8)
    assert sorted(detail) == [False] * 7 + [True]


@pytest.mark.long
def test_of_two_inputs_at_one_moment_one_becomes_the_run_and_the_other_is_refused(url: str) -> None:
    detail = together(8, begin_run, url, [PARTS | {"search.top_k": number % 2} for number in range(8)])
    refused = [text for text in detail if isinstance(text, str)]
    assert detail.count(True) == 1
    assert detail.count(False) == 3
    assert len(refused) == 4
    assert all(text.startswith("ConfigurationError: ") and "search.top_k was" in text for text in refused)


def test_a_run_of_another_layout_is_refused(checkpoint: Checkpoint) -> None:
    checkpoint.writer.submit(
        lambda connection: connection.exec_driver_sql("UPDATE runs SET schema_version = 99")
    ).result()
    with pytest.raises(CheckpointError, match=r"checkpoint schema 99.*--run-id"):
        begin(checkpoint, made_records.run(id="run"), PARTS, None)


def test_the_fingerprint_changes_with_each_part_and_with_the_data(url: str) -> None:
    def fingerprint(run_id: str, parts: dict[str, JsonValue], sha256: str = "00") -> str:
        checkpoint = Checkpoint(url, run_id)
        begin(checkpoint, made_records.run(id=run_id), parts, None)
        checkpoint.seal([SelectedQuestion("bm25", CASES[0])], [made_records.benchmark(sha256=sha256)])
        found = read_run(checkpoint).fingerprint
        checkpoint.close()
        return found

    changed = [PARTS | {name: "another"} for name in PARTS] + [PARTS | {"search.new": 1}]
    different = [fingerprint(f"r{number}", dict(parts)) for number, parts in enumerate(changed)]
    different += [fingerprint("same", dict(PARTS)), fingerprint("data", dict(PARTS), "11")]
    assert len(set(different)) == len(PARTS) + 3
    assert fingerprint("order", dict(reversed(PARTS.items()))) == fingerprint("same", dict(PARTS))


# --- what it is about ----------------------------------------------------------------------------------------------


def test_a_run_may_be_continued_with_part_of_its_questions_and_no_others(url: str) -> None:
    checkpoint = make_run(url, "run", CASES)
    keys = [key(case) for case in CASES]
    check_selection(checkpoint, keys, [made_records.benchmark()])
    check_selection(checkpoint, keys[2:], [made_records.benchmark()])
    with pytest.raises(ConfigurationError, match=r"1 of 3 are not among them, such as conv-26-q099 with bm25"):
        check_selection(checkpoint, [*keys[:2], key(made_records.case(99))], [made_records.benchmark()])
    with pytest.raises(ConfigurationError, match=r"4 of 4 .* with zep"):
        check_selection(checkpoint, [one._replace(provider="zep") for one in keys], [made_records.benchmark()])
    with pytest.raises(ConfigurationError, match=r"locomo had sha256 79fa.*, has 1234"):
        check_selection(checkpoint, keys, [made_records.benchmark(sha256="1234")])
    checkpoint.close()


def test_progress_counts_each_question_once(url: str) -> None:
    checkpoint = make_run(url, "run", CASES)
    first, second, third, _fourth = (key(case) for case in CASES)
    assert read_progress(checkpoint, "judge") == (4, 0, 0)
    for phase in ("search", "answer"):
        save(checkpoint, first, Step.model_validate({"phase": phase}))
    judged(checkpoint, first, "wrong")
    save(checkpoint, second, Step(phase="ingest", error=ERROR))
    save(checkpoint, second, Step(phase="search", error=ERROR))
    save(checkpoint, third, Step(phase="ingest", error=ERROR))
    judged(checkpoint, third, "correct")
    progress = read_progress(checkpoint, "judge")
    assert progress == (4, 2, 1)
    assert not progress.finished
    save(checkpoint, key(CASES[3]), Step(phase="answer", error=ERROR))
    progress = read_progress(checkpoint, "judge")
    assert progress == (4, 2, 2)
    assert progress.finished
    assert not progress.complete
    checkpoint.ask_again(("judge",))
    assert read_progress(checkpoint, "judge") == (4, 0, 3), "only what was asked again is open"
    checkpoint.close()


def test_nothing_selected_is_not_finished(checkpoint: Checkpoint) -> None:
    assert not read_progress(checkpoint, "judge").finished


def test_wrong_questions_are_those_that_were_judged_and_not_correct(url: str) -> None:
    checkpoint = make_run(url, "run", CASES)
    for case, label in zip(CASES, ("correct", "wrong", "abstained"), strict=False):
        judged(checkpoint, key(case), label)
    save(checkpoint, key(CASES[3]), Step(phase="judge", error=ERROR))
    assert wrong_questions(checkpoint) == {key(CASES[1]), key(CASES[2])}
    checkpoint.ask_again(("judge",))
    assert not wrong_questions(checkpoint)
    checkpoint.close()


def test_the_first_end_of_a_run_stands(checkpoint: Checkpoint) -> None:
    assert read_run(checkpoint).finished is None
    begun = time.time()
    mark_finished(checkpoint)
    finished = read_run(checkpoint).finished
    assert finished is not None
    assert begun - 1 < finished.timestamp() < time.time() + 1
    mark_finished(checkpoint)
    assert read_run(checkpoint).finished == finished


def test_containers_that_are_ready_are_counted(checkpoint: Checkpoint) -> None:
    assert containers_ready(checkpoint) == (0, 0)
    leases = Leases(checkpoint, "bm25", "locomo", "now")
    leases.claim("c1", "h1")
    assert containers_ready(checkpoint) == (0, 1)


def test_the_worst_worker_s_lag_stands_and_each_invocation_is_kept(checkpoint: Checkpoint) -> None:
    begin_invocation(checkpoint, "one", "pytest bench")
    begin_invocation(checkpoint, "one", "the same, from another worker")
    for lag in (3.0, 8.0, 5.0):
        note_lag(checkpoint, "one", lag)
    end_invocation(checkpoint, "one")
    begin_invocation(checkpoint, "two", "pytest --lf")
    first, second = read_invocations(checkpoint)
    assert (first.command, first.loop_lag_ms_p99, second.command, second.ended) == (
        "pytest bench",
        8.0,
        "pytest --lf",
        None,
    )
    assert first.ended is not None
    assert read_run(checkpoint).loop_lag_ms_p99 == 8.0


# --- by its name ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "nightly-2026.11_21", "0" * 80])
def test_good_names(name: str) -> None:
    assert check_run_id(name) == name


def test_a_fresh_name_is_a_good_one_and_a_name_of_its_own() -> None:
    fresh = {new_run_id() for _one in range(20)}
    assert len(fresh) > 15  # two of one second may have one name, rarely
    assert all(check_run_id(name) == name for name in fresh)


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a b", "-k", "0" * 81, "é", "a\n"])
def test_names_that_could_not_be_folders_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(repr(name))):
        check_run_id(name)


def test_a_run_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'absent'.*none"):
        open_run(tmp_path, "absent")
    path = tmp_path / "here" / "checkpoint.sqlite"
    path.parent.mkdir()
    make_run(sqlite_url(path), "here", CASES).close()
    (tmp_path / "no-run").mkdir()
    assert list_runs(tmp_path) == ["here"]
    with pytest.raises(ConfigurationError, match=r"'absent'.*here"):
        open_run(tmp_path, "absent")
    checkpoint = open_run(tmp_path, "here")
    assert read_run(checkpoint).id == "here"
    checkpoint.close()


def test_an_unknown_run_in_a_database_is_an_error_without_its_password(url: str) -> None:
    checkpoint = Checkpoint(url, "absent")
    with pytest.raises(CheckpointError, match="there is no run 'absent' in") as refused:
        read_run(checkpoint)
    assert "not-for-any-message" not in str(refused.value)
    checkpoint.close()


def test_how_models_are_asked_is_kept_and_part_of_the_fingerprint(url: str) -> None:
    form: dict[str, JsonValue] = {"structured_output": "json_schema", "cap": "max_tokens", "temperature": True}
    models = [RequestsRecord(role=role, name="m", options={"seed": 1}) for role in ("answer", "judge")]
    checkpoint = Checkpoint(url, "run")
    try:
        begin(checkpoint, made_records.run(id="run", requests=models), PARTS, None)
        before = read_run(checkpoint)
        assert [asked.form for asked in before.requests] == [None, None]

        def settle(retry_from: Phase | None = None, **changes: JsonValue) -> str:
            found = [asked.model_copy(update={"form": {**form, **changes}}) for asked in models]
            settle_requests(checkpoint, found, retry_from)
            assert [asked.form for asked in read_run(checkpoint).requests] == [{**form, **changes}] * 2
            return read_run(checkpoint).fingerprint

        settled = settle()
        assert settled != before.fingerprint
        assert settle(cap="max_completion_tokens") == settled, "the name of a parameter changes no reply"
        with pytest.raises(ConfigurationError, match=r'answer\.request_form\.m was .*"temperature": true.*is .*false'):
            settle(temperature=False)
        with pytest.raises(ConfigurationError, match=r"answer\.request_form\.m was"):
            settle("judge", temperature=False)
        assert settle("answer", temperature=False) not in (settled, before.fingerprint)
    finally:
        checkpoint.close()

"""What is saved stays: through kills, crowds and second tries, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any  # a report, as it is parsed

import pytest
import sqlalchemy as sa

from reports.report.model import without_clock_fields
from reports.store import (
    RESULTS,
    Checkpoint,
    Leases,
    QuestionKey,
    Step,
    StepError,
    begin,
    read_progress,
    vote_name,
)
from reports.store.selected import SelectedQuestion
from reports.store.tables import shown, sqlite_url
from tests.prepared_python import run_prepared
from tests.reports import made_records
from tests.reports.store.checkpoint_workers import (
    Worker,
    key,
    make_run,
    open_as_nobody,
    save_many,
    save_until_killed,
    together,
)
from vocabulary import Answer, CheckpointError, Phase, Usage, Verdict, Vote

ERROR = StepError(type="ProviderError", message="answered 503")
CASES = [made_records.case(number) for number in range(5)]


@pytest.fixture
def checkpoint(url: str) -> Iterator[Checkpoint]:
    checkpoint = make_run(url, "run", CASES)
    yield checkpoint
    checkpoint.close()


def save(checkpoint: Checkpoint, question: QuestionKey, step: Step, result: str | None = "[]") -> None:
    checkpoint.save(question, step, inputs="i", result=None if step.error else result).result()


# --- what is saved stays -------------------------------------------------------------------------------------------


def test_what_was_acknowledged_survives_a_kill(url: str) -> None:
    worker = Worker(save_until_killed, url)
    while (last := worker.hear()) < 100:
        pass
    worker.kill()
    while worker.pipe.poll():
        try:
            last = worker.pipe.recv()
        except EOFError:
            break
    checkpoint = Checkpoint(url, "run")
    saved = checkpoint.ended("search")
    assert {QuestionKey("bm25", "locomo", f"q{number}") for number in range(last + 1)} <= saved
    assert len(saved) <= last + 2  # at most the one that was not acknowledged yet
    save(checkpoint, QuestionKey("bm25", "locomo", "after"), Step(phase="search"))
    checkpoint.close()


@pytest.mark.long
def test_eight_processes_that_open_and_write_at_once_lose_nothing(url: str) -> None:
    assert together(8, save_many, url, 100) == ["done"] * 8
    checkpoint = Checkpoint(url, "run")
    assert len(checkpoint.ended("search")) == 800
    checkpoint.close()


def test_a_new_file_that_somebody_else_writes_is_waited_for(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "checkpoint.sqlite", isolation_level=None)) as other:
        other.execute("begin immediate")
        other.execute("create table theirs (column)")
        with ThreadPoolExecutor() as threads:
            opening = threads.submit(Checkpoint, sqlite_url(tmp_path / "checkpoint.sqlite"), "run")
            with pytest.raises(TimeoutError):
                opening.result(0.5)
            other.execute("commit")
            opening.result(30).close()


def test_a_question_reads_back_as_it_was_saved(checkpoint: Checkpoint) -> None:
    question = key(CASES[1])
    results = made_records.found("m1", "m3", text="\x00 \N{SNOWMAN} 'quoted'\n\u2028")
    usage = Usage(input_tokens=7, output_tokens=2)
    answer, verdict = Answer(hypothesis="in \N{SNOWMAN} May", usage=usage), Verdict(label="wrong", explanation="no")
    steps = (
        Step(phase="search", service_ms=1.25, waited_ms=3.5, attempts=2),
        Step(phase="answer", service_ms=2.0, usage=usage),
        Step(phase="judge", service_ms=3.0),
    )
    kept = (RESULTS.dump_json(results).decode(), answer.model_dump_json(), verdict.model_dump_json())
    for step, result in zip(steps, kept, strict=True):
        save(checkpoint, question, step, result)
    record = checkpoint.question_record(question)
    assert (record.steps, record.results, record.answer, record.verdict) == (steps, results, answer, verdict)
    assert record.case == CASES[1]
    assert checkpoint.steps([question])[question]["answer"].inputs == "i"


def test_records_come_in_the_order_of_the_selection(url: str) -> None:
    cases = [made_records.case(number) for number in (3, 1, 10, 2)]
    checkpoint = make_run(url, "run", cases)
    for case in reversed(cases):
        save(checkpoint, key(case), Step(phase="search"), "[]")
    records = list(checkpoint.question_records())
    assert [record.case.id for record in records] == [case.id for case in cases]
    assert all(record.results == () for record in records)
    checkpoint.close()


def test_the_first_seal_stands(checkpoint: Checkpoint) -> None:
    checkpoint.seal([SelectedQuestion("bm25", made_records.case(77))], [])
    assert checkpoint.selected() == {key(case) for case in CASES}


def test_container_records_hold_what_the_ingest_measured(checkpoint: Checkpoint) -> None:
    leases = Leases(checkpoint, "bm25", "locomo", "now")
    for container in ("c2", "c1", "c3"):
        leases.claim(container, container.replace("c", "h"))
    leases.session_done("c1", 1, 20.0, 3)
    leases.session_done("c1", 0, 10.0, 1)
    asyncio.run(leases.indexed("c1", messages=7, tokens=70, indexing_ms=5.0))
    asyncio.run(leases.failed("c2", ERROR))
    first, second, third = checkpoint.container_records()
    assert (first.container, first.haystack, first.indexed, first.sessions) == ("c1", "h1", True, 2)
    assert (first.ingest_ms, first.attempts) == ((10.0, 20.0), (1, 3))
    assert (first.messages, first.tokens, first.indexing_ms, first.error) == (7, 70, 5.0, None)
    assert (second.container, second.indexed, second.error, second.indexing_ms) == ("c2", False, ERROR, None)
    assert (third.container, third.indexed, third.error, third.sessions) == ("c3", False, None, 0)


@pytest.mark.parametrize(("containers", "reads"), [(30, 1), (101, 3)])
def test_sessions_of_fifty_containers_are_one_read(checkpoint: Checkpoint, containers: int, reads: int) -> None:
    numbers = range(containers)
    for provider in ("bm25", "other"):
        leases = Leases(checkpoint, provider, "locomo", "now")
        for number in numbers:
            leases.claim(f"c{number}", "h")
            for ordinal in range(number % 3):
                leases.session_done(f"c{number}", ordinal, float(number), 1)
            asyncio.run(leases.indexed(f"c{number}", messages=1, tokens=1, indexing_ms=0.0))
    asked: list[str] = []
    sa.event.listen(checkpoint.engine, "before_cursor_execute", lambda *detail: asked.append(detail[2]))
    found = {(record.provider, record.container): record.ingest_ms for record in checkpoint.container_records()}
    assert found == {(who, f"c{n}"): (float(n),) * (n % 3) for who in ("bm25", "other") for n in numbers}
    assert len([statement for statement in asked if "FROM sessions" in statement]) == 2 * reads


# --- votes ---------------------------------------------------------------------------------------------------------


def vote(checkpoint: Checkpoint, question: QuestionKey, judge: str, repeat: int = 0, *, fails: bool = False) -> None:
    step = Step(phase="judge", service_ms=9.0, waited_ms=1.5, attempts=2, error=ERROR if fails else None)
    said = Vote(judge=judge, repeat=repeat, label="wrong", explanation="no", usage=Usage(input_tokens=3), model="m-1")
    result = None if fails else said.model_dump_json()
    checkpoint.save_vote(question, judge, repeat, step, inputs=f"{judge}{repeat}", result=result).result()


def votes_of(checkpoint: Checkpoint, question: QuestionKey) -> list[tuple[str, int]]:
    record = checkpoint.question_record(question)
    return [(recorded.vote.judge, recorded.vote.repeat) for recorded in record.votes]


def test_votes_stand_beside_the_steps_and_are_no_steps(checkpoint: Checkpoint) -> None:
    first, second, *_rest = (key(case) for case in CASES)
    save(checkpoint, first, Step(phase="search"))
    for judge, repeat in (("b/c", 0), ("a", 1), ("a", 0)):
        vote(checkpoint, first, judge, repeat)
    vote(checkpoint, first, "d", fails=True)
    record = checkpoint.question_record(first)
    assert votes_of(checkpoint, first) == [("a", 0), ("a", 1), ("b/c", 0)]
    assert [step.phase for step in record.steps] == ["search"]
    assert record.error is None
    recorded = record.votes[0]
    assert (recorded.service_ms, recorded.waited_ms, recorded.attempts, recorded.retried) == (9.0, 1.5, 2, False)
    assert (recorded.vote.usage, recorded.vote.model) == (Usage(input_tokens=3), "m-1")
    stored = checkpoint.steps([first, second])
    assert stored[second] == {}
    assert {name: step.state for name, step in stored[first].items()} == {
        "search": "done", vote_name("a", 0): "done", vote_name("a", 1): "done", vote_name("b/c", 0): "done",
        vote_name("d", 0): "error",
    }  # fmt: skip
    kept = stored[first][vote_name("a", 1)]
    assert (kept.inputs, kept.service_ms, kept.waited_ms, kept.attempts) == ("a1", 9.0, 1.5, 2)
    assert checkpoint.ended("judge") == set()
    assert read_progress(checkpoint, "judge") == (5, 0, 0), "the question may still get its verdict"


def test_a_vote_takes_the_place_of_the_one_that_failed(checkpoint: Checkpoint) -> None:
    first = key(CASES[0])
    vote(checkpoint, first, "a", fails=True)
    assert votes_of(checkpoint, first) == []
    vote(checkpoint, first, "a")
    record = checkpoint.question_record(first)
    assert [recorded.retried for recorded in record.votes] == [True]


@pytest.mark.parametrize("phases", [("judge",), ("answer", "judge")], ids="-".join)
def test_votes_are_asked_again_with_their_step(checkpoint: Checkpoint, phases: tuple[Phase, ...]) -> None:
    first = key(CASES[0])
    vote(checkpoint, first, "a")
    checkpoint.ask_again(phases)
    assert votes_of(checkpoint, first) == []
    assert checkpoint.steps([first])[first][vote_name("a", 0)].state == "again"
    vote(checkpoint, first, "a")
    assert votes_of(checkpoint, first) == [("a", 0)]


def test_steps_and_votes_of_many_questions_are_one_read(checkpoint: Checkpoint) -> None:
    for case in CASES:
        save(checkpoint, key(case), Step(phase="search"))
        vote(checkpoint, key(case), "a")
    asked: list[str] = []
    sa.event.listen(checkpoint.engine, "before_cursor_execute", lambda *detail: asked.append(detail[2]))
    found = checkpoint.steps([key(case) for case in CASES])
    assert [len(steps) for steps in found.values()] == [2] * 5
    assert len([statement for statement in asked if "SELECT" in statement]) == 1


def test_reading_some_questions_does_not_read_the_whole_run(postgres_url: str) -> None:
    """Of a table that has no statistics yet: PostgreSQL looks for a list of questions among all rows of the run."""
    cases = [made_records.case(number) for number in range(300)]
    asked: list[tuple[str, Any]] = []

    def note(_on: object, _cursor: object, statement: str, parameters: object, *_rest: object) -> None:
        asked.append((statement, parameters))

    with closing(make_run(postgres_url, "one", cases)) as checkpoint:
        for case in cases:
            checkpoint.save(key(case), Step(phase="search"), inputs="same", result="[]")
        save(checkpoint, key(cases[0]), Step(phase="answer"))
        sa.event.listen(checkpoint.engine, "before_cursor_execute", note)
        found = checkpoint.steps(key(case) for case in cases[:50])
        assert {name for steps in found.values() for name in steps} == {"search", "answer"}
        assert len(list(checkpoint.question_records())) == 300
        reads = [(statement, parameters) for statement, parameters in asked if "FROM steps" in statement]
        with checkpoint.engine.connect() as connection:
            plans = [connection.exec_driver_sql(f"explain (analyze) {one}", given).all() for one, given in reads]
    assert len(plans) == 7
    assert not [line for plan in plans for (line,) in plan if "Rows Removed" in line]


# --- second tries --------------------------------------------------------------------------------------------------


def test_only_a_step_that_failed_or_was_asked_again_is_a_retried_one(checkpoint: Checkpoint) -> None:
    first, second, third, *_rest = (key(case) for case in CASES)
    done = Step(phase="search")
    failed = Step(phase="search", error=ERROR)

    def found(question: QuestionKey) -> Step:
        return checkpoint.question_record(question).steps[-1]

    save(checkpoint, first, done)
    save(checkpoint, first, done)
    assert not found(first).retried
    save(checkpoint, second, failed)
    assert found(second) == failed
    save(checkpoint, second, done)
    assert found(second).retried
    save(checkpoint, second, done)
    assert found(second).retried, "once retried, always retried"
    save(checkpoint, third, failed)
    save(checkpoint, third, failed)
    assert found(third).retried
    assert checkpoint.ended("search") == {first, second}


def test_asking_again_keeps_the_earlier_steps_and_forgets_the_later_ones(checkpoint: Checkpoint) -> None:
    first, second, *_rest = (key(case) for case in CASES)
    verdict = Verdict(label="correct", explanation="").model_dump_json()
    save(checkpoint, first, Step(phase="search"), "[]")
    save(checkpoint, first, Step(phase="answer"), Answer(hypothesis="May").model_dump_json())
    save(checkpoint, first, Step(phase="judge"), verdict)
    save(checkpoint, second, Step(phase="search", error=ERROR))
    checkpoint.ask_again(("answer", "judge"))
    record = checkpoint.question_record(first)
    assert [step.phase for step in record.steps] == ["search"]
    assert (record.replayed, record.answer, record.verdict) == (True, None, None)
    assert checkpoint.steps([first])[first]["answer"].state == "again"
    assert not checkpoint.ended("judge")
    other = checkpoint.question_record(second)
    assert not other.replayed
    assert other.error == Step(phase="search", error=ERROR), "what failed before still stands as it is"
    save(checkpoint, first, Step(phase="answer"), Answer(hypothesis="June").model_dump_json())
    assert [step.retried for step in checkpoint.question_record(first).steps] == [False, True]


def test_asking_the_ingest_again_gives_every_container_up(checkpoint: Checkpoint) -> None:
    before = Leases(checkpoint, "bm25", "locomo", "before")
    before.claim("c", "h")
    checkpoint.ask_again(("ingest", "search", "answer", "judge"))
    claim = Leases(checkpoint, "bm25", "locomo", "after").claim("c", "h")
    assert claim.state.value == "mine"
    assert claim.left_over


# --- what cannot be opened, read or written ------------------------------------------------------------------------


def one_line_about(error: CheckpointError, *parts: str) -> bool:
    text = str(error)
    return "\n" not in text and all(part in text for part in parts)


def test_a_full_database_is_an_error_and_nothing_that_was_done_is_lost(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "checkpoint.sqlite")
    checkpoint = make_run(url, "run", CASES)
    save(checkpoint, key(CASES[0]), Step(phase="search"), "[]")
    checkpoint.writer.submit(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1")).result()
    with pytest.raises(CheckpointError) as refused:
        save(checkpoint, key(CASES[1]), Step(phase="search"), '"' + "x" * 100_000 + '"')
    assert one_line_about(refused.value, shown(url), "full", "What was done before is kept", "--lf")
    assert checkpoint.ended("search") == {key(CASES[0])}
    checkpoint.close()
    again = Checkpoint(url, "run")
    save(again, key(CASES[1]), Step(phase="search"), "[]")
    assert again.ended("search") == {key(CASES[0]), key(CASES[1])}
    again.close()


def test_a_read_only_database_is_an_error_that_names_it() -> None:
    folder = Path(tempfile.mkdtemp(prefix="read-only-"))  # tmp_path is closed to other users
    try:
        url = sqlite_url(folder / "checkpoint.sqlite")
        make_run(url, "run", CASES).close()
        (folder / "checkpoint.sqlite").chmod(0o444)
        folder.chmod(0o555)
        worker = Worker(open_as_nobody, url)
        detail = worker.hear()
        worker.end()
        assert detail.startswith(f"the checkpoint at {shown(url)} cannot be opened: ")
        assert "readonly" in detail
        assert "--runs-dir" in detail
        assert "\n" not in detail
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_file_that_is_no_database_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.sqlite"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(CheckpointError) as refused:
        Checkpoint(sqlite_url(path), "run")
    assert one_line_about(refused.value, str(path), "file is not a database", "--run-id")
    assert path.read_bytes() == b"not a database" * 1000


def test_a_damaged_database_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.sqlite"
    checkpoint = make_run(sqlite_url(path), "run", [made_records.case(number) for number in range(500)])
    checkpoint.close()
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as refused:  # noqa: PT012  whichever of these meets the damage first
        checkpoint = Checkpoint(sqlite_url(path), "run")
        try:
            list(checkpoint.question_records())
        finally:
            checkpoint.close()
    assert one_line_about(refused.value, str(path), "malformed")


@pytest.mark.parametrize(
    "address",
    ["nonsense", "mysql://user:not-for-any-message@host/name", "postgresql+psycopg://user:not-for-any-message@host:port/db",
     "postgresql+psycopg://user:1@not-for-any-message@host/db", ""],
)  # fmt: skip
def test_an_address_that_cannot_be_used_is_refused_with_one_that_can(address: str) -> None:
    with pytest.raises(CheckpointError) as refused:
        Checkpoint(address, "run")
    assert one_line_about(refused.value, "--checkpoint-url", "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE")
    assert "not-for-any-message" not in str(refused.value)


def test_a_missing_driver_is_an_error_that_says_which_to_install() -> None:
    with pytest.raises(CheckpointError) as refused:
        Checkpoint("postgresql+asyncpg://user:not-for-any-message@host/db", "run")
    assert one_line_about(refused.value, "No module named 'asyncpg'", "pip install")


# --- PostgreSQL ----------------------------------------------------------------------------------------------------


def told_by(error: BaseException) -> str:
    """The text of an error and of all that led to it."""
    following = error.__cause__ or error.__context__
    return str(error) + (told_by(following) if following else "")


def test_no_message_shows_the_password(postgres_url: str) -> None:
    wrong = postgres_url.replace("not-for-any-message", "not-for-any-message-either")
    absent = postgres_url + "_that_is_not_there"
    for address in (wrong, absent, postgres_url.replace("@127.0.0.1", "@127.0.0.1:1/x?dbname=y&host=127.0.0.1&port=1")):
        with pytest.raises(CheckpointError) as refused:
            Checkpoint(address, "run")
        assert one_line_about(refused.value, "postgresql+psycopg://bench:***@127.0.0.1")
        assert "not-for-any-message" not in told_by(refused.value)
    checkpoint = make_run(postgres_url, "run", CASES)
    checkpoint.writer.submit(lambda connection: connection.exec_driver_sql("DROP TABLE steps, containers")).result()
    with pytest.raises(CheckpointError) as refused:
        save(checkpoint, key(CASES[0]), Step(phase="search"))
    assert one_line_about(refused.value, "cannot be written", "steps", "***")
    assert "not-for-any-message" not in told_by(refused.value)
    checkpoint.close()


def test_an_error_while_reading_does_not_show_the_password(postgres_url: str) -> None:
    checkpoint = make_run(postgres_url, "run", CASES)
    checkpoint.writer.submit(lambda connection: connection.exec_driver_sql("DROP TABLE steps, containers")).result()
    with pytest.raises(CheckpointError) as refused:
        checkpoint.ended("judge")
    checkpoint.close()
    assert one_line_about(refused.value, "cannot be read", "steps")
    assert "not-for-any-message" not in told_by(refused.value)


def test_a_password_given_as_a_parameter_is_hidden_too() -> None:
    assert shown("postgresql+psycopg://host/db?user=u&password=secret&sslpassword=secret&sslmode=require") == (
        "postgresql+psycopg://host/db?password=hidden&sslmode=require&sslpassword=hidden&user=u"
    )
    assert shown("postgresql+psycopg://u:12/secret@host/db") == "postgresql+psycopg://u:***@host/db"
    assert shown("postgresql+psycopg://u:se@cret@host/db") == "postgresql+psycopg://..."


def test_a_path_with_odd_letters_is_opened_and_shown_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "50%40 a@b?c#d é" / "checkpoint.sqlite"
    path.parent.mkdir()
    Checkpoint(sqlite_url(path), "run").close()
    assert path.is_file()
    assert shown(sqlite_url(path)) == f"sqlite:///{path}"


def test_a_server_that_goes_away_is_an_error_and_one_that_is_back_goes_on(postgres_url: str) -> None:
    checkpoint = make_run(postgres_url, "run", CASES)
    save(checkpoint, key(CASES[0]), Step(phase="search"), "[]")
    other = Checkpoint(postgres_url, "run")
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ended = f"SELECT pg_terminate_backend(pid) {others}"
    other.writer.submit(lambda connection: connection.exec_driver_sql(ended)).result()
    with pytest.raises(CheckpointError, match="cannot be written"):
        save(checkpoint, key(CASES[1]), Step(phase="search"), "[]")
    save(checkpoint, key(CASES[2]), Step(phase="search"), "[]")
    assert other.ended("search") == {key(CASES[0]), key(CASES[2])}
    checkpoint.close()
    other.close()


def run_under_pytest(folder: Path, name: str, *options: str) -> tuple[str, Any]:
    """Run the synthetic benchmark; what was printed, and the report."""
    ended = run_prepared(
        "pytest", "bench", "-k", "synthetic", "--synthetic-sessions", "20", "--limit", "5",
        "--runs-dir", folder / "runs", "--run-id", name, "-o", f"cache_dir={folder / 'cache'}", *options,
    )  # fmt: skip
    written = folder / "runs" / name / "report.json"
    assert written.is_file(), ended.stdout + ended.stderr
    return ended.stdout + ended.stderr, without_clock_fields(json.loads(written.read_text()))


@pytest.mark.long
def test_a_whole_run_on_postgresql_has_the_numbers_of_one_in_a_file(postgres_url: str, tmp_path: Path) -> None:
    printed, on_postgresql = run_under_pytest(tmp_path, "one", "--checkpoint-url", postgres_url)
    _printed, in_a_file = run_under_pytest(tmp_path, "two")
    assert on_postgresql["results"] == in_a_file["results"]
    assert on_postgresql["results"][0]["questions"]["judged"] == 5
    assert on_postgresql["run"]["fingerprint"] == in_a_file["run"]["fingerprint"]
    assert not (tmp_path / "runs" / "one" / "checkpoint.sqlite").exists()
    assert "not-for-any-message" not in printed


@pytest.mark.long
def test_no_file_of_a_run_holds_the_password(postgres_url: str, tmp_path: Path) -> None:
    run_under_pytest(tmp_path, "one", "--checkpoint-url", postgres_url)
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if b"not-for-any-message" in path.read_bytes()]


def test_two_runs_in_one_database_do_not_see_each_other(url: str) -> None:
    one, other = make_run(url, "one", CASES[:2]), make_run(url, "other", CASES)
    save(one, key(CASES[0]), Step(phase="search"), "[]")
    save(one, key(CASES[1]), Step(phase="judge", error=ERROR))
    Leases(one, "bm25", "locomo", "now").claim("c", "h")
    assert other.selected() == {key(case) for case in CASES}
    assert not other.steps([key(CASES[0])])[key(CASES[0])]
    assert not any(record.steps for record in other.question_records())
    assert not list(other.container_records())
    assert Leases(other, "bm25", "locomo", "now").claim("c", "h").state.value == "mine"
    other.ask_again(("ingest", "search", "answer", "judge"))
    assert one.ended("search") == {key(CASES[0])}
    assert not any(record.replayed for record in one.question_records())
    assert Leases(one, "bm25", "locomo", "now").claim("c", "h").state.value == "busy"
    assert not begin(one, made_records.run(id="one"), {"search.top_k": 10}, None)
    one.close()
    other.close()

"""What is in a cache, whether it is whole, and taking things out of it; caches that cannot be used."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.cache import StepCache, clear_cache, read_contents, trim_cache
from tests.bench.cache.shared_runs import QUESTIONS, SESSIONS, WATCHED, SharedRuns
from vocabulary import ConfigurationError, InfrastructureError

pytestmark = pytest.mark.long


def sizes(shared: SharedRuns) -> tuple[dict[str, int], int, int]:
    """Rows by phase, containers, stores."""
    contents = read_contents(shared.cache)
    return {phase: part.rows for phase, part in contents.parts.items()}, contents.containers, contents.stores


def test_stats_count_rows_bytes_and_uses(shared: SharedRuns, capsys: pytest.CaptureFixture[str]) -> None:
    shared.run("a")
    shared.run("b")
    contents = read_contents(shared.cache)
    assert sizes(shared) == ({"search": QUESTIONS, "answer": QUESTIONS, "judge": QUESTIONS}, 1, 1)
    assert {part.hits for part in contents.parts.values()} == {QUESTIONS}
    assert contents.parts["search"].bytes > contents.parts["answer"].bytes > 0
    assert contents.bytes == sum(file.stat().st_size for file in shared.cache.rglob("*.json"))
    assert main(["cache", "stats", str(shared.cache)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines] == [
        ["search", str(QUESTIONS)], ["answer", str(QUESTIONS)], ["judge", str(QUESTIONS)], ["containers", "1"],
    ]  # fmt: skip


def test_its_files_are_for_their_owner(shared: SharedRuns) -> None:
    shared.run("a")
    (store,) = (shared.cache / "providers").iterdir()
    files = [file for file in shared.cache.iterdir() if file.is_file()]
    assert {file.stat().st_mode & 0o077 for file in (shared.cache, store.parent, store, *files)} == {0}


def test_clear_removes_rows_and_asks_each_provider_to_clear(shared: SharedRuns) -> None:
    shared.run("a")
    shared.run("b", provider=(f"{WATCHED}:Slow",))
    shared.change("update cached_steps set used = used - 86400 * 9 where phase = 'search'")
    shared.change("update cached_stores set used = used - 86400 * 9 where store like '%Slow%'")
    assert main(["cache", "clear", str(shared.cache), "--older-than", "7"]) == 0
    rows, containers, stores = sizes(shared)
    assert (set(rows), containers, stores) == ({"answer", "judge"}, 1, 1)
    assert shared.asked()["clear"] == 1
    assert main(["cache", "clear", str(shared.cache)]) == 0
    assert sizes(shared) == ({}, 0, 0)
    assert shared.asked()["clear"] == 2
    assert list((shared.cache / "providers").iterdir()) == []
    before = shared.asked()
    shared.run("c")
    assert shared.asked()["ingest"] == before["ingest"] + SESSIONS


def test_clearing_a_run_leaves_the_cache_alone(shared: SharedRuns, capsys: pytest.CaptureFixture[str]) -> None:
    shared.run("a")
    assert main(["clear", "a", "--runs-dir", str(shared.folder / "runs")]) == 0
    assert "nothing to clear" in capsys.readouterr().out
    assert shared.asked()["clear"] == 0


def test_what_a_service_did_not_clear_stays_known(shared: SharedRuns) -> None:
    shared.run("a", provider=("tests.subjects.unclearable:Unclearable",))
    with pytest.raises(InfrastructureError, match="it is not allowed"):
        clear_cache(shared.cache)
    assert sizes(shared)[1:] == (1, 1)
    (shared.folder / "mended").touch()
    clear_cache(shared.cache)
    assert sizes(shared) == ({}, 0, 0)


def test_a_store_of_another_version_of_an_embedded_provider_goes_by_its_files(shared: SharedRuns) -> None:
    shared.run("a")
    shared.change("""update cached_stores set record = replace(record, '"version":"1"', '"version":"0"')""")
    clear_cache(shared.cache)
    assert sizes(shared) == ({}, 0, 0)
    assert shared.asked()["clear"] == 0


def test_nothing_is_cleared_while_a_run_uses_it(shared: SharedRuns) -> None:
    shared.run("a")
    with closing(StepCache(shared.cache)):
        with pytest.raises(ConfigurationError, match="is in use"):
            clear_cache(shared.cache)
        trim_cache(shared.cache, 0)
        assert read_contents(shared.cache).parts["search"].rows == QUESTIONS
        with closing(StepCache(shared.cache)):
            pass  # another run may use it


def test_a_large_cache_loses_what_was_used_longest_ago(shared: SharedRuns) -> None:
    for used, provider in enumerate(("bm25", f"{WATCHED}:Slow", f"{WATCHED}:Watched"), start=1):
        shared.run(f"run-{used}", provider=(provider,))
        shared.change(f"update cached_steps set used = {used} where used > 1000")
        shared.change(f"update cached_stores set used = {used} where used > 1000")
    whole = read_contents(shared.cache)
    total = whole.bytes + sum(part.bytes for part in whole.parts.values())
    trim_cache(shared.cache, total)
    assert read_contents(shared.cache) == whole
    oldest = shared.bytes_used_in(1)
    trim_cache(shared.cache, total - 1)
    rows, containers, stores = sizes(shared)
    assert (sum(rows.values()), containers, stores) == (sum(part.rows for part in whole.parts.values()) - 1, 3, 3)
    trim_cache(shared.cache, total - oldest - 1)  # more than the oldest rows are
    assert sizes(shared)[1:] == (2, 2)
    assert shared.bytes_used_in(1) == 0
    assert shared.bytes_used_in(2) > 0
    before = shared.asked()
    assert shared.run("again")["questions"]["cached"] == QUESTIONS  # of the last one all is there
    assert shared.asked() == before
    trim_cache(shared.cache, 0)
    assert sizes(shared) == ({}, 1, 1)
    assert shared.run("later")["cached"] == {"ingest": 1}


def test_a_run_trims_what_is_more_than_it_may_be(shared: SharedRuns) -> None:
    shared.run("a", synthetic_sessions=300, cache_mb=1, top_k=300)
    assert sum(part.bytes for part in read_contents(shared.cache).parts.values()) < 1 << 20


def test_verify_names_what_is_damaged(shared: SharedRuns, capsys: pytest.CaptureFixture[str]) -> None:
    shared.run("a")
    assert main(["cache", "verify", str(shared.cache)]) == 0
    shared.change("update cached_steps set result = '[{}]' where key in (select min(key) from cached_steps"
                  " where phase = 'search')")  # fmt: skip
    (store,) = (shared.cache / "providers").iterdir()
    store.rename(shared.cache / "elsewhere")
    assert main(["cache", "verify", str(shared.cache)]) == 1
    out, err = capsys.readouterr()
    assert "the recorded search results cannot be read" in out
    assert f"{store} is gone" in out
    assert err.startswith(f"python -m bench: 2 faults in {shared.cache}")


@pytest.mark.parametrize("action", ["stats", "clear", "verify"])
def test_a_folder_without_a_cache_is_named(tmp_path: Path, action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", action, str(tmp_path)]) == 2
    assert f"there is no step cache in {tmp_path}" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_is_none_or_newer_stops_a_run_before_it_begins(shared: SharedRuns) -> None:
    shared.run("a")
    shared.change("pragma user_version = 900")
    with pytest.raises(ConfigurationError, match=r"another version of the suite wrote it \(schema 900, .*Remove the"):
        shared.run("b")
    with closing(sqlite3.connect(shared.cache / "cache.sqlite")) as database:
        assert database.execute("select count(*) from cached_steps").fetchone() == (3 * QUESTIONS,)
    (shared.cache / "cache.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(ConfigurationError, match=r"cache\.sqlite cannot be opened: file is not a database\. Remove"):
        shared.run("c")
    assert not (shared.folder / "runs" / "c" / "checkpoint.sqlite").read_bytes()
    occupied = shared.folder / "a file"
    occupied.touch()
    with pytest.raises(ConfigurationError, match="the folder cannot be written"):
        shared.run("d", cache=occupied)

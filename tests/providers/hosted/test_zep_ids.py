"""The file of Zep's ids: what is said when it fails, and what a failure leaves."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from providers.hosted.zep_ids import Source, ZepIds
from vocabulary import ProviderError

SOURCE = Source("s1", "m1", dated=True)


def test_a_file_that_is_none_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "zep.sqlite").write_text("this is no database\n" * 500)
    with pytest.raises(ProviderError, match=r"zep\.sqlite: file is not a database\. The file is not a SQLite database"):
        ZepIds(tmp_path / "zep.sqlite").user("c")


def test_a_full_disk_is_told_of_and_what_was_there_stays(tmp_path: Path) -> None:
    ids = ZepIds(tmp_path / "zep.sqlite")
    ids.put_user("c", "u1")
    assert ids._opened is not None
    (pages,) = ids._opened.execute("pragma page_count").fetchone()
    ids._opened.execute(f"pragma max_page_count = {pages}")  # as full as a disk can be
    with pytest.raises(ProviderError, match=r"zep\.sqlite: database or disk is full\. Make room"):
        ids.put_episodes("u1", {f"e{number}": SOURCE for number in range(5000)})
    assert ids.user("c") == "u1"
    assert ids.episodes(["e1"]) == {}
    ids._opened.execute("pragma max_page_count = 100000")
    ids.put_episodes("u1", {"e1": SOURCE})
    assert ids.episodes(["e1", "e2"]) == {"e1": SOURCE}
    ids.close()


def test_a_file_that_is_held_too_long_is_worth_another_attempt(tmp_path: Path) -> None:
    ids = ZepIds(tmp_path / "zep.sqlite")
    ids.put_user("c", "u1")
    assert ids._opened is not None
    ids._opened.execute("pragma busy_timeout = 50")
    other = sqlite3.connect(tmp_path / "zep.sqlite", isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(ProviderError, match="database is locked") as caught:
        ids.put_user("c", "u2")
    assert caught.value.transient
    assert ids.user("c") == "u1"  # reading goes on
    other.execute("rollback")
    other.close()
    ids.put_user("c", "u2")
    assert ids.user("c") == "u2"
    ids.close()

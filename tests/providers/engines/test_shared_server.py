"""Who is taken for a user of an engine's server."""

from __future__ import annotations

import fcntl
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from providers.engines.shared_server import has_users
from providers.engines.supervisor import USERS


@pytest.mark.parametrize(
    ("held", "used"),
    [(None, False), (fcntl.LOCK_SH, True), (fcntl.LOCK_EX, None)],
    ids=["by nobody", "by a user", "by who stops it"],
)
def test_those_who_look_at_once_are_not_taken_for_users(tmp_path: Path, held: int | None, used: bool | None) -> None:
    with (tmp_path / USERS).open("a") as lock, ThreadPoolExecutor(8) as several:
        if held is not None:
            fcntl.flock(lock, held)
        assert Counter(several.map(lambda _number: has_users(tmp_path), range(400))) == {used: 400}

"""Eight processes that open, fill and read one cache at the same moment."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from bench.cache import StepCache, read_contents, verify_cache
from tests.processes import forked

PROCESSES, KEYS = 8, 150


def fill(folder: str, begin: float, mine: int) -> None:
    """Write what all write and what only this process does; read back what is there."""
    time.sleep(max(0.0, begin - time.time()))
    with closing(StepCache(Path(folder))) as cache:
        written = [
            cache.put(key, "answer", f'{{"hypothesis": "{key}"}}')
            for number in range(KEYS)
            for key in (f"all-{number}", f"{mine}-{number}")
        ]
        for future in written:
            future.result()
        for number in range(KEYS):
            found = cache.get(f"all-{number}")
            assert found
            assert found.result == f'{{"hypothesis": "all-{number}"}}'


@pytest.mark.long
def test_they_lose_nothing_and_see_each_other_s(tmp_path: Path) -> None:
    folder, begin = tmp_path / "cached", time.time() + 1.0
    processes = [forked(fill, str(folder), begin, number) for number in range(PROCESSES)]
    for process in processes:
        process.join(90)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    part = read_contents(folder).parts["answer"]
    assert part.rows == KEYS * (PROCESSES + 1)
    assert list(verify_cache(folder)) == []

"""Which tests belong to which worker: contiguous shares, and containers that one process has to itself kept whole.

Knows nothing of xdist. A test is its index in the order of collection; a unit is what goes to one worker as a whole:
one test, or all tests of a container of a provider with ``Limits.containers == "one-process"``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from reports.store import replace_file

Groups: TypeAlias = Sequence[str | None]
"""For each test the container that has to stay with one worker; None for a test that any worker may do."""

Unit: TypeAlias = tuple[int, ...]


def units_of(tests: Iterable[int], groups: Groups) -> list[Unit]:
    """`tests` as units, each where its first test is; a test that `groups` does not reach is one by itself."""
    units: dict[object, list[int]] = {}
    for test in tests:
        group = group_of(test, groups)
        units.setdefault(test if group is None else group, []).append(test)
    return [tuple(unit) for unit in units.values()]


def group_of(test: int, groups: Groups) -> str | None:
    """The container that `test` has to stay with, if any."""
    return groups[test] if test < len(groups) else None


def share_of(worker: int, workers: int, tests: int) -> range:
    """The contiguous share of `tests` that a worker begins with."""
    return range(worker * tests // workers, (worker + 1) * tests // workers)


def begin_shares(first: int, tests: int, workers: int) -> list[int]:
    """The order in which the share of each worker begins with its part of the `first` of all `tests`."""
    offsets = [offset for worker in range(workers) for offset, _test in enumerate(share_of(worker, workers, tests))]
    begun = set(sorted(range(tests), key=offsets.__getitem__)[:first])
    begins, follows = iter(range(first)), iter(range(first, tests))
    return [next(begins if test in begun else follows) for test in range(tests)]


def deal(tests: int, workers: int, groups: Groups) -> list[list[Unit]]:
    """A share for each worker: `share_of`, cut where a container ends.

    A container goes where its middle test would; but no worker is left without one as long as there are enough.
    """
    units = units_of(range(tests), groups)
    shares: list[list[Unit]] = [[] for _worker in range(workers)]
    place, offset = 0, 0
    for worker, share in enumerate(shares):
        until = share_of(worker, workers, tests).stop
        while place < len(units):
            unit = units[place]
            here = worker == workers - 1 or offset + (len(unit) - 1) // 2 < until
            if group_of(unit[0], groups) is not None and worker < workers - 1:
                enough = len(units) - place > workers - 1 - worker
                here = not share or (here and enough)
            if not here:
                break
            share.append(unit)
            place, offset = place + 1, offset + len(unit)
    return shares


def groups_file(folder: Path, invocation: str) -> Path:
    """Where workers of a run in `folder` say what has to stay with one of them."""
    return folder / "limits" / f"containers-{invocation}.json"


def write_groups(file: Path, groups: Groups) -> None:
    """Let the process that deals know `groups`; all workers write the same."""
    if file.exists():
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(file, json.dumps(groups))


def read_groups(file: Path) -> Groups:
    """What a worker wrote; nothing if no container has to stay with one worker, or workers have other disks."""
    groups: list[str | None] = json.loads(file.read_text()) if file.exists() else []
    return groups

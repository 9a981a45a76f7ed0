"""The calls that a process was making when it died are found, made alone, and given up when they kill it again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from net import Ledger, settle_calls, suspect_calls_of
from net.in_flight import InFlight
from tests.processes import PIPE, Process

ROOT = Path(__file__).resolve().parents[2]
ONE, OTHER = ("search", "p", "one"), ("search", "p", "other")

DYING = """
import os, sys, time
from pathlib import Path
from net import Ledger
ledger = Ledger(Path(sys.argv[1]), sys.argv[2], "main", witness=True)
for mark in sys.argv[3:]:
    ledger.begin(("search", "p", mark))
print("under way", flush=True)
sys.stdin.read()
os._exit(3)
"""


def dying(folder: Path, invocation: str, *marks: str) -> Process:
    """A process that has calls under way, in a group of its own; it dies when its input ends."""
    process = Process(
        [sys.executable, "-c", DYING, folder, invocation, *marks],
        cwd=ROOT, stdin=PIPE, stdout=PIPE,
    )  # fmt: skip
    assert process.stdout
    assert process.stdout.readline() == "under way\n"
    return process


def die(folder: Path, invocation: str, *marks: str) -> None:
    process = dying(folder, invocation, *marks)
    process.communicate(timeout=20)
    end = time.monotonic() + 20
    while not list(folder.glob("*.died")):
        assert time.monotonic() < end, "nobody has seen it die"
        time.sleep(0.01)
    settle_calls(folder)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path, "this", "main")) as made:
        yield made


def test_a_call_that_two_processes_died_of_is_given_up_by_one_invocation(tmp_path: Path) -> None:
    die(tmp_path, "first", "one", "other")
    with closing(Ledger(tmp_path, "second", "gw0")) as ledger:
        assert (ledger.standing(ONE), ledger.standing(OTHER), ledger.standing(("search", "p", "third"))) == (1, 1, 0)
        ledger.end(ledger.begin(OTHER), OTHER)
        assert ledger.standing(OTHER) == 0, "it has ended, and is no suspect any more"
    die(tmp_path, "second", "one")
    with closing(Ledger(tmp_path, "third", "gw0")) as ledger, closing(Ledger(tmp_path, "third", "gw1")) as sibling:
        assert [ledger.standing(ONE), ledger.standing(ONE), sibling.standing(ONE)] == [2, 2, 2]
    with closing(Ledger(tmp_path, "fourth", "gw0")) as ledger:
        assert ledger.standing(ONE) == 1, "it may have been mended since"
    die(tmp_path, "fourth", "one")
    with closing(Ledger(tmp_path, "fifth", "gw0")) as ledger:
        assert ledger.standing(ONE) == 2


def test_no_call_is_suspected_when_everything_is_killed(tmp_path: Path, ledger: Ledger) -> None:
    process = dying(tmp_path, "first", "one")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=20)
    settle_calls(tmp_path)
    assert ledger.standing(ONE) == 0
    assert not list(tmp_path.glob("first*"))


def test_a_worker_that_dies_is_seen_by_its_controller(tmp_path: Path, ledger: Ledger) -> None:
    worker = Ledger(tmp_path, "this", "gw0")
    assert ledger.standing(ONE) == 0
    worker.begin(ONE)
    assert suspect_calls_of(tmp_path, "this", "gw0")
    assert ledger.standing(ONE) == 1
    assert not suspect_calls_of(tmp_path, "this", "gw0")
    assert ledger.standing(ONE) == 1
    worker.close()


def test_an_orderly_end_leaves_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "this", "main", witness=True)
    ledger.begin(ONE)
    ledger.close()
    settle_calls(tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.read_bytes().strip(b"\0")] == []


def test_more_calls_than_it_keeps_are_made_all_the_same(ledger: Ledger) -> None:
    entries = [ledger.begin(("search", "p", str(number))) for number in range(5000)]
    assert entries.count(None) == 5000 - 4096
    for number, entry in enumerate(entries):
        ledger.end(entry, ("search", "p", str(number)))
    assert ledger.begin(ONE) is not None
    assert ledger.begin(()) is None


def test_a_call_that_is_to_be_alone_is_alone() -> None:
    under_way: set[str] = set()
    met: dict[str, set[str]] = {}

    async def call(limit: InFlight, name: str, place: int, *, alone: bool = False) -> None:
        await limit.take(place, alone=alone)
        for other in under_way:
            met.setdefault(other, set()).add(name)
        met[name] = set(under_way)
        under_way.add(name)
        await asyncio.sleep(0.01)
        under_way.remove(name)
        limit.give_back()

    async def run() -> None:
        limit = InFlight(3)
        calls = [call(limit, f"{number}", number) for number in range(8)]
        alone = [call(limit, f"alone {number}", 9 - number, alone=True) for number in range(2)]
        running = [asyncio.create_task(one) for one in (*calls[:4], *alone, *calls[4:])]
        cancelled = asyncio.create_task(call(limit, "cancelled", 0, alone=True))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait_for(asyncio.gather(*running), 10)

    asyncio.run(run())
    assert (met["alone 0"], met["alone 1"]) == (set(), set())
    assert any(met[str(number)] for number in range(8))
    assert len(met) == 10

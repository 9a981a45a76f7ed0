"""The exit status in every situation.

``python -m tests.bench.plugin.test_exit_statuses`` writes the table in docs/gates.md.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.bench.plugin.suite import SMALL, WATCHED, Ended, Suite, kill_group
from tests.repository import ROOT

PAGE = ROOT / "docs" / "gates.md"
SYNTHETIC = ("bench", "-k", "synthetic", *SMALL, *WATCHED)
BROKEN = ("bench", "-k", "synthetic", *SMALL, *WATCHED[1:], "--provider=tests.subjects.watched:Broken")
LAST_FIRST = (
    "bench",
    "-k",
    "synthetic",
    *SMALL,
    *WATCHED[1:],
    "--provider=tests.subjects.stopped_early:FirstComesLast",
    "--limit=10",
)
EXTRA_ASSERTION = ("tests/subjects/extra_assertion_benchmark.py", *SMALL, *WATCHED, "--limit=10")
GATE = "--fail-under=accuracy=0.05"

OTHER_TESTS = {
    "failing test": "def test_other(): assert 0\n",
    "failing fixture": """
import pytest
@pytest.fixture
def broken(): yield; raise ValueError("teardown")
def test_other(broken): pass
""",
}


class Situation(NamedTuple):
    """`alone` and `with_workers` are exit statuses; `says` is printed. `run` is how it comes about."""

    name: str
    run: Callable[[Suite, tuple[str, ...]], Ended]
    alone: int
    with_workers: int
    says: str


def command(*arguments: str) -> Callable[[Suite, tuple[str, ...]], Ended]:
    return lambda suite, workers: suite.run(*arguments, *workers)


def beside(other: str, *arguments: str) -> Callable[[Suite, tuple[str, ...]], Ended]:
    def run(suite: Suite, workers: tuple[str, ...]) -> Ended:
        file = suite.folder / "test_beside.py"
        file.write_text(OTHER_TESTS[other])
        return suite.run(
            "bench/benchmarks/test_synthetic.py", str(file), *SMALL, *WATCHED, "--limit=10", *arguments, *workers
        )

    return run


def interrupted(suite: Suite, workers: tuple[str, ...]) -> Ended:
    slow = ("bench", "-k", "synthetic", *SMALL, "--provider=tests.subjects.watched:Slow", *WATCHED[1:], "--in-flight=1")
    process = suite.start(*slow, GATE, *workers)
    suite.wait_for("judge", 2, process)
    kill_group(process, signal.SIGINT)
    return suite.end(process)


def second_look(suite: Suite, workers: tuple[str, ...]) -> Ended:
    suite.run(*SYNTHETIC, GATE)
    return suite.run("--lf", GATE, *workers)


SITUATIONS = (
    Situation("all answers are correct", command(*SYNTHETIC, "-k", "syn-q0000"), 0, 0, "1 correct"),
    Situation("an answer is wrong, abstained or an error", command(*SYNTHETIC), 1, 1, "wrong"),
    Situation("no test is selected", command("bench", "-k", "nothing_like_it"), 5, 5, ""),
    Situation("the data of all requested benchmarks are missing", command("bench", "-k", "locomo"), 0, 0, "1 skipped"),
    Situation("an option or a setting is wrong", command("bench", "--top-k=0"), 4, 4, "ERROR: --top-k"),
    Situation("Ctrl-C, with or without a gate", interrupted, 2, 2, "gate refused: the run is not finished"),
    Situation("a gate is met", command(*SYNTHETIC, GATE), 0, 0, "gate met: accuracy"),
    Situation("a gate is missed", command(*SYNTHETIC, "--fail-under=accuracy=0.99"), 1, 1,
              "gate missed: accuracy 0.200 < 0.99"),
    Situation("more questions ended in an error than `--max-errors` allows (0 by default)",
              command(*BROKEN, GATE, "--max-errors=2"), 1, 1, "gate missed: 3 errors > 2 allowed"),
    Situation("no more than that", command(*BROKEN, GATE, "--max-errors=3"), 0, 0, "gate met: 3 errors <= 3"),
    Situation("`--fail-under`, and the data of all requested benchmarks are missing",
              command("bench", "-k", "locomo", GATE), 1, 1, "gate missed: nothing was measured on locomo: "),
    Situation("`--fail-under`, and the data of one of several are missing",
              command("bench", "-k", "(locomo and temporal) or synthetic", *SMALL, *WATCHED, GATE), 1, 1,
              "gate missed: nothing was measured on locomo: "),
    Situation("`--max-errors` alone, and data are missing",
              command("bench", *SMALL, *WATCHED, "--max-errors=0"), 0, 0, "gate met: no errors"),
    Situation("a gate is met, and another test fails", beside("failing test", GATE), 1, 1,
              "exit status 1 although the gate is met: 1 test failed"),
    Situation("a gate is met, and a fixture fails", beside("failing fixture", GATE), 1, 1,
              "exit status 1 although the gate is met: 1 test failed"),
    Situation("a gate is met, and another assertion of a benchmark's test fails", command(*EXTRA_ASSERTION, GATE), 1, 1,
              "exit status 1 although the gate is met: 10 tests failed"),
    Situation("a gate, and `-x` or `--maxfail` stopped the run", command(*LAST_FIRST, "-x", "--fail-under=accuracy=0"),
              1, 2, "gate refused: the run is not finished"),
    Situation("a gate that the selection has no value for",
              command(*SYNTHETIC, "-k", "synthetic and single", "--fail-under=accuracy.temporal=0.1"), 4, 4,
              "Types of the selection: single-hop, answerable."),
    Situation("a baseline that is missing, or cannot be compared with",
              command(*SYNTHETIC, "--baseline=nowhere.json", "--no-worse=accuracy"), 4, 4,
              "there is no run 'nowhere.json'"),
    Situation("a gate, and a second look by `--lf`", second_look, 1, 1, "gate refused: a second look"),
)  # fmt: skip


def table() -> str:
    rows = []
    for one in SITUATIONS:
        statuses = one.alone if one.alone == one.with_workers else f"{one.alone}, with `-n` {one.with_workers}"
        rows.append(f"| {one.name} | {statuses} |")
    return "\n".join(("| situation | exit status |", "|---|---|", *rows))


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_the_exit_status(suite: Suite, situation: Situation, workers: tuple[str, ...]) -> None:
    ended = situation.run(suite, workers)
    assert ended.status == (situation.with_workers if workers else situation.alone), ended.output
    assert situation.says in ended.output
    assert "Traceback" not in ended.output


def test_the_table_in_the_docs_is_this_one() -> None:
    assert table() in PAGE.read_text()


def write(page: Path) -> None:
    page.write_text(re.sub(r"\| situation \| exit status \|\n(\|.*\n)+", table() + "\n", page.read_text()))


if __name__ == "__main__":
    write(PAGE)

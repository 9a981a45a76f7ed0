"""The line that says how far a run is: drawn and wiped on a terminal, plain in a log."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios

import pytest

from tests.bench.plugin.suite import SMALL, WATCHED, Suite
from tests.processes import Process
from tests.repository import ROOT

SLOW = ("bench", *SMALL, "--provider=tests.subjects.watched:Slow", *WATCHED[1:])


def on_terminal(suite: Suite, *arguments: str, columns: int) -> str:
    """All that pytest writes to a terminal of that width."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {**suite.environment, "TERM": "xterm", "SLOW": "0.15"}
    for name in ("CI", "BUILD_NUMBER", "COLUMNS", "NO_COLOR", "PY_COLORS"):
        environment.pop(name, None)
    process = Process(suite.command(*arguments), cwd=ROOT, env=environment, stdin=its, stdout=its, stderr=its)
    os.close(its)
    written = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:  # the other side is closed
            break
        if not more:
            break
        written += more
    os.close(ours)
    process.wait(timeout=60)
    return re.sub(r"\x1b\[[0-9;]*m", "", written.decode()).replace("\r\n", "\n")


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
@pytest.mark.parametrize("columns", [120, 60])
def test_the_line_is_drawn_and_wiped(suite: Suite, workers: tuple[str, ...], columns: int) -> None:
    written = on_terminal(suite, *SLOW, "--in-flight=2", *workers, columns=columns)  # a second of searches at least
    states = [part for part in re.split(r"[\r\n]", written) if "questions " in part and "/20" in part]
    assert len(states) > 3
    for state in states:
        assert len(re.sub(r"\x1b\[[0-9?]*[a-zA-Z]", "", state).rstrip()) < columns
        assert "errors 0" in state
    if columns == 120:
        assert re.search(r"haystacks 1/1 · questions \d+/20 · accuracy so far \d+.\d% \[.*\] · ", states[-1])
    after = written[written.rindex("/20", 0, written.index("not answered right")) :]
    erased = r"[^\n]*\n\x1b\[\?25h\r\x1b\[1A\x1b\[2K\r"
    assert re.match(erased, after), "the line is erased before anything else is written"
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1, "the cursor is shown again"
    assert not re.search(r"^[.wa]+$", written, re.MULTILINE), "letters and the line do not mix"
    assert "memory benchmark" in written


def test_a_log_has_plain_lines_and_letters(suite: Suite) -> None:
    ended = suite.run(*SLOW)
    assert "\r" not in ended.output
    assert "\x1b" not in ended.output
    assert re.search(r"^bench/benchmarks/test_synthetic.py [.wa]{20} +\[100%\]$", ended.output, re.MULTILINE)


def test_a_log_says_now_and_then_how_far_it_is(suite: Suite) -> None:
    ended = suite.run(*SLOW, "-p", "tests.subjects.impatient", "-n2")
    states = [line for line in ended.output.splitlines() if line.startswith("haystacks 1/1 · questions ")]
    assert states
    assert all(
        re.search(r" · accuracy so far .* · up to \d+ in flight · errors 0 · \d+:\d\d left$", line) for line in states
    )

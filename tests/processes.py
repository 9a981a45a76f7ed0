"""Processes that tests start: each has a time limit and a group of its own, and is gone when its test ends.

A signal that this process ignores, as SIGINT is in what a shell starts with ``&``, would be ignored in every process
that it starts: `heed_signals` undoes that.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from tests.repository import ROOT

DEVNULL, PIPE, STDOUT = subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT
Finished = subprocess.CompletedProcess[str]
FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["net.limits", "reports"])

_running: set[Process | Forked | ForkServerProcess] = set()


class Process(subprocess.Popen[str]):
    """A process in the repository's root whose group is killed after `seconds`.

    It is killed at the end of the test as well, unless it is `shared`: then its owner calls `kill_all`.
    `options` are those of `subprocess.Popen`.
    """

    def __init__(
        self, command: Sequence[str | Path], *, seconds: float = 60, shared: bool = False, **options: Any
    ) -> None:
        self.overdue = False
        self.seconds = seconds
        super().__init__([str(word) for word in command], **{"cwd": ROOT, **options}, text=True, start_new_session=True)
        if shared:
            atexit.register(self.signal_all, signal.SIGKILL)
            return
        _running.add(self)
        self._limit = threading.Timer(seconds, self._end_overdue)
        self._limit.daemon = True
        self._limit.start()

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the process and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill_all(self) -> None:
        """Kill the process and all that it started, and wait until it is gone."""
        self.signal_all(signal.SIGKILL)
        for pipe in (self.stdin, self.stdout, self.stderr):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self.wait()
        if self in _running:
            self._limit.cancel()
            _running.remove(self)

    def _end_overdue(self) -> None:
        self.overdue = self.returncode is None
        self.signal_all(signal.SIGKILL)


class Forked:
    """A process with a session of its own that somebody else forked, used like a `Process`.

    `pid` is its id, `args` what it is. Its parent writes its status, as `os.waitpid` gives it, to `status` when it has
    ended; `output` has what it prints.
    """

    def __init__(self, pid: int, args: Sequence[str], *, status: Path, output: Path, seconds: float) -> None:
        self.pid, self.args, self.seconds = pid, args, seconds
        self.overdue = False
        self.returncode: int | None = None
        self._status, self._output = status, output
        _running.add(self)
        self._limit = threading.Timer(seconds, self._end_overdue)
        self._limit.daemon = True
        self._limit.start()

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        if self.returncode is None and self._status.exists():
            self.returncode = os.waitstatus_to_exitcode(int(self._status.read_text()))
        return self.returncode

    def wait(self) -> int:
        """Wait for its end: the exit status."""
        while (status := self.poll()) is None:
            time.sleep(0.02)
        return status

    def communicate(self) -> tuple[str, None]:
        """Wait for its end: what it printed."""
        self.wait()
        return self._output.read_text(), None

    def send_signal(self, number: int) -> None:
        """Send a signal to the process alone."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the process alone."""
        self.send_signal(signal.SIGKILL)

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the process and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill_all(self) -> None:
        """Kill the process and all that it started, and wait until it is gone."""
        self._end()
        self.wait()
        self._limit.cancel()
        _running.discard(self)

    def _end(self) -> None:
        self.signal_all(signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            self.kill()  # at first it has no group of its own

    def _end_overdue(self) -> None:
        self.overdue = self.poll() is None
        self._end()


def run(
    command: Sequence[str | Path],
    *,
    text_in: str | None = None,
    seconds: float = 100,
    check: bool = False,
    **options: Any,
) -> Finished:
    """Run to the end: status and both outputs. The test fails after `seconds`, or on a status if `check`.

    `options` are those of `subprocess.Popen`.
    """
    stdin = DEVNULL if text_in is None else PIPE
    process = Process(command, seconds=seconds, stdin=stdin, stdout=PIPE, stderr=PIPE, **options)
    out, err = process.communicate(text_in)
    process.kill_all()
    assert not process.overdue, f"not done after {seconds:g} s: {process.args!r}\n{out}\n{err}"
    assert process.returncode == 0 or not check, f"{process.args!r} ended with {process.returncode}:\n{out}\n{err}"
    return Finished(process.args, process.returncode, out, err)


def forked(work: Callable[..., None], *arguments: object) -> ForkServerProcess:
    """Start `work` in a process made by the fork server, which is quicker than a new Python."""
    process = FORKSERVER.Process(target=work, args=arguments, daemon=True)
    process.start()
    _running.add(process)
    return process


@contextlib.contextmanager
def ending_with_it() -> Iterator[None]:
    """Kill the processes that were started in this context; fail if one of them was over its time limit."""
    before = set(_running)
    yield
    overdue = []
    for process in _running - before:
        if isinstance(process, Process | Forked):
            overdue += [f"{process.args!r} after {process.seconds:g} s"] if process.overdue else []
            process.kill_all()
        else:
            process.kill()
            process.join()
            _running.remove(process)
    if overdue:
        pytest.fail("killed because not done: " + "; ".join(overdue))


def heed_signals() -> None:
    """Give signals that are ignored here their usual effect, here and in what is started from here."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)

"""Workers of pytest-xdist that are forked from a Python which has its imports behind it, before pytest begins.

execnet starts a worker with a line of code on its standard input; a fork waits for that line. Workers that replace dead
ones are started as usual.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from execnet import gateway_io
from execnet.gateway_base import Popen2IO


class _Worker:
    """A fork of this process that waits for its environment and its code: what execnet uses of `subprocess.Popen`."""

    def __init__(self) -> None:
        (read, write), (read_out, write_out) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if not self.pid:
            _work(read, write_out)
        os.close(read)
        os.close(write_out)
        self.stdin, self.stdout = os.fdopen(write, "wb"), os.fdopen(read_out, "rb")

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


class _WorkerIO(gateway_io.Popen2IOMaster):
    """The line to a worker: to a prepared one as long as there is one."""

    ready: ClassVar[list[_Worker]] = []

    def __init__(self, args: Sequence[str], execmodel: Any) -> None:
        if not self.ready:
            super().__init__(args, execmodel)
            return
        self.popen = worker = self.ready.pop(0)
        Popen2IO.__init__(self, worker.stdin, worker.stdout, execmodel=execmodel)
        self.write(json.dumps([str(Path.cwd()), dict(os.environ)]).encode() + b"\n")


def prepare_workers(arguments: Sequence[str]) -> None:
    """Fork as many workers as ``-nN`` in pytest's `arguments` wants."""
    for word in arguments:
        if wanted := re.fullmatch(r"-n(\d+)", word):
            _WorkerIO.ready = [_Worker() for _ in range(int(wanted[1]))]
            vars(gateway_io)["Popen2IOMaster"] = _WorkerIO


def _work(read: int, write: int) -> None:
    """Be the worker that execnet starts with ``python -u -c``; end where it is not wanted."""
    os.dup2(read, 0)
    os.dup2(write, 1)
    os.closerange(3, 256)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    begin = sys.stdin.readline()
    if not begin:
        os._exit(0)
    folder, environment = json.loads(begin)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["-c"]
    exec(eval(sys.stdin.readline()), {"__name__": "__main__"})
    sys.exit()

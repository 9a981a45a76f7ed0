"""Processes as what they own names them: a file, a lease or a trial of a process that is gone is free."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path


def this_process() -> str:
    """A name of this process, which no other process of this machine has ever had or will have."""
    pid = os.getpid()
    return f"{_place()}:{pid}:{_born(pid)}"


def is_gone(process: str) -> bool:
    """Whether the process of that name has ended; False where nobody here can know, as on another machine."""
    place, pid, born = process.rsplit(":", 2)
    return place == _place() and not (lives(int(pid)) and born in ("", _born(int(pid))))


def lives(pid: int) -> bool:
    """Whether a process of that number runs here; a killed one that its parent has not looked after does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, and is somebody else's
        return True
    return _state(pid) not in ("Z", "X")


@cache
def _place() -> str:
    """Where process numbers mean the same: a host, or one of the PID namespaces (as Docker's) that share its name."""
    try:
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        namespace = 0
    return f"{socket.gethostname()}/{namespace}"


def _born(pid: int) -> str:
    """Tells a process from a later one of the same number, where the system shows it (Linux); else ""."""
    fields = _fields(pid)
    return fields[19] if len(fields) > 19 else ""


def _state(pid: int) -> str:
    return next(iter(_fields(pid)), "")


def _fields(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []

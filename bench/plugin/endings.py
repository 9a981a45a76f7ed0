"""What ends a run from outside: signals, and for a worker the death of its controller."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable
from contextlib import suppress

_LOOK_SECONDS = 0.1
_FLUSH_SECONDS = 0.6
_LIKE_CTRL_C = (signal.SIGTERM, signal.SIGHUP)


def interrupt_by_signals() -> Callable[[], None]:
    """Have SIGTERM and SIGHUP do what Ctrl-C does; call what is returned to restore the handlers.

    A signal that is ignored, as under nohup, or that has a handler already is left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    taken = [number for number in _LIKE_CTRL_C if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, signal.default_int_handler)

    def restore() -> None:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)

    return restore


def end_with_controller(controller: int, flush: Callable[[], None]) -> None:
    """In a worker: end this process within a second of the death of the process `controller`, after `flush`.

    A worker on another machine, or one that was started through another program, is not its controller's child and is
    left alone.
    """
    if os.getppid() != controller:
        return

    def watch() -> None:
        _await_death(controller)
        guard = threading.Timer(_FLUSH_SECONDS, os._exit, [1])
        guard.daemon = True
        guard.start()
        try:
            flush()
        finally:
            os._exit(1)

    threading.Thread(target=watch, name="bench-controller", daemon=True).start()


def _await_death(parent: int) -> None:
    """Return when the process `parent` is not this one's parent any more."""
    poll = select.poll()
    with suppress(AttributeError, OSError):  # no Linux, or an old kernel: look now and then
        poll.register(os.pidfd_open(parent), select.POLLIN)  # readable from the moment of its death
    while os.getppid() == parent:
        poll.poll(_LOOK_SECONDS * 1000)

"""The cluster, as a run uses it: the only module that imports Ray."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar  # Any: Ray's references

import ray
from ray._private import worker as ray_worker  # it has no other way to say where its messages go
from ray.exceptions import RayError

from bench.pipeline.on_ray.shipping import staged_code
from vocabulary import ConfigurationError

T = TypeVar("T")

RETRIES = 5
"""How often a task is begun again whose process or node is lost."""

_ANSWER_SECONDS = 10.0

_CANCEL_SECONDS = 20.0
"""How long tasks that are cancelled may take to end their calls; then their processes are ended."""


class LostError(Exception):
    """A task was lost more often than it may be, or could not be begun."""


def connect(address: str | None) -> None:
    """Connect to the cluster, unless this process is connected to one; raises `ConfigurationError`.

    Code is sent once, when it connects. Signals keep their handlers.
    """
    if ray.is_initialized():
        return
    named = address or os.environ.get("RAY_ADDRESS") or "auto"
    try:
        if named != "auto":  # where nothing listens, Ray tries for longer than anybody waits
            host, _colon, port = named.removeprefix("ray://").rpartition(":")
            socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS).close()
        with _own_handlers(), staged_code() as code:
            ray.init(
                named,
                runtime_env={"working_dir": str(code)},
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except (OSError, RuntimeError, ValueError, RayError) as error:
        reason = " ".join(str(error).split())[:300].rstrip(". ")
        raise ConfigurationError(
            f"--engine ray: no cluster can be used at {named}: {reason}. Start one with `ray start --head`, or "
            "name one with --ray-address HOST:PORT."
        ) from error


@contextmanager
def _own_handlers() -> Iterator[None]:
    """Ray ends a process at SIGTERM that connects to it."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def processors() -> int:
    """How many tasks the cluster does at once now, each on one CPU."""
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


class Tasks(Generic[T]):
    """Calls of a function in processes of the cluster, one CPU each; the first argument is sent to each node once.

    `note` is called with what Ray has to say, such as that a node is lost.
    """

    def __init__(self, function: Callable[..., T], shared: object, note: Callable[[str], None]) -> None:
        ray_worker.print_to_stdstream = lambda data, ignore_prefix: note("\n".join(data["lines"]))  # noqa: ARG005
        self._function = ray.remote(max_retries=RETRIES, scheduling_strategy="SPREAD")(function)
        self._shared = ray.put(shared)
        self._waiting: dict[Any, object] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self, arguments: Sequence[object]) -> None:
        """Have the function called with the shared argument and these."""
        self._waiting[self._function.remote(self._shared, arguments)] = arguments

    def ended(self) -> Iterator[tuple[Any, T]]:
        """The arguments and the result of each call that has ended since; raises `LostError`."""
        if not self._waiting:
            return
        done, _others = ray.wait(list(self._waiting), num_returns=len(self._waiting), timeout=0, fetch_local=False)
        for reference in done:
            arguments = self._waiting.pop(reference)
            try:
                result: T = ray.get(reference)
            except RayError as error:
                raise LostError(" ".join(str(error).split())) from error
            yield arguments, result

    def wait(self, seconds: float) -> None:
        """Return when all calls have ended, or after so long."""
        if waiting := list(self._waiting):
            ray.wait(waiting, num_returns=len(waiting), timeout=seconds, fetch_local=False)

    def cancel(self) -> None:
        """End the calls, and return when they have ended or after a while."""
        for force in (False, True):
            for reference in self._waiting:
                ray.cancel(reference, force=force)
            if waiting := list(self._waiting):
                done, _others = ray.wait(waiting, num_returns=len(waiting), timeout=_CANCEL_SECONDS, fetch_local=False)
                for reference in done:
                    del self._waiting[reference]

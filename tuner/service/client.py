"""Clients of the service: `TunerClient`, and `AsyncTunerClient` with the same methods for an event loop."""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar  # Any: options of httpx and tenacity

import httpx
import tenacity

from tuner.service import calls
from tuner.service.calls import Call, TunerError

P = ParamSpec("P")
T = TypeVar("T")

TOKEN = "MEMORYBENCH_TUNER_TOKEN"
"""Variable with a client's token."""

_URL = "http://127.0.0.1:6180"
_LONGEST_WAIT = 30.0


def _method(describe: Callable[P, Call[T]]) -> Callable[Concatenate[TunerClient, P], T]:
    """A method that makes the call which `describe` describes."""

    @wraps(describe)
    def send(self: TunerClient, /, *arguments: P.args, **options: P.kwargs) -> T:
        return self.send(describe(*arguments, **options))

    return send


def _awaited(describe: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncTunerClient, P], Awaitable[T]]:
    """The same for an event loop."""

    @wraps(describe)
    def send(self: AsyncTunerClient, /, *arguments: P.args, **options: P.kwargs) -> Awaitable[T]:
        return self.send(describe(*arguments, **options))

    return send


class TunerClient:
    """A client of the service at `url`, whose methods raise `TunerError` for what is refused or not answered.

    The token is that of MEMORYBENCH_TUNER_TOKEN if none is given. `timeout` is in seconds, for each of `attempts`. A
    request is sent again if no answer came or the service was busy, by default for 25 seconds or more, and has its
    effect once. What no request may hold, such as NaN, is a ValueError. Threads may share a client.
    """

    def __init__(self, url: str = _URL, token: str | None = None, *, timeout: float = 60.0, attempts: int = 9) -> None:
        self._http = httpx.Client(**_options(url, token, timeout))
        self._retries = tenacity.Retrying(**_retries(attempts))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(self, call: Call[T]) -> T:
        """Make a call, as often as it takes."""
        for one in self._retries.copy():
            with one:
                with _transport_errors():
                    response = self._http.send(call.request(self._http))
                return call.read(response, one.retry_state.attempt_number)
        raise AssertionError("the last attempt raises its error")

    create = _method(calls.create)
    studies = _method(calls.studies)
    study = _method(calls.study)
    delete = _method(calls.delete)
    ask = _method(calls.ask)
    tell = _method(calls.tell)
    fail = _method(calls.fail)
    report = _method(calls.report)
    should_prune = _method(calls.should_prune)
    heartbeat = _method(calls.heartbeat)
    enqueue = _method(calls.enqueue)
    trials = _method(calls.trials)
    trial = _method(calls.trial)
    best = _method(calls.best)
    front = _method(calls.front)
    importance = _method(calls.importance)


class AsyncTunerClient:
    """The same as `TunerClient`, to be awaited in one event loop."""

    def __init__(self, url: str = _URL, token: str | None = None, *, timeout: float = 60.0, attempts: int = 9) -> None:
        self._http = httpx.AsyncClient(**_options(url, token, timeout))
        self._retries = tenacity.AsyncRetrying(**_retries(attempts))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, call: Call[T]) -> T:
        """Make a call, as often as it takes."""
        async for one in self._retries.copy():
            with one:
                with _transport_errors():
                    response = await self._http.send(call.request(self._http))
                return call.read(response, one.retry_state.attempt_number)
        raise AssertionError("the last attempt raises its error")

    create = _awaited(calls.create)
    studies = _awaited(calls.studies)
    study = _awaited(calls.study)
    delete = _awaited(calls.delete)
    ask = _awaited(calls.ask)
    tell = _awaited(calls.tell)
    fail = _awaited(calls.fail)
    report = _awaited(calls.report)
    should_prune = _awaited(calls.should_prune)
    heartbeat = _awaited(calls.heartbeat)
    enqueue = _awaited(calls.enqueue)
    trials = _awaited(calls.trials)
    trial = _awaited(calls.trial)
    best = _awaited(calls.best)
    front = _awaited(calls.front)
    importance = _awaited(calls.importance)


def _options(url: str, token: str | None, timeout: float) -> dict[str, Any]:
    token = token or os.environ.get(TOKEN)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return {"base_url": url.rstrip("/"), "headers": headers, "timeout": timeout}


def _retries(attempts: int) -> dict[str, Any]:
    return {
        "retry": tenacity.retry_if_exception(lambda error: isinstance(error, TunerError) and error.transient),
        "stop": tenacity.stop_after_attempt(attempts),
        "wait": _wait,
        "reraise": True,
    }


def _wait(state: tenacity.RetryCallState) -> float:
    """As long as the service says, and a random time that grows: clients that were refused together come back apart."""
    error = state.outcome.exception() if state.outcome else None
    least = error.retry_after if isinstance(error, TunerError) else 0.0
    longest = 0.1 * 2.0**state.attempt_number
    return min(_LONGEST_WAIT, least + random.uniform(longest / 2, longest))


@contextmanager
def _transport_errors() -> Iterator[None]:
    try:
        yield
    except httpx.TransportError as error:
        raise TunerError(f"the tuner's service does not answer: {type(error).__name__}: {error}") from None

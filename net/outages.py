"""Outages: while a service fails for everybody, its calls pause, and one probe at a time checks whether it is back.

What is known of a service is in a file that all workers share; it is empty while the service is well.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import random
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from net.boot import BOOT
from net.shared_file import SharedFile, content_of
from vocabulary import InfrastructureError

OUTAGE_CALLS = 3
"""An outage begins when so many calls have failed and none has succeeded since the first of them."""

_PROBE_SECONDS = (0.5, 10.0)
_POLL_SECONDS = 0.2
_SUFFIX = f".{BOOT}.outage"
_UNREACHABLE = frozenset({None, 502, 503, 504, 529})  # statuses; None is no response at all


class Outage(NamedTuple):
    """A time in which a service failed: `began` is a Unix time; `over` is False if it was given up at its end."""

    service: str
    began: float
    seconds: float
    over: bool


Note = Callable[[Outage], None]


class BlockedError(Exception):
    """A service takes no calls for longer than anybody waits; the text names until when."""


@dataclass(slots=True)
class Standing:
    """What one call knows of its service's outages, over all of its attempts.

    `counted` is how many failures count against the call. `paused` says that the last one was part of an outage;
    `given_up` is why no further attempt is made, where the service is the reason. `turn` is when it was given its last
    turn, by the monotonic clock.
    """

    counted: int = 0
    paused: bool = False
    given_up: str = ""
    streak: str = ""
    probes: bool = False
    turn: float = 0.0


@dataclass(slots=True)
class _State:
    """The file's content: `streak` names a row of failures of `calls` different calls.

    Times are of the monotonic clock but for `began`. `probe_at` is None until the row is an outage, `until` the end of
    a pause that the service asked for and that nobody sits out.
    """

    service: str
    streak: str
    calls: int = 0
    began: float = 0.0
    since: float = 0.0
    probe_at: float | None = None
    probes: int = 0
    noted: bool = False
    until: float | None = None


class Outages:
    """The outages of one service, for one event loop; `patience` is how many seconds calls sit one out.

    `note` is called once for each outage, by the process that sees its end.
    """

    def __init__(self, folder: Path, file_name: str, service: str, patience: float, note: Note) -> None:
        self._shared = SharedFile(folder / f"{file_name}{_SUFFIX}")
        self._probe = _Probe(folder / f"{file_name}.{BOOT}.probe")
        self._service = service
        self._patience = patience
        self._note = note

    async def turn(self, standing: Standing) -> None:
        """Return when the service may be called: it is well, is given up, or this call is the next probe.

        Raises `BlockedError` if the service takes none for longer than the patience.
        """
        while True:  # other processes end the wait: there is no event to wait for
            wait = self._wait(standing)
            if wait <= 0:
                return
            await asyncio.sleep(min(wait, _POLL_SECONDS) * (0.5 + random.random() / 2))

    def may_begin(self, standing: Standing) -> bool:
        """Whether the service may still be called after another wait; raises as `turn` does."""
        return self._wait(standing) <= 0

    def _wait(self, standing: Standing) -> float:
        if standing.probes or self._shared.empty:
            return 0.0
        with self._locked() as state:
            now = time.monotonic()
            if state is None:
                return 0.0
            if state.until is not None:
                if now >= state.until:
                    self._store(None)
                    return 0.0
                raise BlockedError(_blocked(state.service, state.until - now, self._patience))
            if state.probe_at is None or self._given_up(state, now):
                return 0.0
            if now >= state.probe_at and self._probe.take():
                standing.probes = True
                return 0.0
            return max(state.probe_at - now, _POLL_SECONDS)

    def failed(self, standing: Standing, error: InfrastructureError, *, attempts: int) -> None:
        """Record a transient failure; what it means for the call is in `standing`.

        `attempts` is how many failures a call may have. An outage begins with the failures of several calls, or with
        the last failure of one that nobody answers: it may be the only call there is.
        """
        if (error.retry_after or 0.0) > self._patience:
            standing.given_up = self.block(error.retry_after or 0.0)
            standing.paused = False
            self.leave(standing)
            return
        outage: Outage | None = None
        with self._locked() as known:
            now = time.monotonic()
            state = known or _State(self._service, uuid.uuid4().hex[:8])
            if standing.streak != state.streak:
                standing.streak = state.streak
                state.calls += 1
            last = standing.counted + 1 >= attempts and error.status in _UNREACHABLE
            if state.probe_at is None and (state.calls >= OUTAGE_CALLS or last):
                state.began, state.since = time.time(), now
                state.probe_at = now + max(_PROBE_SECONDS[0], error.retry_after or 0.0)
            elif state.probe_at is not None and standing.probes:
                state.probes += 1
                pause = min(_PROBE_SECONDS[1], _PROBE_SECONDS[0] * 2**state.probes)
                # the last probe comes when the patience ends
                pause = min(pause, max(0.0, state.since + self._patience - now))
                state.probe_at = now + max(pause, error.retry_after or 0.0)
            if self._given_up(state, now):
                standing.given_up = f"{self._service} has failed for {now - state.since:.0f} s, see --patience"
            standing.paused = state.probe_at is not None and not standing.given_up
            if standing.given_up and not state.noted:
                state.noted = True
                outage = Outage(self._service, state.began, now - state.since, over=False)
            self._store(state)
        self.leave(standing)
        if not standing.paused:
            standing.counted += 1
        if outage:
            self._note(outage)

    def answered(self, standing: Standing) -> None:
        """Record that the service answered: an outage is over."""
        if not self._shared.empty:
            outage: Outage | None = None
            with self._locked() as state:
                if state is not None and state.probe_at is not None and not state.noted:
                    outage = Outage(self._service, state.began, time.monotonic() - state.since, over=True)
                if state is not None and state.until is None:
                    self._store(None)
            if outage:
                self._note(outage)
        self.leave(standing)

    def block(self, seconds: float) -> str:
        """Let nobody call the service for so long; the text of the errors that follow."""
        with self._locked():
            state = _State(self._service, uuid.uuid4().hex[:8], until=time.monotonic() + seconds)
            self._store(state)
        return _blocked(self._service, seconds, self._patience)

    def leave(self, standing: Standing) -> None:
        """Let another call be the probe."""
        if standing.probes:
            standing.probes = False
            self._probe.give_back()

    def close(self) -> None:
        """Close the files."""
        self._shared.close()
        self._probe.close()

    def _given_up(self, state: _State, now: float) -> bool:
        return state.probe_at is not None and now - state.since >= self._patience

    @contextmanager
    def _locked(self) -> Iterator[_State | None]:
        with self._shared.locked():
            yield _read(self._shared.read())

    def _store(self, state: _State | None) -> None:
        self._shared.write(json.dumps(asdict(state)).encode() if state else b"")


def paused_services(folder: Path) -> dict[str, float]:
    """The services whose calls pause now because they fail, each with the seconds since that began."""
    paused: dict[str, float] = {}
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            state = _read(content_of(file.fileno()))
        if state is not None and state.probe_at is not None and not state.noted:
            paused[state.service] = time.monotonic() - state.since
    return paused


class _Probe:
    """Held by one call over all workers; a process that dies gives it back."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._held = False

    def take(self) -> bool:
        if self._held:
            return False
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        self._held = True
        return True

    def give_back(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._held = False

    def close(self) -> None:
        os.close(self._file)


def _read(content: bytes) -> _State | None:
    try:
        return _State(**json.loads(content)) if content else None
    except (ValueError, TypeError):  # cut short by a death while it was written
        return None


def _blocked(service: str, seconds: float, patience: float) -> str:
    again = datetime.fromtimestamp(time.time() + seconds, UTC)
    return (
        f"{service} takes no calls before {again:%Y-%m-%d %H:%M:%S} UTC, it says; that is longer than --patience "
        f"{patience:g}. Continue then with --lf."
    )

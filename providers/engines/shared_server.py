"""The server of an engine that all workers of a run use: started by the first, stopped after the last.

server = SharedServer("hindsight", workspace / "server", variables)
url = await server.url()
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

from net import R, Service, excerpt
from providers.engines.environments import engine_program
from providers.engines.supervisor import SERVER, START_SECONDS, USERS, answers
from vocabulary import ProviderError

_POLL_SECONDS = 0.1
_STOP_SECONDS = 60.0


class SharedServer:
    """One process's share of the server in `folder`; `variables` are what the server is configured with.

    The server runs in processes of its own, which outlive a worker that is killed and end when no worker is left.
    """

    def __init__(self, engine: str, folder: Path, variables: Mapping[str, str]) -> None:
        self._engine = engine
        self._folder = folder.absolute()
        self._variables = dict(variables)
        self._users: IO[str] | None = None
        self._url: str | None = None
        self._turn = asyncio.Lock()

    async def url(self) -> str:
        """Where it listens; it is started if it does not. Raises `ProviderError` if it cannot be."""
        async with self._turn:
            if self._url is None:
                self._url = await asyncio.to_thread(self._join)
            return self._url

    def lost(self) -> None:
        """A call found nobody there: the next `url` looks again."""
        self._url = None

    async def close(self) -> None:
        """Use it no more; returns when it has stopped, unless others use it."""
        async with self._turn:
            self._url = None
            if self._users is not None:
                users, self._users = self._users, None
                await asyncio.to_thread(self._leave, users)

    def _join(self) -> str:
        from filelock import FileLock, Timeout

        self._folder.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + START_SECONDS
        if self._users is None:
            users = (self._folder / USERS).open("a")
            while not _locked(users, alone=False):  # the last one is stopping
                self._not_after(end, "has been stopping")
            self._users = users
        try:
            with FileLock(self._folder / "start.lock", timeout=START_SECONDS):
                return self._running() or self._start(end)
        except Timeout:
            raise ProviderError(
                f"{self._engine}: another process has been starting it for too long", transient=True
            ) from None

    def _running(self) -> str | None:
        try:
            url = str(json.loads((self._folder / SERVER).read_text())["url"])
        except FileNotFoundError:
            return None
        return url if answers(url) else None

    def _start(self, end: float) -> str:
        supervisor = Path(__file__).with_name("supervisor.py")
        programs = engine_program(self._engine, "python").parent
        (self._folder / SERVER).unlink(missing_ok=True)
        with (self._folder / "server.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-I", supervisor, self._engine, self._folder, programs],
                cwd=self._folder,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the workers, which have something to finish
            )
        # reaped as soon as it ends, whichever process uses it last
        threading.Thread(target=process.wait, name=f"{self._engine}'s end", daemon=True).start()
        while (url := self._running()) is None:
            if process.poll() is not None:
                raise ProviderError(f"{self._engine}: its server did not start: {self._end_of_log()}", transient=True)
            self._not_after(end, "has been starting")
        return url

    def _leave(self, users: IO[str]) -> None:
        users.close()
        end = time.monotonic() + _STOP_SECONDS
        while (self._folder / SERVER).exists() and time.monotonic() < end:
            used = has_users(self._folder)
            if used or (used is False and self._running() is None):
                return  # others use it, or it died
            time.sleep(_POLL_SECONDS)

    def _not_after(self, end: float, what: str) -> None:
        if time.monotonic() > end:
            raise ProviderError(
                f"{self._engine}: its server {what} for {START_SECONDS:g} s: {self._end_of_log()}", transient=True
            )
        time.sleep(_POLL_SECONDS)

    def _end_of_log(self) -> str:
        log = self._folder / "server.log"
        lines = log.read_text(errors="replace").strip().splitlines()[-3:] if log.exists() else []
        return f"{excerpt(' / '.join(lines))} (see {log})"


class Calls:
    """A provider's requests to a shared server, wherever it listens now; `seconds` is how long one may take."""

    def __init__(
        self, server: SharedServer, name: str, *, hold: Callable[[float], None], seconds: float, secrets: Sequence[str]
    ) -> None:
        self._server = server
        self._opened = partial(Service, name, headers={}, hold=hold, timeout=seconds, secrets=secrets)
        self._service: Service | None = None
        self._url = ""

    async def ask(self, reply: type[R], method: str, path: str, body: object = None) -> R:
        """The server's answer to one request; raises `ProviderError`."""
        url = await self._server.url()
        if self._service is None or self._url != url:
            if self._service is not None:
                await self._service.aclose()
            self._service, self._url = self._opened(base_url=url), url
        try:
            return await self._service.ask(reply, method, path, body=body)
        except ProviderError as error:
            if error.status is None:
                self._server.lost()
            raise

    async def close(self) -> None:
        """Close the connections, and stop the server if nobody else uses it."""
        if self._service is not None:
            service, self._service = self._service, None
            await service.aclose()
        await self._server.close()


def has_users(folder: Path) -> bool | None:
    """Whether any process uses the server in `folder`; None while it is being stopped, as nobody does."""
    from filelock import FileLock

    # one look at a time: another one that has the lock alone for a moment is no user
    with FileLock(folder / "look.lock"), (folder / USERS).open("a") as users:
        if _locked(users, alone=True):
            return False
        return True if _locked(users, alone=False) else None


def _locked(file: IO[str], *, alone: bool) -> bool:
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

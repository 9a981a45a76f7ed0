"""Memory systems that can say whether they can be used, and are watched when they are asked."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from providers import Limits, ProviderSettings
from tests.subjects.watched import Watched, note
from vocabulary import ProviderError


class Keyed(Watched):
    """Knows one key, which it gets by the environment; keeps a client that belongs to the loop it was opened on."""

    name = "keyed"

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def check(self) -> None:
        note("check", f"{os.getpid()} {'worker' if 'PYTEST_XDIST_WORKER' in os.environ else 'controller'}")
        self._loop = asyncio.get_running_loop()
        if os.environ.get("KEY") != "known":
            raise ProviderError("401: the key 'unknown' is not one of ours", status=401)

    async def close(self) -> None:
        if self._loop is not None:
            assert self._loop is asyncio.get_running_loop()
            note("close", "a client")


class Overloaded(Watched):
    """Has too much to do when it is asked first; written without ``async``."""

    name = "overloaded"

    def check(self) -> None:
        note("check", "overloaded")
        if not (Path(os.environ["WATCHED"]) / "quiet").exists():
            (Path(os.environ["WATCHED"]) / "quiet").touch()
            raise ProviderError("503: too much to do", transient=True, retry_after=0.01)


class Silent(Keyed):
    """Gives no answer to who asks whether it can be used, but a fault first."""

    name = "silent"
    limits = Limits(concurrency=1)
    asked = 0

    async def check(self) -> None:
        self.asked += 1
        if self.asked == 1:
            raise ProviderError("502: nobody there", transient=True, retry_after=0.01)
        await asyncio.sleep(60)

"""Waiting until a service is done with what it was sent: look, wait longer, look again, and give up at an end.

async def await_indexing(self, container: str) -> None:
    await until_ready(container, partial(self._look, container), seconds=self.limits.indexing_timeout)
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from vocabulary import IndexingTimeoutError, ProviderError

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_GROWTH = 1.5
_LAST_LOOK_SECONDS = 1.0


async def until_ready(
    container: str,
    look: Callable[[], Awaitable[str | None]],
    *,
    seconds: float,
    what: str = "ready",
    longest_pause: float = _LONGEST_PAUSE_SECONDS,
) -> None:
    """Return once `look` gives None; until then it says in a few words what is outstanding. `what` is waited for.

    A look that fails in a way that another may mend (`ProviderError.transient`) says nothing, and what the
    service asks to be left alone for is waited. Other errors of `look` are raised, and so end the wait.

    Raises `IndexingTimeoutError` with the container, the seconds that passed and the last status. The last look
    may take a second more than there is.
    """
    begun = time.monotonic()
    pause, status = _FIRST_PAUSE_SECONDS, "never looked at"
    while True:
        asked = 0.0
        try:
            async with asyncio.timeout(max(_LAST_LOOK_SECONDS, begun + seconds - time.monotonic())):
                outstanding = await look()
            if outstanding is None:
                return
            status = outstanding
        except ProviderError as error:
            if not error.transient:
                raise
            status, asked = f"{status} (then: {error})", error.retry_after or 0.0
        except TimeoutError:
            status += " (the last look was not answered)"
        rest = begun + seconds - time.monotonic()
        if rest <= 0 or asked > rest:
            raise IndexingTimeoutError(
                f"container {container} was not {what} after {time.monotonic() - begun:.1f} s. Last status: {status}."
            )
        await asyncio.sleep(min(rest, max(pause, asked)))
        pause = min(longest_pause, pause * _GROWTH)

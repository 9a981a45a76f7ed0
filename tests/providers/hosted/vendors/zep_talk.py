"""What the tests of Zep's adapter have in common: two sessions, and how they are sent and asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from providers.hosted.zep import Zep, ZepSettings
from tests.providers.hosted.vendors.vendor_server import Recorded
from tests.providers.hosted.vendors.zep_server import ZepServer
from vocabulary import Message, ProviderError, Question, Session

CONTAINER = "conv-26-a1b2c3-20261122-0101"
MAY = datetime(2023, 5, 8, 13, 56)
JUNE = datetime(2023, 6, 1, 9, 0)


def said(number: int, speaker: str, text: str, caption: str | None = None) -> Message:
    role = "user" if speaker == "Caroline" else "assistant"
    return Message(id=f"m{number}", speaker=speaker, role=role, text=text, caption=caption)


FIRST = Session(
    id="s1",
    date=MAY,
    messages=(
        said(1, "Caroline", "I adopted a cat called Oliver."),
        said(2, "Melanie", "Look at this pottery!", caption="a blue bowl on a table"),
        said(3, "Caroline", "   "),
    ),
)
SECOND = Session(id="s2", date=JUNE, messages=(said(4, "Melanie", "We went camping in the mountains."),))


@asynccontextmanager
async def opened(server: ZepServer, workspace: Path, **settings: Any) -> AsyncIterator[Zep]:
    provider = Zep(ZepSettings(**{"api_key": server.key, "base_url": server.url, **settings}), workspace)
    try:
        yield provider
    finally:
        await provider.close()


async def detail(call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """As the pipeline calls: again after what is transient, without its pauses."""
    for _attempt in range(4):
        try:
            return await call()
        except ProviderError as error:
            if not error.transient:
                raise
    return await call()


async def filled(provider: Zep, *sessions: Session, container: str = CONTAINER) -> None:
    for session in sessions:
        await provider.ingest(container, session)
    await provider.await_indexing(container)


def ask(text: str) -> Question:
    return Question(id="q", text=text)


def once(fault: str, method: str, path_end: str) -> Callable[[Recorded], str | None]:
    left = [fault]

    def decide(request: Recorded) -> str | None:
        hit = left and request.method == method and request.path.endswith(path_end)
        return left.pop() if hit else None

    return decide

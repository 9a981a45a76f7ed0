"""A process with an engine in it: ingests a container, searches it, and says what names it looked up meanwhile.

With the argument ``die`` it ends as if killed, when the container is ready and nothing is closed.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from providers import find_provider
from vocabulary import Message, Question, Session

looked_up: list[Any] = []
_resolve = socket.getaddrinfo


def resolve(host: Any, *arguments: Any, **more: Any) -> Any:
    if host not in ("127.0.0.1", "localhost", None):
        looked_up.append(str(host))
    return _resolve(host, *arguments, **more)


async def main(engine: str, url: str, workspace: Path, container: str) -> None:
    found = find_provider(engine)
    settings = found.Settings.model_validate({"llm": "m", "llm_url": url, "embedder": "e", "embedder_url": url})
    provider: Any = found(settings, workspace)
    message = Message(id="s-0", speaker="Ann", role="user", text=f"The lighthouse of {container} stands on a cliff.")
    await provider.ingest(container, Session(id="s", date=datetime(2023, 5, 8), messages=(message,)))
    waiting = provider.await_indexing(container)
    if waiting is not None:
        await waiting
    if sys.argv[5:] == ["die"]:
        os._exit(9)
    results = await provider.search(container, Question(id="q", text="Where does the lighthouse stand?"), 5)
    await provider.close()
    ids = [one for result in results for one in result.message_ids or result.session_ids]
    print(json.dumps({"found": ids, "looked_up": looked_up}))


if __name__ == "__main__":
    socket.getaddrinfo = resolve
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]))

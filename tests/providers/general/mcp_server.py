"""A memory server by the official SDK over streamable HTTP: tools to add, search and delete, words found by BM25.

With `prose` a search is answered in sentences. `key` is the one that requests must bring, if there is one. Run as a
module it speaks over stdio, and forgetting the user "die" ends the process.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.providers.general.memory_server import MemoryServer

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer


@dataclass
class McpMemory:
    """What is kept, and how a search is answered. `broken` makes every search fail inside of the tool."""

    prose: bool = False
    key: str = ""
    broken: bool = False
    url: str = ""
    store: MemoryServer = field(default_factory=lambda: MemoryServer(ready_after=0.0))

    def server(self) -> MCPServer:
        from mcp.server.mcpserver import MCPServer  # takes as long to import as a hundred tests take
        from mcp.server.mcpserver.exceptions import ToolError

        server, store = MCPServer("memories"), self.store

        @server.tool()
        async def add_memory(
            text: str, user_id: str, memory_id: str, metadata: dict[str, Any] | None = None
        ) -> dict[str, str]:
            """Remember a text."""
            store.put(user_id, memory_id, text, metadata or {})
            return {"id": memory_id}

        @server.tool()
        async def count_memories(user_id: str) -> int:
            """How many there are."""
            return len(store.kept.get(user_id, {}))

        @server.tool(name="search_memories", structured_output=False)
        async def search_memories(query: str, user_id: str, limit: int = 5) -> Any:
            """Find what is like the query."""
            if self.broken:
                raise ToolError("the index is gone")
            found = store.found(user_id, query, limit)
            if self.prose:
                return [one.text for _key, _score, one in found]
            return {"results": [{"id": key, "memory": one.text, "score": score, "metadata": one.fields}
                                for key, score, one in found]}  # fmt: skip

        @server.tool()
        async def delete_all_memories(user_id: str) -> str:
            """Forget all of a user."""
            if user_id == "die":
                os._exit(1)
            store.drop(user_id)
            return "done"

        return server


class Guarded:
    """Lets requests with the key pass."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = dict(scope.get("headers", ())).get(b"authorization", b"").decode()
        if scope["type"] == "http" and self._key and sent != f"Bearer {self._key}":
            await PlainTextResponse("unknown key", status_code=401)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


@contextmanager
def serving_mcp(memory: McpMemory) -> Iterator[McpMemory]:
    """`memory` in a thread of this process."""
    app = Guarded(memory.server().streamable_http_app(), memory.key)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            thread.join(0.02)
        memory.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/mcp"
        yield memory
    finally:
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    McpMemory().server().run("stdio")

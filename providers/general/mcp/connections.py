"""Connections to MCP servers: a process or an address, opened when it is needed, each in a task of its own."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any  # Any: arguments of tools

from net import failure, open_httpx2_client
from vocabulary import ProviderError

if TYPE_CHECKING:
    from mcp import Client, StdioServerParameters
    from mcp.types import CallToolResult

_STARTING_SECONDS = 60.0
_CLOSING_SECONDS = 10.0
_SESSION_GONE = 404
"""What a server answers that has restarted meanwhile: another session is to be begun."""


class Connection:
    """One server for one event loop. What the SDK opens in a task must be closed in it: so each has its own."""

    def __init__(
        self, name: str, server: StdioServerParameters | str, headers: Mapping[str, str], timeout: float
    ) -> None:
        self._name = name
        self._server = server
        self._headers = headers
        self._timeout = timeout
        self._task: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[Client] | None = None
        self._stop = asyncio.Event()
        self._refusal: tuple[int, float | None] | None = None
        self.users = 0

    async def call(self, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """What a tool answers; raises `ProviderError` if it cannot be called or says that it failed."""
        from anyio import BrokenResourceError, ClosedResourceError
        from mcp import MCPError
        from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT

        client = await self._client()
        opened = self._opened
        try:
            result = await client.call_tool(tool, arguments)
        except (ClosedResourceError, BrokenResourceError):
            await self._close(opened)
            raise ProviderError(f"{self._name}: {tool}: the server is gone", transient=True) from None
        except MCPError as error:
            refused = self._refused(tool)
            if error.code == CONNECTION_CLOSED or (refused and refused.status == _SESSION_GONE):
                await self._close(opened)
            lost = error.code in (CONNECTION_CLOSED, REQUEST_TIMEOUT)
            failed = ProviderError(f"{self._name}: {tool}: {error.message} ({error.code})", transient=lost)
            raise refused or failed from None
        if result.is_error:
            said = " ".join(block.text for block in result.content if block.type == "text")
            raise ProviderError(f"{self._name}: {tool} failed: {said[:300]}")
        return result

    def _note_refusal(self, status: int, retry_after: float | None) -> None:
        self._refusal = status, retry_after

    def _refused(self, what: str) -> ProviderError | None:
        """What the last refused request says of a failure; the SDK's own errors have no status."""
        if self._refusal is None:
            return None
        (status, retry_after), self._refusal = self._refusal, None
        advice = " (check the key and what it may do)" if status in (401, 403) else ""
        transient = status in (_SESSION_GONE, 408, 425, 429) or status >= 500
        text = f"{self._name}: {what}: the server answered {status}{advice}"
        return ProviderError(text, transient=transient, retry_after=retry_after, status=status)

    async def tools(self) -> dict[str, dict[str, Any]]:
        """The schemas of the server's tools, by name."""
        client = await self._client()
        found: dict[str, dict[str, Any]] = {}
        cursor: str | None = None
        while True:
            page = await client.list_tools(cursor=cursor)
            found |= {tool.name: tool.input_schema for tool in page.tools}
            if page.next_cursor is None or page.next_cursor == cursor:
                return found
            cursor = page.next_cursor

    async def _client(self) -> Client:
        if self._task is None or self._opened is None or self._task.done():
            self._stop = asyncio.Event()
            self._opened = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._hold(self._opened, self._stop), name=f"mcp {self._name}")
        opened = self._opened
        try:
            async with asyncio.timeout(_STARTING_SECONDS):
                return await asyncio.shield(opened)
        except TimeoutError:
            await self.close()
            raise ProviderError(f"{self._name}: no handshake within {_STARTING_SECONDS:g} s", transient=True) from None
        except ProviderError:
            await self.close()
            raise

    async def _hold(self, opened: asyncio.Future[Client], stop: asyncio.Event) -> None:
        """Keep the connection open until it is to be closed."""
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
            try:
                async with AsyncExitStack() as stack:
                    client = await self._open(stack, log)
                    self._refusal = None  # of a look which generation of the protocol the server speaks
                    opened.set_result(client)
                    await stop.wait()
            except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001  whatever tasks of the SDK raised
                if not opened.done():  # else the next call finds that the connection is closed
                    opened.set_exception(self._unusable(error, _tail(log)))
                    opened.exception()  # nobody may be waiting any more

    async def _open(self, stack: AsyncExitStack, log: Any) -> Client:  # a text file
        from mcp import Client, stdio_client
        from mcp.client.streamable_http import streamable_http_client

        if isinstance(self._server, str):
            http = open_httpx2_client(headers=self._headers, timeout=self._timeout, refused=self._note_refusal)
            await stack.enter_async_context(http)
            transport = streamable_http_client(self._server, http_client=http)
        else:
            transport = stdio_client(self._server, errlog=log)
        return await stack.enter_async_context(Client(transport, read_timeout_seconds=self._timeout))

    def _unusable(self, error: BaseException, said: str) -> ProviderError:
        first = error
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        if refused := self._refused("handshake"):
            return refused
        if isinstance(first, Exception) and (failed := failure(first, self._name, ProviderError)):
            return failed
        advice = ". Is it installed, and on PATH?" if isinstance(first, FileNotFoundError) else ""
        said = f". It said: {said}" if said else ""
        return ProviderError(f"{self._name}: the server cannot be used: {type(first).__name__}: {first}{advice}{said}")

    async def close(self) -> None:
        """End the server's process, or the session with it."""
        await self._close(self._opened)

    async def _close(self, opened: asyncio.Future[Client] | None) -> None:
        """Close what was `opened` then, unless it is another connection by now."""
        if opened is not self._opened:
            return
        task, self._task, self._opened = self._task, None, None
        if task is None:
            return
        self._stop.set()
        _done, pending = await asyncio.wait({task}, timeout=_CLOSING_SECONDS)
        for one in pending:
            one.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


def _tail(log: Any) -> str:  # a text file
    log.seek(0)
    return " ".join(str(log.read()).split())[-300:]


class Connections:
    """The servers of a provider: one for all containers, or one for each, of which `most` may stay open idle."""

    def __init__(self, open_one: Callable[[str], Connection], *, each: bool, most: int = 8) -> None:
        self._open_one = open_one
        self._each = each
        self._most = most
        self._open: dict[str, Connection] = {}

    async def call(self, container: str, tool: str, arguments: dict[str, Any]) -> CallToolResult:
        """What a tool of the container's server answers."""
        async with self._taken(container) as connection:
            return await connection.call(tool, arguments)

    async def tools(self, container: str) -> dict[str, dict[str, Any]]:
        """The schemas of a server's tools."""
        async with self._taken(container) as connection:
            return await connection.tools()

    @asynccontextmanager
    async def _taken(self, container: str) -> AsyncIterator[Connection]:
        """The container's connection, which is then the last to be closed."""
        key = container if self._each else ""
        connection = self._open.pop(key, None) or self._open_one(container)
        self._open[key] = connection
        connection.users += 1
        try:
            yield connection
        finally:
            connection.users -= 1
            await self._close_idle()

    async def _close_idle(self) -> None:
        idle = [key for key, one in self._open.items() if one.users == 0]
        for key in idle[: max(0, len(self._open) - self._most)]:
            await self._open.pop(key).close()

    async def close(self, container: str | None = None) -> None:
        """Close a container's own server, or all of them."""
        for key in [key for key in self._open if container is None or (self._each and key == container)]:
            await self._open.pop(key).close()

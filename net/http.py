"""How services are spoken to over HTTP: every client is made here, and none makes a request twice by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar  # Any: either SDK's own HTTP client

from net.address import check_address
from net.retry_after import retry_after_seconds
from vocabulary import ConfigurationError

if TYPE_CHECKING:  # httpx and aiohttp take a tenth of a second to import: only who opens a client pays for that
    import httpx
    import httpx2

Client = TypeVar("Client")

CONNECTIONS = 256
"""How many connections a client opens at most."""

ANSWER_BYTES = 32 * 1024 * 1024
"""How long a model's answer may be, decompressed."""

_TRANSFER_HEADERS = ("content-encoding", "content-length", "transfer-encoding")  # of a body that is read by now

CONNECT_SECONDS = 10.0
"""How long connecting to a model's server may take; its answer may take minutes."""


def open_client(
    base_url: str,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float = 60.0,
    connections: int = CONNECTIONS,
) -> httpx.AsyncClient:
    """An httpx client on aiohttp's connections, for one event loop, to be closed with ``aclose()``.

    `timeout` is in seconds and holds for connecting and for each read and write, not for waiting for one of the
    `connections`: that wait is ours, not the service's. Redirects are not followed. Proxies are taken from the
    environment.

    Raises `ConfigurationError` if `base_url` or a header cannot be sent.
    """
    import httpx
    from httpx_aiohttp import HttpxAiohttpClient

    check_address("base address", base_url, key="a header", example="https://host or http://host:8000")
    for name, value in (headers or {}).items():
        if not (value.isascii() and value.isprintable()):
            raise ConfigurationError(
                f"header {name!r} holds a line break or another character that cannot be sent. If it is made from a "
                "key in an environment variable, set that anew."
            )
    return HttpxAiohttpClient(
        base_url=base_url,
        headers=dict(headers or {}),
        timeout=httpx.Timeout(timeout, pool=None),
        limits=httpx.Limits(max_connections=connections),
    )


def open_httpx2_client(
    *, headers: Mapping[str, str], timeout: float, refused: Callable[[int, float | None], None]
) -> httpx2.AsyncClient:
    """An httpx2 client for an SDK that makes its requests itself and does not tell their statuses.

    `timeout` is in seconds, for connecting and for each read and write. `refused` is called with the status of a POST
    that was refused, and the seconds that the service asks to be left alone for.
    """
    import httpx2

    async def note(response: httpx2.Response) -> None:
        if response.status_code >= 400 and response.request.method == "POST":
            refused(response.status_code, retry_after_seconds(response.headers))

    times = httpx2.Timeout(timeout, pool=None)
    return httpx2.AsyncClient(headers=dict(headers), timeout=times, event_hooks={"response": [note]})


def open_sdk_client(
    sdk_client: Callable[..., Client],
    http_client: type[Any],
    base_url: str,
    key: str,
    *,
    timeout: float,
    answers: str | None = None,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Client:
    """A client of OpenAI's or Anthropic's SDK, such as ``AsyncOpenAI`` on its ``DefaultAioHttpClient``.

    What is read from paths that end with `answers` is limited to `timeout` seconds in all and to `ANSWER_BYTES`; with
    None, `timeout` holds for each read alone. `query` and `headers` are sent with every request. Redirects are not
    followed: a redirected request would carry the key to another server. Where there is no `key`, the SDK gets a word
    in its place, which it insists on.
    """
    import httpx2

    times = httpx2.Timeout(timeout, connect=CONNECT_SECONDS, pool=None)
    limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    limited = http_client if answers is None else _limited(http_client, answers, timeout)
    return sdk_client(
        api_key=key or "none",
        base_url=base_url,
        max_retries=0,  # `net.Caller` makes each attempt, times it and counts it
        timeout=times,
        http_client=limited(timeout=times, limits=limits, follow_redirects=False),
        default_query=dict(query or {}),
        default_headers=dict(headers or {}),
    )


def _limited(http_client: type[Any], answers: str, seconds: float) -> type[Any]:
    """`http_client` that reads responses from paths ending with `answers` within `seconds` and `ANSWER_BYTES`."""
    import httpx2

    class LimitedClient(http_client):  # type: ignore[misc]  # a class of either SDK, known when it is imported
        async def send(self, request: httpx2.Request, **given: Any) -> httpx2.Response:
            if not request.url.path.endswith(answers):
                response: httpx2.Response = await super().send(request, **given)
                return response
            try:
                async with asyncio.timeout(seconds):
                    return await _read_whole(await super().send(request, **{**given, "stream": True}))
            except TimeoutError:
                raise httpx2.ReadTimeout(f"the answer took longer than {seconds:g} s", request=request) from None

    return LimitedClient


async def _read_whole(response: httpx2.Response) -> httpx2.Response:
    """The response with its body, decompressed; raises `httpx2.DecodingError` if that is too long."""
    import httpx2

    body = bytearray()
    try:
        async for part in response.aiter_bytes():
            body += part
            if len(body) > ANSWER_BYTES:
                raise httpx2.DecodingError(
                    f"the answer is longer than {ANSWER_BYTES // 1024**2} MB", request=response.request
                )
    finally:
        await response.aclose()
    headers = [(name, value) for name, value in response.headers.multi_items() if name not in _TRANSFER_HEADERS]
    return httpx2.Response(
        response.status_code,
        headers=headers,
        content=bytes(body),
        request=response.request,
        extensions=response.extensions,
    )

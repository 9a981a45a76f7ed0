"""How providers speak HTTP: one way to build a client, one way to say what went wrong.

client = open_client("https://memory.example", headers={"Authorization": f"Token {key}"})
with provider_errors("example"):
    response = await client.post("/v1/search", json={"query": question.text})
    response.raise_for_status()
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from schema import ConfigurationError, ProviderError, retry_after

if TYPE_CHECKING:  # httpx and aiohttp take a tenth of a second to import: only who opens a client pays for that
    import httpx

EXCERPT_CHARACTERS = 300
"""How much of an error's body is shown."""

_TRANSIENT_STATUSES = frozenset({408, 425, 429})
_SECRET_WORDS = ("auth", "key", "token", "secret", "cookie", "password")


def open_client(
    base_url: str,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float = 60.0,
    connections: int = 256,
) -> httpx.AsyncClient:
    """An httpx client on aiohttp's connections, for one event loop; whoever opens it closes it with ``aclose()``.

    `timeout` is in seconds and holds for connecting and for each read and write, not for waiting for one of the
    `connections`: that wait is ours, not the service's. Redirects are not followed. Proxies are taken from the
    environment.

    Raises `schema.ConfigurationError` if `base_url` or a header cannot be sent.
    """
    import httpx
    from httpx_aiohttp import HttpxAiohttpClient

    if "@" in base_url.partition("://")[2].partition("/")[0]:
        raise ConfigurationError("the base address holds a user or a password. Send them in a header instead.")
    if not base_url.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"base address {base_url!r} is not an address. Write it as in https://host or http://host:8000."
        )
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


@contextmanager
def provider_errors(provider: str) -> Iterator[None]:
    """Within it, whatever httpx raises (also by ``response.raise_for_status()``) becomes a `schema.ProviderError`.

    Transient are lost and refused connections, timeouts, and the statuses 408, 425, 429 and 5xx, with `retry_after` as
    the service gave it. The text has the status and the beginning of the body, never a key that was sent.
    """
    import aiohttp
    import httpx

    try:
        yield
    except httpx.HTTPStatusError as error:
        raise _status_error(provider, error.response) from None  # httpx's own text has the whole address, keys included
    except (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError) as error:
        raise _transport_error(provider, error) from None


def _status_error(provider: str, response: httpx.Response) -> ProviderError:
    import httpx

    status = response.status_code
    try:
        body = " ".join(response.text.split())
    except httpx.ResponseNotRead:  # a streamed answer, of which nobody has read the body
        body = ""
    body = _without_secrets(body, response.request)  # before it is cut: half a key would not be recognised
    if len(body) > EXCERPT_CHARACTERS:
        body = body[:EXCERPT_CHARACTERS] + " …"
    transient = status in _TRANSIENT_STATUSES or status >= 500
    return ProviderError(
        f"{provider}: {_target(response.request)} answered {status} {response.reason_phrase}".rstrip()
        + (f": {body}" if body else "")
        + _advice(status),
        transient=transient,
        retry_after=retry_after(response.headers),
        status=status,
    )


def _advice(status: int) -> str:
    if status in (401, 403):
        return " (check the key and what it may do)"
    if 300 <= status < 400:
        return " (redirects are not followed: check the base address)"
    return ""


def _transport_error(provider: str, error: Exception) -> ProviderError:
    import aiohttp
    import httpx

    # A connection that is refused reaches us as a timeout: httpx-aiohttp's name for it tells less than aiohttp's own.
    cause = error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError) else error
    untrusted = isinstance(cause, aiohttp.ClientConnectorCertificateError)
    lasting = (
        *(httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.TooManyRedirects),
        *(httpx.DecodingError, aiohttp.InvalidURL),
    )
    request = _request_of(error)
    text, target = _without_secrets(str(cause), request), _target(request) if request else "a request"
    if isinstance(cause, aiohttp.ClientResponseError):  # its own text has the whole address, keys included
        url = cause.request_info.url
        text, target = cause.message, f"{cause.request_info.method} {url.origin()}{url.path}"
    return ProviderError(
        f"{provider}: {target} failed: {type(cause).__name__}: {text or 'no details'}",
        transient=not untrusted and not isinstance(error, lasting),
    )


def _request_of(error: Exception) -> httpx.Request | None:
    try:
        return getattr(error, "request", None)
    except RuntimeError:  # httpx's way to say that there is none
        return None


def _target(request: httpx.Request) -> str:
    """Method and address, without user, password and query: keys are sent there, too."""
    url = request.url
    port = f":{url.port}" if url.port else ""
    return f"{request.method} {url.scheme}://{url.host}{port}{url.path}"


def _without_secrets(text: str, request: httpx.Request | None) -> str:
    """The text with every key that was sent blotted out: services like to quote them back."""
    if request is None:
        return text
    sent = [*request.headers.items(), *request.url.params.multi_items()]
    values = [value for name, value in sent if any(word in name.lower() for word in _SECRET_WORDS)]
    values += [request.url.password]
    parts = {part for value in values for part in (value, *value.split()) if len(part) >= 6}
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, "***")
    return text

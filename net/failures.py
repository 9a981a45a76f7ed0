"""What a refused request or a lost connection means: one typed error, with advice and without keys.

with request_errors("example", ProviderError):
    response = await client.post("/v1/search", json={"query": question.text})
    response.raise_for_status()

It serves httpx, httpx2, aiohttp, requests, urllib3 and the SDKs of OpenAI and Anthropic, and imports none of them:
errors are known by the names of their classes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar  # Any: requests and responses of several HTTP libraries, which share no base
from urllib.parse import parse_qsl, unquote, urlsplit

from net.retry_after import retry_after_seconds
from vocabulary import InfrastructureError

E = TypeVar("E", bound=InfrastructureError)

EXCERPT_CHARACTERS = 300
"""How much of a reply or of an error's body is shown."""

TRANSIENT_STATUSES = frozenset({408, 425, 429, *range(500, 600)})
"""Statuses that another attempt may cure."""

MODEL_TRANSIENT_STATUSES = TRANSIENT_STATUSES | {409}
"""The same for servers of models, where a conflict is one of locks."""

_UNSTORABLE = re.compile("[\ud800-\udfff\x00]")
_BASES = frozenset(
    {
        *("httpx.HTTPError", "httpx.InvalidURL", "httpx2.HTTPError", "httpx2.InvalidURL", "aiohttp.ClientError"),
        *("openai.APIError", "anthropic.APIError", "requests.RequestException", "urllib3.HTTPError"),
    }
)
_LASTING = frozenset(
    {
        *("InvalidURL", "UnsupportedProtocol", "LocalProtocolError", "TooManyRedirects", "DecodingError"),
        "ClientConnectorCertificateError",
    }
)
_TIMEOUTS = frozenset({"TimeoutException", "APITimeoutError", "Timeout"})
_CONNECTION_ERRORS = frozenset({"ClientConnectorError", "ServerDisconnectedError"})  # which clients report as timeouts
_USED_UP = ("insufficient_quota", "billing_hard_limit_reached")  # a 429 that no waiting cures
_NOTHING_LEFT = "the account has nothing left: waiting does not help"
_ADVICE = {
    402: _NOTHING_LEFT,
    **dict.fromkeys(range(300, 400), "redirects are not followed: check the base address"),
    **dict.fromkeys((401, 403), "check the key and what it may do"),
}
_SECRET_WORDS = ("auth", "key", "token", "secret", "cookie", "password")


@contextmanager
def request_errors(service: str, kind: type[E], *, secrets: Collection[str] = ()) -> Iterator[None]:
    """Within it, what HTTP clients raise (also by ``response.raise_for_status()``) becomes an error of `kind`."""
    try:
        yield
    except Exception as error:
        failed = failure(error, service, kind, secrets=secrets)
        if failed is None or failed is error:
            raise
        raise failed from None  # a client's own text has the whole address, keys included


def failure(
    error: Exception,
    service: str,
    kind: type[E],
    *,
    secrets: Collection[str] = (),
    transient: Collection[int] = TRANSIENT_STATUSES,
    advice: Mapping[int, str] | None = None,
) -> E | None:
    """What `error`, or what it was raised from, says of a request to `service`; None if no request failed.

    An error of `kind` among them is returned as it is. Transient are lost and refused connections, timeouts and the
    statuses in `transient`, with `retry_after` as the service gave it. The text has the status, the beginning of the
    body and `advice` by status; keys that were sent and `secrets` are blotted out. Raise it ``from None``: the original
    error holds the request.
    """
    chain = list(_causes(error))
    for place, cause in enumerate(chain):
        if isinstance(cause, kind):
            return cause
        if _BASES.isdisjoint(f"{base.__module__.partition('.')[0]}.{base.__name__}" for base in type(cause).__mro__):
            continue
        response = getattr(cause, "response", None)
        if response is None:
            return _lost(chain[place:], service, kind, secrets)
        return _refused(response, service, kind, secrets, transient, _ADVICE | dict(advice or {}))
    return None


def redact(text: str, secrets: Iterable[str]) -> str:
    """The text with `secrets` of six characters and more blotted out: services like to quote what they were sent."""
    for secret in sorted({secret for secret in secrets if len(secret) >= 6}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def excerpt(text: str) -> str:
    """The beginning of a text, on one line; what no database takes (lone surrogates, NUL) is replaced by U+FFFD."""
    text = _UNSTORABLE.sub("\ufffd", " ".join(text[: 20 * EXCERPT_CHARACTERS].split()))
    return text if len(text) <= EXCERPT_CHARACTERS else text[:EXCERPT_CHARACTERS] + " …"


def _refused(
    response: Any,
    service: str,
    kind: type[E],
    secrets: Collection[str],
    transient: Collection[int],
    advice: Mapping[int, str],
) -> E:
    request = response.request
    try:
        text = response_text(response)
    except RuntimeError:  # a streamed answer, of which nobody has read the body
        text = ""
    words, code, _status = _words(text)
    words = redact(words, [*secrets, *_sent(request)])  # before it is cut: half a key would not be recognised
    reason = getattr(response, "reason_phrase", "") or getattr(response, "reason", "")
    refusal = f"{_target(request)} answered {response.status_code}: {excerpt(words) or reason}"
    return _refusal(
        refusal, service, kind, response.status_code, code, transient, advice, retry_after_seconds(response.headers)
    )


def refused_in_body(
    body: object,
    service: str,
    kind: type[E],
    *,
    secrets: Collection[str] = (),
    transient: Collection[int] = TRANSIENT_STATUSES,
    advice: Mapping[int, str] | None = None,
) -> E | None:
    """The error that the JSON of a response states although its status is 200; None if it states none.

    Its code counts as the status. An error without a code is transient unless its words say otherwise.
    """
    if not isinstance(body, dict) or not (body.get("error") or body.get("object") == "error" or "detail" in body):
        return None
    words, code, status = _words(body)
    if status is None:
        status = next((found for part, found in _STATUS_OF_WORDS.items() if part in f"{code} {words}".lower()), None)
    refusal = f"answered with an error: {excerpt(redact(words, secrets))}"
    description = [code] if code and code not in words else []
    description += [str(status)] if status and str(status) != code else []
    refusal += f" [{', '.join(description)}]" if description else ""
    allowed = {*transient, None}
    return _refusal(refusal, service, kind, status, code, allowed, _ADVICE | dict(advice or {}), None)


_STATUS_OF_WORDS = {
    **dict.fromkeys(("insufficient_quota", "insufficient credit", "credit balance", "payment_required"), 402),
    **dict.fromkeys(("rate_limit", "rate limit", "too_many_requests", "too many requests"), 429),
    **dict.fromkeys(("authentication_error", "invalid_api_key", "invalid api key", "unauthorized"), 401),
    **dict.fromkeys(("permission_error", "forbidden"), 403),
    **dict.fromkeys(("not_found", "not found", "does not exist"), 404),
    **dict.fromkeys(("overloaded", "unavailable"), 503),
    **dict.fromkeys(("invalid_request", "badrequest", "bad_request"), 400),
}
"""Statuses by the words of errors, which some servers send in place of a code."""


def _refusal(
    refusal: str,
    service: str,
    kind: type[E],
    status: int | None,
    code: str | None,
    transient: Collection[int | None],
    advice: Mapping[int, str],
    retry_after: float | None,
) -> E:
    used_up = code in _USED_UP
    hint = _NOTHING_LEFT if used_up else advice.get(status or 0)
    return kind(
        f"{service}: {refusal}".rstrip(": ") + (f" ({hint})" if hint else ""),
        transient=status in transient and not used_up,
        retry_after=retry_after,
        status=status,
    )


def _lost(chain: list[BaseException], service: str, kind: type[E], secrets: Collection[str]) -> E:
    """A request that got no answer: aiohttp's error has most details, the SDK's least."""
    names = {base.__name__ for cause in chain for base in type(cause).__mro__}
    inner: Any = next((cause for cause in chain if type(cause).__module__.startswith("aiohttp")), chain[-1])
    request = _request_of(chain[0])
    text, target = redact(str(inner), [*secrets, *_sent(request)]), _target(request)
    if hasattr(inner, "request_info"):  # its text has the whole address, keys included
        url = inner.request_info.url
        text, target = inner.message, f"{inner.request_info.method} {url.origin()}{url.path}"
    timed_out = _TIMEOUTS & names and not _CONNECTION_ERRORS & names
    what = "did not answer in time" if timed_out else "failed"
    details = "" if timed_out else f": {excerpt(text) or 'no details'}"
    return kind(f"{service}: {target} {what}: {type(inner).__name__}{details}", transient=not _LASTING & names)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _request_of(error: object) -> Any:
    try:
        return getattr(error, "request", None)
    except RuntimeError:  # httpx's way to say that there is none
        return None


def _target(request: Any) -> str:
    """Method and address, without user, password and query: keys are sent there, too."""
    if request is None:
        return "a request"
    url = urlsplit(str(request.url))
    port = f":{url.port}" if url.port else ""
    return f"{request.method} {url.scheme}://{url.hostname}{port}{url.path}"


def _sent(request: Any) -> set[str]:
    """What was sent that may be a key."""
    if request is None:
        return set()
    url = urlsplit(str(request.url))
    sent = [*request.headers.items(), *parse_qsl(url.query), ("password", unquote(url.password or ""))]
    values = [value for name, value in sent if any(word in name.lower() for word in _SECRET_WORDS)]
    return {part for value in values for part in (value, *value.split())}


def response_text(response: Any) -> str:
    """The body of a response as text: JSON is UTF-8, whatever else its headers say."""
    return bytes(response.content).decode("utf-8-sig", errors="replace")


def _words(body: object) -> tuple[str, str | None, int | None]:
    """What a service says is wrong, its code for it, and a status among that.

    OpenAI, Anthropic and Google have them in ``error``; others have a text there, or have them at the top.
    """
    found = body
    if isinstance(body, str):
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            return body, None, None
    if isinstance(found, list) and len(found) == 1:  # Google puts some errors into a list
        found = found[0]
    whole = body if isinstance(body, str) else json.dumps(body)
    if not isinstance(found, dict):
        return whole, None, None
    stated = found.get("error")
    error = stated if isinstance(stated, dict) else found
    message = stated if isinstance(stated, str) else error.get("message")
    codes = [error.get(name) for name in ("code", "status", "type")]
    code = next((word for word in codes if isinstance(word, str) and word and not word.isdigit()), None)
    numbers = (int(word) for word in codes if isinstance(word, int) or (isinstance(word, str) and word.isdigit()))
    status = next((number for number in numbers if 400 <= number < 600), None)
    return message if isinstance(message, str) and message else whole, code, status

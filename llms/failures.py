"""What goes wrong between us and a model's server, as `schema.ModelError`: whether it may pass, and what to do.

No message has a key in it: servers like to quote what they were sent.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import SecretStr

from llms.names import ModelAddress
from llms.structured import excerpt
from schema import ModelError, retry_after

if TYPE_CHECKING:  # comes with the SDKs, which are imported at first use
    import httpx2

_TRANSIENT_STATUSES = frozenset({408, 409, 425, 429})
_USED_UP = ("insufficient_quota", "billing_hard_limit_reached")  # a 429 that no waiting cures
_LASTING = (
    *("InvalidURL", "UnsupportedProtocol", "LocalProtocolError", "TooManyRedirects", "DecodingError"),
    *("ClientConnectorCertificateError", "InvalidUrlClientError", "NonHttpUrlClientError"),
)


def failure(error: Exception, address: ModelAddress, key: SecretStr | None) -> ModelError:
    """What an SDK raised for a request, in our words; to be raised ``from None``, for the SDK's has the key."""
    response: httpx2.Response | None = getattr(error, "response", None)
    if response is not None:
        return status_failure(response, address, key)
    return _lost(error, address, key)


def status_failure(response: httpx2.Response, address: ModelAddress, key: SecretStr | None) -> ModelError:
    """What a server's refusal means."""
    status = response.status_code
    words, code = _words(response.text)
    words = excerpt(without_key(words, key))  # before it is cut: half a key would not be recognised
    used_up = code in _USED_UP
    return ModelError(
        f"{_place(address)} answered {status}"
        + (f": {words}" if words else "")
        + _advice(status, address, used_up=used_up),
        transient=not used_up and (status in _TRANSIENT_STATUSES or status >= 500),
        retry_after=retry_after(response.headers),
    )


def unreadable(response: httpx2.Response, address: ModelAddress, key: SecretStr | None) -> ModelError:
    """A reply that is not what the protocol says: something between us and the model broke, and may be whole again."""
    begins = excerpt(without_key(response.text, key))
    return ModelError(
        f"{_place(address)} answered {response.status_code} with what is no reply of its protocol. It "
        f"begins {begins!r}. If it always does, the address may be wrong: OpenAI's protocol is often under /v1.",
        transient=True,
    )


def without_key(text: str, key: SecretStr | None) -> str:
    """The text with the key that was sent blotted out."""
    return text.replace(key.get_secret_value(), "***") if key is not None else text


def _lost(error: Exception, address: ModelAddress, key: SecretStr | None) -> ModelError:
    """A request that got no answer: aiohttp's error tells most, the SDK's least."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and isinstance(cause, Exception) and len(chain) < 5:
        chain.append(cause)
    names = [kind.__name__ for one in chain for kind in type(one).__mro__]
    inner = next((one for one in chain if type(one).__module__.startswith("aiohttp")), chain[-1])
    timed_out = "APITimeoutError" in names or "TimeoutException" in names
    if timed_out and "ClientConnectorError" not in names and "ServerDisconnectedError" not in names:
        told = "did not answer in time"
    else:
        told = f"failed: {type(inner).__name__}: {excerpt(without_key(str(inner), key)) or 'no details'}"
    lasting = any(name in _LASTING for name in names)
    return ModelError(f"{_place(address)} {told}", transient=not lasting)


def _place(address: ModelAddress) -> str:
    return address.name if "@" in address.name else f"{address.name} at {address.base_url}"


def _advice(status: int, address: ModelAddress, *, used_up: bool) -> str:
    if used_up:
        return " (the account has nothing left: waiting does not help)"
    if status in (401, 403):
        where = " or ".join(address.key_variables)
        return f" (check the key in {where} and what it may do)"
    if status == 404:
        return " (check the model's name and the address)"
    return ""


def _words(body: str) -> tuple[str, str | None]:
    """What a server says is wrong, and its code for it: OpenAI, Anthropic and Google all have it in ``error``."""
    try:
        found = json.loads(body)
    except ValueError:
        return body, None
    if isinstance(found, list) and len(found) == 1:  # Google puts some errors into a list
        found = found[0]
    error = found.get("error") if isinstance(found, dict) else None
    if not isinstance(error, dict):
        return body, None
    message, code = error.get("message"), error.get("code")
    return message if isinstance(message, str) else body, code if isinstance(code, str) else None

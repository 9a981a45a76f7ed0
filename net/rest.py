"""A vendor's REST interface, as an adapter speaks it: typed replies, errors that say what was wrong, and no haste.

class Stored(Reply):
    id: str

service = Service("example", "https://memory.example", {"Authorization": f"Token {key}"}, hold=self.hold)
stored = await service.ask(Stored, "POST", "/v1/memories", body={"text": "…"})
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar  # Any: what JSON may hold

from pydantic import BaseModel, ConfigDict, ValidationError

from net.failures import request_errors
from net.http import open_client
from net.retry_after import pause_until_reset
from vocabulary import ProviderError, clean_json

if TYPE_CHECKING:
    import httpx


class Reply(BaseModel):
    """What a service answers; fields that are not read here are ignored. Built when it is first used."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


R = TypeVar("R", bound=BaseModel)
Query = Mapping[str, str | int | Sequence[str]]


class Service:
    """One service with one key, for one event loop.

    `hold` is called with the seconds for which the service takes no calls, when a response says so
    (``X-RateLimit-Remaining: 0``). Calls that are made meanwhile fail at once, as transient errors with their
    `retry_after`: the service would only refuse them. `secrets` are blotted out of errors, as are keys in headers.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        headers: Mapping[str, str],
        *,
        hold: Callable[[float], None],
        timeout: float = 60.0,
        secrets: Collection[str] = (),
    ) -> None:
        self.name = name
        self._secrets = secrets
        self._base_url = base_url.rstrip("/")
        self._headers = dict(headers)
        self._hold = hold
        self._timeout = timeout
        self._client: httpx.AsyncClient | None = None
        self._resumes = 0.0

    async def ask(
        self,
        reply: type[R],
        method: str,
        path: str,
        *,
        body: object = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> R:
        """The service's answer to one request; raises `ProviderError`, with `status` where there was one."""
        response = await self._send(method, path, body, query, headers)
        with request_errors(self.name, ProviderError, secrets=self._secrets):
            response.raise_for_status()
        return self._read(reply, response)

    async def tell(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """A request whose answer is not read, beyond its status."""
        response = await self._send(method, path, body, query, headers)
        with request_errors(self.name, ProviderError, secrets=self._secrets):
            response.raise_for_status()

    async def ask_for(
        self, reply: type[R], method: str, path: str, *, body: object = None, query: Query | None = None
    ) -> R | None:
        """The same for what may not be there: None where the service answers 404."""
        try:
            return await self.ask(reply, method, path, body=body, query=query)
        except ProviderError as error:
            if error.status == 404:
                return None
            raise

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def _send(
        self, method: str, path: str, body: object, query: Query | None, headers: Mapping[str, str] | None
    ) -> httpx.Response:
        rest = self._resumes - time.monotonic()
        if rest > 0:
            raise ProviderError(
                f"{self.name}: takes no calls for another {rest:.1f} s, it says", transient=True, retry_after=rest
            )
        if self._client is None:
            self._client = open_client(self._base_url, headers=self._headers, timeout=self._timeout)
        given: dict[str, Any] = {} if body is None else {"json": body}
        with request_errors(self.name, ProviderError, secrets=self._secrets):
            response = await self._client.request(method, path, params=query, headers=headers, **given)
        pause = pause_until_reset(response.headers)
        if pause:
            self._resumes = time.monotonic() + pause
            self._hold(pause)
        return response

    def _read(self, reply: type[R], response: httpx.Response) -> R:
        try:
            return reply.model_validate_json(clean_json(response.content) or b"{}")
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in fault["loc"]) or "its answer"
            request = response.request
            raise ProviderError(
                f"{self.name}: {request.method} {request.url.path} answered {response.status_code} with something "
                f"else than it should ({place}: {fault['msg']}). Is {self._base_url} of the right generation?",
                transient=fault["type"] == "json_invalid",  # cut off on its way
                status=response.status_code,
            ) from None

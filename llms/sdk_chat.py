"""What the clients on the vendors' SDKs have in common: when they are opened, what a request costs, what goes wrong.

An SDK takes one to three seconds of CPU to import, so that waits for the first request (or `SdkChat.open`), in a
thread. The first request goes through the SDK's own ``post``, which finds the address and signs; those after it are
made after its pattern and sent by the SDK's own HTTP client. To do it all anew, and to build typed models of every
reply, took a millisecond of CPU a request: 64 in flight that are answered in 50 ms leave 0.8.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar  # Any: what a client's class is built with

from pydantic import BaseModel, JsonValue, SecretStr, ValidationError

from llms.chat import ChatMessage, ChatModel, Completion, Reply
from llms.failures import failure, status_failure, unreadable, without_key
from llms.names import ModelAddress, key_of
from llms.structured import excerpt, read_reply
from schema import ModelError, ReplyError, Usage

if TYPE_CHECKING:
    import httpx2

CONNECTIONS = 256
"""How many a client opens at most."""

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 180.0
"""How long a connection and an answer may take; a model that reasons on a slow machine needs minutes."""

NO_KEY = "none"  # the SDKs insist on one; servers that need none do not look

Wire = TypeVar("Wire", bound=BaseModel)


class Closing(Protocol):
    """What is asked of every SDK's client."""

    async def close(self) -> None:
        """Close its connections."""


Client = TypeVar("Client", bound=Closing)


class SdkChat(ChatModel, Generic[Client, Wire]):
    """A model behind a server, spoken to through its vendor's SDK.

    `timeout` is how many seconds an answer may take. Raises `schema.ConfigurationError` if its key is missing.
    """

    sdk: str  # the module's name
    wire: type[Wire]  # what a reply looks like

    def __init__(self, address: ModelAddress, *, timeout: float = ANSWER_SECONDS) -> None:
        self.name = address.name
        self.address = address
        self._key: SecretStr | None = key_of(address)
        self._timeout = timeout
        self._client: Client | None = None
        self._http: httpx2.AsyncClient | None = None
        self._form: _Form | None = None
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Open the client now, so that no request's time has the import in it."""
        await self._opened()

    async def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        reply: type[Reply] | None = None,
        temperature: float | None = 0.0,
    ) -> Completion[Reply]:
        """The model's reply; see `llms.chat.ChatModel.complete`."""
        client = self._client or await self._opened()
        body = self.request_body(messages, max_tokens, reply, temperature)
        begun = time.perf_counter()
        try:
            response = await self._sent(client, body)
        except self._errors() as error:
            raise failure(error, self.address, self._key) from None  # its traceback has the request, key included
        if response.is_error:
            raise status_failure(response, self.address, self._key)
        service_ms = (time.perf_counter() - begun) * 1000.0
        try:
            said = self.wire.model_validate_json(without_key(response.text, self._key))  # servers quote even in replies
        except ValidationError:
            raise unreadable(response, self.address, self._key) from None
        return self._completion(said, reply, service_ms)

    async def send(self, request: Callable[[Client, type[httpx2.Response]], Awaitable[httpx2.Response]]) -> str:
        """Make another `request` than for a completion, given the client and what it is to return; the reply's body.

        Raises `schema.ModelError`.
        """
        client = self._client or await self._opened()
        import httpx2

        try:
            response = await request(client, httpx2.Response)
        except self._errors() as error:
            raise failure(error, self.address, self._key) from None
        return without_key(response.text, self._key)

    def read(self, body: str, reply: type[Reply] | None, service_ms: float) -> Completion[Reply]:
        """The completion in the body of a reply that came by another way; raises `schema.ModelError`."""
        try:
            said = self.wire.model_validate_json(without_key(body, self._key))
        except ValidationError:
            raise ModelError(f"{self.name}: the reply is none of its protocol: {excerpt(body)!r}") from None
        return self._completion(said, reply, service_ms)

    async def close(self) -> None:
        """Close the client, if one was opened."""
        if self._client is not None:
            await self._client.close()
            self._client = self._http = self._form = None

    @abstractmethod
    def _connect(self, key: str, timeout: httpx2.Timeout, http: httpx2.AsyncClient) -> Client:
        """Make the SDK's client; the SDK is imported by now."""

    @abstractmethod
    async def _post(self, client: Client, body: JsonValue) -> httpx2.Response:
        """Make the request."""

    @abstractmethod
    def request_body(
        self, messages: Sequence[ChatMessage], max_tokens: int, reply: type[BaseModel] | None, temperature: float | None
    ) -> dict[str, JsonValue]:
        """The request."""

    @abstractmethod
    def _read(self, said: Wire) -> tuple[str, Usage, str | None]:
        """Text, usage and the model by its server's name. Raises `schema.ModelError` if it is cut off or withheld."""

    def _completion(self, said: Wire, reply: type[Reply] | None, service_ms: float) -> Completion[Reply]:
        text, usage, model = self._read(said)
        return Completion(text, self._parsed(reply, text, usage), usage, model or self.address.model, service_ms)

    def cut_off(self, reason: str) -> ModelError:
        """The error for a reply that does not come to its end."""
        return ModelError(f"{self.name}: the reply was cut off ({reason}).")

    def withheld(self, reason: str) -> ModelError:
        """The error for a reply that the model or its server refuses."""
        return ModelError(f"{self.name}: the reply was withheld ({reason}).")

    def _parsed(self, reply: type[Reply] | None, text: str, usage: Usage) -> Reply | None:
        if reply is None:
            return None
        try:
            return read_reply(reply, text)
        except ReplyError as error:
            raise ReplyError(f"{self.name}: {error}", usage=usage) from None

    async def _sent(self, client: Client, body: JsonValue) -> httpx2.Response:
        """The server's answer to a request, the first of them made by the SDK and all others after its pattern."""
        if self._form is None:
            response = await self._post(client, body)
            self._form = _Form.of(response.request)
            return response
        assert self._http is not None, "it is opened with the client"
        return await self._http.send(self._form.filled(body))

    def _errors(self) -> tuple[type[Exception], ...]:
        """The bases of all that a request raises: by way of the SDK, and by way of the HTTP client beneath it."""
        import httpx2

        return importlib.import_module(self.sdk).APIError, httpx2.HTTPError

    async def _opened(self) -> Client:
        async with self._opening:
            if self._client is None:
                await asyncio.to_thread(importlib.import_module, self.sdk)
                import httpx2

                key = self._key.get_secret_value() if self._key is not None else NO_KEY
                timeout = httpx2.Timeout(self._timeout, connect=CONNECT_SECONDS, pool=None)
                self._http = lean(importlib.import_module(self.sdk).DefaultAioHttpClient, timeout)
                self._client = self._connect(key, timeout, self._http)
            return self._client


class _Form:
    """A request as the SDK makes it, to be filled with other bodies: address, headers and times are always the same.

    The SDK takes half a millisecond to work them out, which 64 requests in flight do not leave time for.
    """

    def __init__(self, request: httpx2.Request) -> None:
        import httpx2

        self._method, self._url, self._extensions = request.method, request.url, request.extensions
        self._headers = httpx2.Headers(request.headers)
        for name in ("content-length", "transfer-encoding"):
            self._headers.pop(name, None)
        self._request = httpx2.Request

    @classmethod
    def of(cls, request: httpx2.Request) -> _Form:
        """The form that `request` was made by."""
        return cls(request)

    def filled(self, body: JsonValue) -> httpx2.Request:
        """The request with another body."""
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        return self._request(
            self._method, self._url, headers=self._headers, content=content, extensions=self._extensions
        )


def lean(base: type[httpx2.AsyncClient], timeout: httpx2.Timeout) -> httpx2.AsyncClient:
    """An SDK's own aiohttp-backed client with less to do: what it is given is whole already, there is nothing to merge.

    Merging addresses, headers and cookies anew took a tenth of a request's CPU.
    """
    import httpx2

    class Lean(base):  # type: ignore[misc, valid-type]  # each SDK brings a class of its own
        def build_request(
            self, method: str, url: str, *, timeout: httpx2.Timeout, **given: Any
        ) -> httpx2.Request:  # Any: as in the method that it stands for
            plain = {name: value for name, value in given.items() if value is not None}
            if plain.keys() - {"content", "json", "headers"}:
                request: httpx2.Request = super().build_request(method, url, timeout=timeout, **given)
                return request
            return httpx2.Request(method, url, extensions={"timeout": timeout.as_dict()}, **plain)

    return Lean(
        timeout=timeout,
        limits=httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        follow_redirects=False,  # a redirected request would carry the key to somebody else
    )

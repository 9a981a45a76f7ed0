"""A language model as all who use one see it: messages in, text or an object out, with what it cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel

from vocabulary import Usage, Word

Reply = TypeVar("Reply", bound=BaseModel)


class ChatMessage(Word):
    """One message of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Completion(Generic[Reply]):
    """What a model said.

    `text` is its reply without its reasoning, `parsed` the object in it where one was asked for. `usage` is what its
    server counted, `model` what its server calls it. `service_ms` is the time of the one request.
    """

    text: str
    parsed: Reply | None
    usage: Usage
    model: str
    service_ms: float


class ChatModel(ABC):
    """A language model behind a server; `name` is what it was asked for by.

    One instance serves one event loop at a time: until `close`. The client is opened by the first call. It makes one
    request a call and never tries again by itself: retries, limits and clocks are the pipeline's. `form` is how its
    requests are written (`llms.clients.request_form`), None where there is no choice; `negotiated` says that its server
    takes them so.
    """

    name: str
    form: Word | None = None
    negotiated: bool = False

    @property
    def inner(self) -> ChatModel:
        """The model whose form this one's requests have: itself, unless it sends them through another."""
        return self

    async def negotiate(self, reply: type[BaseModel] | None) -> None:  # noqa: B027  nothing to find out unless overridden
        """Find out how the server takes requests for a text, or for `reply`, and set `form`; raises `ModelError`."""

    @abstractmethod
    async def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        reply: type[Reply] | None = None,
        temperature: float | None = 0.0,
    ) -> Completion[Reply]:
        """The model's reply to `messages`, of at most `max_tokens` tokens; as a `reply` object if that is given.

        `temperature` is left out for models that do not take one. Raises `ModelError`: transient for what may
        pass (429, 5xx, a lost connection, a timeout), with `retry_after` in seconds where the server says so; not
        transient for a request that is refused, a reply that was cut off or withheld, and for a `reply` that does not
        parse (`ReplyError`).
        """

    async def open(self) -> None:  # noqa: B027  nothing to open unless overridden
        """Open the client now, so that no request's time has that in it."""

    @abstractmethod
    async def close(self) -> None:
        """Close the client, if one was opened."""

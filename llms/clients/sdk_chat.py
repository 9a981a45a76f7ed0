"""What the clients on the vendors' SDKs have in common: when they are opened, what a request costs, what goes wrong.

An SDK takes one to three seconds of CPU to import, so that waits for the first request (or `SdkChat.open`), in a
thread. Requests go through the ``post`` and ``get`` of the SDK's client, which return the response as it came: of
a reply only what is used is read, and a batch holds the same bodies.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar  # Any: either SDK's client and its options

from pydantic import BaseModel, JsonValue, SecretStr, ValidationError

from llms.clients import wire
from llms.clients.chat import ChatMessage, ChatModel, Completion, Reply
from llms.clients.names import ModelAddress, key_of
from llms.clients.options import ModelOptions
from llms.clients.reasoning import without_reasoning
from llms.clients.request_form import RequestForm, StructuredOutput, next_form
from llms.clients.structured import read_reply
from net import MODEL_TRANSIENT_STATUSES, excerpt, failure, open_sdk_client, redact, refused_in_body, response_text
from vocabulary import SAME_COUNTS, ModelError, ReplyError, Usage, counted_alike, estimate_tokens, is_unread

if TYPE_CHECKING:
    import httpx2

ANSWER_SECONDS = 180.0
"""How long an answer may take; a model that reasons on a slow machine needs minutes."""

_PROBE = (
    ChatMessage(role="system", content="Answer in one word."),
    ChatMessage(role="user", content="Is this server ready? Reply in JSON where you are asked for an object."),
)
_PROBE_TOKENS = 16
_REFUSALS = (None, 400, 404, 415, 422, 500, 501)
_TAKEN = "model output limit was reached"  # OpenAI's refusal of a cap that its model has spent on reasoning

Wire = TypeVar("Wire", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Said:
    """What a server's answer holds; `reasoned` says that there was reasoning beside the text."""

    text: str
    usage: Usage
    model: str | None
    reasoned: bool


class SdkChat(ChatModel, Generic[Wire]):
    """A model behind a server, spoken to through its vendor's SDK.

    `timeout` is how many seconds an answer may take. `form` is how its requests are written: what its protocol and its
    name say, `options` over it, and what `negotiate` finds out. Raises `ConfigurationError` if its key is missing.
    """

    sdk: ClassVar[str]  # the module's name
    client_class: ClassVar[str]  # of the SDK
    path: ClassVar[str]  # of completions
    reply_model: type[Wire]  # what a reply looks like
    structured_outputs: ClassVar[tuple[StructuredOutput, ...]] = ("json_schema", "json_object", "prompt")
    form: RequestForm

    def __init__(
        self, address: ModelAddress, options: ModelOptions | None = None, *, timeout: float = ANSWER_SECONDS
    ) -> None:
        self.name = address.name
        self.options = options or ModelOptions()
        self.address = address
        self._key: SecretStr | None = key_of(address)
        self._timeout = timeout
        self._client: Any = None
        self._prompts: deque[tuple[int, int]] = deque(maxlen=SAME_COUNTS)  # the last, as (sent, counted) tokens
        self._opening = asyncio.Lock()

    async def open(self) -> None:
        """Open the client now, so that no request's time has the import in it."""
        async with self._opening:
            if self._client is None:
                sdk = await asyncio.to_thread(importlib.import_module, self.sdk)
                self._client = open_sdk_client(
                    getattr(sdk, self.client_class),
                    sdk.DefaultAioHttpClient,
                    self.base_url,
                    self._key.get_secret_value() if self._key is not None else "",
                    timeout=self._timeout,
                    answers=self.path,
                    query=dict(self.address.query),
                    headers={"api-key": self._key.get_secret_value()} if self.address.azure and self._key else {},
                )

    async def negotiate(self, reply: type[BaseModel] | None) -> None:
        """Find out how requests are to be written, by a small one with each parameter that calls will have.

        A refusal that names a parameter changes it, unless it is set in `options`, and the request is made again.
        Raises `ModelError` for anything else.
        """
        tried: set[RequestForm] = set()
        while True:
            tried.add(self.form)
            refusals: list[str] = []
            try:
                await self._probe(reply, refusals)
            except ModelError as error:
                changeable = [name for name in self._in_use(reply) if name not in self.options.fixed]
                words = refusals[0] if error.status in _REFUSALS and refusals else ""
                if _TAKEN in words:
                    break
                changed = next_form(self.form, words, changeable, self.structured_outputs)
                if changed is None or changed in tried:
                    raise
                self.form = changed
            else:
                break
        self.negotiated = True

    async def _probe(self, reply: type[BaseModel] | None, refusals: list[str]) -> None:
        body = self.request_body(_PROBE, _PROBE_TOKENS, reply, 0.0)
        text = await self.send("post", self.path, refusals, body=body)
        if (stated := self._stated(wire.parse_body(text))) is not None:  # some refuse under status 200
            refusals.append(text)
            raise stated

    def _in_use(self, reply: type[BaseModel] | None) -> list[str]:
        """The fields of the form that a request depends on, the likeliest to be refused first."""
        cap = ["cap"] if "json_object" in self.structured_outputs else []
        temperature = ["temperature"] if self.form.temperature else []
        return [*(["structured_output"] if reply is not None else []), *cap, *temperature, "system_role"]

    async def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        reply: type[Reply] | None = None,
        temperature: float | None = 0.0,
    ) -> Completion[Reply]:
        """The model's reply; see `llms.clients.chat.ChatModel.complete`."""
        if self._client is None:
            await self.open()
        body = self.request_body(messages, max_tokens, reply, temperature)
        begun = time.perf_counter()
        text = await self.send("post", self.path, body=body)
        return self.read(text, reply, (time.perf_counter() - begun) * 1000.0, messages)

    async def send(
        self, method: Literal["get", "post"], path: str, refusals: list[str] | None = None, **given: Any
    ) -> str:
        """The body of the server's answer to one request; `given` is what the SDK's method takes.

        The key is blotted out, which servers quote even in replies. Raises `ModelError`; the whole body of a refusal is
        added to `refusals`.
        """
        if self._client is None:
            await self.open()
        import httpx2

        try:
            response: httpx2.Response = await getattr(self._client, method)(path, cast_to=httpx2.Response, **given)
        except Exception as error:
            failed = self._failure(error)
            if failed is None:
                raise
            refused = getattr(error, "response", None)
            if refusals is not None and refused is not None:
                refusals.append(response_text(refused))
            raise failed from None  # its traceback has the request, key included
        return redact(response_text(response), self._secrets)

    def read(
        self, body: str, reply: type[Reply] | None, service_ms: float, messages: Sequence[ChatMessage]
    ) -> Completion[Reply]:
        """The completion in the body of a server's answer to `messages`; raises `ModelError`."""
        found = wire.parse_body(body)
        try:
            said = self.reply_model.model_validate(found)
        except ValidationError:
            raise self._no_reply(found, body) from None
        read = self._read(said)
        sent = estimate_tokens("".join(message.content for message in messages))
        read = replace(read, usage=read.usage.model_copy(update={"sent_tokens": sent}))
        if self.options.strict:
            self._check_read(sent, read.usage.input_tokens)
        text = without_reasoning(read.text)
        if not text and (read.reasoned or read.text.strip()):
            raise ReplyError(
                f"{self.name}: the reply is nothing but reasoning. If the model has used up its cap, raise that with "
                f"--model-option 'extra_body={{\"{self.form.cap}\": 8192}}', or let it reason less (reasoning_effort).",
                usage=read.usage,
            )
        parsed = self._parsed(reply, text, read)
        return Completion(text, parsed, read.usage, read.model or self.address.model, service_ms)

    async def close(self) -> None:
        """Close the client, if one was opened."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.close()

    @property
    def base_url(self) -> str:
        """The address as the SDK takes it."""
        return self.address.base_url

    @abstractmethod
    def request_body(
        self, messages: Sequence[ChatMessage], max_tokens: int, reply: type[BaseModel] | None, temperature: float | None
    ) -> dict[str, JsonValue]:
        """The request."""

    @abstractmethod
    def _read(self, said: Wire) -> Said:
        """Text, usage and the model by its server's name. Raises `ModelError` if it is cut off or withheld."""

    def check_ending(self, reason: str | None) -> None:
        """Raise `ModelError` unless a reply came to its normal end; None is the reason of servers that give none."""
        ending = wire.ending_of(reason)
        if ending == "cut":
            raise self.cut_off(
                "it is longer than its cap or than what the model can hold" if reason == "length" else str(reason)
            )
        if ending == "withheld":
            raise self.withheld(str(reason).replace("_", " ").lower())
        if ending != "normal":
            raise ModelError(
                f"{self.name}: the reply ended with {excerpt(str(reason))!r}: {wire.ENDINGS[ending]}.",
                transient=ending == "broken",
            )

    def check_no_error(self, error: object) -> None:
        """Raise `ModelError` for an error that a reply holds."""
        if error and (stated := self._stated({"error": error})) is not None:
            raise stated

    def cut_off(self, reason: str) -> ModelError:
        """The error for a reply that does not come to its end."""
        return ModelError(f"{self.name}: the reply was cut off ({reason}).")

    def withheld(self, reason: str) -> ModelError:
        """The error for a reply that the model or its server refuses."""
        return ModelError(f"{self.name}: the reply was withheld ({excerpt(reason)}).")

    def _check_read(self, sent: int, counted: int) -> None:
        """Raise `ModelError` if the server has read only a part of a prompt."""
        self._prompts.append((sent, counted))
        if is_unread(sent, counted):
            unread = f"{counted:,} tokens of a prompt of about {sent:,}"
        elif counted_alike(self._prompts) == SAME_COUNTS:
            unread = f"{counted:,} tokens for each of {SAME_COUNTS} prompts of different sizes"
        else:
            return
        raise ModelError(
            f"{self.name}: the server counts {unread}: it reads only a part of them, or does not count. Give the model "
            "a larger context (num_ctx with Ollama), hand it less with --context-tokens, or leave out --strict."
        )

    def _no_reply(self, found: object, body: str) -> ModelError:
        return self._stated(found) or ModelError(
            f"{self.name} answered with what is no reply of its protocol. It begins {excerpt(body)!r}. If it "
            "always does, the address may be wrong: OpenAI's protocol is often under /v1.",
            transient=True,  # something between us and the model broke, and may be whole again
        )

    def _stated(self, found: object) -> ModelError | None:
        return refused_in_body(
            found, self.name, ModelError, secrets=self._secrets, transient=MODEL_TRANSIENT_STATUSES, advice=self._advice
        )

    def _parsed(self, reply: type[Reply] | None, text: str, read: Said) -> Reply | None:
        if reply is None:
            return None
        try:
            return read_reply(reply, read.text, text)
        except ReplyError as error:
            raise ReplyError(f"{self.name}: {error}", usage=read.usage) from None

    def _failure(self, error: Exception) -> ModelError | None:
        return failure(
            error,
            self.name,
            ModelError,
            secrets=self._secrets,
            transient=MODEL_TRANSIENT_STATUSES,
            advice=self._advice,
        )

    @property
    def _secrets(self) -> list[str]:
        return [self._key.get_secret_value()] if self._key is not None else []

    @property
    def _advice(self) -> dict[int, str]:
        key = f"check the key in {' or '.join(self.address.key_variables)} and what it may do"
        return {401: key, 403: key, 404: "check the model's name and the address"}

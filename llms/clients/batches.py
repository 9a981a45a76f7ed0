"""A language model that is asked through its vendor's batch endpoint: slower by hours, and half the price."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from hashlib import blake2b
from typing import NamedTuple

from pydantic import JsonValue

from llms.clients.anthropic_chat import AnthropicChat
from llms.clients.batch_endpoints import AnthropicBatches, BatchEndpoint, BatchItem, OpenAIBatches
from llms.clients.batch_record import BatchRecord
from llms.clients.chat import ChatMessage, ChatModel, Completion, Reply
from llms.clients.openai_chat import OpenAIChat
from vocabulary import ConfigurationError, ModelError, ReplyError, Usage

QUIET_SECONDS = 10.0
"""A batch is sent when no request has come for so long; ``MEMORYBENCH_BATCH_QUIET_SECONDS`` sets another time. It is
also the pause before the second look at a batch; each pause after it is half as long again."""

LONGEST_PAUSE_SECONDS = 60.0
"""Between two looks at a batch."""

LONGEST_SECONDS = 26 * 3600.0
"""After so long a batch is given up: the vendors end one after 24 hours."""


class Batch(NamedTuple):
    """A batch that was sent; `submitted` is a Unix time in seconds."""

    id: str
    submitted: float


class BatchedChat(ChatModel):
    """`chat`, asked in batches that are written down in `record`.

    A request that is in a batch there awaits that batch, also if another process sent it. Requests with the same body
    are sent once, but for those `for_repeat`. `Usage.batched` marks what was answered this way. Raises
    `ConfigurationError` for a model that has no batch endpoint.
    """

    def __init__(self, chat: ChatModel, record: BatchRecord, *, quiet_seconds: float | None = None) -> None:
        if isinstance(chat, OpenAIChat) and chat.address.priced_by != "google":
            endpoint: BatchEndpoint = OpenAIBatches(chat)
        elif isinstance(chat, AnthropicChat):
            endpoint = AnthropicBatches(chat)
        else:
            raise ConfigurationError(f"{chat.name} cannot be asked in batches: only OpenAI and Anthropic take them.")
        self.name = chat.name
        self._chat: OpenAIChat | AnthropicChat = chat
        self._repeat = 0
        self._collector = _Collector(endpoint, record, chat.name, quiet_seconds or _quiet_seconds())

    @property
    def inner(self) -> ChatModel:
        """The model, asked without batches."""
        return self._chat

    def for_repeat(self, repeat: int) -> BatchedChat:
        """The same whose requests are others than those of another repeat, even if their bodies are the same."""
        other = copy(self)
        vars(other).update(_repeat=repeat)
        return other

    async def complete(
        self,
        messages: Sequence[ChatMessage],
        *,
        max_tokens: int,
        reply: type[Reply] | None = None,
        temperature: float | None = 0.0,
    ) -> Completion[Reply]:
        """The model's reply, once its batch has ended; see `llms.clients.chat.ChatModel.complete`."""
        body = self._chat.request_body(messages, max_tokens, reply, temperature)
        known = json.dumps([self.name, self._repeat, body], sort_keys=True)
        name = blake2b(known.encode(errors="surrogatepass"), digest_size=16).hexdigest()
        begun = time.perf_counter()
        batch, item = await self._collector.item(name, body)
        service_ms = (time.perf_counter() - begun) * 1000.0
        try:
            if item.reply is None:
                raise ModelError(f"{self.name}: in batch {batch.id}: {item.problem}", transient=item.transient)
            done = self._chat.read(item.reply, reply, service_ms, messages)
        except ReplyError as error:
            await self._collector.forget(batch, name)
            raise ReplyError(str(error), usage=_marked(error.usage or Usage())) from None
        except ModelError:
            await self._collector.forget(batch, name)
            raise
        return Completion(done.text, done.parsed, _marked(done.usage), done.model, service_ms)

    async def open(self) -> None:
        """Open the client now."""
        await self._chat.open()

    async def close(self) -> None:
        """Close the client and the record. A batch that was sent goes on; its results are there the next time."""
        self._collector.record.close()
        await self._chat.close()


class _Gathering:
    """Requests on their way into a batch."""

    def __init__(self) -> None:
        self.requests: dict[str, JsonValue] = {}
        self.bytes = 0
        self.full = asyncio.Event()
        self.latest = time.monotonic()

    def add(self, name: str, body: JsonValue) -> None:
        self.requests[name] = body
        self.bytes += len(json.dumps(body)) + 200
        self.latest = time.monotonic()


class _Collector:
    """Gathers requests into batches, and hands out what came of them."""

    def __init__(self, endpoint: BatchEndpoint, record: BatchRecord, model: str, quiet_seconds: float) -> None:
        self.record = record
        self._endpoint = endpoint
        self._model = model
        self._quiet = quiet_seconds
        self._open: _Gathering | None = None
        self._sending: asyncio.Task[Batch] | None = None
        self._coming: dict[str, asyncio.Task[Batch]] = {}
        self._sent: dict[str, Batch] = {}
        self._watched: dict[str, asyncio.Task[dict[str, BatchItem]]] = {}

    async def item(self, name: str, body: JsonValue) -> tuple[Batch, BatchItem]:
        """What came of a request, and the batch that it was in."""
        try:
            # many wait for each of these tasks: one of them that is cancelled must not take it from the others
            known = await self.record.batch_of(name)
            batch = Batch(*known) if known else self._sent.get(name)  # it may have been sent meanwhile
            if batch is None:
                batch = await asyncio.shield(self._gathered(name, body))
            items = await asyncio.shield(self._watch(batch))
        except ModelError as error:  # one error for all who wait, who would each add to its traceback
            raise ModelError(str(error), transient=error.transient, retry_after=error.retry_after) from None
        return batch, items.get(name) or BatchItem(None, "the endpoint gave nothing for this request")

    async def forget(self, batch: Batch, name: str | None = None) -> None:
        """Send a request of `batch` anew the next time, or all of them."""
        for one in [name] if name else [name for name, sent in self._sent.items() if sent == batch]:
            self._sent.pop(one, None)
        await self.record.forget(batch.id, name)

    def _gathered(self, name: str, body: JsonValue) -> asyncio.Task[Batch]:
        if name in self._coming:
            return self._coming[name]
        if self._open is None or self._sending is None:
            self._open = _Gathering()
            self._sending = asyncio.create_task(self._send(self._open))
        self._open.add(name, body)
        self._coming[name] = sending = self._sending
        if len(self._open.requests) >= self._endpoint.most_requests or self._open.bytes >= self._endpoint.most_bytes:
            self._open.full.set()
            self._open = None
        return sending

    async def _send(self, gathering: _Gathering) -> Batch:
        """Send a batch once nothing more comes, and write it down before anybody waits for it."""
        try:
            while (wait := gathering.latest + self._quiet - time.monotonic()) > 0 and not gathering.full.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(gathering.full.wait(), wait)
            if self._open is gathering:
                self._open = None
            batch = Batch(await self._endpoint.submit(gathering.requests), time.time())
            await self.record.write(batch.id, batch.submitted, gathering.requests)
            self._sent.update(dict.fromkeys(gathering.requests, batch))
            return batch
        finally:
            if self._open is gathering:
                self._open = None
            for name in gathering.requests:
                self._coming.pop(name, None)

    def _watch(self, batch: Batch) -> asyncio.Task[dict[str, BatchItem]]:
        task = self._watched.get(batch.id)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            self._watched[batch.id] = task = asyncio.create_task(self._ended(batch))
        return task

    async def _ended(self, batch: Batch) -> dict[str, BatchItem]:
        """What came of a batch, once it has ended. A look at it that fails for a while is made again."""
        pause = self._quiet
        while True:
            asked_to_wait = 0.0
            try:
                state = await self._endpoint.look(batch.id)
                if state.ended and not state.problem:
                    return await self._endpoint.items(state)
            except ModelError as error:
                if not error.transient:
                    raise self._lost(batch, error) from None
                asked_to_wait = error.retry_after or 0.0
            else:
                if state.problem:
                    await self.forget(batch)
                    raise ModelError(f"{self._model}: batch {batch.id} was refused: {state.problem}")
            if time.time() > batch.submitted + LONGEST_SECONDS:
                await self.forget(batch)
                raise ModelError(f"{self._model}: batch {batch.id} has not ended in {LONGEST_SECONDS / 3600:g} hours.")
            await asyncio.sleep(max(min(pause, LONGEST_PAUSE_SECONDS), min(asked_to_wait, LONGEST_SECONDS)))
            pause *= 1.5

    def _lost(self, batch: Batch, error: ModelError) -> ModelError:
        return ModelError(
            f"{error} (batch {batch.id}; pytest --lf looks at it again. To pay for its requests anew, "
            f"{self.record.remedy}.)"
        )


def _marked(usage: Usage) -> Usage:
    return usage.model_copy(update={"batched": usage.calls})


def _quiet_seconds() -> float:
    text = os.environ.get("MEMORYBENCH_BATCH_QUIET_SECONDS", "")
    try:
        seconds = float(text or QUIET_SECONDS)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 3600:
        raise ConfigurationError(f"MEMORYBENCH_BATCH_QUIET_SECONDS={text!r}: give seconds, from 0.01 to 3600.")
    return seconds

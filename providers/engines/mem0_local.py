"""mem0's open-source engine in this process, with any OpenAI-compatible model and embedder."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Self  # Any: mem0's own records

from pydantic import Field, ValidationInfo, field_validator, model_validator

from net import check_address
from providers.base import Capabilities, Limits, Provider, ProviderSettings
from providers.engines.exclusive_stores import ExclusiveStores
from providers.engines.mem0_engine import Engine
from providers.engines.mem0_watch import Endpoint, Setup
from providers.engines.openai_models import KEYS, OPENAI, ask_for_models
from vocabulary import ConfigurationError, Message, Question, SearchOnly, SearchResult, Session, format_day

INSTALL = "pip install -e '.[mem0-local]'"

_PACKAGES = {"mem0": "mem0ai", "qdrant_client": "qdrant-client", "filelock": "filelock"}
_NO_KEY = "none"  # what is sent to a server that asks for no key: without any, mem0 would look for one by itself


class Mem0LocalSettings(ProviderSettings):
    """What can be set about mem0's engine.

    Making one raises `ConfigurationError` if it cannot work: a missing package, model, address or key.
    """

    llm: str = Field("", description="the model that extracts memories; needed unless infer=false")
    llm_url: str = Field(OPENAI, description="base address of an OpenAI-compatible server")
    embedder: str = Field("text-embedding-3-small", description="the embedding model")
    embedder_url: str | None = Field(None, description="its server's base address; by default the model's")
    embedding_dims: int = Field(1536, ge=1, description="how many numbers a vector of the embedder has")
    send_dims: bool = Field(False, description="ask the embedder for vectors of that length: not all servers know how")
    infer: bool = Field(True, description="false stores messages word for word, without a model")
    instructions: str = Field("", description="mem0's custom instructions, appended to those about dates and names")
    batch: int = Field(10, ge=1, description="messages sent at once; mem0 shows the model the last ten as context")
    batch_characters: int = Field(
        20_000, ge=200, description="at most so many characters at once: a batch is embedded as one text"
    )
    max_tokens: int = Field(8000, ge=1, description="how long the model's reply may be")
    temperature: float = Field(0.0, ge=0, description="sent unless the model is a reasoning model")
    reasoning: bool | None = Field(
        None, description="whether the model takes neither temperature nor max_tokens; by default judged by its name"
    )
    threshold: Annotated[float, SearchOnly()] = Field(
        0.0, ge=0, le=1, description="the least similarity of what is found; mem0's own is 0.1"
    )
    key_variable: str = Field("OPENAI_API_KEY", exclude=True, description="environment variable with the model's key")
    embedder_key_variable: str = Field(
        "EMBEDDING_API_KEY", exclude=True, description="the same of the embedder, where it has an address of its own"
    )
    timeout: float = Field(300.0, gt=0, exclude=True, description="seconds that one request may take")
    in_flight: int = Field(8, ge=1, le=32, exclude=True, description="calls to the engine at once, in each process")

    @field_validator("llm_url", "embedder_url")
    @classmethod
    def _address(cls, value: str | None, asked: ValidationInfo) -> str | None:
        return None if value is None else check_address(str(asked.field_name), value, key=KEYS)

    @model_validator(mode="after")
    def _usable(self) -> Self:
        missing = [package for module, package in _PACKAGES.items() if importlib.util.find_spec(module) is None]
        if missing:
            raise ConfigurationError(f"mem0-local needs {', '.join(missing)}, which is not installed: run `{INSTALL}`.")
        if self.infer and not self.llm:
            raise ConfigurationError(
                "mem0-local needs a model that extracts memories: --provider-option llm=NAME, with --provider-option "
                "llm_url=http://HOST:PORT/v1 if it is not OpenAI's; or --provider-option infer=false to store "
                "messages as they are."
            )
        for url, variable in self._servers():
            if url == OPENAI and not os.environ.get(variable):
                raise ConfigurationError(
                    f"environment variable {variable} is not set, and {url} asks for a key. Set it, or name another "
                    "server with --provider-option llm_url=http://HOST:PORT/v1 (and embedder_url)."
                )
        return self

    def endpoints(self) -> tuple[Endpoint, Endpoint]:
        """The model and the embedder, with their keys."""
        (llm_url, llm_key), (embedder_url, embedder_key) = self._both()
        return (
            Endpoint(self.llm or "none", llm_url, os.environ.get(llm_key) or _NO_KEY),
            Endpoint(self.embedder, embedder_url, os.environ.get(embedder_key) or _NO_KEY),
        )

    def _both(self) -> tuple[tuple[str, str], tuple[str, str]]:
        llm = (self.llm_url, self.key_variable)
        return llm, (self.embedder_url, self.embedder_key_variable) if self.embedder_url else llm

    def _servers(self) -> list[tuple[str, str]]:
        """Address and key variable of each server that will be asked."""
        llm, embedder = self._both()
        return [llm, embedder] if self.infer and llm != embedder else [embedder]


class Mem0Local(Provider):
    """mem0's `Memory` on a Qdrant store of its own for each container, in the container's folder.

    A session is sent in batches of messages, each of which costs a call to the model and two to the embedder. Its date
    is given to the model as custom instructions, for the engine itself only knows today's, and comes back with each
    memory, like its id. Without `infer` each message is embedded and stored as it is, and its id comes back.
    """

    name = "mem0-local"
    api = "mem0ai 2.x OSS"
    capabilities = Capabilities(
        provenance="session", verbatim=False, needs="the extra `mem0-local`, a language model, an embedder"
    )
    Settings = Mem0LocalSettings
    limits = Limits(concurrency=8, scope="process", containers="one-process")

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        if not isinstance(settings, Mem0LocalSettings):
            raise TypeError(f"settings of {type(self).__name__} are Mem0LocalSettings, not {type(settings).__name__}")
        self._options = settings
        self.limits = replace(type(self).limits, concurrency=settings.in_flight)
        if not settings.infer:
            self.capabilities = replace(type(self).capabilities, provenance="message", verbatim=True)
        llm, embedder = settings.endpoints()
        setup = Setup(
            llm,
            embedder,
            dims=settings.embedding_dims,
            send_dims=settings.send_dims,
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
            reasoning=settings.reasoning,
            timeout=settings.timeout,
        )
        home = workspace / "mem0-home"
        self._stores = ExclusiveStores(
            workspace / "stores", lambda folder: Engine(folder, home, setup), lambda engine: engine.close()
        )

    async def check(self) -> None:
        """Ask each server which models it has; it need not know the answer, but it must know the key."""
        llm, embedder = self._options.endpoints()
        for endpoint in {(at.url, at.key) for at in ((llm, embedder) if self._options.infer else (embedder,))}:
            await ask_for_models(self, *endpoint)

    async def ingest(self, container: str, session: Session) -> None:
        """Store one session, unless it is stored already; what is left of an attempt that failed is removed first."""
        await self._stores.call(container, lambda engine: self._store(engine, session))

    async def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        """At most `top_k` memories, best first; none for a question without text."""
        text = question.text.strip()
        if not text or top_k < 1 or not self._stores.exists(container):
            return []
        threshold = self._options.threshold
        found = await self._stores.call(container, lambda engine: engine.search(text, top_k, threshold))
        return [_result(record) for record in found]

    async def clear(self, container: str) -> None:
        """Delete the container's folder."""
        await self._stores.remove(container)

    async def close(self) -> None:
        """Close the stores that are open."""
        await self._stores.close()

    def _store(self, engine: Engine, session: Session) -> None:
        if engine.has(session.id):
            return
        engine.begin(session.id)
        metadata = {"session": session.id}
        if session.date is not None:
            date = session.date if session.date.tzinfo else session.date.replace(tzinfo=UTC)
            metadata |= {"date": session.date.isoformat(), "created_at": date.isoformat()}
        spoken = [message for message in session.messages if message.text.strip() or message.caption]
        if self._options.infer:
            prompt = _told_to_model(session.date, self._options.instructions)
            for batch in _batches(spoken, self._options.batch, self._options.batch_characters):
                engine.add(batch, metadata, infer=True, prompt=prompt)
        else:
            for message in spoken:
                for part in _parts(message, self._options.batch_characters):
                    engine.add([part], metadata | {"message": message.id}, infer=False, prompt=None)
        engine.finish(session.id)


def _told_to_model(date: datetime | None, instructions: str) -> str:
    """mem0's custom instructions for a session: the date to reckon from, who is who, and what the user says."""
    said = [
        "Each of the New Messages begins with the name of its speaker. Call people by these names in every memory, "
        "and treat what all speakers tell of themselves alike, whatever their role."
    ]
    if date is not None:
        said.append(
            f"The New Messages were written on {date:%A}, {format_day(date.date())} ({date.isoformat()}). This is "
            "their Observation Date and the Current Date; the dates given above are wrong. Reckon from it what is "
            "said of time, such as yesterday or next month, and write the date itself into the memory."
        )
    return "\n".join([*said, *([instructions] if instructions else [])])


def _batches(messages: Sequence[Message], most: int, characters: int) -> Iterator[list[dict[str, str]]]:
    """The messages in their order, as many at once as both bounds allow."""
    batch: list[dict[str, str]] = []
    size = 0
    for message in messages:
        for part in _parts(message, characters):
            if batch and (len(batch) == most or size + len(part["content"]) > characters):
                yield batch
                batch, size = [], 0
            batch.append(part)
            size += len(part["content"])
    if batch:
        yield batch


def _parts(message: Message, characters: int) -> Iterator[dict[str, str]]:
    """A message as mem0 takes it; one that is too long in several, each with its speaker."""
    text = message.rendered()
    room = characters - len(message.speaker) - 2
    while len(text) > characters:
        end = text.rfind(" ", characters // 2, characters)
        end = end if end > 0 else characters
        yield {"role": message.role, "content": text[:end]}
        text = f"{message.speaker}: {text[end:].lstrip()}" if room > characters // 2 else text[end:]
    yield {"role": message.role, "content": text}


def _result(record: dict[str, Any]) -> SearchResult:
    metadata = record.get("metadata") or {}
    date, session, message = metadata.get("date"), metadata.get("session"), metadata.get("message")
    return SearchResult(
        text=record["memory"],
        score=record["score"],
        timestamp=datetime.fromisoformat(date) if date else None,
        session_ids=(session,) if session else (),
        message_ids=(message,) if message else (),
        raw=record,
    )

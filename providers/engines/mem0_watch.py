"""What mem0 would lose silently is an error: its model, embedder and log are watched while it works.

mem0 logs a reply that it cannot read, a text that could not be embedded or a row that was not written, and goes on
without. Here each of these is a `ProviderError`.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar  # Any: mem0 has no types

from net import MODEL_TRANSIENT_STATUSES, excerpt, failure, redact
from vocabulary import ProviderError

R = TypeVar("R")

_ABSENT = ("fastembed not installed", "Failed to load BM25 encoder", "Failed to load spaCy")
"""How mem0 says that an optional part of it is not there: nothing is lost, it searches without."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model at an OpenAI-compatible address."""

    model: str
    url: str
    key: str


@dataclass(frozen=True, slots=True)
class Setup:
    """What an engine is opened with; `timeout` is of one request, in seconds."""

    llm: Endpoint
    embedder: Endpoint
    dims: int
    send_dims: bool
    max_tokens: int
    temperature: float
    reasoning: bool | None
    timeout: float


class Watch:
    """Runs what mem0 is asked to do; one for each engine."""

    def __init__(self, setup: Setup) -> None:
        self._keys = (setup.llm.key, setup.embedder.key)

    def run(self, function: Callable[[], R]) -> R:
        """Run it; whatever goes wrong, openly or not, is a `ProviderError`."""
        _noted.lost, _noted.failed = [], []
        try:
            value = function()
        except Exception as error:
            raise self._told(error) from error
        else:
            if _noted.failed:
                raise self._told(_noted.failed[-1]) from _noted.failed[-1]
            if _noted.lost:
                lost = redact("; ".join(_noted.lost), self._keys)
                raise ProviderError(f"mem0 lost something: {lost}", transient=True)
            return value
        finally:
            _noted.lost, _noted.failed = None, []

    def _told(self, error: Exception) -> ProviderError:
        failed = failure(error, "mem0", ProviderError, secrets=self._keys, transient=MODEL_TRANSIENT_STATUSES)
        return failed or ProviderError(f"mem0: {type(error).__name__}: {excerpt(redact(str(error), self._keys))}")


class CheckedModel:
    """mem0's model, whose reply is looked at before mem0 does."""

    def __init__(self, model: Any, max_tokens: int) -> None:
        self._model = model
        self._max_tokens = max_tokens

    def generate_response(self, messages: list[dict[str, str]], **given: Any) -> str:
        """The model's reply, if mem0 can read it."""
        _noted.end = None
        reply = self._model.generate_response(messages=messages, **given)
        if _noted.end == "length":
            raise ProviderError(
                f"mem0: the model's reply was cut off (max_tokens={self._max_tokens}): nothing of it would be stored. "
                "Raise it with --provider-option max_tokens=N, or lower batch, the messages that are sent at once."
            )
        fault = _fault(reply)
        if fault is not None:
            raise ProviderError(
                f"mem0: the model's reply is not what it was asked for ({fault}), and nothing of it would be stored: "
                f"{excerpt(str(reply))!r}",
                transient=True,
            )
        return str(reply)


class CheckedEmbedder:
    """mem0's embedder: its failures are noted, for mem0 goes on without what could not be embedded."""

    def __init__(self, embedder: Any, setup: Setup) -> None:
        self._embedder = embedder
        self._setup = setup

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        """A text's vector."""
        try:
            vector: list[float] = self._embedder.embed(text, memory_action)
            return self._checked(vector)
        except Exception as error:
            _noted.failed.append(error)
            raise

    def embed_batch(self, texts: list[str], memory_action: str = "add") -> list[list[float]]:
        """The vectors of several texts."""
        # Not noted: mem0 tries the texts one by one if they fail together.
        return [self._checked(vector) for vector in self._embedder.embed_batch(texts, memory_action)]

    def _checked(self, vector: list[float]) -> list[float]:
        if len(vector) != self._setup.dims:
            raise ProviderError(
                f"mem0: embedder {self._setup.embedder.model} at {self._setup.embedder.url} gives vectors of "
                f"{len(vector)} numbers, not {self._setup.dims}. Say --provider-option embedding_dims={len(vector)}, "
                "or send_dims=true if it can shorten them."
            )
        return vector


class _Noted(threading.local):
    """What went on in this thread since it was given to mem0; `lost` is None while it is not."""

    lost: list[str] | None = None
    end: str | None = None

    def __init__(self) -> None:
        self.failed: list[Exception] = []


_noted = _Noted()


def note_end(_llm: object, response: Any, _request: object) -> None:
    """What mem0 calls with each response: keeps why it ended."""
    _noted.end = response.choices[0].finish_reason


class _Losses(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if _noted.lost is not None and not message.startswith(_ABSENT):
            _noted.lost.append(excerpt(message))


def watch_log() -> None:
    """See from now on what mem0 logs as lost."""
    logger = logging.getLogger("mem0")
    if not any(isinstance(handler, _Losses) for handler in logger.handlers):
        logger.addHandler(_Losses(logging.WARNING))
    if logger.getEffectiveLevel() > logging.WARNING:
        logger.setLevel(logging.WARNING)


def _fault(reply: object) -> str | None:
    """What keeps mem0 from reading a reply as it does; None if it can."""
    from mem0.memory.utils import extract_json, remove_code_blocks

    text = remove_code_blocks(reply)
    if not text:
        return "it is empty"
    try:
        try:
            value = json.loads(text, strict=False)
        except json.JSONDecodeError:
            value = json.loads(extract_json(text), strict=False)
    except json.JSONDecodeError as error:
        return f"no JSON: {error}"
    memories = value.get("memory") if isinstance(value, dict) else None
    if not isinstance(memories, list):
        return "no list 'memory'"
    for number, memory in enumerate(memories):
        if not isinstance(memory, dict) or not isinstance(memory.get("text"), str) or not memory["text"].strip():
            return f"memory {number} has no text"
    return None

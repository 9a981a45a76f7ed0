"""What Zep's REST interface (v4) answers, as far as the adapter reads it, and what it is sent.

The field names are those of the vendor's own SDK (zep-cloud 4.0.1, `zep_cloud/types`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias  # Any: an item as it came

from pydantic import BeforeValidator, JsonValue, model_validator

from net import Reply
from providers.hosted.zep_ids import Source
from vocabulary import Message, Session

SESSION, MESSAGE, PART, UNDATED = "session_id", "message_id", "part", "undated"
"""The metadata of a message: whose it is, which part of one that was too long, and whether it has no date."""

Scope: TypeAlias = Literal["edges", "episodes", "nodes", "observations", "thread_summaries"]
"""What can be searched: facts, messages, entities, patterns over several messages, summaries of threads."""


def _naive_utc(value: object) -> object:
    """Zep's times have a zone; the suite's are UTC without one."""
    if not isinstance(value, str) or not value:
        return None
    moment = datetime.fromisoformat(value)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


Moment = Annotated[datetime | None, BeforeValidator(_naive_utc)]


class User(Reply):
    """A user of Zep: one of our containers."""

    uuid: str


class Thread(Reply):
    """A thread of a user: one of our sessions."""

    uuid: str


class Progress(Reply):
    """How far a task is."""

    stage: str | None = None


class Fault(Reply):
    """Why a task failed."""

    code: str | None = None
    message: str | None = None


class Task(Reply):
    """`status` is pending, processing, succeeded, partial or failed."""

    uuid: str
    status: str
    progress: Progress | None = None
    error: Fault | None = None

    def detail(self) -> str:
        """The state in a few words: ``processing (extracting)`` or ``failed: the reason``."""
        stage = f" ({self.progress.stage})" if self.progress and self.progress.stage else ""
        reason = (self.error.message or self.error.code) if self.error else None
        return self.status + stage + (f": {reason}" if reason else "")


class StoredMessage(Reply):
    """A message as it was taken; its uuid is that of its episode, too."""

    uuid: str
    metadata: dict[str, JsonValue] | None = None


class Added(Reply):
    """What adding messages gives: the task that extracts facts from them, and the messages."""

    task: Task
    messages: tuple[StoredMessage, ...] | None = None


class Deleted(Reply):
    """What deleting gives: the task that does it."""

    task: Task


class Found(Reply):
    """An item of any scope: each has some of these fields. `raw` is all of it, as it came."""

    raw: dict[str, JsonValue]
    uuid: str
    score: float | None = None
    relevance: float | None = None
    # edges
    fact: str | None = None
    valid_at: Moment = None
    invalid_at: Moment = None
    expired_at: Moment = None
    episode_uuids: tuple[str, ...] | None = None
    # episodes
    content: str | None = None
    role_name: str | None = None
    reference_time: Moment = None
    metadata: dict[str, JsonValue] | None = None
    # nodes, observations and thread summaries
    name: str | None = None
    summary: str | None = None
    thread_uuid: str | None = None
    last_summarized_episode_valid_at: Moment = None

    @model_validator(mode="before")
    @classmethod
    def _keep(cls, item: Any) -> Any:
        return {**item, "raw": item} if isinstance(item, dict) else item


class Page(Reply):
    """The best of a search, or what comes after them."""

    items: tuple[Found, ...] | None = None
    next_cursor: str | None = None


class Episode(Reply):
    """A message as the graph has it."""

    metadata: dict[str, JsonValue] | None = None


class Anything(Reply):
    """For an answer of which only the status counts."""


def messages_to_send(session: Session, most_characters: int) -> Iterator[JsonValue]:
    """The session as Zep's messages, those without text and caption left out and too long ones in parts.

    The speaker is the `name` and the session's date the `reference_time` of each part; without a date none is sent.
    """
    date: dict[str, JsonValue] = {} if session.date is None else {"reference_time": rfc3339(session.date)}
    for message in session.messages:
        parts = list(split_text(_content(message), most_characters))
        for number, content in enumerate(parts):
            metadata: dict[str, JsonValue] = {SESSION: session.id, MESSAGE: message.id}
            if session.date is None:
                metadata[UNDATED] = True
            if len(parts) > 1:
                metadata[PART] = number
            yield {
                "role": message.role,
                "name": message.speaker,
                "content": content,
                **date,
                "metadata": metadata,
            }


def rfc3339(date: datetime) -> str:
    """The data sets' dates have no zone and are read as UTC: ``2023-05-08T13:56:00Z``."""
    moment = date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    return moment.isoformat().replace("+00:00", "Z")


def split_text(text: str, most: int) -> Iterator[str]:
    """Parts of at most `most` characters, cut at white space where there is some in a part's second half."""
    while len(text) > most:
        cut = max(text.rfind(space, most // 2, most + 1) for space in " \n\t")
        cut = cut if cut > 0 else most
        yield text[:cut].rstrip()
        text = text[cut:].lstrip()
    if text:
        yield text


def _content(message: Message) -> str:
    """The message as the suite writes it, without the speaker, who has a field of his own."""
    return message.rendered().removeprefix(f"{message.speaker}:").strip()


def source_of(metadata: dict[str, JsonValue] | None) -> Source | None:
    """What a message's metadata, as it came back, says of where it comes from; None where it is not ours."""
    fields = metadata or {}
    session, message = fields.get(SESSION), fields.get(MESSAGE)
    return Source(str(session), str(message), not fields.get(UNDATED)) if session and message else None

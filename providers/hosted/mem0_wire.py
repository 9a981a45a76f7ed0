"""What mem0's REST interface (v3) takes and gives: what can be set about it, what is sent, how replies are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, JsonValue
from pydantic_settings import SettingsConfigDict

from net import Reply
from providers.hosted.settings import HostedSettings
from vocabulary import Message, SearchOnly, Session

Roles = Literal["people", "given", "user"]
SpeakerField = Literal["content", "name", "both"]

SESSION_KEY, PART_KEY, DATED_KEY = "session_id", "part", "dated"
"""Our metadata, which comes back with each memory: of which session and which add it is, and if that had a date."""


class Mem0Settings(HostedSettings):
    """Settings of mem0; the key is read from ``MEM0_API_KEY``."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(env_prefix="MEM0_")

    base_url: str = "https://api.mem0.ai"
    entity: Literal["user", "agent", "run", "app"] = Field("user", description="the kind of entity that a container is")
    roles: Roles = Field(
        "people",
        description="people: only a speaker called Assistant has the role assistant; given: as in the data set; "
        "user: all are users",
    )
    speaker: SpeakerField = Field("content", description="where the speaker's name goes in a message")
    infer: bool = Field(True, description="whether mem0 extracts memories, or stores each message as it is")
    observation_date: bool = Field(False, description="send a session's date as observation_datetime, too")
    in_turn: bool = Field(False, description="wait for each part to be stored before the next is sent")
    batch_messages: int = Field(100, ge=1, description="messages in one add, at most")
    batch_characters: int = Field(60_000, ge=1, description="characters in one add; a longer message is one by itself")
    threshold: Annotated[float, SearchOnly()] = Field(
        0.1, ge=0, le=1, description="least score of a result; 0 lets all through"
    )
    rerank: Annotated[bool, SearchOnly()] = Field(False, description="let mem0 rerank what it finds")
    settle: float = Field(
        3.0, ge=0, exclude=True, description="seconds to wait for temporal enrichment, which nothing tells the end of"
    )

    @property
    def entity_key(self) -> str:
        """The field that a container's name goes into."""
        return f"{self.entity}_id"


class Accepted(Reply):
    """The answer to an add: with an event to wait for, or, without inference, done already."""

    status: str
    event_id: str | None = None


class Event(Reply):
    """What mem0 does in the background; `payload` is the request that it comes from."""

    id: str | None = None
    status: str
    error: str | None = None
    payload: dict[str, JsonValue] | None = None
    metadata: dict[str, JsonValue] | None = None

    @property
    def under_way(self) -> bool:
        """Whether it may still store something."""
        return self.status in ("PENDING", "RUNNING")

    def is_of(self, entity: str, container: str) -> bool:
        """Whether it works for `container`."""
        return (self.payload or {}).get(entity) == container

    def has_part(self, part: str) -> bool:
        """Whether it is that of the add that was marked so."""
        sent = (self.payload or {}).get("metadata")
        return any(isinstance(where, dict) and where.get(PART_KEY) == part for where in (sent, self.metadata))


class Events(Reply):
    """A page of the project's events."""

    results: list[Event]
    next: str | None = None


class Memory(Reply):
    """One memory, as it is searched and listed."""

    model_config = ConfigDict(frozen=True, extra="allow")  # all of it goes to the report, as it came

    id: str
    memory: str
    score: float | None = None
    created_at: datetime | None = None
    metadata: dict[str, JsonValue] | None = None

    @property
    def session(self) -> str | None:
        """Our id of the session that it comes from; None for one that mem0 made up of several."""
        found = (self.metadata or {}).get(SESSION_KEY)
        return found if isinstance(found, str) else None

    @property
    def part(self) -> str | None:
        """The mark of the add that it comes from."""
        found = (self.metadata or {}).get(PART_KEY)
        return found if isinstance(found, str) else None

    @property
    def said(self) -> datetime | None:
        """The session's date, UTC without a zone; None where it had none, for `created_at` is then that of the run."""
        if self.created_at is None or (self.metadata or {}).get(DATED_KEY) is not True:
            return None
        return self.created_at.astimezone(UTC).replace(tzinfo=None) if self.created_at.tzinfo else self.created_at


class Found(Reply):
    """What a search found, best first."""

    results: list[Memory]


class Listed(Reply):
    """A page of memories; `count` is how many there are on all pages."""

    count: int = Field(ge=0)
    results: list[Memory]
    next: str | None = None


class Deletion(Reply):
    """A deletion that was begun, in the background where it has an event."""

    event_id: str | None = None


class Pong(Reply):
    """The key is known."""


def unix_time(date: datetime) -> int:
    """Seconds since 1970 of a date without a zone, read as UTC."""
    return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())


def part_id(container: str, session: str, number: int) -> str:
    """The mark of one add: the same whenever the same part of the same session is sent."""
    return blake2b(f"{container}\0{session}\0{number}".encode(), digest_size=12).hexdigest()


def add_body(
    settings: Mem0Settings, container: str, session: Session, messages: Sequence[Message], part: str
) -> dict[str, JsonValue]:
    """The body of an add of some of a session's messages, which are its part of that mark."""
    turns: list[JsonValue] = [dict(_turn(message, settings)) for message in messages]
    body: dict[str, JsonValue] = {
        "messages": turns,
        settings.entity_key: container,
        "metadata": {SESSION_KEY: session.id, PART_KEY: part, DATED_KEY: session.date is not None},
        "infer": settings.infer,
    }
    if session.date is not None:
        body["timestamp"] = unix_time(session.date)
        if settings.observation_date:
            body |= {"observation_datetime": session.date.isoformat(), "timezone": "UTC"}
    return body


def _turn(message: Message, settings: Mem0Settings) -> dict[str, str]:
    said = message.rendered()
    if settings.speaker == "name":
        said = said.removeprefix(f"{message.speaker}: ")
    turn = {"role": _role(message, settings.roles), "content": said}
    return turn if settings.speaker == "content" else {**turn, "name": message.speaker}


def _role(message: Message, roles: Roles) -> str:
    if roles == "people":  # of two people, a data set has to call one the assistant
        return "assistant" if message.speaker.casefold() == "assistant" else "user"
    return message.role if roles == "given" else "user"


def batches(session: Session, messages: int, characters: int) -> Iterator[Sequence[Message]]:
    """The session's messages in order, in as few parts as these bounds allow; a longer message is a part by itself.

    Messages without text and caption are left out.
    """
    part: list[Message] = []
    size = 0
    for message in session.messages:
        if not (message.text.strip() or message.caption):
            continue
        length = len(message.rendered())
        if part and (len(part) == messages or size + length > characters):
            yield part
            part, size = [], 0
        part.append(message)
        size += length
    if part:
        yield part

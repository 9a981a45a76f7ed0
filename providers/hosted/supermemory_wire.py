"""How Supermemory v5 is spoken to: names of namespaces and documents, its replies, and what they say of sessions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any  # what a vendor's metadata may hold

from pydantic import ConfigDict, Field

from net import Reply
from vocabulary import ProviderError, SearchResult, Session

SESSION, DATE = "session_id", "session_date"
"""The keys of our metadata. They come back with documents, chunks and memories; a dot in a key would be literal."""

_NAMESPACE = re.compile(r"[A-Za-z0-9_:-]{1,100}")  # pattern and length as the v5 reference gives them
_LONGEST_NAMESPACE = 100


def namespace_of(container: str) -> str:
    """The container's own name where it may be a namespace, else what is allowed of it and a hash of all of it."""
    if _NAMESPACE.fullmatch(container):
        return container
    digest = sha256(container.encode()).hexdigest()[:24]
    return f"{re.sub('[^A-Za-z0-9_:-]', '-', container)[: _LONGEST_NAMESPACE - 25]}-{digest}"


def document_id(container: str, session_id: str) -> str:
    """The same for the same session of the same container, and for nothing else: 42 letters, digits and a hyphen."""
    return "s-" + sha256(f"{container}\0{session_id}".encode()).hexdigest()[:40]


def utc(date: datetime) -> str:
    """A naive date as UTC, with the ``Z`` that strict readers of ISO 8601 want rather than an offset."""
    return date.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def content_of(session: Session) -> str:
    """A line for each message, with its speaker and caption; "" where nobody said or showed anything."""
    return "\n".join(message.rendered() for message in session.messages if message.text.strip() or message.caption)


class Namespaces(Reply):
    """``GET /ns``; only that it answers like this is read."""

    namespaces: list[Any]


class Stored(Reply):
    """``POST /ns/{ns}/document``: taken, and being worked on."""

    id: str
    status: str


class DocumentSystem(Reply):
    """How far a document is: extraction and search index (`status`), and memories (`dreaming`)."""

    status: str
    dreaming: str | None = Field(None, alias="dreamingStatus")


class Document(Reply):
    """A document of a list, or by itself."""

    id: str
    metadata: dict[str, Any]
    system: DocumentSystem

    @property
    def session_id(self) -> str:
        """Ours, if it came from here; else the document's own."""
        return str(self.metadata.get(SESSION, self.id))

    @property
    def stage(self) -> str:
        """What it is at, in one word; "done" once its chunks and its memories can be found."""
        if self.system.status != "done":
            return self.system.status
        if self.system.dreaming is None:
            raise ProviderError(
                f"supermemory: a document of session {self.session_id} has no dreamingStatus, so that nobody can tell "
                "when its memories are there. Is the service of the right generation (v5)?"
            )
        return self.system.dreaming


class Pagination(Reply):
    """How much there is of what was listed."""

    total_pages: float = Field(alias="totalPages")
    total_items: float = Field(alias="totalItems")


class Page(Reply):
    """``POST /ns/{ns}/list/…``."""

    documents: list[Document]
    pagination: Pagination


class Amount(Reply):
    """The same, read only for how much there is."""

    pagination: Pagination


class Deleted(Reply):
    """``DELETE /ns/{ns}``."""

    status: str


class Source(Reply):
    """The document that a result comes from."""

    id: str
    metadata: dict[str, Any]


class Included(Reply):
    """What was asked for beside a result."""

    document: Source | None = None


class Found(Reply):
    """One result: a memory or a chunk. All its fields are kept, and of its document what `Source` has."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str
    memory: str | None = None
    chunk: str | None = None
    metadata: dict[str, Any]
    similarity: float
    included: Included | None = None

    @property
    def text(self) -> str:
        """The memory, the chunk, or both where it has both; "" where it has neither."""
        return "\n".join(dict.fromkeys(part.strip() for part in (self.memory, self.chunk) if part and part.strip()))

    def as_result(self) -> SearchResult:
        """With the session and the date that were sent with its document."""
        origins: list[Mapping[str, Any]] = [self.metadata]
        if self.included and self.included.document:
            origins.append(self.included.document.metadata)
        sessions = [origin[SESSION] for origin in origins if isinstance(origin.get(SESSION), str)]
        dates = [origin[DATE] for origin in origins if isinstance(origin.get(DATE), str)]
        return SearchResult(
            text=self.text,
            score=self.similarity,
            timestamp=_naive(dates[0]) if dates else None,
            session_ids=tuple(dict.fromkeys(sessions)),
            raw=self.model_dump(mode="json", by_alias=True, exclude_unset=True),
        )


class SearchReply(Reply):
    """``POST /ns/{ns}/search``."""

    results: list[Found]


def _naive(date: str) -> datetime:
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        raise ProviderError(f"supermemory: {DATE} {date!r} came back with a result and is no date") from None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment

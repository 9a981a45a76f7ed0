"""A small memory system that does all it must, and others that fail at one thing each: given to pytest by dotted path.

The name of a broken one is that of the check that must fail for it, and what is wrong with it.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from queue import Queue
from typing import ClassVar

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from providers import Limits, Provider, ProviderSettings
from vocabulary import Message, ProviderError, Question, SearchResult, Session

KEY = "the-right-key"


class KeySettings(BaseSettings, ProviderSettings):
    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix="BROKEN_", env_ignore_empty=True)

    api_key: SecretStr


class Sound(Provider):
    """Finds the messages that share most words with the question; all that it keeps is in one file of its workspace."""

    name = "sound"
    Settings = KeySettings
    limits = Limits(concurrency=4, scope="process")

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        with self.database() as rows:
            rows.execute("pragma journal_mode = wal")
            rows.execute(
                "create table if not exists said (container, session, message, date, text, "
                "primary key (container, session, message))"
            )

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        rows = sqlite3.connect(self.workspace / "said.sqlite", timeout=30)
        try:
            with rows:
                yield rows
        finally:
            rows.close()

    def check(self) -> None:
        assert isinstance(self.settings, KeySettings)
        if self.settings.api_key.get_secret_value() != KEY:
            raise ProviderError("the key is not known", status=401)

    def ingest(self, container: str, session: Session) -> None:
        self.store(container, session)

    def store(self, container: str, session: Session) -> None:
        date = self.date_of(session)
        day = date.isoformat() if date else None
        with self.database() as rows:
            for message in self.messages_of(session):
                self.put(rows, (container, session.id, message.id, day, message.rendered()))

    def put(self, rows: sqlite3.Connection, row: tuple[str | None, ...]) -> None:
        rows.execute("insert or replace into said values (?, ?, ?, ?, ?)", row)

    def messages_of(self, session: Session) -> Sequence[Message]:
        return session.messages

    def date_of(self, session: Session) -> datetime | None:
        return session.date

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        asked = _words(question.text)
        with self.database() as rows:
            said = rows.execute(*self.reads(container)).fetchall()
        scored = [(len(asked & _words(text)), session, message, date, text) for session, message, date, text in said]
        found = [self.result(*row) for row in sorted(scored, key=lambda row: -row[0]) if row[0]]
        return self.best(found, top_k)

    def reads(self, container: str) -> tuple[str, tuple[str, ...]]:
        return "select session, message, date, text from said where container = ? order by rowid", (container,)

    def result(self, score: int, session: str, message: str, date: str | None, text: str) -> SearchResult:
        return SearchResult(
            text=text,
            score=score,
            timestamp=datetime.fromisoformat(date) if date else None,
            session_ids=(session,),
            message_ids=(message,),
        )

    def best(self, found: list[SearchResult], top_k: int) -> list[SearchResult]:
        return found[:top_k]

    def clear(self, container: str) -> None:
        with self.database() as rows:
            rows.execute("delete from said where container = ?", (container,))


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3}


class FindsNotTheLastMessage(Sound):
    name = "finds-not-the-last-message"

    def messages_of(self, session: Session) -> Sequence[Message]:
        return session.messages[:-1] if len(session.messages) > 2 else session.messages


class ReadyTooEarly(Sound):
    """Indexes in the background, and says at once that it is done."""

    name = "ready-too-early"

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        self._waiting: Queue[tuple[float, str, Session] | None] = Queue()
        self._indexer = threading.Thread(target=self._index, daemon=True)
        self._indexer.start()

    def ingest(self, container: str, session: Session) -> None:
        self._waiting.put((time.monotonic() + 0.4, container, session))

    def _index(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            due, container, session = waiting
            time.sleep(max(0.0, due - time.monotonic()))
            self.store(container, session)

    def close(self) -> None:
        self._waiting.put(None)
        self._indexer.join()


class ApartNot(Sound):
    """Searches all containers, if it knows the one that it is asked about."""

    name = "apart-not"

    def reads(self, container: str) -> tuple[str, tuple[str, ...]]:
        return "select session, message, date, text from said where ? in (select container from said)", (container,)


class ApartNotAtOnce(Sound):
    """Remembers which container it is at, and forgets that several may be filled at the same moment."""

    name = "apart-not-at-once"

    def ingest(self, container: str, session: Session) -> None:
        self._container = container
        time.sleep(0.05)
        self.store(self._container, session)


class ProcessesNot(Sound):
    """Remembers in its own memory alone."""

    name = "processes-not"

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        self._mine: set[str] = set()

    def ingest(self, container: str, session: Session) -> None:
        self._mine.add(container)
        self.store(container, session)

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        return super().search(container, question, top_k) if container in self._mine else []


class DatesToday(Sound):
    name = "dates-today"

    def date_of(self, session: Session) -> datetime | None:
        return datetime.now() if session.date else None  # noqa: DTZ005  as the sessions have them


class DatesMadeUp(Sound):
    """Dates what has no date."""

    name = "dates-made-up"

    def date_of(self, session: Session) -> datetime | None:
        return session.date or datetime.now()  # noqa: DTZ005  as the sessions have them


class SpeakersNotBoth(Sound):
    name = "speakers-not-both"

    def messages_of(self, session: Session) -> Sequence[Message]:
        return [message for message in session.messages if message.role == "user"]


class ProvenanceLost(Sound):
    name = "provenance-lost"

    def result(self, score: int, session: str, message: str, date: str | None, text: str) -> SearchResult:
        return (
            super()
            .result(score, session, message, date, text)
            .model_copy(update={"session_ids": (), "message_ids": ()})
        )


class ProvenanceOfItsOwn(Sound):
    """Gives its own ids in the place of those that it was given."""

    name = "provenance-of-its-own"

    def result(self, score: int, session: str, message: str, date: str | None, text: str) -> SearchResult:
        found = super().result(score, session, message, date, text)
        return found.model_copy(update={"message_ids": (message, f"chunk-{message}")})


class RepeatsDoubled(Sound):
    name = "repeats-doubled"

    def put(self, rows: sqlite3.Connection, row: tuple[str | None, ...]) -> None:
        container, session, message, *rest = row
        (count,) = rows.execute("select count(*) from said").fetchone()
        rows.execute("insert into said values (?, ?, ?, ?, ?)", (container, session, f"{message}#{count}", *rest))

    def result(self, score: int, session: str, message: str, date: str | None, text: str) -> SearchResult:
        return super().result(score, session, message.partition("#")[0], date, text)


class UnicodeLost(Sound):
    """Keeps no emoji."""

    name = "unicode-lost"

    def put(self, rows: sqlite3.Connection, row: tuple[str | None, ...]) -> None:
        super().put(rows, tuple(cell and "".join(letter for letter in cell if ord(letter) < 0x10000) for cell in row))


class LongMessageCut(Sound):
    name = "long-message-cut"

    def put(self, rows: sqlite3.Connection, row: tuple[str | None, ...]) -> None:
        super().put(rows, tuple(cell and cell[:10_000] for cell in row))


class EmptyMessagesRefused(Sound):
    name = "empty-messages-refused"

    def messages_of(self, session: Session) -> Sequence[Message]:
        if not all(message.text.strip() for message in session.messages):
            raise ProviderError("400: content must not be empty")
        return session.messages


class ManySessionsForgotten(Sound):
    """Reads no more than the newest of what it keeps."""

    name = "many-sessions-forgotten"

    def reads(self, container: str) -> tuple[str, tuple[str, ...]]:
        query, values = super().reads(container)
        return f"{query} desc limit 30", values


class TopKIgnored(Sound):
    name = "top-k-ignored"

    def best(self, found: list[SearchResult], top_k: int) -> list[SearchResult]:
        return found if top_k else []


class TopKOfOne(Sound):
    """Gives the best result and no other, however many are asked for."""

    name = "top-k-of-one"

    def best(self, found: list[SearchResult], top_k: int) -> list[SearchResult]:
        return found[: min(top_k, 1)]


class BeforeIngestRaises(Sound):
    name = "before-ingest-raises"

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        with self.database() as rows:
            (known,) = rows.execute("select count(*) from said where container = ?", (container,)).fetchone()
        if not known:
            raise ProviderError(f"404: there is no container {json.dumps(container)}", status=404)
        return super().search(container, question, top_k)


class ClearNot(Sound):
    name = "clear-not"

    def clear(self, container: str) -> None:
        """It says that it did."""


class KeyUnasked(Sound):
    name = "key-unasked"

    def check(self) -> None:
        """Any key will do."""


class TimeLimitsNone(Sound):
    """Waits for a container to be gone that never was, without an end."""

    name = "time-limits-none"
    _never: ClassVar[threading.Event] = threading.Event()

    def clear(self, container: str) -> None:
        with self.database() as rows:
            gone = rows.execute("delete from said where container = ?", (container,)).rowcount
        if not gone:
            self._never.wait()


class Counted(Provider):
    """Does as `Sound` does, and notes each call."""

    name = "counted"

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        self._sound = Sound(settings, workspace)

    def note(self, *detail: object) -> None:
        with (Path(os.environ["WATCHED"]) / "calls").open("a") as calls:
            calls.write("\t".join(map(str, detail)) + "\n")

    def ingest(self, container: str, session: Session) -> None:
        self.note("ingest", container, len(session.messages))
        self._sound.ingest(container, session)

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        self.note("search", container, 0)
        return self._sound.search(container, question, top_k)

    def clear(self, container: str) -> None:
        self._sound.clear(container)
        with self._sound.database() as rows:
            self.note("left", container, *rows.execute("select count(*) from said where container = ?", (container,)))


class Calendar(Sound):
    """Has its dates right once somebody has mended it, in another version."""

    name = "calendar"
    version = os.environ.get("VERSION", "1")

    def date_of(self, session: Session) -> datetime | None:
        return session.date if self.version == "2" else datetime(1999, 12, 31)


class Deadly(Sound):
    """Takes its whole process down when it is asked to clear."""

    name = "deadly"

    def clear(self, container: str) -> None:
        if container.startswith("conformance-clear-"):
            os._exit(3)
        super().clear(container)

"""Vectors of texts in a file, each text's once, and exact search among those of a container."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Generic

from providers.baselines.store import BY_ID, Records, Store, StoredMessage
from providers.baselines.vector_forms import Embedded, Form, Texts
from vocabulary import Session

if TYPE_CHECKING:  # a tenth of a second to import: only who searches pays for that
    import numpy as np
    from numpy.typing import NDArray

_TABLES = (
    "create table if not exists vectors (key integer primary key, digest blob not null unique, vector blob not null)",
    """create table if not exists placed (
        container integer not null, number integer not null, vector integer not null,
        primary key (container, number)) without rowid""",
    # What this process holds of a container is of no use once another one has changed it.
    "create table if not exists revisions (container integer primary key, revision blob not null)",
    BY_ID,
)
_BLOCK = 256
_IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Block:
    """Messages of a container in order: their numbers, shape (n,), and what is known of their texts."""

    numbers: NDArray[np.int64]
    texts: Texts

    @property
    def size(self) -> int:
        return self.numbers.nbytes + self.texts.nbytes


class VectorStore(Generic[Embedded]):
    """Messages and their vectors in one SQLite file; the file's rules are those of `providers.baselines.store.Store`.

    `identity` names what makes the vectors: another embedder's are not found again. `form` says what is embedded of a
    message and how vectors are kept. Of the containers that were searched last, vectors of up to `held_bytes` stay in
    memory; a larger container is read anew at each search.
    """

    def __init__(self, path: Path, identity: str, held_bytes: int, form: Form[Embedded]) -> None:
        self._store = Store(path, *_TABLES)
        self._identity = identity.encode()
        self._form = form
        self._held = _Held(held_bytes)

    def unknown(self, session: Session) -> list[str]:
        """The texts of a session that have no vector yet, each once."""
        texts = dict.fromkeys(
            text for message in session.messages if (text := self._form.text(session, message)) is not None
        )
        with self._store.reading() as records:
            return [text for text in texts if _find_vector(records, self._digest(text)) is None]

    def put(self, container: str, session: Session, vectors: Mapping[str, Embedded]) -> None:
        """Store a session, in the place of one with the same id, with the `vectors` of what was unknown of it."""
        with self._store.writing() as records:
            stored = {text: self._form.stored(vector) for text, vector in vectors.items()}
            first = records.connection.execute("select vector from vectors limit 1").fetchone()
            for vector in stored.values() if first else ():
                self._form.check(first[0], vector)
            records.connection.executemany(
                "insert into vectors (digest, vector) values (?, ?) on conflict do nothing",
                ((self._digest(text), vector) for text, vector in stored.items()),
            )
            key = records.find_or_add(container)
            removed, added = records.put(key, session)
            records.connection.executemany(
                "delete from placed where container = ? and number = ?", ((key, message.number) for message in removed)
            )
            for placed, message in zip(added, session.messages, strict=True):
                if (text := self._form.text(session, message)) is not None:
                    records.connection.execute(
                        "insert into placed (container, number, vector) values (?, ?, ?)",
                        (key, placed.number, _find_vector(records, self._digest(text))),
                    )
            # random: a container that takes the place of a cleared one must not look like it
            records.connection.execute("insert or replace into revisions values (?, randomblob(8))", (key,))

    def nearest(self, container: str, query: NDArray[np.float32], top_k: int) -> list[tuple[StoredMessage, float]]:
        """At most `top_k` messages with their score against `query`, by the store's form, best first.

        All of them are compared. Equal scores are in the order in which the messages were said.
        """
        import numpy as np

        with self._store.reading() as records:
            key = records.find(container)
            if key is None or top_k < 1:
                return []
            compared = [(block.numbers, block.texts.scores(query)) for block in self._blocks(records, key)]
            if not compared:
                return []
            numbers = np.concatenate([part for part, _scores in compared])
            scores = np.concatenate([part for _numbers, part in compared])
            best = _best_rows(scores, top_k)
            return list(zip(records.numbered(key, numbers[best].tolist()), scores[best].tolist(), strict=True))

    def order(self, container: str, message_ids: Sequence[str]) -> dict[str, int]:
        """Of messages of a container, by their ids: the numbers that order them as they were said."""
        found: dict[str, int] = {}
        with self._store.reading() as records:
            key = records.find(container)
            for start in range(0, len(message_ids), _IDS_AT_ONCE):
                some = message_ids[start : start + _IDS_AT_ONCE]
                marks = ", ".join("?" * len(some))
                found |= records.connection.execute(
                    f"select id, number from messages where container = ? and id in ({marks})", (key, *some)
                ).fetchall()
        return found

    def clear(self, container: str) -> None:
        """Remove a container; its vectors stay for other containers with the same texts."""
        with self._store.writing() as records:
            key = records.remove(container)
            if key is not None:
                self._held.drop(key)
                records.connection.execute("delete from placed where container = ?", (key,))
                records.connection.execute("delete from revisions where container = ?", (key,))

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def _digest(self, text: str) -> bytes:
        return blake2b(text.encode(), key=blake2b(self._identity).digest(), digest_size=20).digest()

    def _blocks(self, records: Records, key: int) -> Iterator[_Block]:
        """The container's vectors: from memory if they are there and nobody has changed them, else from the file."""
        row = records.connection.execute("select revision from revisions where container = ?", (key,)).fetchone()
        revision: bytes = row[0] if row else b""
        held = self._held.get(key, revision)
        if held is not None:
            yield from held
            return
        read: list[_Block] | None = []
        for block in self._read_blocks(records, key):
            yield block
            if read is not None:
                read.append(block)
                if sum(one.size for one in read) > self._held.most:
                    read = None
        if read is not None:
            self._held.keep(key, revision, read)

    def _read_blocks(self, records: Records, key: int) -> Iterator[_Block]:
        import numpy as np

        rows = records.connection.execute(
            "select p.number, v.vector from placed p join vectors v on v.key = p.vector where p.container = ? "
            "order by p.number",
            (key,),
        )
        while some := list(islice(rows, _BLOCK)):
            numbers = np.array([number for number, _vector in some], np.int64)
            yield _Block(numbers, self._form.read([vector for _number, vector in some]))


class _Held:
    """Vectors of the containers that were searched last, `most` bytes of them; used under the store's lock."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._containers: OrderedDict[int, tuple[bytes, list[_Block], int]] = OrderedDict()

    def get(self, key: int, revision: bytes) -> list[_Block] | None:
        """What is held of that revision of a container."""
        if key not in self._containers or self._containers[key][0] != revision:
            return None
        self._containers.move_to_end(key)
        return self._containers[key][1]

    def keep(self, key: int, revision: bytes, blocks: list[_Block]) -> None:
        """Keep a container in memory, and drop those that were not searched for the longest time."""
        self.drop(key)
        self._containers[key] = (revision, blocks, sum(block.size for block in blocks))
        while sum(size for _revision, _blocks, size in self._containers.values()) > self.most:
            self._containers.popitem(last=False)

    def drop(self, key: int) -> None:
        """Drop a container from memory."""
        self._containers.pop(key, None)


def _find_vector(records: Records, digest: bytes) -> int | None:
    row = records.connection.execute("select key from vectors where digest = ?", (digest,)).fetchone()
    return int(row[0]) if row else None


def _best_rows(scores: NDArray[np.float32], top_k: int) -> NDArray[np.intp]:
    """Rows of the `top_k` highest scores, best first, equal ones in their order."""
    import numpy as np

    rows = np.arange(scores.size)
    if top_k < scores.size:  # all that reach the last place, so that a tie there is decided by order as well
        last_place = np.partition(scores, scores.size - top_k)[scores.size - top_k]
        rows = np.flatnonzero(scores >= last_place)
    return rows[np.argsort(-scores[rows], kind="stable")][:top_k]

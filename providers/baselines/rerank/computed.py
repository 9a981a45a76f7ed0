"""What models have computed from texts alone, kept for other runs with the same cache (`Provider.shared`)."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from providers.baselines.store import Store

_TABLES = (
    "create table if not exists question_vectors (question blob primary key, vector blob not null) without rowid",
    """create table if not exists pair_scores (
        question blob not null, text blob not null, score real not null,
        primary key (question, text)) without rowid""",
)


def digest(*parts: str) -> bytes:
    """Names a text, or several in their order, with what makes their vector or score: 16 bytes."""
    return blake2b("\x1f".join(parts).encode(errors="surrogatepass"), digest_size=16).digest()


class Computed:
    """Vectors of questions, and scores of questions and messages, in one SQLite file that is made when first used."""

    def __init__(self, path: Path) -> None:
        self._store = Store(path, *_TABLES)

    def vector(self, question: bytes) -> bytes | None:
        """The vector of a question, None if it is not there."""
        with self._store.reading() as records:
            query = "select vector from question_vectors where question = ?"
            row = records.connection.execute(query, (question,)).fetchone()
        return row[0] if row else None

    def keep_vector(self, question: bytes, vector: bytes) -> None:
        """Keep the vector of a question."""
        with self._store.writing() as records:
            records.connection.execute(
                "insert into question_vectors values (?, ?) on conflict do nothing", (question, vector)
            )

    def scores(self, question: bytes) -> dict[bytes, float]:
        """The scores of a question, by the text that was scored."""
        with self._store.reading() as records:
            query = "select text, score from pair_scores where question = ?"
            return dict(records.connection.execute(query, (question,)).fetchall())

    def keep_scores(self, question: bytes, scores: Mapping[bytes, float]) -> None:
        """Keep scores of a question."""
        with self._store.writing() as records:
            records.connection.executemany(
                "insert into pair_scores values (?, ?, ?) on conflict do nothing",
                ((question, text, score) for text, score in scores.items()),
            )

    def close(self) -> None:
        """Close the file."""
        self._store.close()

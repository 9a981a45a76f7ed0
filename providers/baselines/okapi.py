"""BM25 with any k1 and b over an index of FTS5, whose own function has 1.2 and 0.75."""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterable

K1, B = 1.2, 0.75
"""What FTS5's own ``bm25()`` has."""

_LEAST_IDF = 1e-6


def rank(
    connection: sqlite3.Connection, index: str, tokenizer: str, words: Iterable[str], k1: float, b: float
) -> list[tuple[int, float]]:
    """The documents of the FTS5 table `index` that hold one of `words`: (rowid, score), best first, equals by rowid.

    Okapi BM25 as FTS5 computes it (sqlite.org/fts5.html#the_bm25_function): the sum over words of
    idf * f (k1 + 1) / (f + k1 (1 - b + b length / mean length)), idf = ln((N - n + 0.5) / (n + 0.5)) and no less than
    0.000001, where f is how often a document holds the word, n how many documents do, and N how many there are.
    """
    documents, tokens = _totals(connection, index)
    if not documents:
        return []
    vocabulary = f"temp.{index}_instances"
    connection.execute(f"create virtual table if not exists {vocabulary} using fts5vocab (main, {index}, instance)")
    scores: defaultdict[int, float] = defaultdict(float)
    lengths: dict[int, int] = {}
    for term in _terms(connection, tokenizer, words):
        found = connection.execute(f"select doc, count(*) from {vocabulary} where term = ? group by doc", (term,))
        counts = dict(found.fetchall())
        idf = max(_LEAST_IDF, math.log((documents - len(counts) + 0.5) / (len(counts) + 0.5))) if counts else 0.0
        for document, count in counts.items():
            if document not in lengths:
                query = f"select sz from {index}_docsize where id = ?"
                (lengths[document],) = _varints(connection.execute(query, (document,)).fetchone()[0])
            norm = k1 * (1 - b + b * lengths[document] * documents / tokens)
            scores[document] += idf * count * (k1 + 1) / (count + norm)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _totals(connection: sqlite3.Connection, index: str) -> tuple[int, int]:
    """How many documents the index has, and how many tokens are in all of them."""
    row = connection.execute(f"select block from {index}_data where id = 1").fetchone()
    documents, tokens = [*_varints(row[0] if row else b""), 0, 0][:2]
    return documents, tokens


def _terms(connection: sqlite3.Connection, tokenizer: str, words: Iterable[str]) -> list[str]:
    """`words` as the index has them; two that it takes for one count twice, as in FTS5."""
    name = f"probe_{tokenizer.replace(' ', '_')}"
    connection.execute(f"create virtual table if not exists temp.{name} using fts5 (text, tokenize = '{tokenizer}')")
    connection.execute(f"create virtual table if not exists temp.{name}_terms using fts5vocab (temp, {name}, instance)")
    connection.execute(f"insert into temp.{name} (rowid, text) values (1, ?)", (" ".join(words),))
    terms = [row[0] for row in connection.execute(f"select term from temp.{name}_terms")]
    connection.execute(f"delete from temp.{name} where rowid = 1")
    return terms


def _varints(data: bytes) -> list[int]:
    """The numbers in a record of SQLite: seven bits a byte, the highest first, one bit for "more follows"."""
    numbers, number = [], 0
    for byte in data:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(number)
            number = 0
    return numbers

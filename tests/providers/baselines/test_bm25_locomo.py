"""BM25 on the real LoCoMo: the published level of recall, and the same hits as plain SQL written here."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from providers.base import ProviderSettings
from providers.baselines.bm25 import Bm25
from providers.baselines.stopwords import STOP_WORDS
from tests.repository import DATA
from vocabulary import Message, Question, Session

FOLDER = DATA
FILE = next((path for path in (FOLDER / "locomo" / "locomo10.json", FOLDER / "locomo10.json") if path.exists()), None)
pytestmark = pytest.mark.skipif(FILE is None, reason="needs locomo10.json in the folder that MEMORYBENCH_DATA names")

Json = dict[str, Any]  # the file's own records


@dataclass
class Search:
    conversation: str
    text: str
    category: int
    evidence: set[str]
    hits: list[tuple[str, float | None]]


def sessions_of(conversation: Json) -> Iterator[Session]:
    numbers = sorted(int(key[8:]) for key in conversation if re.fullmatch(r"session_\d+", key))
    for number in numbers:
        turns = conversation[f"session_{number}"]
        yield Session(
            id=f"session_{number}",
            date=datetime.strptime(conversation[f"session_{number}_date_time"], "%I:%M %p on %d %B, %Y"),
            messages=tuple(
                Message(
                    id=turn["dia_id"],
                    speaker=turn["speaker"],
                    role="user",
                    text=turn["text"],
                    caption=turn.get("blip_caption"),
                )
                for turn in turns
            ),
        )


@pytest.fixture(scope="module")
def samples() -> list[Json]:
    assert FILE
    loaded: list[Json] = json.loads(FILE.read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def searches(samples: list[Json], tmp_path_factory: pytest.TempPathFactory) -> list[Search]:
    memory = Bm25(ProviderSettings(), tmp_path_factory.mktemp("bm25"))
    found = []
    for sample in samples:
        name, known = sample["sample_id"], set()
        for session in sessions_of(sample["conversation"]):
            memory.ingest(name, session)
            known |= {message.id for message in session.messages}
        for record in sample["qa"]:
            named = (match for text in record["evidence"] for match in re.findall(r"D:?(\d+):(\d+)", text))
            evidence = {f"D{int(session)}:{int(turn)}" for session, turn in named} & known
            results = memory.search(name, Question(id="q", text=record["question"]), 10)
            hits = [(result.message_ids[0], result.score) for result in results]
            found.append(Search(name, record["question"], record["category"], evidence, hits))
    memory.close()
    return found


@pytest.mark.long
def test_recall_at_10_is_at_the_published_level(searches: list[Search]) -> None:
    scored = [search for search in searches if search.evidence]
    assert (len(searches), len(scored)) == (1986, 1982)
    answerable = [search for search in scored if search.category != 5]
    recall = [len(search.evidence & {id_ for id_, _ in search.hits}) / len(search.evidence) for search in answerable]
    assert len(recall) == 1536
    assert sum(recall) / len(recall) >= 0.61


@pytest.mark.long
def test_hits_and_scores_are_those_of_plain_sql(samples: list[Json], searches: list[Search]) -> None:
    expected = {sample["sample_id"]: sql_index(sample["conversation"]) for sample in samples}
    for search in searches:
        words = [word for word in re.split(r"\W+", search.text.lower()) if word and word not in STOP_WORDS]
        query = " OR ".join(dict.fromkeys(words))
        rows = expected[search.conversation].execute(
            "select id, -bm25(turns, 0, 1) as score from turns where turns match ? order by score desc, rowid limit 10",
            (f"text : ({query})",),
        )
        assert search.hits == list(rows), search.text
    for connection in expected.values():
        connection.close()


def sql_index(conversation: Json) -> sqlite3.Connection:
    """One conversation in memory, from the file's own fields, in one go."""
    connection = sqlite3.connect(":memory:")
    connection.execute("create virtual table turns using fts5 (id unindexed, text, tokenize = 'porter unicode61')")
    for number in range(1, 100):
        when = conversation.get(f"session_{number}_date_time", "").rpartition(" on ")[2].replace(",", "")
        for turn in conversation.get(f"session_{number}", []):
            image = f" [shared image: {turn['blip_caption']}]" if turn.get("blip_caption") else ""
            text = f"({when}) {turn['speaker']}: {turn['text']}{image}"
            connection.execute("insert into turns (id, text) values (?, ?)", (turn["dia_id"], text))
    return connection

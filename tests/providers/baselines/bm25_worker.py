"""A process that works on BM25 containers: MODULE WORKSPACE build|search|fill CONTAINER…

`build` ingests and searches, `search` only searches, `fill` ingests until it is killed and prints the number of each
session that is stored.
"""

from __future__ import annotations

import json
import random
import sys
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

from providers.base import ProviderSettings
from providers.baselines.bm25 import Bm25
from vocabulary import Message, Question, Session

SESSIONS = 12
WORDS = (
    "apple",
    "river",
    "guitar",
    "doctor",
    "holiday",
    "kitchen",
    "painting",
    "school",
    "garden",
    "letter",
    "bicycle",
)
QUESTIONS = ("What about the guitar?", "When did they see the river and the garden?", "apples or bicycles in May 2023")


def session(container: str, number: int) -> Session:
    chance = random.Random(f"{container} {number}")
    return Session(
        id=f"s{number}",
        date=datetime(2023, 5, 8, 13, 56) + timedelta(days=number),
        messages=tuple(
            Message(id=f"s{number}m{i}", speaker="Ann", role="user", text=" ".join(chance.choices(WORDS, k=8)))
            for i in range(chance.randint(3, 7))
        ),
    )


def ask(provider: Bm25, container: str) -> list[list[tuple[str, float | None]]]:
    answers = [provider.search(container, Question(id="q", text=question), 20) for question in QUESTIONS]
    return [[(result.message_ids[0], result.score) for result in results] for results in answers]


def main(workspace: str, mode: str, *containers: str) -> None:
    provider = Bm25(ProviderSettings(), Path(workspace))
    if mode == "fill":
        for number in count():
            provider.ingest(containers[0], session(containers[0], number))
            print(number, flush=True)
    if mode == "build":
        for container in containers:
            for number in range(SESSIONS):
                provider.ingest(container, session(container, number))
                ask(provider, container)
    print(json.dumps({container: ask(provider, container) for container in containers}))
    provider.close()


if __name__ == "__main__":
    main(*sys.argv[1:])

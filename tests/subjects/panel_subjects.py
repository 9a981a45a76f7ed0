"""Judges that vote and are watched; one of them takes the whole run down, at a moment that is known to the call.

``DEATHS`` says how many votes of that judge are paid for before each of its deaths, as in ``5,12``; a mark in
``WATCHED`` makes each happen once.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from tests.subjects.watched import Contains, first_time, note
from vocabulary import Answer, Gold, Question, Usage, Verdict


def noted(*what: str) -> Counter[str]:
    """How often each of these was noted, all processes together."""
    file = Path(os.environ["WATCHED"]) / "calls"
    message = [line.split("\t")[0] for line in file.read_text().splitlines()]
    return Counter(one for one in message if one in what)


def recorded() -> Counter[str]:
    """How many answers and votes the only checkpoint there is has."""
    (checkpoint,) = (Path(os.environ["WATCHED"]) / "runs").glob("*/checkpoint.sqlite")
    with closing(sqlite3.connect(checkpoint)) as connection:
        votes = connection.execute("select judge, count(*) from votes where state = 'done' group by judge").fetchall()
        answers = connection.execute("select count(*) from steps where phase = 'answer' and state = 'done'").fetchone()
    return Counter({"answer": answers[0], **dict(votes)})


class Sure(Contains):
    """Votes as the other judge does, and says what that used."""

    name = "sure"

    def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        verdict = super().evaluate(question, gold, answer)
        note(self.name, question.id)
        return verdict.model_copy(update={"usage": Usage(input_tokens=100, output_tokens=3), "model": self.name})


class Harsh(Sure):
    """Finds fault with every third question; where a death is due it waits until all that was paid for is on disk."""

    name = "harsh"

    def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        paid = noted("answer", "sure", "harsh")
        deaths = [int(part) for part in os.environ.get("DEATHS", "").split(",") if part]
        if paid["harsh"] in deaths and first_time(f"death-{paid['harsh']}"):
            deadline = time.monotonic() + 30
            while recorded() != noted("answer", "sure", "harsh") and time.monotonic() < deadline:
                time.sleep(0.01)
            os.killpg(os.getpgid(0), signal.SIGKILL)
        verdict = super().evaluate(question, gold, answer)
        harsh = int(question.id[1:], 16) % 3 == 0
        return verdict.model_copy(update={"label": "wrong"}) if harsh else verdict


class Moody(Sure):
    """Says something else at each try, to some."""

    name = "moody"

    def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        verdict = super().evaluate(question, gold, answer)
        moody = int(question.id[1:], 16) % 4 == 0 and first_time(f"mood-{question.id}")
        return verdict.model_copy(update={"label": "wrong"}) if moody else verdict

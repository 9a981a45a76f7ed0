"""Memory systems, an answering model and a judge that are slow, failing or watched: given to pytest by dotted path.

``WATCHED`` names a folder: ``calls`` in it gets a line for each call, and marks in it make once-only faults happen once
over all processes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from judges import Judge
from llms import Answerer
from providers import Limits, Provider, ProviderSettings
from vocabulary import Answer, Gold, ProviderError, Question, SearchResult, Session, Verdict


def unlucky(text: str) -> bool:
    """Whether this question is one of those that faults are made for: one in six, the same ones always."""
    return sha256(text.encode()).digest()[2] % 6 == 0


def speechless(text: str) -> bool:
    """Whether this question is one of those that get no answer."""
    return sha256(text.encode()).digest()[0] % 7 == 0


def note(what: str, about: str) -> None:
    with (Path(os.environ["WATCHED"]) / "calls").open("a") as calls:
        calls.write(f"{what}\t{about}\n")  # one write in append mode: whole, whichever process makes it


def noted(what: str) -> int:
    """How many such calls there were."""
    calls = Path(os.environ["WATCHED"]) / "calls"
    return sum(line.startswith(f"{what}\t") for line in calls.read_text().splitlines()) if calls.exists() else 0


def first_time(name: str) -> bool:
    mark = Path(os.environ["WATCHED"]) / sha256(name.encode()).hexdigest()
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class Watched(Provider):
    """Finds the messages that share most words with the question; remembers in files, and notes each call."""

    name = "watched"
    limits = Limits(concurrency=4, scope="process")

    def __init__(self, settings: ProviderSettings, workspace: Path) -> None:
        super().__init__(settings, workspace)
        self._sessions: dict[str, list[Session]] = {}

    def ingest(self, container: str, session: Session) -> None:
        note("ingest", f"{container} {session.id}")
        time.sleep(float(os.environ.get("SLOW_INGEST", "0")))
        folder = self.workspace / container
        folder.mkdir(exist_ok=True)
        (folder / f"{session.id}.json").write_text(session.model_dump_json())

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        note("search", question.id)
        if container not in self._sessions:
            files = sorted((self.workspace / container).glob("*.json"))
            self._sessions[container] = [Session.model_validate_json(file.read_text()) for file in files]
        asked = set(question.text.lower().split())
        found = [
            SearchResult(
                text=message.rendered(),
                score=float(len(asked & set(message.rendered().lower().split()))),
                session_ids=(session.id,),
                message_ids=(message.id,),
            )
            for session in self._sessions[container]
            for message in session.messages
        ]
        found.sort(key=lambda result: (-(result.score or 0), result.message_ids))
        return found[:top_k]

    def clear(self, container: str) -> None:
        note("clear", container)
        for file in (self.workspace / container).glob("*.json"):
            file.unlink()


class Slow(Watched):
    """Takes its time for each search: ``SLOW`` seconds."""

    name = "slow"

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        note("begin", question.id)
        time.sleep(float(os.environ.get("SLOW", "0.1")))
        return super().search(container, question, top_k)


class Flaky(Watched):
    """Fails at the first search for some questions; not in a way that retrying within the call is meant for."""

    name = "flaky"

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        if unlucky(question.text) and first_time(question.id):
            note("fault", question.id)
            raise ProviderError("the index is being rebuilt")
        return super().search(container, question, top_k)


class Broken(Watched):
    """Fails for some questions until somebody has mended it."""

    name = "broken"

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        if unlucky(question.text) and not (Path(os.environ["WATCHED"]) / "mended").exists():
            raise ProviderError("no answer from 10.0.0.7")
        return super().search(container, question, top_k)


class Deadly(Slow):
    """Takes its whole process down, once."""

    name = "deadly"

    def search(self, container: str, question: Question, top_k: int) -> Sequence[SearchResult]:
        found = super().search(container, question, top_k)
        if unlucky(question.text) and first_time("death"):
            os._exit(3)
        return found


class First(Answerer):
    """Answers with the best result; to some questions it says nothing."""

    name = "first"
    offline = True

    def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        note("answer", question.id)
        time.sleep(float(os.environ.get("SLOW_ANSWER", "0")))
        return Answer(hypothesis=results[0].text if results and not speechless(question.text) else "")


class Contains(Judge):
    """Looks for the ground truth in the answer; a question that has none is rightly answered with nothing."""

    name = "contains"
    protocol = "contains-1"

    def evaluate(self, question: Question, gold: Gold, answer: Answer) -> Verdict:
        note("judge", question.id)
        if not answer.hypothesis and gold.answerable:
            return Verdict(label="abstained", explanation="nothing was said")
        right = gold.ground_truth.lower() in answer.hypothesis.lower() if gold.answerable else not answer.hypothesis
        return Verdict(
            label="correct" if right else "wrong",
            explanation=f"{gold.ground_truth!r} is {'' if right else 'not '}in it",
        )


class Talkative(First):
    """Answers with twenty kilobytes."""

    name = "talkative"

    def answer(self, question: Question, results: Sequence[SearchResult]) -> Answer:
        return Answer(hypothesis=super().answer(question, results).hypothesis + question.id * 1200)

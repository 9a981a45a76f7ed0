"""Which question of a benchmark a published answer belongs to: by the data set's id, by its place, by its text."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bench.published.answers import PublishedAnswer
from vocabulary import Case


class Matched(NamedTuple):
    """An answer and its case; `other_words` says that the text of the question is not the data's."""

    answer: PublishedAnswer
    case: Case
    other_words: bool


class Matching(NamedTuple):
    """What came of all answers: `unmatched` have no question, or one that an earlier answer has."""

    matched: list[Matched]
    unmatched: list[PublishedAnswer]


def match(answers: Iterable[PublishedAnswer], cases: Sequence[Case]) -> Matching:
    """Find the case of each answer; no case is taken twice.

    An id of the data set is enough. A place (conversation and number) must have the same text, for publishers may count
    otherwise; then the text is looked for in the conversation that is named, and in all of them, where it must be
    unique.
    """
    index, taken = _Index(cases), set[str]()
    found = Matching([], [])
    for answer in answers:
        case = index.find(answer, taken)
        if case is None:
            found.unmatched.append(answer)
            continue
        taken.add(case.id)
        other = bool(answer.question) and _plain(answer.question) != _plain(case.question.text)
        found.matched.append(Matched(answer, case, other))
    return found


class _Index:
    def __init__(self, cases: Sequence[Case]) -> None:
        self._by_id = {case.source_id: case for case in cases}
        self._clusters: dict[str, list[Case]] = defaultdict(list)
        self._by_text: dict[tuple[str, str], list[Case]] = defaultdict(list)
        self._anywhere: dict[str, list[Case]] = defaultdict(list)
        for case in cases:
            text = _plain(case.question.text)
            self._clusters[case.cluster].append(case)
            self._by_text[case.cluster, text].append(case)
            self._anywhere[text].append(case)
        self._names = list(self._clusters)

    def find(self, answer: PublishedAnswer, taken: set[str]) -> Case | None:
        """The case of `answer`, not one of `taken`."""
        case = self._by_id.get(answer.source_id or "")
        if case is not None:
            return None if case.id in taken else case
        text, cluster = _plain(answer.question), self._cluster(answer.conversation)
        if not text:
            return None
        placed = self._clusters[cluster] if cluster else []
        if answer.number is not None and answer.number < len(placed):
            case = placed[answer.number]
            if _plain(case.question.text) == text and case.id not in taken:
                return case
        # without a number, questions that repeat word for word are taken in their order
        if among := self._by_text.get((cluster or "", text)):
            return next((case for case in among if case.id not in taken), None)
        everywhere = self._anywhere.get(text, [])
        return everywhere[0] if len(everywhere) == 1 and everywhere[0].id not in taken else None

    def _cluster(self, conversation: int | str | None) -> str | None:
        if isinstance(conversation, int):
            return self._names[conversation] if 0 <= conversation < len(self._names) else None
        return conversation if conversation in self._clusters else None


def _plain(text: str) -> str:
    """A text without what printing changes: spaces and their number, and case."""
    return re.sub(r"\s+", " ", text).strip().casefold()

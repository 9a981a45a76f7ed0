"""Which sentence of what was found speaks most of what is asked."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from vocabulary import SearchResult

CONSIDERED = 20
"""How many of the results are read, best first: further ones never held the best sentence often enough to matter."""

_MESSAGE = 0.5  # what the rest of the message counts for, against the sentence itself
_NAMED = 0.4  # for being said by whom the question names
_RANK = 0.1  # for each e-fold of the provider's rank
_ASKS = 0.6  # for being a question: it seldom holds an answer

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")  # noqa: RUF001  people write apostrophes both ways
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_RENDERED = re.compile(
    r"^(?:(?P<speaker>[^\n:]{1,40}): )?(?P<body>.*?)(?: \[shared image: (?P<caption>.*)\])?$", re.DOTALL
)

STOP_WORDS = frozenset(
    """a about after again all also am an and any are aren't as at be because been before being but by can can't could
    did didn't do does doesn't doing don't for from get go going gonna got had has have having he he's her here hers hey
    him his how i i'd i'll i'm i've if in into is isn't it it's its just kind let's like lot made make many may me might
    more most much my no not now of off oh on one or our out over own really she she's should so some something such
    sure tell than thanks that that's the their them then there there's these they they're this those to too type up us
    very was wasn't way we we're we've well were what what's when where which while who whom whose why will with would
    wow yeah yes yet you you're your""".split()  # noqa: SIM905  a list of 150 quoted words is harder to read
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a search result, with its whole message (`message`, caption included), who said it and when.

    `named` says whether the question names its speaker. `relevance` only ranks sentences of one question. `coverage` is
    the share of the question's content, weighted by rarity and without the speakers' names, that the message speaks of:
    0 to 1; `stated` is the same without the sentences of the message that only ask.
    """

    text: str
    message: str
    said: datetime | None
    named: bool
    relevance: float
    coverage: float
    stated: float


def words(text: str) -> list[str]:
    """The words of a text as they stand, apostrophes inside them kept."""
    return _WORD.findall(text.replace("’", "'"))  # noqa: RUF001  the curly apostrophe


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A word without its commonest endings: enough to let "painted" meet "painting"."""
    word = word.lower().removesuffix("'s")
    if len(word) < 4:
        return word
    for ending, rest in (("ies", "i"), ("ied", "i"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(ending) + rest
            break
    word = word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz" else word
    return word[:-1] + "i" if word.endswith("y") else word.removesuffix("e")


def content(text: str) -> list[str]:
    """The stems of the words of a text that are no stop words, in their order."""
    return [stem(word) for word in words(text) if word.lower() not in STOP_WORDS]


def rank_sentences(question: str, results: Sequence[SearchResult]) -> list[Sentence]:
    """The sentences of the first `CONSIDERED` results, the one that speaks most of the question first.

    A word weighs by its rarity among the results. The order is the same on every machine: ties keep the order of the
    results.
    """
    read = [_parts(result.text) for result in results[:CONSIDERED]]
    speakers = {stem(speaker) for speaker, _, _ in read}
    words_asked = set(content(question))
    asked = sorted(words_asked - speakers)
    stems = [set(content(f"{body} {caption}")) for _, body, caption in read]
    weight = {word: math.log(1 + (len(read) + 1) / (sum(word in found for found in stems) + 0.5)) for word in asked}
    total = sum(weight.values()) or 1.0
    ranked: list[Sentence] = []

    def share(held: set[str]) -> float:
        return sum(weight[word] for word in asked if word in held) / total

    for rank, (result, (speaker, body, caption), found) in enumerate(zip(results, read, stems, strict=False)):
        named = stem(speaker) in words_asked
        sentences = [part for part in map(str.strip, _SENTENCE_END.split(body)) if part]
        statements = " ".join(part for part in sentences if not part.endswith("?"))

        coverage, stated = share(found), share(set(content(f"{statements} {caption}")))
        for part in sentences:
            relevance = share(set(content(part))) + _MESSAGE * coverage + _NAMED * named
            relevance -= _RANK * math.log1p(rank) + _ASKS * part.endswith("?")
            message = f"{body} {caption}".strip()
            ranked.append(Sentence(part, message, result.timestamp, named, relevance, coverage, stated))
    ranked.sort(key=lambda sentence: -round(sentence.relevance, 9))
    return ranked


def _parts(text: str) -> tuple[str, str, str]:
    match = _RENDERED.match(text)
    return (match["speaker"] or "", match["body"], match["caption"] or "") if match else ("", text, "")
